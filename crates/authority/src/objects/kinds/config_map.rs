//! ConfigMaps.

use super::data;
use crate::objects::kind::{Kind, PLAIN};
use crate::objects::table::{AGE, Cell, NAME, count, number};
use crate::status::Cause;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

/// core/v1 ConfigMap.
pub const CONFIG_MAP: Kind = Kind {
    kind: "ConfigMap",
    plural: "configmaps",
    singular: "configmap",
    short_names: &["cm"],
    stored_as: "core/configmaps",
    check,
    columns: &[
        NAME,
        number("Data", Cell::Of(|o, _| json!(count(o, "/data") + count(o, "/binaryData")))),
        AGE,
    ],
    ..PLAIN
};

fn check(new: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    data::keys(new, "data", causes);
    data::keys(new, "binaryData", causes);
    let texts: usize = data::entries(new, "data").filter_map(|(_, v)| v.as_str()).map(str::len).sum();
    let mut bytes = 0;
    for (key, value) in data::entries(new, "binaryData") {
        match value.as_str().map(|v| STANDARD.decode(v)) {
            Some(Ok(decoded)) => bytes += decoded.len(),
            _ => causes.push(Cause::invalid(format!("binaryData[{key}]"), "", "must be base64")),
        }
        if new.pointer("/data").and_then(|d| d.get(key)).is_some() {
            causes.push(Cause::invalid(
                format!("data[{key}]"),
                key,
                "duplicate of key present in binaryData",
            ));
        }
    }
    data::size(texts + bytes, causes);
    data::frozen(new, old, &["data", "binaryData"], causes);
}
