//! What a node may do to pods: show those that it runs by itself, tell how its own fare, and remove them.

use crate::objects::admission::references;
use crate::objects::kind::text;
use crate::objects::kinds::MIRROR_ANNOTATION;
use crate::status::ApiError;
use serde_json::Value;

/// Checks a new pod; the inner result is the refusal. `uid`: that of a node by its name. A pod that named a Secret or an
/// account would open it to the node, so a mirror pod names none.
pub(super) fn create(
    node: &str,
    pod: &Value,
    uid: impl Fn(&str) -> Result<Value, ApiError>,
) -> Result<Result<(), String>, ApiError> {
    if pod["metadata"]["annotations"].get(MIRROR_ANNOTATION).is_none() {
        return Ok(Err(format!(
            "pod does not have {MIRROR_ANNOTATION:?} annotation, node {node:?} can only create mirror pods"
        )));
    }
    if text(pod, "/spec/nodeName") != node {
        return Ok(Err(format!("node {node:?} can only create pods with spec.nodeName set to itself")));
    }
    let owner = match owner(node, pod) {
        Ok(owner) => owner,
        Err(why) => return Ok(Err(why)),
    };
    let (said, known) = (text(owner, "/uid"), uid(node)?);
    if known != said {
        let known = known.as_str().unwrap_or("");
        return Ok(Err(format!("node {node} UID mismatch: expected {said} got {known}")));
    }
    Ok(match reference(pod) {
        Some(what) => Err(format!("node {node:?} can not create pods that reference {what}")),
        None => Ok(()),
    })
}

/// The one owner of a pod, which is its node.
fn owner<'a>(node: &str, pod: &'a Value) -> Result<&'a Value, String> {
    let only = |what: &str| Err(format!("node {node:?} can only create pods with {what} set to itself"));
    let owners = pod.pointer("/metadata/ownerReferences").and_then(Value::as_array).map_or(&[][..], |o| o);
    let owner = match owners {
        [] => return only("an owner reference"),
        [one] => one,
        _ => return only("a single owner reference"),
    };
    if (text(owner, "/apiVersion"), text(owner, "/kind"), text(owner, "/name")) != ("v1", "Node", node) {
        return only("an owner reference");
    }
    if owner["controller"] != true {
        return only("a controller owner reference");
    }
    if owner["blockOwnerDeletion"] == true {
        return Err(format!("node {node:?} must not set blockOwnerDeletion on an owner reference"));
    }
    Ok(owner)
}

/// The first sort of object that a pod names.
fn reference(pod: &Value) -> Option<&'static str> {
    let volumes = || pod.pointer("/spec/volumes").and_then(Value::as_array).into_iter().flatten();
    let trusts = |volume: &Value| {
        let sources = volume.pointer("/projected/sources").and_then(Value::as_array);
        sources.into_iter().flatten().any(|source| source["clusterTrustBundle"].is_object())
    };
    [
        (!text(pod, "/spec/serviceAccountName").is_empty(), "a service account"),
        (references::secrets(pod).next().is_some(), "secrets"),
        (references::config_maps(pod).next().is_some(), "configmaps"),
        (volumes().any(trusts), "clustertrustbundles"),
        (volumes().any(|v| v["persistentVolumeClaim"].is_object()), "persistentvolumeclaims"),
    ]
    .into_iter()
    .find_map(|(named, what)| named.then_some(what))
}

/// Checks a change of a pod, or its deletion.
pub(super) fn change(node: &str, new: Option<&Value>, old: Option<&Value>) -> Result<(), String> {
    let Some(old) = old else { return Ok(()) };
    let own = text(old, "/spec/nodeName") == node;
    match new {
        None if !own => Err(format!("node {node:?} can only delete pods with spec.nodeName set to itself")),
        Some(_) if !own => {
            Err(format!("node {node:?} can only update pod status for pods with spec.nodeName set to itself"))
        }
        Some(new) if labels(new) != labels(old) => {
            Err(format!("node {node:?} cannot update labels through pod status"))
        }
        _ => Ok(()),
    }
}

