//! `metadata`: what clients may say of an object, and what only the server says.

use super::kind::{Kind, text};
use crate::status::{About, ApiError, Cause};
use jeton_core::time::UnixTime;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Longest `generateName` that is kept, in bytes; five random characters follow. Kubernetes 1.36: 58.
const MAX_GENERATED_BASE_BYTES: usize = 58;
/// Largest sum of all annotations, in bytes. Kubernetes 1.36: 256 KiB.
const MAX_ANNOTATIONS_BYTES: usize = 256 * 1024;
/// Letters that end a generated name, in bytes. Kubernetes 1.36: 5.
pub const SUFFIX_BYTES: usize = 5;
/// Letters that spell no words. Kubernetes 1.36: the same.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// Name, uid and the rest of a new object. `random` becomes the uid, and its bytes a generated name.
pub fn stamp_new(object: &mut Value, namespace: &str, now: UnixTime, random: Uuid) {
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    tidy(object);
    let Some(metadata) = object["metadata"].as_object_mut() else { return };
    for key in
        ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion", "managedFields"]
    {
        metadata.remove(key);
    }
    metadata.remove("generation");
    let text =
        |m: &Map<String, Value>, key: &str| m.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    let base = text(metadata, "generateName");
    if text(metadata, "name").is_empty() && !base.is_empty() {
        metadata.insert("name".to_owned(), json!(generated(&base, random)));
    }
    metadata.insert("uid".to_owned(), json!(random.hyphenated().to_string()));
    metadata.insert("creationTimestamp".to_owned(), json!(now.rfc3339()));
    match namespace {
        "" => drop(metadata.remove("namespace")),
        _ => drop(metadata.insert("namespace".to_owned(), json!(namespace))),
    }
}

/// A name that begins with `base` and ends with letters out of `random`.
pub fn generated(base: &str, random: Uuid) -> String {
    let mut end = base.len().min(MAX_GENERATED_BASE_BYTES);
    while !base.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{}", &base[..end], suffix(random))
}

/// The letters that end a generated name.
pub fn suffix(random: Uuid) -> String {
    // The last bytes of a random uuid hold no version bits.
    let bytes = &random.as_bytes()[16 - SUFFIX_BYTES..];
    bytes.iter().map(|b| char::from(LETTERS[usize::from(*b) % LETTERS.len()])).collect()
}

/// What an update may not change is taken from the object as it was.
pub fn stamp_update(object: &mut Value, old: &Value) {
    tidy(object);
    let Some(metadata) = object["metadata"].as_object_mut() else { return };
    for key in ["resourceVersion", "managedFields", "selfLink"] {
        metadata.remove(key);
    }
    for key in [
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generateName",
        "generation",
        "namespace",
        "name",
    ] {
        match old["metadata"].get(key) {
            Some(value) => drop(metadata.insert(key.to_owned(), value.clone())),
            None => drop(metadata.remove(key)),
        }
    }
}

/// Takes out what is empty. Kubernetes 1.36: metadata never shows an empty list or map.
pub fn tidy(object: &mut Value) {
    let Some(metadata) = object["metadata"].as_object_mut() else { return };
    for key in ["labels", "annotations", "finalizers", "ownerReferences"] {
        let empty = metadata.get(key).is_some_and(|v| match v {
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
            other => other.is_null(),
        });
        if empty {
            metadata.remove(key);
        }
    }
}

/// Takes a member from the object as it was.
pub fn keep(object: &mut Value, old: &Value, key: &str) {
    let Some(map) = object.as_object_mut() else { return };
    match old.get(key) {
        Some(value) => drop(map.insert(key.to_owned(), value.clone())),
        None => drop(map.remove(key)),
    }
}

