//! What nobody owns any more goes: `metadata.ownerReferences`, in the background, in the foreground, or set free.
//!
//! Memory: of all objects only the uids of owners that are there are kept (16 bytes each). Whoever is owned is found by
//! reading, page by page, in the namespace of an owner that goes, and only when something was ever seen to name it.

mod fate;
#[cfg(test)]
mod tests;

use super::{Controller, Next};
use crate::objects::delete::{DeleteOptions, FOREGROUND, ORPHAN, Propagation};
use crate::objects::kind::text;
use crate::objects::registry::{decode, key};
use crate::objects::selector::Selector;
use crate::objects::{Kind, Registry, Write};
use crate::status::ApiError;
use crate::store::{Event, EventKind, Key, Prefix};
use fate::{Fate, Owner, Reference, fate, held_by, is_waiting, references};
use serde_json::Value;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

/// The collector.
pub(super) struct Garbage {
    registry: Arc<Registry>,
    /// Objects that are there and that some object names, or named, as its owner.
    owners: Mutex<HashSet<Uuid>>,
}

/// What is looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Item {
    /// Every object of a kind, by where it is stored.
    Survey(String),
    /// An object that names owners.
    Owned(String),
    /// An object that waits for what it owns.
    Waiting(String),
    /// What an object owned that is gone; namespace empty: it had none.
    Lost { namespace: String, uid: String },
}

/// What a scan does with every object that names an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    /// Does what its owners' state says.
    Judge,
    /// Takes the owner out.
    SetFree,
}

/// What a scan found.
#[derive(Clone, Copy, Debug, Default)]
struct Scanned {
    /// Something must be looked at again.
    again: bool,
    /// Something that the owner waits for is still there.
    blocked: bool,
}

impl Garbage {
    pub(super) fn new(registry: Arc<Registry>) -> Self {
        Self { registry, owners: Mutex::default() }
    }

    fn is_owner(&self, uid: &str) -> bool {
        let uid = Uuid::try_parse(uid);
        uid.is_ok_and(|uid| self.owners.lock().unwrap_or_else(PoisonError::into_inner).contains(&uid))
    }

