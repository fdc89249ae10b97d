//! The answer to a TokenReview, written in one pass.
//!
//! Purpose: reviews are most of what this server does, and most of an answer is the token, echoed. A general serializer
//! looks at each of its bytes to see whether it must be escaped; here a text that needs no escape is copied.
//!
//! Invariant: what is written is what `serde_json` makes of the same values. Left out on purpose: every other answer.

use crate::status::ApiError;
use jeton_core::wire::{AUTHENTICATION_V1, TokenReviewSpec, TokenReviewStatus, UserInfo};
use serde_json::{Map, Value};

/// Room for all but the token; the names of an account, its pod and its node fit.
const USUAL_BYTES: usize = 1024;

/// The whole object.
///
/// # Errors
/// Internal, when a value cannot be written.
pub(super) fn json(
    metadata: &Map<String, Value>,
    spec: &TokenReviewSpec<'_>,
    status: &TokenReviewStatus,
) -> Result<Vec<u8>, ApiError> {
    let mut out = Vec::with_capacity(spec.token.len() + USUAL_BYTES);
    let failed = |e: serde_json::Error| ApiError::Internal(e.to_string());
    put(&mut out, "{\"kind\":\"TokenReview\",\"apiVersion\":\"");
    put(&mut out, AUTHENTICATION_V1);
    put(&mut out, "\",\"metadata\":");
    serde_json::to_writer(&mut out, metadata).map_err(failed)?;
    put(&mut out, ",\"spec\":{");
    let mut members = Members(&mut out, false);
    members.text("token", &spec.token);
    members.texts("audiences", &spec.audiences);
    put(&mut out, "},\"status\":{");
    if status.authenticated {
        put(&mut out, "\"authenticated\":true,");
    }
    put(&mut out, "\"user\":{");
    user(&mut out, &status.user);
    put(&mut out, "}");
    let mut members = Members(&mut out, true);
    members.texts("audiences", &status.audiences);
    members.text("error", &status.error);
    put(&mut out, "}}");
    Ok(out)
}

fn user(out: &mut Vec<u8>, user: &UserInfo) {
    let mut members = Members(out, false);
    members.text("username", &user.username);
    members.text("uid", &user.uid);
    members.texts("groups", &user.groups);
    if !user.extra.is_empty() {
        members.key("extra");
        put(members.0, "{");
        let mut extra = Members(members.0, false);
        for (key, values) in &user.extra {
            extra.key(key);
            list(extra.0, values);
        }
        put(members.0, "}");
    }
}

/// The members of an object, and whether there is one already.
struct Members<'a>(&'a mut Vec<u8>, bool);

impl Members<'_> {
    /// A member that is left out when it is empty.
    fn text(&mut self, name: &'static str, value: &str) {
        if !value.is_empty() {
            self.key(name);
            string(self.0, value);
        }
    }

    /// A member that is left out when it is empty.
    fn texts(&mut self, name: &'static str, values: &[String]) {
        if !values.is_empty() {
            self.key(name);
            list(self.0, values);
        }
    }

    fn key(&mut self, key: &str) {
        if std::mem::replace(&mut self.1, true) {
            put(self.0, ",");
        }
        string(self.0, key);
        put(self.0, ":");
    }
}

fn put(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

fn list(out: &mut Vec<u8>, values: &[String]) {
    put(out, "[");
    for (n, value) in values.iter().enumerate() {
        if n > 0 {
            put(out, ",");
        }
        string(out, value);
    }
    put(out, "]");
}

fn string(out: &mut Vec<u8>, text: &str) {
    // Without leaving early: so many bytes are looked at together.
    let escaped = text.bytes().fold(false, |found, b| found | (b < 0x20) | (b == b'"') | (b == b'\\'));
    put(out, "\"");
    if escaped {
        for c in text.chars() {
            match c {
                '"' => put(out, "\\\""),
                '\\' => put(out, "\\\\"),
                '\u{8}' => put(out, "\\b"),
                '\u{c}' => put(out, "\\f"),
                '\n' => put(out, "\\n"),
                '\r' => put(out, "\\r"),
                '\t' => put(out, "\\t"),
                c if c < ' ' => put(out, &format!("\\u{:04x}", u32::from(c))),
                c => put(out, c.encode_utf8(&mut [0; 4])),
            }
        }
    } else {
        put(out, text);
    }
    put(out, "\"");
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn it_is_what_the_general_serializer_writes() {
        let strange: String = (0..0x180).filter_map(char::from_u32).chain("€😀".chars()).collect();
        let texts = [String::new(), "plain".to_owned(), strange];
        for text in &texts {
            for authenticated in [true, false] {
                let list = if text.is_empty() { Vec::new() } else { vec![text.clone(), "b".to_owned()] };
                let user = UserInfo {
                    username: text.clone(),
                    uid: text.clone(),
                    groups: list.clone(),
                    extra: list.iter().map(|k| (k.clone(), list.clone())).collect(),
                };
                let error = text.clone();
                let status = TokenReviewStatus { authenticated, user, audiences: list.clone(), error };
                let spec = TokenReviewSpec { token: text.into(), audiences: list };
                let metadata = Map::from_iter([("name".to_owned(), json!(text))]);
                let written = json(&metadata, &spec, &status).unwrap();
                let want = format!(
                    r#"{{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","metadata":{},"spec":{},"status":{}}}"#,
                    serde_json::to_string(&metadata).unwrap(),
                    serde_json::to_string(&spec).unwrap(),
                    serde_json::to_string(&status).unwrap()
                );
                assert_eq!(String::from_utf8(written).unwrap(), want);
            }
        }
    }
}
