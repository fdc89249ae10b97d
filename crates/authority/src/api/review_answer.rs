//! The answer to a TokenReview, written in one pass: reviews are most of what this server does.
//!
//! Invariant: what is written is what `serde_json` makes of the same values.

use crate::status::ApiError;
use jeton_core::ident::{ALL_ACCOUNTS_GROUP, AUTHENTICATED_GROUP, USERNAME_PREFIX};
use jeton_core::json::{Escapes, Writer};
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
    let mut out = Writer::new(Escapes::Json, spec.token.len() + USUAL_BYTES);
    out.raw("{");
    out.plain("kind", "TokenReview");
    out.plain("apiVersion", AUTHENTICATION_V1);
    out.key("metadata");
    let metadata = serde_json::to_string(metadata).map_err(|e| ApiError::Internal(e.to_string()))?;
    out.raw(&metadata);
    out.object("spec", |out| {
        // Also of a token that holds: anything may stand behind it, after a space.
        out.text("token", &spec.token);
        out.texts("audiences", &spec.audiences);
    });
    out.object("status", |out| match finding {
        Finding::Good(verified) => {
            out.key("authenticated");
            out.raw("true");
            out.object("user", |out| user(out, verified));
            out.texts("audiences", verified.audiences());
        }
        Finding::Bad(why) => {
            out.object("user", |_| ());
            out.text("error", why);
        }
    });
    out.raw("}");
    Ok(out.into_bytes())
}

/// The members of `Verified::user`, without making one.
fn user(out: &mut Writer, verified: &Verified) {
    let string: fn(&mut Writer, &[&str]) =
        if verified.is_plain() { Writer::plain_string } else { Writer::string };
    let Account { namespace, name, uid } = verified.account();
    out.key("username");
    string(out, &[USERNAME_PREFIX, namespace, ":", name]);
    if !uid.is_empty() {
        out.key("uid");
        string(out, &[uid]);
    }
    out.key("groups");
    out.raw("[");
    string(out, &[ALL_ACCOUNTS_GROUP]);
    out.raw(",");
    string(out, &[ALL_ACCOUNTS_GROUP, ":", namespace]);
    out.raw(",");
    string(out, &[AUTHENTICATED_GROUP]);
    out.raw("]");
    let mut extra = verified.extra().peekable();
    if extra.peek().is_some() {
        out.object("extra", |out| {
            for Extra { key, prefix, value } in extra {
                out.key(key);
                out.raw("[");
                string(out, &[prefix, value]);
                out.raw("]");
            }
        });
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
                    kind: kind.into(),
                    api_version: "v1".into(),
                    name: name.into(),
                    uid: "".into(),
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
                let verified = review(&tokens, token.expose(), &[]).unwrap();
                let [_, _, behind] = strange();
                let spec = TokenReviewSpec {
                    token: format!("{} {behind}", token.expose()).into(),
                    audiences: Vec::new(),
                };
                let (user, audiences) = (verified.user(), verified.audiences().to_vec());
                let status = TokenReviewStatus { authenticated: true, user, audiences, error: String::new() };
                let written = json(&Map::new(), &spec, Finding::Good(&verified)).unwrap();
                assert_eq!(String::from_utf8(written).unwrap(), general(&Map::new(), &spec, &status));
            }
        }
    }
}