    fn kind_of(&self, stored_as: &str) -> Option<&'static Kind> {
        self.registry.kinds().iter().copied().find(|kind| kind.stored_as == stored_as)
    }

    /// Kind, namespace and name of a stored object.
    fn parse<'a>(&self, key: &'a Key) -> Option<(&'static Kind, &'a str, &'a str)> {
        let (resource, namespace, name) = key.parts();
        Some((self.kind_of(resource)?, namespace, name))
    }

    /// Where an owner is looked for. `None`: nobody can tell, and it counts as there.
    fn place(&self, reference: &Reference<'_>, namespace: &str) -> Option<(&'static Kind, Key)> {
        let group = reference.api_version.split_once('/').map_or("", |(group, _)| group);
        let kinds = self.registry.kinds();
        let kind = kinds.iter().copied().find(|k| k.group == group && k.kind == reference.kind)?;
        // Kubernetes 1.36: an object without a namespace cannot be owned by one that has one.
        if kind.namespaced && namespace.is_empty() {
            return None;
        }
        Some((kind, key(kind, namespace, reference.name).ok()?))
    }

    /// How an owner stands now; one that is there is remembered.
    fn owner(&self, reference: &Reference<'_>, namespace: &str) -> Owner {
        let Some((kind, key)) = self.place(reference, namespace) else { return Owner::Solid };
        let Some(row) = self.registry.store().index().row(&key) else { return Owner::Absent };
        if Uuid::try_parse(reference.uid).ok() != Some(row.uid) {
            return Owner::Absent;
        }
        self.owners.lock().unwrap_or_else(PoisonError::into_inner).insert(row.uid);
        let going = row.deletion.is_some();
        let (_, namespace, name) = key.parts();
        match going.then(|| self.registry.get(kind, namespace, name)) {
            Some(Ok(object)) if held_by(&object, FOREGROUND) => Owner::Waiting,
            _ => Owner::Solid,
        }
    }

    /// Looks at one object and does what its owners' state says.
    async fn judge(&self, kind: &Kind, object: &Value) -> Result<Next, ApiError> {
        let (namespace, name) = (text(object, "/metadata/namespace"), text(object, "/metadata/name"));
        let owners: Vec<(String, Owner)> =
            references(object).map(|r| (r.uid.to_owned(), self.owner(&r, namespace))).collect();
        let owns = self.is_owner(text(object, "/metadata/uid"));
        match fate(object, &owners, owns) {
            Fate::Keep => Ok(Next::Done),
            Fate::Release(uids) => self.release(kind, object, &uids).await,
            Fate::Delete { foreground } => {
                let options = DeleteOptions {
                    propagation: foreground.then_some(Propagation::Foreground),
                    uid: Some(text(object, "/metadata/uid").to_owned()),
                    version: Some(text(object, "/metadata/resourceVersion").to_owned()),
                    ..DeleteOptions::default()
                };
                settled(self.registry.delete(kind, namespace, name, &options).await)
            }
        }
    }

    /// Takes owners out of an object.
    async fn release(&self, kind: &Kind, object: &Value, uids: &[String]) -> Result<Next, ApiError> {
        let mut free = object.clone();
        if let Some(entries) = free["metadata"]["ownerReferences"].as_array_mut() {
            entries.retain(|entry| !uids.iter().any(|uid| uid == text(entry, "/uid")));
        }
        self.write(kind, free).await
    }

    async fn write(&self, kind: &Kind, object: Value) -> Result<Next, ApiError> {
        let (namespace, name) = (text(&object, "/metadata/namespace"), text(&object, "/metadata/name"));
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        settled(self.registry.update(kind, &namespace, &name, object, Write::default()).await)
    }

    /// Looks at all that names `uid` as an owner: in a namespace, or everywhere.
    async fn scan(&self, namespace: &str, uid: &str, deed: Deed) -> Result<Scanned, ApiError> {
        let mut scanned = Scanned::default();
        let kinds = self.registry.kinds();
        for kind in kinds.iter().filter(|k| k.namespaced || namespace.is_empty()) {
            let mut after = None;
            loop {
                let page = self.registry.page(kind, namespace, &Selector::default(), after.as_ref())?;
                for (key, stored) in page.items {
                    // Most objects are none of it, and are not even parsed.
                    if mentions(&stored.body, uid) {
                        self.owned(kind, &decode(kind, &stored)?, uid, deed, &mut scanned).await?;
                    }
                    after = Some(key);
                }
                if !page.more {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        Ok(scanned)
    }

    async fn owned(
        &self,
        kind: &Kind,
        object: &Value,
        uid: &str,
        deed: Deed,
        scanned: &mut Scanned,
    ) -> Result<(), ApiError> {
        let entries = references(object).filter(|r| r.uid == uid);
        let Some(blocks) = entries.map(|r| r.blocks).reduce(|a, b| a || b) else { return Ok(()) };
        let next = match deed {
            Deed::Judge => self.judge(kind, object).await?,
            Deed::SetFree => self.release(kind, object, &[uid.to_owned()]).await?,
        };
        scanned.again |= next == Next::Again;
        let own = text(object, "/metadata/uid");
        let place = key(kind, text(object, "/metadata/namespace"), text(object, "/metadata/name"))?;
        let row = self.registry.store().index().row(&place);
        scanned.blocked |= blocks && row.is_some_and(|row| row.uid.hyphenated().to_string() == own);
        Ok(())
    }

    /// Looks at every object of a kind once.
    async fn survey(&self, kind: &'static Kind) -> Result<Next, ApiError> {
        let (mut after, mut next) = (None, Next::Done);
        loop {
            let page = self.registry.page(kind, "", &Selector::default(), after.as_ref())?;
            for (key, stored) in page.items {
                if mentions(&stored.body, "ownerReferences") || mentions(&stored.body, "deletionTimestamp") {
                    let object = decode(kind, &stored)?;
                    let done = [self.judge(kind, &object).await?, self.attend(kind, &object).await?];
                    if done.contains(&Next::Again) {
                        next = Next::Again;
                    }
                }
                after = Some(key);
            }
            if !page.more {
                return Ok(next);
            }
            tokio::task::yield_now().await;
        }
    }

    /// Lets go of an object whose owned ones are set free, or gone.
    async fn attend(&self, kind: &Kind, object: &Value) -> Result<Next, ApiError> {
        let uid = text(object, "/metadata/uid");
        let namespace = text(object, "/metadata/namespace");
        if held_by(object, ORPHAN) {
            let scanned = self.scan(namespace, uid, Deed::SetFree).await?;
            return if scanned.again { Ok(Next::Again) } else { self.let_go(kind, object, ORPHAN).await };
        }
        if !held_by(object, FOREGROUND) {
            return Ok(Next::Done);
        }
        match self.scan(namespace, uid, Deed::Judge).await? {
            Scanned { again: true, .. } => Ok(Next::Again),
            // The end of one that blocks is an event that brings this object back here.
            Scanned { blocked: true, .. } => Ok(Next::Done),
            Scanned { .. } => self.let_go(kind, object, FOREGROUND).await,
        }
    }

    async fn let_go(&self, kind: &Kind, object: &Value, finalizer: &str) -> Result<Next, ApiError> {
        let mut free = object.clone();
        if let Some(finalizers) = free["metadata"]["finalizers"].as_array_mut() {
            finalizers.retain(|one| one != finalizer);
        }
        self.write(kind, free).await
    }

    async fn look(&self, stored: &str, waiting: bool) -> Result<Next, ApiError> {
        let Some(stored) = Key::parse(stored) else { return Ok(Next::Done) };
        let Some((kind, namespace, name)) = self.parse(&stored) else { return Ok(Next::Done) };
        let object = self.registry.get(kind, namespace, name)?;
        if waiting { self.attend(kind, &object).await } else { self.judge(kind, &object).await }
    }
}

/// What somebody else changed meanwhile is looked at again; what is gone is done.
fn settled<T>(result: Result<T, ApiError>) -> Result<Next, ApiError> {
    match result {
        Ok(_) | Err(ApiError::NotFound(_)) => Ok(Next::Done),
        Err(ApiError::Conflict(..)) => Ok(Next::Again),
        // One that cannot be changed must not keep the others from being looked at.
        Err(error @ (ApiError::Invalid(..) | ApiError::BadRequest(_) | ApiError::Forbidden(..))) => {
            tracing::warn!(controller = Garbage::NAME, error = error.message(), "left as it is");
            Ok(Next::Done)
        }
        Err(error) => Err(error),
    }
}

fn mentions(body: &[u8], text: &str) -> bool {
    std::str::from_utf8(body).is_ok_and(|body| body.contains(text))
}

impl Controller for Garbage {
    type Item = Item;
    const NAME: &'static str = "garbage";

    fn prefixes(&self) -> (Prefix, Option<Prefix>) {
        (Key::everything(), None)
    }

    fn all(&self) -> Vec<Item> {
        self.registry.kinds().iter().map(|kind| Item::Survey(kind.stored_as.to_owned())).collect()
    }

    fn touched(&self, event: &Event) -> Vec<Item> {
        let at = || event.key.as_str().to_owned();
        let (_, namespace, _) = event.key.parts();
        let mut items = Vec::new();
        let read = |body: &[u8]| -> Option<Value> {
            let worth = mentions(body, "ownerReferences") || mentions(body, "deletionTimestamp");
            worth.then(|| serde_json::from_slice(body).ok()).flatten()
        };
        if event.kind == EventKind::Deleted {
            let last: Option<Value> = serde_json::from_slice(&event.body).ok();
            let uid = last.as_ref().map_or("", |object| text(object, "/metadata/uid")).to_owned();
            if self.is_owner(&uid) {
                items.push(Item::Lost { namespace: namespace.to_owned(), uid });
            }
        } else if let Some(object) = read(&event.body) {
            if references(&object).next().is_some() {
                items.push(Item::Owned(at()));
            }
            if is_waiting(&object) {
                items.push(Item::Waiting(at()));
            }
        }
        // Owners that wait for this object may be waiting no longer.
        if let Some(before) = event.prev_body.as_deref().and_then(read) {
            for reference in references(&before) {
                let Some((_, key)) = self.place(&reference, namespace) else { continue };
                if self.registry.store().index().row(&key).is_some_and(|row| row.deletion.is_some()) {
                    items.push(Item::Waiting(key.as_str().to_owned()));
                }
            }
        }
        items
    }

    async fn work(&self, item: &Item) -> Result<Next, ApiError> {
        match item {
            Item::Survey(stored_as) => match self.kind_of(stored_as) {
                Some(kind) => self.survey(kind).await,
                None => Ok(Next::Done),
            },
            Item::Owned(key) => self.look(key, false).await,
            Item::Waiting(key) => self.look(key, true).await,
            Item::Lost { namespace, uid } => {
                if self.scan(namespace, uid, Deed::Judge).await?.again {
                    return Ok(Next::Again);
                }
                if let Ok(uid) = Uuid::try_parse(uid) {
                    self.owners.lock().unwrap_or_else(PoisonError::into_inner).remove(&uid);
                }
                Ok(Next::Done)
            }
        }
    }
}
