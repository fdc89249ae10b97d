//! Payload and header bytes to claims.
//!
//! Invariant: the same member twice is an error at any depth (go-jose behaves so), so that two readers
//! of one token can never see two different claims. Numbers are truncated toward zero.

use super::{Claims, Private, Ref};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// What a JWS header says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Header {
    /// Signature algorithm by name.
    pub alg: String,
    /// Key id; empty: none.
    pub kid: String,
    /// Extensions that must be understood; any makes the token unacceptable.
    pub crit: Option<Value>,
}

/// The six claims of a token out of a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LegacyClaims {
    /// `sub`.
    pub subject: String,
    /// `kubernetes.io/serviceaccount/namespace`.
    pub namespace: String,
    /// `kubernetes.io/serviceaccount/secret.name`.
    pub secret: String,
    /// `kubernetes.io/serviceaccount/service-account.name`.
    pub account: String,
    /// `kubernetes.io/serviceaccount/service-account.uid`.
    pub account_uid: String,
    /// `aud`, which such tokens do not have.
    pub audiences: Vec<String>,
}

/// JSON in which no object has the same member twice.
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Value, D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without duplicate members")
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
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(Self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            let value = access.next_value_seed(Self)?;
            if map.contains_key(&key) {
                return Err(A::Error::custom(format_args!("duplicate key '{key}' in object")));
            }
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

fn strict_object(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict.deserialize(&mut reader).map_err(|e| format!("json: {e}"))?;
    reader.end().map_err(|e| format!("json: {e}"))?;
    match value {
        Value::Object(map) => Ok(map),
        _ => Err("json: the payload must be an object".to_owned()),
    }
}

fn text(map: &mut Map<String, Value>, key: &str) -> Result<String, String> {
    match map.remove(key) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(s)) => Ok(s),
        Some(_) => Err(format!("json: claim '{key}' must be a string")),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a float outside i64 saturates, which is what is wanted")]
fn seconds(map: &mut Map<String, Value>, key: &str) -> Result<Option<i64>, String> {
    match map.remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(n)) => Ok(n.as_i64().or_else(|| n.as_f64().map(|f| f as i64))),
        Some(_) => Err(format!("json: claim '{key}' must be a number of seconds")),
    }
}

fn audiences(map: &mut Map<String, Value>) -> Result<Vec<String>, String> {
    let refused = || "expected string or array value to unmarshal to Audience".to_owned();
    match map.remove("aud") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(one)) => Ok(vec![one]),
        Some(Value::Array(items)) => items
            .into_iter()
            .map(|item| if let Value::String(s) = item { Ok(s) } else { Err(refused()) })
            .collect(),
        Some(_) => Err(refused()),
    }
}

fn reference(map: &mut Map<String, Value>, key: &str) -> Result<Option<Ref>, String> {
    match map.remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(mut o)) => {
            Ok(Some(Ref { name: text(&mut o, "name")?, uid: text(&mut o, "uid")? }))
        }
        Some(_) => Err(format!("json: member '{key}' must be an object")),
    }
}

fn private(map: &mut Map<String, Value>) -> Result<Private, String> {
    let mut inner = match map.remove("kubernetes.io") {
        None | Some(Value::Null) => return Ok(Private::default()),
        Some(Value::Object(o)) => o,
        Some(_) => return Err("json: claim 'kubernetes.io' must be an object".to_owned()),
    };
    Ok(Private {
        namespace: text(&mut inner, "namespace")?,
        account: reference(&mut inner, "serviceaccount")?.unwrap_or_default(),
        secret: reference(&mut inner, "secret")?,
        pod: reference(&mut inner, "pod")?,
        node: reference(&mut inner, "node")?,
        warn_after: seconds(&mut inner, "warnafter")?,
    })
}