/// The labels of an object; none is the same as an empty list.
fn labels(object: &Value) -> Option<&serde_json::Map<String, Value>> {
    object["metadata"]["labels"].as_object().filter(|labels| !labels.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn mirror() -> Value {
        json!({
            "metadata": {
                "annotations": {"kubernetes.io/config.mirror": "x"},
                "ownerReferences": [
                    {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "u1", "controller": true},
                ],
            },
            "spec": {"nodeName": "n1", "containers": [{"name": "c"}], "volumes": []},
        })
    }

    #[test]
    fn a_mirror_pod_belongs_to_its_node_and_opens_nothing() {
        let owner = "/metadata/ownerReferences/0";
        let uid = |_: &str| Ok(json!("u1"));
        let refusal = |pod: &Value| create("n1", pod, uid).unwrap().err().unwrap_or_default();
        assert_eq!(refusal(&mirror()), "");
        for (at, value, want) in [
            ("/metadata/annotations".to_owned(), json!({}), "can only create mirror pods"),
            ("/spec/nodeName".to_owned(), json!("n2"), "spec.nodeName set to itself"),
            ("/metadata/ownerReferences".to_owned(), json!([]), "an owner reference set to itself"),
            (
                "/metadata/ownerReferences".to_owned(),
                json!([{}, {}]),
                "a single owner reference set to itself",
            ),
            (format!("{owner}/name"), json!("n2"), "an owner reference set to itself"),
            (format!("{owner}/kind"), json!("Pod"), "an owner reference set to itself"),
            (format!("{owner}/controller"), json!(false), "a controller owner reference set to itself"),
            (
                owner.to_owned(),
                {
                    let mut owner = mirror()["metadata"]["ownerReferences"][0].clone();
                    owner["blockOwnerDeletion"] = json!(true);
                    owner
                },
                "must not set blockOwnerDeletion on an owner reference",
            ),
            (format!("{owner}/uid"), json!("u2"), "node n1 UID mismatch: expected u2 got u1"),
            ("/spec".to_owned(), json!({"nodeName": "n1", "serviceAccountName": "a"}), "a service account"),
            ("/spec/volumes".to_owned(), json!([{"secret": {"secretName": "s"}}]), "reference secrets"),
            ("/spec/volumes".to_owned(), json!([{"configMap": {"name": "c"}}]), "reference configmaps"),
            (
                "/spec/volumes".to_owned(),
                json!([{"projected": {"sources": [{"clusterTrustBundle": {"path": "p"}}]}}]),
                "reference clustertrustbundles",
            ),
            (
                "/spec/volumes".to_owned(),
                json!([{"persistentVolumeClaim": {"claimName": "c"}}]),
                "reference persistentvolumeclaims",
            ),
        ] {
            let mut pod = mirror();
            *pod.pointer_mut(&at).unwrap() = value;
            assert!(refusal(&pod).ends_with(want), "{at}: {:?}", refusal(&pod));
        }
    }

    #[test]
    fn only_own_pods_change_and_their_labels_stay() {
        let on = |node: &str, label: &str| json!({"metadata": {"labels": {"l": label}}, "spec": {"nodeName": node}});
        let bare = json!({"spec": {"nodeName": "n1"}});
        let empty = json!({"metadata": {"labels": {}}, "spec": {"nodeName": "n1"}});
        for (new, old, may) in [
            (Some(on("n1", "a")), on("n1", "a"), true),
            (Some(on("n1", "b")), on("n1", "a"), false),
            (Some(empty), bare.clone(), true),
            (Some(on("n1", "a")), bare, false),
            (Some(on("n1", "a")), on("n2", "a"), false),
            (None, on("n1", "a"), true),
            (None, on("n2", "a"), false),
        ] {
            assert_eq!(change("n1", new.as_ref(), Some(&old)).is_ok(), may, "{new:?} {old}");
        }
    }
}
