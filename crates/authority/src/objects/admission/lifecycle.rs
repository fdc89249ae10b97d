//! NamespaceLifecycle's share that is no transaction: some namespaces stay.
//!
//! That a namespace must exist, and take new content, is checked by the registry, which can also make the write depend
//! on it.

use crate::objects::kinds::NAMESPACE;
use crate::objects::registry::about;
use crate::status::ApiError;

/// Namespaces that are never deleted. Kubernetes 1.36: these three.
const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

pub(super) fn may_be_deleted(name: &str) -> Result<(), ApiError> {
    if IMMORTAL.contains(&name) {
        let why = "this namespace may not be deleted".to_owned();
        return Err(ApiError::Forbidden(about(&NAMESPACE, name), why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_namespaces_stay() {
        for (name, stays) in
            [("default", true), ("kube-system", true), ("kube-public", true), ("kube-node-lease", false)]
        {
            assert_eq!(may_be_deleted(name).is_err(), stays, "{name}");
        }
        let refusal = may_be_deleted("default").unwrap_err();
        assert_eq!(
            refusal.message(),
            "namespaces \"default\" is forbidden: this namespace may not be deleted"
        );
    }
}
