//! Every namespace that is not going away has an account `default`.

use super::{Controller, Next};
use crate::objects::Registry;
use crate::objects::kinds::{NAMESPACE, SERVICE_ACCOUNT};
use crate::objects::registry::key;
use crate::status::ApiError;
use crate::store::{Event, EventKind, Key, Prefix};
use serde_json::json;
use std::sync::Arc;

/// The account that a pod has when it names none.
const DEFAULT_ACCOUNT: &str = "default";

pub(super) struct DefaultAccount(pub(super) Arc<Registry>);

/// Namespaces that take content; names from the index, no bodies.
pub(super) fn open_namespaces(registry: &Registry) -> Vec<String> {
    registry.store().index().read(|view| {
        let all = Key::prefix_all(NAMESPACE.stored_as);
        let rows = view.rows(&all);
        rows.filter(|(_, row)| !row.terminating).map(|(key, _)| key.parts().2.to_owned()).collect()
    })
}

/// Whether a namespace is there and takes content.
pub(super) fn is_open(registry: &Registry, namespace: &str) -> Result<bool, ApiError> {
    let row = registry.store().index().row(&key(&NAMESPACE, "", namespace)?);
    Ok(row.is_some_and(|row| !row.terminating))
}

impl Controller for DefaultAccount {
    type Item = String;
    const NAME: &'static str = "default_account";

    fn prefixes(&self) -> (Prefix, Option<Prefix>) {
        (Key::prefix_all(NAMESPACE.stored_as), Some(Key::prefix_all(SERVICE_ACCOUNT.stored_as)))
    }

    fn all(&self) -> Vec<String> {
        open_namespaces(&self.0)
    }

    fn touched(&self, event: &Event) -> Vec<String> {
        let (resource, namespace, name) = event.key.parts();
        match event.kind {
            _ if resource == NAMESPACE.stored_as => vec![name.to_owned()],
            EventKind::Deleted if name == DEFAULT_ACCOUNT => vec![namespace.to_owned()],
            _ => Vec::new(),
        }
    }

    async fn work(&self, namespace: &String) -> Result<Next, ApiError> {
        ensure(&self.0, namespace).await?;
        Ok(Next::Done)
    }
}

/// Makes the account of a namespace unless it is there. Whoever makes a namespace calls this too, so that the account
/// is there before the answer is; the controller looks after it from then on.
///
/// # Errors
/// When the store fails.
pub async fn ensure(registry: &Registry, namespace: &str) -> Result<(), ApiError> {
    let account = key(&SERVICE_ACCOUNT, namespace, DEFAULT_ACCOUNT)?;
    if !is_open(registry, namespace)? || registry.store().index().row(&account).is_some() {
        return Ok(());
    }
    let body = json!({"metadata": {"name": DEFAULT_ACCOUNT}});
    match registry.create(&SERVICE_ACCOUNT, namespace, body, false).await {
        // The controller and the request that made the namespace may meet here.
        Ok(_) | Err(ApiError::AlreadyExists(_)) => Ok(()),
        Err(error) => Err(error),
    }
}
