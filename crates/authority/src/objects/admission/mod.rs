//! What is added to an object, or refused, after its writer was found to be allowed and before it is checked.
//!
//! Order (Kubernetes 1.36): NamespaceLifecycle, then ServiceAccount, then validation; so a missing namespace is told
//! before a missing account, and a missing account before a field that is wrong. Left out on purpose: webhooks.

mod inject;
mod lifecycle;
pub mod references;
mod service_account;

pub(crate) use service_account::{shown_name, token_secret};

use crate::objects::kinds::{NAMESPACE, POD};
use crate::objects::{Kind, Registry};
use crate::status::ApiError;
use jeton_core::limits::INJECTED_LIFETIME_SECONDS;
use serde_json::Value;

/// Admits a new object that has its defaults; may add to it.
///
/// # Errors
/// Forbidden, with the plugin's reason.
pub async fn create(
    registry: &Registry,
    kind: &Kind,
    namespace: &str,
    object: &mut Value,
) -> Result<(), ApiError> {
    if kind.stored_as == POD.stored_as {
        service_account::admit(registry, namespace, object).await?;
    }
    Ok(())
}

/// Gives what admission injected the lifetime of a laboratory, which the checks before would call too short.
pub fn compress(registry: &Registry, kind: &Kind, object: &mut Value) {
    if kind.stored_as == POD.stored_as && registry.injected_seconds != INJECTED_LIFETIME_SECONDS {
        inject::shorten(object, registry.injected_seconds);
    }
}

/// Admits containers that join a pod.
///
/// # Errors
/// Forbidden when they name a Secret that the pod's account may not mount.
pub fn ephemeral(registry: &Registry, namespace: &str, pod: &Value) -> Result<(), ApiError> {
    service_account::admit_ephemeral(registry, namespace, pod)
}

/// Admits a deletion.
///
/// # Errors
/// Forbidden for what no server can be without.
pub fn delete(kind: &Kind, name: &str) -> Result<(), ApiError> {
    if kind.stored_as == NAMESPACE.stored_as { lifecycle::may_be_deleted(name) } else { Ok(()) }
}
