//! Pods: what a workload's token is bound to. Nothing here runs them.

use super::pod_columns;
use super::volumes;
use crate::objects::kind::{Facts, Kind, PLAIN, default_to, text};
use crate::status::{Cause, Fault};
use jeton_core::ident;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Seconds a pod may take to end, when it says nothing else. Kubernetes 1.36: 30.
const DEFAULT_GRACE_SECONDS: i64 = 30;
/// Most containers of one pod (Kubernetes has no number; its limit is the size of a request).
const MAX_CONTAINERS: usize = 1000;
const FROZEN: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// Annotation of a pod that shows what a node runs by itself.
pub const MIRROR_ANNOTATION: &str = "kubernetes.io/config.mirror";

/// core/v1 Pod.
pub const POD: Kind = Kind {
    kind: "Pod",
    plural: "pods",
    singular: "pod",
    short_names: &["po"],
    categories: &["all"],
    stored_as: "core/pods",
    returns_deleted: true,
    prepare,
    check,
    facts: |object| Facts {
        account: Some(text(object, "/spec/serviceAccountName").to_owned()),
        node: Some(text(object, "/spec/nodeName").to_owned()).filter(|n| !n.is_empty()),
        terminating: ended(object),
        ..Facts::default()
    },
    grace,
    has_status: true,
    subresources: &["binding", "ephemeralcontainers"],
    has_generation: true,
    columns: pod_columns::COLUMNS,
    field,
    ..PLAIN
};

fn prepare(object: &mut Value, old: Option<&Value>) {
    match old {
        None => object["status"] = json!({"phase": "Pending", "qosClass": "BestEffort"}),
        Some(old) => object["status"] = old["status"].clone(),
    }
    let Some(spec) = object.get_mut("spec").filter(|s| s.is_object()) else { return };
    // The older name is an alias; which account a pod has that names none is admission's affair.
    if text(spec, "/serviceAccountName").is_empty() {
        spec["serviceAccountName"] = json!(text(spec, "/serviceAccount"));
    }
    let account = text(spec, "/serviceAccountName").to_owned();
    for key in ["serviceAccountName", "serviceAccount"] {
        match spec.as_object_mut() {
            Some(spec) if account.is_empty() => drop(spec.remove(key)),
            Some(spec) => drop(spec.insert(key.to_owned(), json!(account))),
            None => {}
        }
    }
    default_spec(spec);
}

/// Defaults of a pod's spec, also of one in a template.
pub(super) fn default_spec(spec: &mut Value) {
    volumes::prepare(spec);
    for (key, value) in [
        ("restartPolicy", json!("Always")),
        ("terminationGracePeriodSeconds", json!(DEFAULT_GRACE_SECONDS)),
        ("dnsPolicy", json!("ClusterFirst")),
        ("securityContext", json!({})),
        ("schedulerName", json!("default-scheduler")),
        ("enableServiceLinks", json!(true)),
    ] {
        default_to(spec, key, value);
    }
    for group in ["initContainers", "containers"] {
        for container in spec.get_mut(group).and_then(Value::as_array_mut).into_iter().flatten() {
            default_container(container);
        }
    }
}

/// Defaults of a container of any sort.
pub(super) fn default_container(container: &mut Value) {
    default_to(container, "resources", json!({}));
    default_to(container, "terminationMessagePath", "/dev/termination-log");
    default_to(container, "terminationMessagePolicy", "File");
    let latest = image_is_latest(text(container, "/image"));
    default_to(container, "imagePullPolicy", if latest { "Always" } else { "IfNotPresent" });
}

/// Whether an image has no tag, or the tag `latest`, and no digest.
fn image_is_latest(image: &str) -> bool {
    let last = image.rsplit('/').next().unwrap_or("");
    !image.contains('@') && last.split_once(':').is_none_or(|(_, tag)| tag == "latest")
}

fn check(new: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    if let Some(old) = old {
        if without_changeable(new) != without_changeable(old) {
            causes.push(Cause::forbidden("spec", FROZEN));
        }
        return;
    }
    let containers = new.pointer("/spec/containers").and_then(Value::as_array);
    if containers.is_none_or(Vec::is_empty) {
        causes.push(Cause::required("spec.containers", ""));
    }
    let mut names = BTreeSet::new();
    for group in ["initContainers", "containers"] {
        let items = new.pointer(&format!("/spec/{group}")).and_then(Value::as_array);
        for (at, container) in items.into_iter().flatten().take(MAX_CONTAINERS).enumerate() {
            let path = format!("spec.{group}[{at}]");
            name_and_image(container, &path, &mut names, causes);
        }
    }
    if new.pointer("/spec/ephemeralContainers").and_then(Value::as_array).is_some_and(|list| !list.is_empty())
    {
        causes.push(Cause::forbidden("spec.ephemeralContainers", "cannot be set on create"));
    }
    volumes::check(&new["spec"], causes);
    let account = text(new, "/spec/serviceAccountName");
    if !account.is_empty()
        && let Err(why) = ident::dns_subdomain(account)
    {
        causes.push(Cause::invalid("spec.serviceAccountName", account, why));
    }
    let node = text(new, "/spec/nodeName");
    if !node.is_empty()
        && let Err(why) = ident::dns_subdomain(node)
    {
        causes.push(Cause::invalid("spec.nodeName", node, why));
    }
}

/// What every sort of container needs: a name that no other one has, and an image.
pub(super) fn name_and_image<'a>(
    container: &'a Value,
    path: &str,
    names: &mut BTreeSet<&'a str>,
    causes: &mut Vec<Cause>,
) {
    let name = text(container, "/name");
    if name.is_empty() {
        causes.push(Cause::required(format!("{path}.name"), ""));
    } else if let Err(why) = ident::dns_label(name) {
        causes.push(Cause::invalid(format!("{path}.name"), name, why));
    } else if !names.insert(name) {
        let fault = Fault::Duplicate(format!("{name:?}"));
        causes.push(Cause { field: format!("{path}.name"), fault });
    }
    if text(container, "/image").is_empty() {
        causes.push(Cause::required(format!("{path}.image"), ""));
    }
}

/// The spec but for what may change while a pod lives.
fn without_changeable(object: &Value) -> Value {
    let mut spec = object["spec"].clone();
    if let Some(map) = spec.as_object_mut() {
        for key in ["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"] {
            map.remove(key);
        }
    }
    for group in ["initContainers", "containers"] {
        for container in spec.get_mut(group).and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(container) = container.as_object_mut() {
                container.remove("image");
                container.remove("imagePullPolicy");
            }
        }
    }
    spec
}

fn ended(object: &Value) -> bool {
    matches!(text(object, "/status/phase"), "Succeeded" | "Failed")
}

/// Kubernetes 1.36: a pod that no node has, or that ended, goes at once; a negative wish counts as 1 s.
fn grace(object: &Value, asked: Option<i64>) -> i64 {
    if ended(object) || text(object, "/spec/nodeName").is_empty() {
        return 0;
    }
    let own = object.pointer("/spec/terminationGracePeriodSeconds").and_then(Value::as_i64);
    match asked.or(own).unwrap_or(DEFAULT_GRACE_SECONDS) {
        seconds if seconds < 0 => 1,
        seconds => seconds,
    }
}

fn field(object: &Value, field: &str) -> Option<String> {
    let known = [
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ];
    known.contains(&field).then(|| text(object, &format!("/{}", field.replace('.', "/"))).to_owned())
}
