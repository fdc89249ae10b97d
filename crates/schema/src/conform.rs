//! Holds a value against its type: unknown fields and nulls are taken out, wrong types are errors.

use crate::table::{Shape, Type, TypeRef, table};
use crate::{DecodeError, MAX_DEPTH};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

/// Most unknown fields that are named.
const MAX_NOTES: usize = 32;

/// Makes `value` fit its type. Gives back what was taken out: `unknown field "spec.x"`.
///
/// # Errors
/// [`DecodeError::WrongType`] names the first field of a wrong type.
pub fn conform(ty: TypeRef, value: &mut Value) -> Result<Vec<String>, DecodeError> {
    let mut at = At { path: String::new(), of: "", notes: Vec::new() };
    at.message(table().get(ty.0), value, 0)?;
    Ok(at.notes)
}

/// Where the walk is.
struct At {
    path: String,
    /// The struct the last field belongs to, for the words of an error.
    of: &'static str,
    notes: Vec<String>,
}

impl At {
    fn wrong(&self, value: &Value, wanted: &str) -> DecodeError {
        let found = match value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        DecodeError::WrongType {
            path: format!("{}.{}", self.of, self.path),
            found,
            wanted: wanted.to_owned(),
        }
    }

    fn message(&mut self, ty: &'static Type, value: &mut Value, depth: usize) -> Result<(), DecodeError> {
        if depth > MAX_DEPTH {
            return Err(DecodeError::TooDeep);
        }
        let Value::Object(map) = value else { return Err(self.wrong(value, ty.name)) };
        map.retain(|_, v| !v.is_null());
        let mut unknown = Vec::new();
        for (key, value) in map.iter_mut() {
            let length = self.path.len();
            if length > 0 {
                self.path.push('.');
            }
            self.path.push_str(key);
            match ty.field(key) {
                Some(field) => {
                    let outer = std::mem::replace(&mut self.of, ty.name);
                    self.shape(&field.shape, value, depth + 1)?;
                    self.of = outer;
                }
                None => {
                    if self.notes.len() < MAX_NOTES {
                        self.notes.push(format!("unknown field \"{}\"", self.path));
                    }
                    unknown.push(key.clone());
                }
            }
            self.path.truncate(length);
        }
        for key in unknown {
            map.remove(&key);
        }
        Ok(())
    }

    fn shape(&mut self, shape: &'static Shape, value: &mut Value, depth: usize) -> Result<(), DecodeError> {
        match shape {
            Shape::Optional(inner) => self.shape(inner, value, depth),
            Shape::Message(index) => self.message(table().get(*index), value, depth),
            Shape::List(item) => self.items(item, value, depth),
            Shape::TextList => self.items(&Shape::Text, value, depth),
            Shape::Map(item) => self.entries(item, value, depth),
            Shape::Raw => Ok(()),
            _ => self.scalar(shape, value),
        }
    }

    fn items(&mut self, item: &'static Shape, value: &mut Value, depth: usize) -> Result<(), DecodeError> {
        let Value::Array(items) = value else { return Err(self.wrong(value, "list")) };
        for (at, value) in items.iter_mut().enumerate() {
            let length = self.path.len();
            self.path.push_str(&format!("[{at}]"));
            self.shape(item, value, depth + 1)?;
            self.path.truncate(length);
        }
        Ok(())
    }

    fn entries(&mut self, item: &'static Shape, value: &mut Value, depth: usize) -> Result<(), DecodeError> {
        let Value::Object(map) = value else { return Err(self.wrong(value, "map")) };
        map.retain(|_, v| !v.is_null());
        for (key, value) in map.iter_mut() {
            let length = self.path.len();
            self.path.push('.');
            self.path.push_str(key);
            self.shape(item, value, depth + 1)?;
            self.path.truncate(length);
        }
        Ok(())
    }

    fn scalar(&self, shape: &Shape, value: &mut Value) -> Result<(), DecodeError> {
        let small = |v: &Value| v.as_i64().is_some_and(|n| i32::try_from(n).is_ok());
        let (fits, wanted) = match shape {
            Shape::Text => (value.is_string(), "string"),
            Shape::Bool => (value.is_boolean(), "bool"),
            Shape::Int32 => (small(value), "int32"),
            Shape::Int64 => (value.as_i64().is_some(), "int64"),
            Shape::Uint64 => (value.as_u64().is_some(), "uint64"),
            Shape::Float => (value.is_number(), "float64"),
            Shape::Bytes => (value.as_str().is_some_and(|v| STANDARD.decode(v).is_ok()), "base64 text"),
            Shape::Time | Shape::MicroTime => {
                let good = value.as_str().is_some_and(|v| v.parse::<jiff::Timestamp>().is_ok());
                (good, "RFC 3339 time")
            }
            Shape::Duration => (value.is_string(), "duration"),
            Shape::Quantity => {
                if let Value::Number(number) = value {
                    *value = Value::String(number.to_string());
                }
                (value.is_string(), "quantity")
            }
            Shape::IntOrString => (value.is_string() || small(value), "int32 or string"),
            Shape::Raw
            | Shape::TextList
            | Shape::Optional(_)
            | Shape::List(_)
            | Shape::Map(_)
            | Shape::Message(_) => (true, ""),
        };
        if fits { Ok(()) } else { Err(self.wrong(value, wanted)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind;
    use serde_json::json;

    #[test]
    fn unknown_fields_are_named_and_taken_out() {
        let ty = kind("authentication.k8s.io/v1", "TokenRequest").unwrap();
        let mut value =
            json!({"kind": "TokenRequest", "spec": {"expirationSecs": 1, "audiences": null}, "x": {}});
        let notes = conform(ty, &mut value).unwrap();
        assert_eq!(notes, ["unknown field \"spec.expirationSecs\"", "unknown field \"x\""]);
        assert_eq!(value, json!({"kind": "TokenRequest", "spec": {}}));
        let mut pod = json!({"metadata": {"labels": {"any": "thing"}}, "spec": {"containers": [{"foo": 1}]}});
        let notes = conform(kind("v1", "Pod").unwrap(), &mut pod).unwrap();
        assert_eq!(notes, ["unknown field \"spec.containers[0].foo\""]);
    }

    #[test]
    fn wrong_types_are_named() {
        for (version, kind_name, value, text) in [
            (
                "authentication.k8s.io/v1",
                "TokenRequest",
                json!({"spec": {"expirationSeconds": "600"}}),
                "json: cannot unmarshal string into Go struct field TokenRequestSpec.spec.expirationSeconds of type int64",
            ),
            (
                "v1",
                "Pod",
                json!({"spec": []}),
                "json: cannot unmarshal array into Go struct field Pod.spec of type PodSpec",
            ),
            (
                "v1",
                "ConfigMap",
                json!({"data": {"a": 1}}),
                "json: cannot unmarshal number into Go struct field ConfigMap.data.a of type string",
            ),
            (
                "v1",
                "Secret",
                json!({"data": {"a": "%"}}),
                "json: cannot unmarshal string into Go struct field Secret.data.a of type base64 text",
            ),
            (
                "v1",
                "Pod",
                json!({"metadata": {"creationTimestamp": "now"}}),
                "json: cannot unmarshal string into Go struct field ObjectMeta.metadata.creationTimestamp of type RFC 3339 time",
            ),
        ] {
            let mut value = value;
            let error = conform(kind(version, kind_name).unwrap(), &mut value).unwrap_err();
            assert_eq!(error.to_string(), text);
        }
    }
}