/// The claims of a bound token.
///
/// # Errors
/// Which member is malformed or stands twice.
pub fn claims(payload: &[u8]) -> Result<Claims, String> {
    let mut map = strict_object(payload)?;
    Ok(Claims {
        issuer: text(&mut map, "iss")?,
        subject: text(&mut map, "sub")?,
        audiences: audiences(&mut map)?,
        expires: seconds(&mut map, "exp")?,
        issued_at: seconds(&mut map, "iat")?,
        not_before: seconds(&mut map, "nbf")?,
        id: text(&mut map, "jti")?,
        private: private(&mut map)?,
    })
}

/// The claims of a token out of a Secret.
///
/// # Errors
/// Which member is malformed or stands twice.
pub fn legacy_claims(payload: &[u8]) -> Result<LegacyClaims, String> {
    let mut map = strict_object(payload)?;
    Ok(LegacyClaims {
        subject: text(&mut map, "sub")?,
        namespace: text(&mut map, "kubernetes.io/serviceaccount/namespace")?,
        secret: text(&mut map, "kubernetes.io/serviceaccount/secret.name")?,
        account: text(&mut map, "kubernetes.io/serviceaccount/service-account.name")?,
        account_uid: text(&mut map, "kubernetes.io/serviceaccount/service-account.uid")?,
        audiences: audiences(&mut map)?,
    })
}

/// The header of a JWS; `None` when it is not JSON or a member has the wrong type.
pub fn header(bytes: &[u8]) -> Option<Header> {
    serde_json::from_slice(bytes).ok()
}

/// The unverified issuer: any spelling of `iss` by case, the last one counts (as Go's reader does).
/// `None` when the payload is not an object or has no such string.
pub fn issuer(payload: &[u8]) -> Option<String> {
    struct Issuer;
    impl<'de> Visitor<'de> for Issuer {
        type Value = Option<String>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
            let mut found = None;
            while let Some(key) = access.next_key::<std::borrow::Cow<'_, str>>()? {
                if key.eq_ignore_ascii_case("iss") {
                    found = access.next_value::<Option<String>>()?;
                } else {
                    access.next_value::<serde::de::IgnoredAny>()?;
                }
            }
            Ok(found)
        }
    }
    let mut reader = serde_json::Deserializer::from_slice(payload);
    let found = reader.deserialize_map(Issuer).ok()?;
    reader.end().ok()?;
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_twice_is_refused_at_any_depth() {
        for body in [
            r#"{"iss":"a","iss":"b"}"#,
            r#"{"kubernetes.io":{"namespace":"a","namespace":"b"}}"#,
            r#"{"x":{"y":[{"z":1,"z":1}]}}"#,
        ] {
            assert!(claims(body.as_bytes()).unwrap_err().contains("duplicate key"), "{body}");
        }
    }

    #[test]
    fn shapes() {
        let read = |body: &str| claims(body.as_bytes());
        assert_eq!(read(r#"{"aud":"one"}"#).unwrap().audiences, ["one"]);
        assert_eq!(read(r#"{"exp":12.9}"#).unwrap().expires, Some(12));
        assert_eq!(read(r#"{"exp":1e300}"#).unwrap().expires, Some(i64::MAX));
        assert_eq!(read(r#"{"exp":null}"#).unwrap().expires, None);
        for bad in [
            r#"{"aud":1}"#,
            r#"{"aud":[1]}"#,
            r#"{"exp":"1"}"#,
            r#"{"sub":1}"#,
            "[]",
            "{",
            "{} x",
            r#"{"kubernetes.io":1}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_unverified_issuer_is_read_as_go_reads_it() {
        for (body, want) in [
            (r#"{"iss":"a"}"#, Some("a")),
            (r#"{"iss":"a","ISS":"b"}"#, Some("b")),
            (r#"{"iss":1}"#, None),
            (r#"{}"#, None),
            (r#""x""#, None),
        ] {
            assert_eq!(issuer(body.as_bytes()).as_deref(), want, "{body}");
        }
    }
}
