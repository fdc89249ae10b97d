//! Service accounts: who tokens speak for.

use crate::objects::kind::{Kind, PLAIN, text};
use crate::objects::table::{AGE, Cell, NAME, count, number};
use serde_json::{Value, json};

/// Annotation of an account whose pods may only use the Secrets it lists.
pub const ENFORCE_MOUNTABLE: &str = "kubernetes.io/enforce-mountable-secrets";

/// core/v1 ServiceAccount.
pub const SERVICE_ACCOUNT: Kind = Kind {
    kind: "ServiceAccount",
    plural: "serviceaccounts",
    singular: "serviceaccount",
    short_names: &["sa"],
    stored_as: "core/serviceaccounts",
    returns_deleted: true,
    prepare,
    warnings,
    ..PLAIN
};

/// The same as `kubectl get` showed it until Kubernetes 1.34.
pub static SERVICE_ACCOUNT_WITH_SECRETS: Kind = Kind {
    columns: &[NAME, number("Secrets", Cell::Of(|o, _| json!(count(o, "/secrets")))), AGE],
    ..SERVICE_ACCOUNT
};

/// Kubernetes 1.36: of a reference to a Secret only the name is kept.
fn prepare(object: &mut Value, _: Option<&Value>) {
    for secret in object.get_mut("secrets").and_then(Value::as_array_mut).into_iter().flatten() {
        *secret = match text(secret, "/name") {
            "" => json!({}),
            name => json!({"name": name}),
        };
    }
}

/// Kubernetes 1.36: told when the annotation is new.
fn warnings(new: &Value, old: Option<&Value>) -> Vec<String> {
    let set = |object: &Value| object["metadata"]["annotations"].get(ENFORCE_MOUNTABLE).is_some();
    if !set(new) || old.is_some_and(set) {
        return Vec::new();
    }
    vec![format!(
        "metadata.annotations[{ENFORCE_MOUNTABLE}]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"
    )]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_reduced_to_names() {
        let mut account =
            json!({"secrets": [{"name": "a", "namespace": "n", "uid": "u"}, {"kind": "Secret"}]});
        prepare(&mut account, None);
        assert_eq!(account, json!({"secrets": [{"name": "a"}, {}]}));
    }

    #[test]
    fn a_new_annotation_is_warned_of() {
        let with = json!({"metadata": {"annotations": {ENFORCE_MOUNTABLE: "false"}}});
        let without = json!({"metadata": {}});
        for (new, old, count) in [
            (&with, None, 1),
            (&without, None, 0),
            (&with, Some(&without), 1),
            (&with, Some(&with), 0),
            (&without, Some(&with), 0),
        ] {
            assert_eq!(warnings(new, old).len(), count, "{new} {old:?}");
        }
    }
}
