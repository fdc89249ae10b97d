//! Namespaces. One that is going away says so in `status.phase`, and takes no new content.

use crate::objects::kind::{Facts, Kind, PLAIN, text};
use crate::objects::table::{AGE, Cell, NAME, column};
use jeton_core::ident;
use serde_json::{Value, json};

/// Label that every namespace has: its own name.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// core/v1 Namespace.
pub const NAMESPACE: Kind = Kind {
    kind: "Namespace",
    plural: "namespaces",
    singular: "namespace",
    short_names: &["ns"],
    namespaced: false,
    stored_as: "core/namespaces",
    deletes_collections: false,
    returns_deleted: true,
    name: ident::dns_label,
    prepare,
    facts: |object| Facts { terminating: text(object, "/status/phase") == "Terminating", ..Facts::default() },
    held: |object| {
        object.pointer("/spec/finalizers").and_then(Value::as_array).is_some_and(|f| !f.is_empty())
    },
    on_mark: |object| object["status"]["phase"] = json!("Terminating"),
    has_status: true,
    subresources: &["finalize"],
    columns: &[NAME, column("Status", Cell::At("/status/phase")), AGE],
    field: |object, field| (field == "status.phase").then(|| text(object, "/status/phase").to_owned()),
    ..PLAIN
};

fn prepare(object: &mut Value, old: Option<&Value>) {
    match old {
        None => {
            object["spec"] = json!({"finalizers": ["kubernetes"]});
            object["status"] = json!({"phase": "Active"});
        }
        Some(old) => {
            // Finalizers and phase change only through deletion.
            object["spec"] = old["spec"].clone();
            object["status"] = old["status"].clone();
        }
    }
    let name = object["metadata"]["name"].clone();
    if name.as_str().is_some_and(|n| !n.is_empty()) {
        object["metadata"]["labels"][NAME_LABEL] = name;
    }
}
