//! Nodes: where pods run, and what a token can be bound to.

use crate::objects::kind::{Kind, PLAIN};
use serde_json::Value;

/// core/v1 Node.
pub const NODE: Kind = Kind {
    kind: "Node",
    plural: "nodes",
    singular: "node",
    short_names: &["no"],
    namespaced: false,
    stored_as: "core/nodes",
    field: |object, field| match field {
        "spec.unschedulable" => {
            Some(object.pointer("/spec/unschedulable").and_then(Value::as_bool).unwrap_or(false).to_string())
        }
        _ => None,
    },
    ..PLAIN
};
