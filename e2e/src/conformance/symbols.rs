//! Replaces what differs between two correct servers by symbols.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

/// In a recording: some text stands here, its words are the server's own affair.
const ANY: &str = "<any text>";
/// Texts of the recorded server's own libraries.
const INTERNAL: [&str; 5] =
    ["go-jose", "cannot unmarshal", "couldn't get version/kind", "unknown conversion", "json: "];
/// Members that are compared nowhere.
const LEFT_OUT: [&str; 4] = ["resourceVersion", "managedFields", "generation", "selfLink"];

/// Texts and what they stand for.
#[derive(Debug, Default)]
pub(super) struct Symbols(Vec<(String, String)>);

/// Header and claims of a token, unverified.
pub(super) fn decode(token: &str) -> Option<(Value, Value)> {
    let mut parts = token.split('.');
    let mut next = || {
        let bytes = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?;
        serde_json::from_slice::<Value>(&bytes).ok()
    };
    Some((next()?, next()?))
}

/// Whether `have` is what was recorded.
pub fn matches(want: &Value, have: &Value) -> bool {
    match (want, have) {
        (Value::String(want), Value::String(have)) if want == ANY => !have.is_empty(),
        (Value::Object(want), Value::Object(have)) => {
            want.len() == have.len() && want.iter().all(|(k, v)| have.get(k).is_some_and(|h| matches(v, h)))
        }
        (Value::Array(want), Value::Array(have)) => {
            want.len() == have.len() && want.iter().zip(have).all(|(w, h)| matches(w, h))
        }
        _ => want == have,
    }
}

impl Symbols {
    /// From now on `text` is shown as `symbol`.
    pub(super) fn learn(&mut self, text: &str, symbol: &str) {
        if !text.is_empty() {
            self.0.push((text.to_owned(), symbol.to_owned()));
        }
    }

    /// The uid that was learnt for a name.
    pub(super) fn uid(&self, name: &str) -> String {
        let symbol = format!("<uid:{name}>");
        self.0.iter().find(|(_, s)| *s == symbol).map(|(text, _)| text.clone()).unwrap_or_default()
    }

    /// A value with symbols in place of what differs.
    pub(super) fn scrub(&self, value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                let kept = map.iter().filter(|(key, _)| !LEFT_OUT.contains(&key.as_str()));
                Value::Object(kept.map(|(key, value)| (self.text(key), self.member(key, value))).collect())
            }
            Value::Array(items) => Value::Array(items.iter().map(|item| self.scrub(item)).collect()),
            Value::String(text) => Value::String(self.text(text)),
            other => other.clone(),
        }
    }

    fn member(&self, key: &str, value: &Value) -> Value {
        match value.as_str() {
            Some(text) if key == "token" && text.starts_with("eyJ") => self.token(text),
            _ => self.scrub(value),
        }
    }

    fn text(&self, text: &str) -> String {
        let mut out = text.to_owned();
        for (name, symbol) in &self.0 {
            out = out.replace(name, symbol);
        }
        if INTERNAL.iter().any(|word| out.contains(word)) {
            return ANY.to_owned();
        }
        uuids(&out)
    }

    /// A token as which claims it has, and how its times relate.
    fn token(&self, token: &str) -> Value {
        let Some((header, Value::Object(mut claims))) = decode(token) else { return json!("<opaque>") };
        let mut names: Vec<&String> = header.as_object().into_iter().flat_map(Map::keys).collect();
        names.sort();
        let mut out = json!({"alg": header["alg"], "header_keys": names});
        if let Some(issued) = claims.remove("iat").as_ref().and_then(Value::as_i64) {
            for claim in ["exp", "nbf"] {
                if let Some(at) = claims.remove(claim).as_ref().and_then(Value::as_i64) {
                    out[format!("{claim}-iat")] = json!(at - issued);
                }
            }
            let private = claims.get_mut("kubernetes.io").and_then(Value::as_object_mut);
            if let Some(at) = private.and_then(|p| p.remove("warnafter")).as_ref().and_then(Value::as_i64) {
                out["warnafter-iat"] = json!(at - issued);
            }
        }
        if let Some(id) = claims.get_mut("jti") {
            *id = json!("<jti>");
        }
        claims.remove("iss");
        out["claims"] = self.scrub(&Value::Object(claims));
        out
    }
}

/// Uuids that nobody named.
fn uuids(text: &str) -> String {
    let shaped = |candidate: &str| {
        candidate.len() == 36
            && candidate.bytes().enumerate().all(|(at, b)| match at {
                8 | 13 | 18 | 23 => b == b'-',
                _ => b.is_ascii_digit() || (b'a'..=b'f').contains(&b),
            })
    };
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match rest.get(..36) {
            Some(candidate) if shaped(candidate) => {
                out.push_str("<uuid>");
                rest = &rest[36..];
            }
            _ => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_stand_for_what_differs() {
        let mut symbols = Symbols::default();
        symbols.learn("11111111-2222-3333-4444-555555555555", "<uid:web>");
        let got = symbols.scrub(&json!({
            "uid": "11111111-2222-3333-4444-555555555555", "resourceVersion": "5",
            "text": "é 99999999-2222-3333-4444-555555555555.", "error": "json: bad",
        }));
        assert_eq!(got, json!({"uid": "<uid:web>", "text": "é <uuid>.", "error": ANY}));
    }

    #[test]
    fn only_any_text_matches_other_text() {
        for (want, have, same) in [
            (json!(ANY), json!("x"), true),
            (json!(ANY), json!(""), false),
            (json!({"a": [1]}), json!({"a": [1]}), true),
            (json!({"a": 1}), json!({"a": 1, "b": 2}), false),
            (json!("x"), json!("y"), false),
        ] {
            assert_eq!(matches(&want, &have), same, "{want} {have}");
        }
    }
}
