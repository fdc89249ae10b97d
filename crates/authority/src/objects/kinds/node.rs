//! Nodes: where pods run, and what a token can be bound to.

use crate::objects::kind::{Kind, PLAIN, text};
use crate::objects::table::{AGE, Cell, NAME, column, or_none, wide};
use serde_json::{Value, json};

/// core/v1 Node.
pub const NODE: Kind = Kind {
    kind: "Node",
    plural: "nodes",
    singular: "node",
    short_names: &["no"],
    namespaced: false,
    stored_as: "core/nodes",
    has_status: true,
    columns: &[
        NAME,
        column("Status", Cell::Of(|o, _| status(o))),
        column("Roles", Cell::Of(|o, _| roles(o))),
        AGE,
        column("Version", Cell::At("/status/nodeInfo/kubeletVersion")),
        wide("Internal-IP", Cell::Of(|o, _| address(o, "InternalIP"))),
        wide("External-IP", Cell::Of(|o, _| address(o, "ExternalIP"))),
        wide("OS-Image", Cell::Of(|o, _| known(o, "osImage"))),
        wide("Kernel-Version", Cell::Of(|o, _| known(o, "kernelVersion"))),
        wide("Container-Runtime", Cell::Of(|o, _| known(o, "containerRuntimeVersion"))),
    ],
    field: |object, field| match field {
        "spec.unschedulable" => {
            Some(object.pointer("/spec/unschedulable").and_then(Value::as_bool).unwrap_or(false).to_string())
        }
        _ => None,
    },
    ..PLAIN
};

const ROLE_LABEL: &str = "node-role.kubernetes.io/";

/// Kubernetes 1.36: the condition `Ready` in one word, and whether pods may be scheduled.
fn status(node: &Value) -> Value {
    let conditions = node.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    let ready = conditions.filter(|c| c["type"] == "Ready").map(|c| text(c, "/status")).next();
    let word = match ready {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    let closed = node.pointer("/spec/unschedulable").and_then(Value::as_bool).unwrap_or(false);
    json!(if closed { format!("{word},SchedulingDisabled") } else { word.to_owned() })
}

/// Kubernetes 1.36: what a node has not told is `<unknown>`.
fn known(node: &Value, member: &str) -> Value {
    let told = text(node, &format!("/status/nodeInfo/{member}"));
    json!(if told.is_empty() { "<unknown>" } else { told })
}

fn roles(node: &Value) -> Value {
    let labels = node.pointer("/metadata/labels").and_then(Value::as_object).into_iter().flatten();
    let mut roles: Vec<&str> =
        labels.filter_map(|(key, _)| key.strip_prefix(ROLE_LABEL)).filter(|r| !r.is_empty()).collect();
    roles.sort_unstable();
    or_none(&roles.join(","))
}

fn address(node: &Value, ty: &str) -> Value {
    let addresses = node.pointer("/status/addresses").and_then(Value::as_array).into_iter().flatten();
    or_none(addresses.filter(|a| a["type"] == ty).map(|a| text(a, "/address")).next().unwrap_or(""))
}
