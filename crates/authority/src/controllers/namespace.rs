//! Namespaces: each has its `default` account and the root certificate; one that is going away is emptied, then removed.

use super::Follow;
use crate::objects::delete::DeleteOptions;
use crate::objects::kind::text;
use crate::objects::kinds::{self, CONFIG_MAP, NAMESPACE, SERVICE_ACCOUNT};
use crate::objects::list::ListOptions;
use crate::objects::{Kind, Part, Registry, Write};
use crate::status::ApiError;
use crate::store::Key;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The account that a pod has when it names none.
const DEFAULT_ACCOUNT: &str = "default";
/// The ConfigMap that holds the certificate authority of the API server.
const ROOT_CA: &str = "kube-root-ca.crt";
/// Milliseconds until a failed round is tried again.
const RETRY_MILLIS: u64 = 500;

/// Works for ever.
pub async fn run(registry: Arc<Registry>, ca_pem: Arc<str>) {
    let mut namespaces = Follow::new(&registry, Key::prefix_all(NAMESPACE.stored_as));
    let mut accounts = Follow::new(&registry, Key::prefix_all(SERVICE_ACCOUNT.stored_as));
    let mut maps = Follow::new(&registry, Key::prefix_all(CONFIG_MAP.stored_as));
    loop {
        tokio::select! {
            () = namespaces.changed() => {}
            () = accounts.changed() => {}
            () = maps.changed() => {}
        }
        while let Err(error) = round(&registry, &ca_pem).await {
            tracing::error!(error = error.message(), "namespace controller");
            tokio::time::sleep(Duration::from_millis(RETRY_MILLIS)).await;
        }
    }
}

async fn round(registry: &Registry, ca_pem: &str) -> Result<(), ApiError> {
    let names: Vec<(String, bool)> = registry.store().index().read(|view| {
        view.rows(&Key::prefix_all(NAMESPACE.stored_as))
            .map(|(key, row)| (key.parts().2.to_owned(), row.terminating))
            .collect()
    });
    for (name, terminating) in names {
        if terminating {
            empty(registry, &name).await?;
            continue;
        }
        let account = json!({"metadata": {"name": DEFAULT_ACCOUNT}});
        ensure(registry, &SERVICE_ACCOUNT, &name, DEFAULT_ACCOUNT, account).await?;
        let data = json!({"ca.crt": ca_pem});
        let described = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";
        let map = json!({
            "metadata": {"name": ROOT_CA, "annotations": {"kubernetes.io/description": described}},
            "data": data,
        });
        ensure(registry, &CONFIG_MAP, &name, ROOT_CA, map).await?;
        let found = match registry.get(&CONFIG_MAP, &name, ROOT_CA) {
            Ok(found) if found["data"]["ca.crt"] != ca_pem => found,
            _ => continue,
        };
        let mut fixed = found;
        fixed["data"] = json!({"ca.crt": ca_pem});
        ignore_gone(registry.update(&CONFIG_MAP, &name, ROOT_CA, fixed, Write::default()).await)?;
    }
    Ok(())
}

async fn ensure(
    registry: &Registry,
    kind: &Kind,
    namespace: &str,
    name: &str,
    body: Value,
) -> Result<(), ApiError> {
    let key = crate::objects::registry::key(kind, namespace, name)?;
    if registry.store().index().row(&key).is_some() {
        return Ok(());
    }
    match registry.create(kind, namespace, body, false).await {
        Err(ApiError::AlreadyExists(_) | ApiError::NotFound(_) | ApiError::NamespaceTerminating(..)) => {
            Ok(())
        }
        other => other.map(|_| ()),
    }
}

/// What was deleted or changed by somebody else meanwhile is looked at again in the next round.
fn ignore_gone<T>(result: Result<T, ApiError>) -> Result<(), ApiError> {
    match result {
        Err(ApiError::NotFound(_) | ApiError::Conflict(..)) => Ok(()),
        other => other.map(|_| ()),
    }
}

/// Deletes everything in a namespace; removes the namespace itself once nothing is left.
async fn empty(registry: &Registry, namespace: &str) -> Result<(), ApiError> {
    if delete_content(registry, namespace).await? > 0 {
        return Ok(());
    }
    let mut object = match registry.get(&NAMESPACE, "", namespace) {
        Ok(object) => object,
        Err(ApiError::NotFound(_)) => return Ok(()),
        Err(error) => return Err(error),
    };
    object["spec"]["finalizers"] = json!([]);
    let write = Write { part: Part::Finalizers, ..Write::default() };
    ignore_gone(registry.update(&NAMESPACE, "", namespace, object, write).await)?;
    // A creation that was already on its way when the namespace was marked may have come through.
    delete_content(registry, namespace).await.map(|_| ())
}

/// How many objects are left.
async fn delete_content(registry: &Registry, namespace: &str) -> Result<usize, ApiError> {
    let mut left = 0;
    for kind in kinds::ALL.into_iter().filter(|k| k.namespaced) {
        let all = registry.list(kind, namespace, &ListOptions::default())?;
        for object in all.items {
            let options = DeleteOptions { grace: Some(0), ..DeleteOptions::default() };
            let name = text(&object, "/metadata/name").to_owned();
            match registry.delete(kind, namespace, &name, &options).await {
                Ok(crate::objects::delete::Deleted::Marked(_)) => left += 1,
                Ok(crate::objects::delete::Deleted::Gone(_)) | Err(ApiError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(left)
}
