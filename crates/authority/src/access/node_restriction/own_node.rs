//! What a node may say about itself: nothing that draws pods to it or keeps them away.

use serde_json::{Value, json};

/// Labels under `kubernetes.io` and `k8s.io` that a kubelet sets. Kubernetes 1.36: kubelet/pkg/apis/well_known_labels.go.
const KUBELET_LABELS: [&str; 11] = [
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "node.kubernetes.io/instance-type",
    "beta.kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
];
/// Domains whose labels a kubelet may choose.
const KUBELET_DOMAINS: [&str; 2] = ["kubelet.kubernetes.io", "node.kubernetes.io"];
/// Labels that tell nodes apart by trust.
const RESTRICTED: &str = "node-restriction.kubernetes.io";

/// Checks the own node as it shall be.
pub(super) fn write(node: &str, new: &Value, old: Option<&Value>) -> Result<(), String> {
    let none = json!({});
    let empty = json!([]);
    let taints = |node: &Value| match &node["spec"]["taints"] {
        Value::Null => empty.clone(),
        list => list.clone(),
    };
    if old.is_some_and(|old| taints(old) != taints(new)) {
        return Err(format!("node {node:?} is not allowed to modify taints"));
    }
    let refused = changed(&new["metadata"]["labels"], &old.unwrap_or(&none)["metadata"]["labels"])
        .into_iter()
        .filter(|label| !free(label))
        .collect::<Vec<_>>();
    match (refused.is_empty(), old) {
        (true, _) => Ok(()),
        (false, None) => {
            let labels = refused.join(", ");
            Err(format!("node {node:?} is not allowed to set the following labels: {labels}"))
        }
        (false, Some(_)) => Err(format!("is not allowed to modify labels: {}", refused.join(", "))),
    }
}

/// Keys whose values differ, in order.
fn changed<'a>(new: &'a Value, old: &'a Value) -> Vec<&'a str> {
    let keys = |labels: &'a Value| labels.as_object().into_iter().flat_map(|l| l.keys().map(String::as_str));
    let mut keys: Vec<_> = keys(new).chain(keys(old)).filter(|key| new.get(*key) != old.get(*key)).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Whether a node may set a label.
fn free(label: &str) -> bool {
    let domain = label.split_once('/').map_or("", |(domain, _)| domain);
    let within = |of: &str| domain == of || domain.strip_suffix(of).is_some_and(|rest| rest.ends_with('.'));
    if within(RESTRICTED) {
        return false;
    }
    let official = within("kubernetes.io") || within("k8s.io");
    !official || KUBELET_LABELS.contains(&label) || KUBELET_DOMAINS.iter().any(|d| within(d))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_steer_pods_are_not_the_nodes() {
        for (label, may) in [
            ("team", true),
            ("example.com/rack", true),
            ("kubernetes.io/hostname", true),
            ("node.kubernetes.io/anything", true),
            ("x.kubelet.kubernetes.io/anything", true),
            ("kubernetes.io/role", false),
            ("node-role.kubernetes.io/control-plane", false),
            ("node-restriction.kubernetes.io/fips", false),
            ("example.com.node-restriction.kubernetes.io/fips", false),
            ("sig.k8s.io/x", false),
            ("notk8s.io/x", true),
        ] {
            let new = json!({"metadata": {"labels": {label: "1"}}});
            assert_eq!(write("n", &new, None).is_ok(), may, "{label}");
            assert_eq!(write("n", &json!({}), Some(&new)).is_ok(), may, "removing {label}");
            assert!(write("n", &new, Some(&new)).is_ok(), "keeping {label}");
        }
    }

    #[test]
    fn taints_are_given_once() {
        let tainted = json!({"spec": {"taints": [{"key": "k", "effect": "NoSchedule"}]}});
        assert!(write("n", &tainted, None).is_ok());
        assert!(write("n", &tainted, Some(&tainted)).is_ok());
        assert!(write("n", &json!({"spec": {"taints": []}}), Some(&json!({}))).is_ok());
        let refused = write("n", &json!({}), Some(&tainted)).unwrap_err();
        assert_eq!(refused, "node \"n\" is not allowed to modify taints");
    }
}
