//! Protobuf bodies to the JSON value that the same object would have.
//!
//! Kubernetes 1.36: four magic bytes, then a message `Unknown` that names the kind and holds the object's own message
//! (apimachinery/pkg/runtime/serializer/protobuf). Go writes empty texts and empty messages where JSON leaves a field
//! out, so a zero counts only where the field is optional.

use crate::table::{Shape, Type, TypeRef, inner, table};
use crate::{DecodeError, MAX_DEPTH};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

const MAGIC: &[u8] = b"k8s\0";

/// A body before its kind's message is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// API version it names.
    pub api_version: String,
    /// Kind it names.
    pub kind: String,
    raw: Vec<u8>,
}

/// Reads the envelope of a protobuf body.
///
/// # Errors
/// [`DecodeError::Malformed`] when it is none.
pub fn envelope(bytes: &[u8]) -> Result<Envelope, DecodeError> {
    let rest = bytes
        .strip_prefix(MAGIC)
        .ok_or_else(|| malformed("the body does not begin with the magic bytes of Kubernetes' protobuf"))?;
    let mut out = Envelope::default();
    for item in fields(rest) {
        match item? {
            (1, Wire::Bytes(meta)) => {
                for item in fields(meta) {
                    match item? {
                        (1, Wire::Bytes(text)) => out.api_version = utf8(text)?,
                        (2, Wire::Bytes(text)) => out.kind = utf8(text)?,
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(raw)) => out.raw = raw.to_vec(),
            (3, Wire::Bytes(encoding)) if !encoding.is_empty() => {
                return Err(malformed("an encoded body is not supported"));
            }
            _ => {}
        }
    }
    Ok(out)
}

impl Envelope {
    /// The object inside as JSON, with its kind and API version.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not such a message.
    pub fn to_json(&self, ty: TypeRef) -> Result<Value, DecodeError> {
        let mut map = Map::new();
        message(table().get(ty.0), &self.raw, &mut map, 0)?;
        for (key, text) in [("apiVersion", &self.api_version), ("kind", &self.kind)] {
            if !text.is_empty() {
                map.insert(key.to_owned(), json!(text));
            }
        }
        Ok(Value::Object(map))
    }
}

fn malformed(text: &str) -> DecodeError {
    DecodeError::Malformed(format!("proto: {text}"))
}

fn utf8(bytes: &[u8]) -> Result<String, DecodeError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| malformed("a text is not UTF-8"))
}

/// One field as it stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
}

/// The fields of a message, in order.
fn fields(mut rest: &[u8]) -> impl Iterator<Item = Result<(u64, Wire<'_>), DecodeError>> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let item = field(&mut rest);
        if item.is_none() {
            rest = &[];
        }
        Some(item.ok_or_else(|| malformed("unexpected end, or an unknown wire type")))
    })
}

fn field<'a>(rest: &mut &'a [u8]) -> Option<(u64, Wire<'a>)> {
    let tag = varint(rest)?;
    let wire = match tag & 7 {
        0 => Wire::Varint(varint(rest)?),
        1 => Wire::Fixed64(u64::from_le_bytes(take(rest, 8)?.try_into().ok()?)),
        2 => {
            let length = usize::try_from(varint(rest)?).ok()?;
            Wire::Bytes(take(rest, length)?)
        }
        5 => Wire::Fixed32(u32::from_le_bytes(take(rest, 4)?.try_into().ok()?)),
        _ => return None,
    };
    Some((tag >> 3, wire))
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(head)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut out = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = take(rest, 1)?[0];
        out |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(out);
        }
    }
    None
}

fn message(ty: &Type, bytes: &[u8], map: &mut Map<String, Value>, depth: usize) -> Result<(), DecodeError> {
    if depth > MAX_DEPTH {
        return Err(DecodeError::TooDeep);
    }
    for item in fields(bytes) {
        let (number, wire) = item?;
        let Some(field) = ty.fields.iter().find(|f| f.number == number && number != 0) else { continue };
        if field.name.is_empty() {
            if let (Some(index), Wire::Bytes(bytes)) = (inner(&field.shape), wire) {
                message(table().get(index), bytes, map, depth + 1)?;
            }
            continue;
        }
        add(&field.shape, field.name, wire, map, depth)?;
    }
    Ok(())
}

