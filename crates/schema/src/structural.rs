//! Schemas that users bring with their own kinds: what they do not name is taken out, defaults are filled in, and values
//! are held against them.
//!
//! Kubernetes 1.36 (apiextensions-apiserver/pkg/apiserver/schema). Left out on purpose: CEL rules, `pattern`, `format` and
//! the logical junctors; what they would refuse is stored.

use crate::MAX_DEPTH;
use serde_json::{Map, Value};

/// Most findings that are told.
const MAX_FINDINGS: usize = 32;
/// Members that every object has, whatever its schema says.
const OWN: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// What a value breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// A member must be there.
    Required,
    /// The type is another: as shown, the type wanted.
    Type(String, String),
    /// It is none of those allowed: as shown, the list.
    Enum(String, String),
    /// It is too small, too large, too long: as shown, the rule.
    Range(String, String),
}

fn flag(schema: &Value, key: &str) -> bool {
    schema[key] == Value::Bool(true)
}

/// The schema of a member; `None`: the member is not known.
fn member<'s>(schema: &'s Value, key: &str) -> Option<&'s Value> {
    schema["properties"].get(key).or_else(|| match &schema["additionalProperties"] {
        Value::Bool(true) => Some(&Value::Null),
        value @ Value::Object(_) => Some(value),
        _ => None,
    })
}

/// Takes out what the schema does not know; gives back what that was: `unknown field "spec.x"`.
pub fn prune(schema: &Value, object: &mut Value) -> Vec<String> {
    let mut notes = Vec::new();
    prune_at(schema, object, "", true, 0, &mut notes);
    notes
}

fn prune_at(
    schema: &Value,
    value: &mut Value,
    path: &str,
    whole: bool,
    depth: usize,
    notes: &mut Vec<String>,
) {
    // Deeper values were refused when they were read.
    if depth > MAX_DEPTH || schema.is_null() {
        return;
    }
    match value {
        Value::Array(items) => {
            for (at, item) in items.iter_mut().enumerate() {
                prune_at(&schema["items"], item, &format!("{path}[{at}]"), false, depth + 1, notes);
            }
        }
        Value::Object(map) => {
            let keeps = flag(schema, "x-kubernetes-preserve-unknown-fields");
            let embedded = whole || flag(schema, "x-kubernetes-embedded-resource");
            map.retain(|key, _| {
                let known =
                    member(schema, key).is_some() || (embedded && OWN.contains(&key.as_str())) || keeps;
                if !known && notes.len() < MAX_FINDINGS {
                    notes.push(format!("unknown field \"{}\"", join(path, key)));
                }
                known
            });
            for (key, value) in map.iter_mut().filter(|(key, _)| !(embedded && *key == "metadata")) {
                if let Some(schema) = member(schema, key) {
                    prune_at(schema, value, &join(path, key), false, depth + 1, notes);
                }
            }
        }
        _ => {}
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// Fills in defaults; a null where nulls are not allowed counts as absent.
pub fn fill(schema: &Value, value: &mut Value) {
    fill_at(schema, value, 0);
}

fn fill_at(schema: &Value, value: &mut Value, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| fill_at(&schema["items"], item, depth + 1)),
        Value::Object(map) => {
            let properties = schema["properties"].as_object();
            for (key, schema) in properties.into_iter().flatten() {
                let absent = map.get(key).is_none_or(|v| v.is_null() && !flag(schema, "nullable"));
                if !absent {
                    continue;
                }
                match schema.get("default") {
                    Some(default) => drop(map.insert(key.clone(), default.clone())),
                    None => drop(map.remove(key)),
                }
            }
            for (key, value) in map.iter_mut() {
                if let Some(schema) = member(schema, key) {
                    fill_at(schema, value, depth + 1);
                }
            }
        }
        _ => {}
    }
}

/// Holds a value against its schema: path and fault of what is wrong.
pub fn check(schema: &Value, value: &Value) -> Vec<(String, Broken)> {
    let mut found = Vec::new();
    check_at(schema, value, "", 0, &mut found);
    found.truncate(MAX_FINDINGS);
    found
}

fn check_at(schema: &Value, value: &Value, path: &str, depth: usize, found: &mut Vec<(String, Broken)>) {
    if depth > MAX_DEPTH || found.len() > MAX_FINDINGS || (value.is_null() && flag(schema, "nullable")) {
        return;
    }
    let mut tell = |broken: Option<Broken>| {
        let told = broken.is_some();
        found.extend(broken.map(|broken| (path.to_owned(), broken)));
        told
    };
    if tell(wrong_type(schema, value)) {
        return;
    }
    tell(not_listed(schema, value));
    tell(out_of_range(schema, value));
    match value {
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                check_at(&schema["items"], item, &format!("{path}[{at}]"), depth + 1, found);
            }
        }
        Value::Object(map) => check_members(schema, map, path, depth, found),
        _ => {}
    }
}

