//! The answer to a TokenReview, written in one pass.
//!
//! Purpose: reviews are most of what this server does, and most of an answer is the token, echoed. A general serializer
//! looks at each of its bytes to see whether it must be escaped; here a text that needs no escape is copied.
//!
//! Invariant: what is written is what `serde_json` makes of the same values. Left out on purpose: every other answer.

use crate::status::ApiError;
use jeton_core::ident::{ALL_ACCOUNTS_GROUP, AUTHENTICATED_GROUP, USERNAME_PREFIX};
use jeton_core::verify::{Account, Extra, Verified};
use jeton_core::wire::{AUTHENTICATION_V1, TokenReviewSpec};
use serde_json::{Map, Value};

/// Room for all but the token; the names of an account, its pod and its node fit.
const USUAL_BYTES: usize = 1024;

/// What is found of a token.
#[derive(Clone, Copy)]
pub(super) enum Finding<'a> {
    /// It holds.
    Good(&'a Verified),
    /// It does not, and why.
    Bad(&'a str),
}

/// The whole object.
///
/// # Errors
/// Internal, when a value cannot be written.
pub(super) fn json(
    metadata: &Map<String, Value>,
    spec: &TokenReviewSpec<'_>,
    finding: Finding<'_>,
) -> Result<Vec<u8>, ApiError> {
    let mut out = Vec::with_capacity(spec.token.len() + USUAL_BYTES);
    put(&mut out, "{\"kind\":\"TokenReview\",\"apiVersion\":\"");
    put(&mut out, AUTHENTICATION_V1);
    put(&mut out, "\",\"metadata\":");
    if metadata.is_empty() {
        put(&mut out, "{}");
    } else {
        serde_json::to_writer(&mut out, metadata).map_err(|e| ApiError::Internal(e.to_string()))?;
    }
    put(&mut out, ",\"spec\":{");
    let mut members = Members(&mut out, false);
    members.text("token", &spec.token);
    members.texts("audiences", &spec.audiences);
    put(&mut out, "},\"status\":{");
    match finding {
        Finding::Good(verified) => {
            put(&mut out, "\"authenticated\":true,\"user\":{");
            user(&mut out, verified);
            put(&mut out, "}");
            Members(&mut out, true).texts("audiences", verified.audiences());
        }
        Finding::Bad(why) => {
            put(&mut out, "\"user\":{}");
            Members(&mut out, true).text("error", why);
        }
    }
    put(&mut out, "}}");
    Ok(out)
}

/// The members of `Verified::user`, without making one.
fn user(out: &mut Vec<u8>, verified: &Verified) {
    let Account { namespace, name, uid } = verified.account();
    put(out, "\"username\":");
    joined(out, &[USERNAME_PREFIX, namespace, ":", name]);
    Members(out, true).text("uid", uid);
    put(out, ",\"groups\":[");
    for group in [&[ALL_ACCOUNTS_GROUP][..], &[ALL_ACCOUNTS_GROUP, ":", namespace]] {
        joined(out, group);
        put(out, ",");
    }
    joined(out, &[AUTHENTICATED_GROUP]);
    put(out, "]");
    let mut some = false;
    for Extra { key, prefix, value } in verified.extra() {
        put(out, if some { "," } else { ",\"extra\":{" });
        some = true;
        joined(out, &[key]);
        put(out, ":[");
        joined(out, &[prefix, value]);
        put(out, "]");
    }
    if some {
        put(out, "}");
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
    joined(out, &[text]);
}

/// One string of several parts.
fn joined(out: &mut Vec<u8>, parts: &[&str]) {
    put(out, "\"");
    for part in parts {
        inside(out, part);
    }
    put(out, "\"");
}

fn inside(out: &mut Vec<u8>, text: &str) {
    // Without leaving early: so many bytes are looked at together.
    let escaped = text.bytes().fold(false, |found, b| found | (b < 0x20) | (b == b'"') | (b == b'\\'));
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::lab::{Lab, pod};
    use crate::flow::issue::issue;
    use crate::flow::review::review;
    use jeton_core::issue::Ask;
    use jeton_core::wire::{BoundObjectRef, TokenReviewStatus};
    use serde_json::json;

    fn general(
        metadata: &Map<String, Value>,
        spec: &TokenReviewSpec<'_>,
        status: &TokenReviewStatus,
    ) -> String {
        format!(
            r#"{{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","metadata":{},"spec":{},"status":{}}}"#,
            serde_json::to_string(metadata).unwrap(),
            serde_json::to_string(spec).unwrap(),
            serde_json::to_string(status).unwrap()
        )
    }

    fn strange() -> [String; 3] {
        let strange: String = (0..0x180).filter_map(char::from_u32).chain("€😀".chars()).collect();
        [String::new(), "plain".to_owned(), strange]
    }

    #[test]
    fn a_refusal_is_what_the_general_serializer_writes() {
        for text in &strange() {
            let audiences = if text.is_empty() { Vec::new() } else { vec![text.clone(), "b".to_owned()] };
            let spec = TokenReviewSpec { token: text.into(), audiences };
            let metadata = match text.as_str() {
                "" => Map::new(),
                _ => Map::from_iter([("name".to_owned(), json!(text))]),
            };
            let status = TokenReviewStatus { error: text.clone(), ..TokenReviewStatus::default() };
            let written = json(&metadata, &spec, Finding::Bad(text)).unwrap();
            assert_eq!(String::from_utf8(written).unwrap(), general(&metadata, &spec, &status));
        }
    }

    #[tokio::test]
    async fn a_token_that_holds_is_what_the_general_serializer_writes() {
        let lab = Lab::new().await;
        lab.make("nodes", "", json!({"metadata": {"name": "n1"}})).await;
        lab.make("pods", "ns", pod("loose", "")).await;
        lab.make("pods", "ns", pod("web", "n1")).await;
        for tokens in [lab.tokens(), lab.tokens_with(|policy| policy.api_audiences = strange()[1..].to_vec())]
        {
            for bound in [None, Some(("Pod", "web")), Some(("Pod", "loose")), Some(("Node", "n1"))] {
                let bound = bound.map(|(kind, name)| BoundObjectRef {
                    kind: kind.to_owned(),
                    api_version: "v1".to_owned(),
                    name: name.to_owned(),
                    uid: String::new(),
                });
                let ask = Ask {
                    namespace: "ns",
                    account: "default",
                    body_name: "",
                    body_uid: "",
                    audiences: &[],
                    expiration_seconds: Some(3600),
                    bound: bound.as_ref(),
                };
                let token = issue(&tokens, &ask).unwrap().token;
                let spec = TokenReviewSpec { token: token.expose().into(), audiences: Vec::new() };
                let verified = review(&tokens, token.expose(), &[]).unwrap();
                let (user, audiences) = (verified.user(), verified.audiences().to_vec());
                let status = TokenReviewStatus { authenticated: true, user, audiences, error: String::new() };
                let written = json(&Map::new(), &spec, Finding::Good(&verified)).unwrap();
                assert_eq!(String::from_utf8(written).unwrap(), general(&Map::new(), &spec, &status));
            }
        }
    }
}