/// Puts one field of the wire into the object.
fn add(
    shape: &Shape,
    name: &str,
    wire: Wire<'_>,
    map: &mut Map<String, Value>,
    depth: usize,
) -> Result<(), DecodeError> {
    match shape {
        Shape::List(item) => {
            let list = map.entry(name).or_insert_with(|| json!([]));
            let Value::Array(list) = list else { return Ok(()) };
            match (&**item, wire) {
                // Numbers may come packed.
                (Shape::Int32 | Shape::Int64 | Shape::Uint64 | Shape::Bool, Wire::Bytes(mut packed)) => {
                    while !packed.is_empty() {
                        let number = varint(&mut packed).ok_or_else(|| malformed("unexpected end"))?;
                        list.push(value(item, Wire::Varint(number), depth)?);
                    }
                }
                _ => list.push(value(item, wire, depth)?),
            }
        }
        Shape::Map(item) => {
            let entries = map.entry(name).or_insert_with(|| json!({}));
            let (Value::Object(entries), Wire::Bytes(bytes)) = (entries, wire) else {
                return Err(malformed("a map must be a message"));
            };
            let (key, found) = entry(item, bytes, depth)?;
            entries.insert(key, found);
        }
        Shape::Optional(inner) => {
            let found = value(inner, wire, depth)?;
            if !found.is_null() {
                map.insert(name.to_owned(), found);
            }
        }
        _ => {
            let found = value(shape, wire, depth)?;
            if !is_zero(&found) {
                map.insert(name.to_owned(), found);
            }
        }
    }
    Ok(())
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(v) => !v,
        Value::Number(n) => n.as_f64() == Some(0.0),
        Value::String(s) => s.is_empty(),
        Value::Array(a) => a.is_empty(),
        Value::Object(o) => o.is_empty(),
    }
}

fn entry(item: &Shape, bytes: &[u8], depth: usize) -> Result<(String, Value), DecodeError> {
    let mut key = String::new();
    let mut found = value(item, empty(item), depth)?;
    for part in fields(bytes) {
        match part? {
            (1, Wire::Bytes(text)) => key = utf8(text)?,
            (2, wire) => found = value(item, wire, depth)?,
            _ => {}
        }
    }
    Ok((key, found))
}

/// What a value is when an entry leaves it out.
fn empty(shape: &Shape) -> Wire<'static> {
    match shape {
        Shape::Bool | Shape::Int32 | Shape::Int64 | Shape::Uint64 => Wire::Varint(0),
        Shape::Float => Wire::Fixed64(0),
        _ => Wire::Bytes(&[]),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "varints hold signed numbers so"
)]
fn value(shape: &Shape, wire: Wire<'_>, depth: usize) -> Result<Value, DecodeError> {
    match (shape, wire) {
        (Shape::Optional(inner), wire) => value(inner, wire, depth),
        (Shape::Bool, Wire::Varint(n)) => Ok(json!(n != 0)),
        (Shape::Int32, Wire::Varint(n)) => Ok(json!(n as i32)),
        (Shape::Int64, Wire::Varint(n)) => Ok(json!(n as i64)),
        (Shape::Uint64, Wire::Varint(n)) => Ok(json!(n)),
        (Shape::Float, Wire::Fixed64(n)) => Ok(json!(f64::from_bits(n))),
        (Shape::Float, Wire::Fixed32(n)) => Ok(json!(f32::from_bits(n))),
        (Shape::Text, Wire::Bytes(text)) => Ok(json!(utf8(text)?)),
        (Shape::Bytes, Wire::Bytes(bytes)) => Ok(json!(STANDARD.encode(bytes))),
        (Shape::Message(index), Wire::Bytes(bytes)) => {
            let mut map = Map::new();
            message(table().get(*index), bytes, &mut map, depth + 1)?;
            Ok(Value::Object(map))
        }
        (Shape::Time | Shape::MicroTime, Wire::Bytes(bytes)) => time(shape, bytes),
        (Shape::Quantity, Wire::Bytes(bytes)) => Ok(json!(text_at(1, bytes)?)),
        (Shape::Duration, Wire::Bytes(bytes)) => Ok(json!(format!("{}ns", number_at(1, bytes)?))),
        (Shape::IntOrString, Wire::Bytes(bytes)) => match number_at(1, bytes)? {
            0 => Ok(json!(number_at(2, bytes)? as i32)),
            _ => Ok(json!(text_at(3, bytes)?)),
        },
        (Shape::Raw, Wire::Bytes(bytes)) => raw(bytes),
        (Shape::TextList, Wire::Bytes(bytes)) => {
            let mut items = Vec::new();
            for item in fields(bytes) {
                if let (1, Wire::Bytes(text)) = item? {
                    items.push(json!(utf8(text)?));
                }
            }
            Ok(Value::Array(items))
        }
        _ => Err(malformed("a field has the wrong wire type")),
    }
}

fn text_at(number: u64, bytes: &[u8]) -> Result<String, DecodeError> {
    let mut out = String::new();
    for item in fields(bytes) {
        match item? {
            (n, Wire::Bytes(text)) if n == number => out = utf8(text)?,
            _ => {}
        }
    }
    Ok(out)
}