fn check_members(
    schema: &Value,
    map: &Map<String, Value>,
    path: &str,
    depth: usize,
    found: &mut Vec<(String, Broken)>,
) {
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    for key in required.filter(|key| !map.contains_key(*key)) {
        found.push((join(path, key), Broken::Required));
    }
    for (key, value) in map {
        if let Some(schema) = member(schema, key) {
            check_at(schema, value, &join(path, key), depth + 1, found);
        }
    }
}

fn wrong_type(schema: &Value, value: &Value) -> Option<Broken> {
    let wanted = schema["type"].as_str().unwrap_or("");
    let fits = match wanted {
        _ if flag(schema, "x-kubernetes-int-or-string") => {
            value.is_i64() || value.is_u64() || value.is_string()
        }
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0),
        _ => true,
    };
    let wanted = if wanted.is_empty() { "integer or string" } else { wanted };
    (!fits).then(|| Broken::Type(name_of(value).to_owned(), wanted.to_owned()))
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn not_listed(schema: &Value, value: &Value) -> Option<Broken> {
    let allowed = schema["enum"].as_array().filter(|all| !all.contains(value))?;
    let list: Vec<String> = allowed.iter().map(Value::to_string).collect();
    Some(Broken::Enum(value.to_string(), list.join(", ")))
}

fn out_of_range(schema: &Value, value: &Value) -> Option<Broken> {
    let limit = |key: &str| schema[key].as_f64();
    #[allow(clippy::cast_precision_loss, reason = "lengths are far below 2^52")]
    let (size, names) = match value {
        Value::Number(number) => (number.as_f64()?, ["minimum", "maximum"]),
        Value::String(text) => (text.chars().count() as f64, ["minLength", "maxLength"]),
        Value::Array(items) => (items.len() as f64, ["minItems", "maxItems"]),
        Value::Object(map) => (map.len() as f64, ["minProperties", "maxProperties"]),
        _ => return None,
    };
    let [low, high] = names.map(limit);
    let shown = || if value.is_number() { value.to_string() } else { size.to_string() };
    if let Some(low) = low.filter(|low| size < *low) {
        return Some(Broken::Range(
            shown(),
            format!("{} {low}: should be greater than or equal to {low}", names[0]),
        ));
    }
    let high = high.filter(|high| size > *high)?;
    Some(Broken::Range(shown(), format!("{} {high}: should be less than or equal to {high}", names[1])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> Value {
        json!({"type": "object", "properties": {"spec": {
            "type": "object", "required": ["size"],
            "properties": {
                "size": {"type": "integer", "minimum": 1, "maximum": 3},
                "mode": {"type": "string", "enum": ["a", "b"], "default": "a"},
                "port": {"x-kubernetes-int-or-string": true},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                "items": {"type": "array", "maxItems": 1, "items": {"type": "object", "properties": {"n": {"type": "string"}}}},
            },
        }}})
    }

    #[test]
    fn unknown_members_go_and_defaults_come() {
        let mut object = json!({
            "apiVersion": "g/v1", "kind": "K", "metadata": {"any": 1}, "extra": 1,
            "spec": {"size": 1, "x": 2, "labels": {"k": "v"}, "free": {"y": {"z": 1}}, "items": [{"n": "a", "m": 1}], "mode": null},
        });
        let notes = prune(&schema(), &mut object);
        assert_eq!(
            notes,
            ["unknown field \"extra\"", "unknown field \"spec.x\"", "unknown field \"spec.items[0].m\""]
        );
        fill(&schema(), &mut object);
        assert_eq!(
            object["spec"],
            json!({"size": 1, "labels": {"k": "v"}, "free": {"y": {"z": 1}}, "items": [{"n": "a"}], "mode": "a"})
        );
        assert_eq!(object["metadata"], json!({"any": 1}));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let found = |spec: Value| check(&schema(), &json!({"spec": spec}));
        assert_eq!(found(json!({"size": 2, "port": "http"})), []);
        for (spec, path) in [
            (json!({}), "spec.size"),
            (json!({"size": 4}), "spec.size"),
            (json!({"size": "1"}), "spec.size"),
            (json!({"size": 1, "mode": "c"}), "spec.mode"),
            (json!({"size": 1, "port": 1.5}), "spec.port"),
            (json!({"size": 1, "labels": {"k": 1}}), "spec.labels.k"),
            (json!({"size": 1, "items": [{}, {}]}), "spec.items"),
            (json!([]), "spec"),
        ] {
            let found = found(spec.clone());
            assert!(found.len() == 1 && found[0].0 == path, "{spec}: {found:?}");
        }
    }
}
