//! What ConfigMaps and Secrets have in common: named values, at most 1 MiB together, frozen on wish.

use crate::status::{Cause, Fault};
use serde_json::{Map, Value};

/// Largest sum of all values, in bytes. Kubernetes 1.36: 1 MiB.
pub(super) const MAX_DATA_BYTES: usize = 1024 * 1024;
/// Longest key, in bytes. Kubernetes 1.36: 253.
const MAX_KEY_BYTES: usize = 253;

const KEY_RULE: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

/// The members of a map field.
pub(super) fn entries<'a>(object: &'a Value, field: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    object.get(field).and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

/// Checks the keys of a map field.
pub(super) fn keys(object: &Value, field: &str, causes: &mut Vec<Cause>) {
    for (key, _) in entries(object, field) {
        let path = || format!("{field}[{key}]");
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if key.len() > MAX_KEY_BYTES {
            causes.push(Cause::invalid(
                path(),
                key,
                format!("must be no more than {MAX_KEY_BYTES} characters"),
            ));
        } else if key.is_empty() || !key.chars().all(allowed) {
            causes.push(Cause::invalid(path(), key, KEY_RULE));
        } else if key == "." || key.starts_with("..") {
            causes.push(Cause::invalid(path(), key, format!("may not be '{key}' or start with '..'")));
        }
    }
}

/// Checks the sum of the values.
pub(super) fn size(bytes: usize, causes: &mut Vec<Cause>) {
    if bytes > MAX_DATA_BYTES {
        let fault = Fault::TooLong(format!("may not be more than {MAX_DATA_BYTES} bytes"));
        causes.push(Cause { field: "data".to_owned(), fault });
    }
}

/// Checks that what was frozen stays: `immutable` itself, and the named fields.
pub(super) fn frozen(new: &Value, old: Option<&Value>, fields: &[&'static str], causes: &mut Vec<Cause>) {
    let Some(old) = old.filter(|o| o["immutable"] == Value::Bool(true)) else { return };
    let why = "field is immutable when `immutable` is set";
    if new["immutable"] != Value::Bool(true) {
        causes.push(Cause::forbidden("immutable", why));
    }
    for field in fields {
        if new.get(*field) != old.get(*field) {
            causes.push(Cause::forbidden(*field, why));
        }
    }
}