#[expect(clippy::cast_possible_wrap, reason = "varints hold signed numbers so")]
fn number_at(number: u64, bytes: &[u8]) -> Result<i64, DecodeError> {
    let mut out = 0;
    for item in fields(bytes) {
        match item? {
            (n, Wire::Varint(v)) if n == number => out = v as i64,
            _ => {}
        }
    }
    Ok(out)
}

/// A time of no fields is Go's zero time, which JSON leaves out.
fn time(shape: &Shape, bytes: &[u8]) -> Result<Value, DecodeError> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    let (seconds, nanos) = (number_at(1, bytes)?, number_at(2, bytes)?);
    let nanos = i32::try_from(nanos).map_err(|_| malformed("a time is out of range"))?;
    let at = jiff::Timestamp::new(seconds, nanos).map_err(|_| malformed("a time is out of range"))?;
    Ok(match shape {
        Shape::MicroTime => json!(format!("{at:.6}")),
        _ => json!(format!("{at:.0}")),
    })
}

fn raw(bytes: &[u8]) -> Result<Value, DecodeError> {
    for item in fields(bytes) {
        if let (1, Wire::Bytes(text)) = item? {
            return Ok(crate::json(text)?.value);
        }
    }
    Ok(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VECTORS: &str = include_str!("../../../fixtures/schema/vectors.jsonl");

    #[test]
    fn gos_protobuf_and_gos_json_are_the_same_object() {
        let mut count = 0;
        for line in VECTORS.lines() {
            let vector: Value = serde_json::from_str(line).unwrap();
            let (version, kind) = (vector["apiVersion"].as_str().unwrap(), vector["kind"].as_str().unwrap());
            let ty = crate::kind(version, kind).unwrap();
            let envelope = envelope(&STANDARD.decode(vector["protobuf"].as_str().unwrap()).unwrap()).unwrap();
            assert_eq!((envelope.api_version.as_str(), envelope.kind.as_str()), (version, kind));
            let mut got = envelope.to_json(ty).unwrap();
            let mut want = vector["json"].clone();
            assert_eq!(crate::conform(ty, &mut want).unwrap(), [""; 0], "{kind}");
            crate::conform(ty, &mut got).unwrap();
            strip(&mut want);
            strip(&mut got);
            assert_eq!(got, want, "{kind}");
            count += 1;
        }
        assert_eq!(count, 18);
    }

    /// Go's JSON shows zeros of fields that are never left out; they say the same as their absence. Those of optional
    /// fields, and members of maps, must come through, so only what both sides may leave out is stripped here.
    fn strip(value: &mut Value) {
        if let Value::Object(map) = value {
            for (key, value) in map.iter_mut() {
                if !matches!(key.as_str(), "labels" | "data" | "emptyDir" | "preconditions") {
                    strip(value);
                }
            }
            map.retain(|key, v| {
                let always = matches!(
                    key.as_str(),
                    "resources"
                        | "status"
                        | "spec"
                        | "strategy"
                        | "metadata"
                        | "template"
                        | "user"
                        | "replicas"
                        | "name"
                        | "value"
                        | "loadBalancer"
                        | "daemonEndpoints"
                        | "nodeInfo"
                        | "apiGroup"
                        | "kubeletEndpoint"
                        | "Port"
                        | "expirationTimestamp"
                        | "token"
                        | "audiences"
                        | "userInfo"
                        | "allowed"
                        | "boundObjectRef"
                        | "architecture"
                        | "bootID"
                        | "containerRuntimeVersion"
                        | "kernelVersion"
                        | "kubeProxyVersion"
                        | "kubeletVersion"
                        | "machineID"
                        | "operatingSystem"
                        | "osImage"
                        | "systemUUID"
                );
                !(always && is_zero(v)) || (key == "replicas")
            });
        } else if let Value::Array(items) = value {
            items.iter_mut().for_each(strip);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = envelope(&bytes);
            let body = [MAGIC, &bytes].concat();
            for (version, kind) in [("v1", "Pod"), ("meta.k8s.io/v1", "DeleteOptions"), ("authentication.k8s.io/v1", "TokenReview")] {
                let ty = crate::kind(version, kind).unwrap();
                if let Ok(envelope) = envelope(&body) {
                    let _ = envelope.to_json(ty);
                }
                let direct = Envelope { raw: bytes.clone(), ..Envelope::default() };
                let _ = direct.to_json(ty);
                if let Ok(mut decoded) = crate::json(&bytes) {
                    let _ = crate::conform(ty, &mut decoded.value);
                }
                let _ = crate::yaml(&bytes);
            }
        }
    }
}
