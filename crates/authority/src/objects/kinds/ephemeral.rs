//! `pods/ephemeralcontainers`: containers that join a pod later, to look into it.
//!
//! Kubernetes 1.36: the subresource changes nothing but this list, and only by adding to it; `kubectl debug` writes it.
//! They matter here because what they name (a Secret in their environment) is what the node may then read.

use super::pod::{MIRROR_ANNOTATION, default_container, name_and_image};
use super::volumes;
use crate::objects::kind::text;
use crate::status::{Cause, Fault};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const LIST: &str = "spec.ephemeralContainers";
/// What only containers that are there from the start have.
const NOT_ALLOWED: [&str; 8] = [
    "lifecycle",
    "livenessProbe",
    "ports",
    "readinessProbe",
    "resizePolicy",
    "resources",
    "restartPolicy",
    "startupProbe",
];
const CANNOT: &str = "cannot be set for an Ephemeral Container";

/// A pod with the ephemeral containers of a body, and what is wrong with them.
pub(crate) fn with_ephemeral(body: &Value, old: &Value) -> (Value, Vec<Cause>) {
    let mut pod = old.clone();
    let mut list = list(body).cloned().collect::<Vec<_>>();
    list.iter_mut().for_each(default_container);
    let mut causes = Vec::new();
    check(&list, old, &mut causes);
    if let Some(spec) = pod["spec"].as_object_mut() {
        match list.is_empty() {
            true => drop(spec.remove("ephemeralContainers")),
            false => drop(spec.insert("ephemeralContainers".to_owned(), json!(list))),
        }
    }
    (pod, causes)
}

fn list(pod: &Value) -> impl Iterator<Item = &Value> {
    pod.pointer("/spec/ephemeralContainers").and_then(Value::as_array).into_iter().flatten()
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    let of = |group| pod.pointer(group).and_then(Value::as_array).into_iter().flatten();
    of("/spec/containers").chain(of("/spec/initContainers"))
}

fn check(new: &[Value], old: &Value, causes: &mut Vec<Cause>) {
    if old["metadata"]["annotations"].get(MIRROR_ANNOTATION).is_some() {
        causes.push(Cause::forbidden(LIST, "static pods do not support ephemeral containers"));
    }
    let first: BTreeSet<&str> = containers(old).map(|c| text(c, "/name")).collect();
    let mut names = first.clone();
    for (at, container) in new.iter().enumerate() {
        let path = format!("{LIST}[{at}]");
        name_and_image(container, &path, &mut names, causes);
        let target = text(container, "/targetContainerName");
        if !target.is_empty() && !first.contains(target) {
            let fault = Fault::NotFound(format!("{target:?}"));
            causes.push(Cause { field: format!("{path}.targetContainerName"), fault });
        }
        let set =
            |field: &&&str| !matches!(&container[**field], Value::Null) && container[**field] != json!({});
        let wrong = NOT_ALLOWED.iter().filter(set);
        causes.extend(wrong.map(|field| Cause::forbidden(format!("{path}.{field}"), CANNOT)));
        volumes::ephemeral_mounts(&old["spec"], container, &path, causes);
    }
    for before in list(old) {
        let name = text(before, "/name");
        match new.iter().find(|c| text(c, "/name") == name) {
            Some(now) if now == before => {}
            found => {
                let what = if found.is_some() { "changed" } else { "removed" };
                let why = format!("existing ephemeral containers {name:?} may not be {what}");
                causes.push(Cause::forbidden(LIST, &why));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(ephemeral: Value) -> Value {
        json!({"spec": {
            "containers": [{"name": "web", "image": "i"}], "volumes": [{"name": "v", "emptyDir": {}}],
            "ephemeralContainers": ephemeral,
        }})
    }

    #[test]
    fn containers_are_added_and_nothing_else_changes() {
        let body = json!({"spec": {"nodeName": "elsewhere", "ephemeralContainers": [{"name": "dbg", "image": "j"}]}});
        let (pod, causes) = with_ephemeral(&body, &pod(Value::Null));
        assert_eq!(causes, []);
        assert_eq!(pod["spec"]["nodeName"], Value::Null);
        let added = &pod["spec"]["ephemeralContainers"][0];
        assert_eq!((&added["name"], &added["terminationMessagePolicy"]), (&json!("dbg"), &json!("File")));
        let (_, again) = with_ephemeral(&pod, &pod);
        assert_eq!(again, []);
        for (change, what) in [(json!([]), "removed"), (json!([{"name": "dbg", "image": "k"}]), "changed")] {
            let body = json!({"spec": {"ephemeralContainers": change}});
            let why = format!("existing ephemeral containers \"dbg\" may not be {what}");
            assert_eq!(with_ephemeral(&body, &pod).1, [Cause::forbidden(LIST, &why)]);
        }
    }

    #[test]
    fn what_they_may_not_have() {
        let path = |field: &str| format!("{LIST}[0].{field}");
        for (container, field) in [
            (json!({"image": "i"}), "name"),
            (json!({"name": "web", "image": "i"}), "name"),
            (json!({"name": "d"}), "image"),
            (json!({"name": "d", "image": "i", "targetContainerName": "x"}), "targetContainerName"),
            (json!({"name": "d", "image": "i", "ports": [{"containerPort": 1}]}), "ports"),
            (json!({"name": "d", "image": "i", "livenessProbe": {"periodSeconds": 1}}), "livenessProbe"),
            (
                json!({"name": "d", "image": "i", "volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": "a"}]}),
                "volumeMounts[0].subPath",
            ),
            (
                json!({"name": "d", "image": "i", "volumeMounts": [{"name": "x", "mountPath": "/v"}]}),
                "volumeMounts[0].name",
            ),
        ] {
            let body = json!({"spec": {"ephemeralContainers": [container]}});
            let fields: Vec<String> =
                with_ephemeral(&body, &pod(Value::Null)).1.into_iter().map(|cause| cause.field).collect();
            assert_eq!(fields, [path(field)]);
        }
    }
}
