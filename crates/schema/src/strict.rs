//! JSON and YAML to values. Repeated members are reported, the last one counts, as in Kubernetes.

use crate::{DecodeError, MAX_DEPTH};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::cell::RefCell;
use std::fmt;

/// A value, and which fields stood twice: `duplicate field "spec.x"`.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// The value.
    pub value: Value,
    /// Notes about repeated fields.
    pub duplicates: Vec<String>,
}

/// Most notes about repeated fields that are kept.
const MAX_NOTES: usize = 32;

/// Reads one JSON value.
///
/// # Errors
/// [`DecodeError::Malformed`] or [`DecodeError::TooDeep`].
pub fn json(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    let notes = RefCell::new(Vec::new());
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    // Our own limit is below the library's, which would panic no stack either.
    let seed = Seed { path: "", depth: 0, notes: &notes };
    let value = seed.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    match value {
        Ok(value) => Ok(Decoded { value, duplicates: notes.into_inner() }),
        Err(error) if error.to_string().starts_with(TOO_DEEP) => Err(DecodeError::TooDeep),
        Err(error) => Err(DecodeError::Malformed(format!("json: {error}"))),
    }
}

/// Reads one YAML document. A repeated key is an error, and so is one that is no text.
///
/// # Errors
/// As [`json`].
pub fn yaml(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    let malformed = |error: serde_yaml_ng::Error| DecodeError::Malformed(format!("yaml: {error}"));
    let notes = RefCell::new(Vec::new());
    let reader = serde_yaml_ng::Deserializer::from_slice(bytes);
    let value = Seed { path: "", depth: 0, notes: &notes }.deserialize(reader).map_err(malformed)?;
    Ok(Decoded { value, duplicates: notes.into_inner() })
}

const TOO_DEEP: &str = "nested too deeply";

struct Seed<'a> {
    path: &'a str,
    depth: usize,
    notes: &'a RefCell<Vec<String>>,
}

impl Seed<'_> {
    fn deeper<E: serde::de::Error>(&self) -> Result<usize, E> {
        if self.depth >= MAX_DEPTH { Err(E::custom(TOO_DEEP)) } else { Ok(self.depth + 1) }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Value, D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }
    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::from(v))
    }
    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(Value::from(v))
    }
    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(Number::from_f64(v).map_or(Value::Null, Value::Number))
    }
    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::String(v.to_owned()))
    }
    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(Value::String(v))
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let depth = self.deeper()?;
        let mut items = Vec::new();
        loop {
            let path = format!("{}[{}]", self.path, items.len());
            match access.next_element_seed(Seed { path: &path, depth, notes: self.notes })? {
                Some(item) => items.push(item),
                None => return Ok(Value::Array(items)),
            }
        }
    }
    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let depth = self.deeper()?;
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            let path = if self.path.is_empty() { key.clone() } else { format!("{}.{key}", self.path) };
            let value = access.next_value_seed(Seed { path: &path, depth, notes: self.notes })?;
            let mut notes = self.notes.borrow_mut();
            if map.contains_key(&key) && notes.len() < MAX_NOTES {
                notes.push(format!("duplicate field \"{path}\""));
            }
            drop(notes);
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn repeated_fields_are_named_and_the_last_counts() {
        let decoded = super::json(br#"{"a":1,"b":{"c":[{"d":1,"d":2}]},"a":3}"#).unwrap();
        assert_eq!(decoded.value, json!({"a": 3, "b": {"c": [{"d": 2}]}}));
        assert_eq!(decoded.duplicates, ["duplicate field \"b.c[0].d\"", "duplicate field \"a\""]);
    }

    #[test]
    fn what_is_not_json_is_an_error() {
        for bytes in [&b""[..], b"{", b"{\"a\":1}x", b"\xff", b"{\"a\":\"\xff\"}", b"nul"] {
            assert!(matches!(super::json(bytes), Err(DecodeError::Malformed(_))), "{bytes:?}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(super::json(deep.as_bytes()), Err(DecodeError::TooDeep));
    }

    #[test]
    fn yaml_is_read_alike() {
        let decoded = yaml(b"a: 1\nb:\n- c: x\n  d: null\n").unwrap();
        assert_eq!(decoded.value, json!({"a": 1, "b": [{"c": "x", "d": null}]}));
        let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n";
        for bad in ["a: [", "a: 1\na: 2\n--- \nb", "\tx: 1", bomb] {
            assert!(yaml(bad.as_bytes()).is_err(), "{bad:.40}");
        }
        assert!(yaml("[".repeat(10_000).as_bytes()).is_err());
    }
}