/// Whether anything but metadata and status differs.
pub fn content_differs(new: &Value, old: &Value) -> bool {
    let content = |value: &Value| -> Map<String, Value> {
        let own = |key: &str| !matches!(key, "metadata" | "status" | "kind" | "apiVersion");
        let members = value.as_object().into_iter().flatten().filter(|(key, _)| own(key));
        members.map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    content(new) != content(old)
}

/// Checks `metadata` of a new object or an update.
pub fn check(kind: &Kind, object: &Value, causes: &mut Vec<Cause>) {
    let name = text(object, "/metadata/name");
    if name.is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
    } else if let Err(why) = (kind.name)(name) {
        causes.push(Cause::invalid("metadata.name", name, why));
    }
    check_labels(object, causes);
    let annotations = object["metadata"]["annotations"].as_object();
    let mut bytes = 0;
    for (key, value) in annotations.into_iter().flatten() {
        if let Err(why) = qualified(&key.to_lowercase()) {
            causes.push(Cause::invalid("metadata.annotations", key, why));
        }
        bytes += key.len() + value.as_str().map_or(0, str::len);
    }
    if bytes > MAX_ANNOTATIONS_BYTES {
        let fault =
            crate::status::Fault::TooLong(format!("may not be more than {MAX_ANNOTATIONS_BYTES} bytes"));
        causes.push(Cause { field: "metadata.annotations".to_owned(), fault });
    }
    for finalizer in object["metadata"]["finalizers"].as_array().into_iter().flatten() {
        let name = finalizer.as_str().unwrap_or("");
        if let Err(why) = qualified(name) {
            causes.push(Cause::invalid("metadata.finalizers", name, why));
        }
    }
}

fn check_labels(object: &Value, causes: &mut Vec<Cause>) {
    for (key, value) in object["metadata"]["labels"].as_object().into_iter().flatten() {
        if let Err(why) = qualified(key) {
            causes.push(Cause::invalid("metadata.labels", key, why));
        }
        let value = value.as_str().unwrap_or("");
        if !value.is_empty() && !label_part(value) {
            causes.push(Cause::invalid("metadata.labels", value, "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"));
        }
    }
}

fn label_part(text: &str) -> bool {
    let end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= 63
        && end(text.chars().next())
        && end(text.chars().last())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// `name` or `prefix/name`, as labels and annotations are called.
fn qualified(text: &str) -> Result<(), String> {
    let (prefix, name) = text.split_once('/').map_or((None, text), |(p, n)| (Some(p), n));
    if let Some(prefix) = prefix {
        jeton_core::ident::dns_subdomain(prefix).map_err(|why| format!("prefix part {why}"))?;
    }
    if label_part(name) {
        return Ok(());
    }
    Err("name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')".to_owned())
}

/// The namespace in a body must be that of the URL.
///
/// # Errors
/// [`ApiError::BadRequest`] with Kubernetes' words.
pub fn check_namespace(object: &Value, namespace: &str) -> Result<(), ApiError> {
    let given = text(object, "/metadata/namespace");
    if given.is_empty() || given == namespace {
        return Ok(());
    }
    let text = "the namespace of the provided object does not match the namespace sent on the request";
    Err(ApiError::BadRequest(text.to_owned()))
}

/// All causes as one refusal, or none.
///
/// # Errors
/// [`ApiError::Invalid`] when there is a cause.
pub fn refuse(kind: &Kind, object: &Value, causes: Vec<Cause>) -> Result<(), ApiError> {
    if causes.is_empty() {
        return Ok(());
    }
    Err(ApiError::Invalid(About::new(kind.group, kind.kind, text(object, "/metadata/name")), causes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_names_fit_and_spell_nothing() {
        let name = generated(&"é".repeat(40), Uuid::from_u128(u128::MAX));
        assert!(name.len() <= 63 && name.starts_with('é'));
        assert_eq!(generated("gen-", Uuid::nil()), "gen-bbbbb");
    }

    #[test]
    fn metadata_shows_nothing_empty() {
        let mut object =
            json!({"metadata": {"labels": {}, "finalizers": [], "annotations": {"a": ""}}, "data": {}});
        tidy(&mut object);
        assert_eq!(object, json!({"metadata": {"annotations": {"a": ""}}, "data": {}}));
    }

    #[test]
    fn label_keys_and_values() {
        for (key, value, causes) in [
            ("app", "web", 0),
            ("example.com/app", "", 0),
            ("Bad/x", "y", 1),
            ("-a", "y", 1),
            ("a", "-", 1),
            ("a/b/c", "y", 1),
        ] {
            let object = json!({"metadata": {"labels": {key: value}}});
            let mut found = Vec::new();
            check_labels(&object, &mut found);
            assert_eq!(found.len(), causes, "{key}={value}: {found:?}");
        }
    }
}
