//! A namespace that is going away is emptied, then let go.
//!
//! Kubernetes 1.36: pods first, each with its own grace period, and everything else only once no pod is left, so that a
//! pod that is ending keeps its account and its Secrets. What finalizers hold is waited for, and told in
//! `status.conditions`.

use super::namespace_conditions::Remaining;
use super::{Controller, Next};
use crate::objects::delete::{DeleteOptions, Deleted};
use crate::objects::kinds::{NAMESPACE, POD};
use crate::objects::registry::{key, prefix};
use crate::objects::{Kind, Part, Registry, Write};
use crate::status::ApiError;
use crate::store::{Event, Key, Prefix};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The finalizer that stands for a namespace's content.
const CONTENT: &str = "kubernetes";
/// Names taken from the index at a time.
const PAGE_NAMES: usize = 500;

pub(super) struct Namespaces(pub(super) Arc<Registry>);

impl Namespaces {
    /// Whether a namespace is to be emptied: it is going away, or gone while something came into it.
    fn closing(&self, namespace: &str) -> Result<bool, ApiError> {
        let row = self.0.store().index().row(&key(&NAMESPACE, "", namespace)?);
        Ok(row.is_none_or(|row| row.terminating))
    }

    /// Deletes every object of a kind; notes those that are still there.
    async fn delete_all(&self, kind: &Kind, namespace: &str, left: &mut Remaining) -> Result<(), ApiError> {
        let prefix = prefix(kind, namespace);
        let mut after = None;
        loop {
            let keys: Vec<Key> = self.0.store().index().read(|view| {
                view.rows_after(&prefix, after.as_ref()).take(PAGE_NAMES).map(|(key, _)| key).collect()
            });
            let Some(last) = keys.last() else { return Ok(()) };
            after = Some(last.clone());
            for key in keys {
                match self.0.delete(kind, namespace, key.parts().2, &DeleteOptions::default()).await {
                    Ok(Deleted::Marked(object)) => left.note(kind.plural, kind.group, &object),
                    Ok(Deleted::Gone(_)) | Err(ApiError::NotFound(_)) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }

    /// Deletes pods, then all else; gives back what is left.
    async fn empty(&self, namespace: &str) -> Result<Remaining, ApiError> {
        let mut left = Remaining::default();
        self.delete_all(&POD, namespace, &mut left).await?;
        if !left.is_empty() {
            return Ok(left);
        }
        // Kinds with several groups or versions are several ways to the same objects.
        let mut done = BTreeSet::from([POD.stored_as]);
        for kind in self.0.kinds().iter().copied().filter(|k| k.namespaced && done.insert(k.stored_as)) {
            self.delete_all(kind, namespace, &mut left).await?;
        }
        Ok(left)
    }

    /// Says in the namespace what is left in it.
    async fn tell(&self, namespace: &str, left: &Remaining) -> Result<(), ApiError> {
        let mut object = match self.0.get(&NAMESPACE, "", namespace) {
            // Gone while something came into it: nobody is left to be told.
            Err(ApiError::NotFound(_)) => return Ok(()),
            found => found?,
        };
        let now = self.0.clock().now().rfc3339();
        let Some(conditions) = left.conditions(&object["status"]["conditions"], &now) else { return Ok(()) };
        object["status"]["conditions"] = conditions;
        let write = Write { part: Part::Status, ..Write::default() };
        match self.0.update(&NAMESPACE, "", namespace, object, write).await {
            // Whoever was faster is heard of, and this is done again.
            Ok(_) | Err(ApiError::Conflict(..) | ApiError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Gives up the hold on a namespace whose content is gone.
    async fn let_go(&self, namespace: &str) -> Result<(), ApiError> {
        let mut object = self.0.get(&NAMESPACE, "", namespace)?;
        if let Some(holders) = object["spec"]["finalizers"].as_array_mut() {
            holders.retain(|holder| holder != CONTENT);
        } else {
            object["spec"]["finalizers"] = json!([]);
        }
        let write = Write { part: Part::Finalizers, ..Write::default() };
        self.0.update(&NAMESPACE, "", namespace, object, write).await.map(|_: Value| ())
    }
}

impl Controller for Namespaces {
    type Item = String;
    const NAME: &'static str = "namespace";

    fn prefixes(&self) -> (Prefix, Option<Prefix>) {
        (Key::prefix_all(NAMESPACE.stored_as), Some(Key::prefix_all(POD.stored_as)))
    }

    /// Namespaces that are going away, and those that are gone and not empty: a server that stopped between the two
    /// leaves what came in at the last moment.
    fn all(&self) -> Vec<String> {
        let kinds = self.0.kinds();
        self.0.store().index().read(|view| {
            let all = Key::prefix_all(NAMESPACE.stored_as);
            let spaces = || view.rows(&all);
            let known: BTreeSet<String> = spaces().map(|(key, _)| key.parts().2.to_owned()).collect();
            let closing = spaces().filter(|(_, row)| row.terminating);
            let mut found: BTreeSet<String> = closing.map(|(key, _)| key.parts().2.to_owned()).collect();
            let places: BTreeSet<&str> = kinds.iter().filter(|k| k.namespaced).map(|k| k.stored_as).collect();
            for stored_as in places {
                for (key, _) in view.rows(&Key::prefix_all(stored_as)) {
                    let namespace = key.parts().1;
                    if !known.contains(namespace) && !found.contains(namespace) {
                        found.insert(namespace.to_owned());
                    }
                }
            }
            found.into_iter().collect()
        })
    }

    fn touched(&self, event: &Event) -> Vec<String> {
        let (resource, namespace, name) = event.key.parts();
        let namespace = if resource == NAMESPACE.stored_as { name } else { namespace };
        match self.closing(namespace) {
            Ok(true) => vec![namespace.to_owned()],
            _ => Vec::new(),
        }
    }

    async fn work(&self, namespace: &String) -> Result<Next, ApiError> {
        if !self.closing(namespace)? {
            return Ok(Next::Done);
        }
        let left = self.empty(namespace).await?;
        if !left.is_empty() {
            self.tell(namespace, &left).await?;
            return Ok(Next::Again);
        }
        match self.let_go(namespace).await {
            Ok(()) => {}
            Err(ApiError::NotFound(_)) => return Ok(Next::Done),
            Err(ApiError::Conflict(..)) => return Ok(Next::Again),
            Err(error) => return Err(error),
        }
        // A creation that was already on its way when the namespace was marked may have come through.
        Ok(if self.empty(namespace).await?.is_empty() { Next::Done } else { Next::Again })
    }
}
