//! A token in words: every claim, what it means now, and what will happen to the token.
//!
//! Purpose: help for people who hold a token or a refusal. Nothing here verifies; what it says is what the token says.

use crate::claims::{Claims, LEGACY_ISSUER, Ref, claims, header, legacy_claims};
use crate::legacy::INVALID_SINCE_LABEL;
use crate::limits::{LEEWAY_SECONDS, MAX_TOKEN_BYTES};
use crate::time::UnixTime;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::Value;

/// Why a text is no token that can be explained.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAToken {
    /// Nothing came in.
    #[error("the input is empty: pass a token on standard input")]
    Empty,
    /// More bytes than a token has.
    #[error("the input has more than {MAX_TOKEN_BYTES} bytes")]
    TooLong,
    /// Not three parts of base64url.
    #[error("the input is no JWT: expected three base64url parts joined by dots")]
    NotJwt,
    /// The payload cannot be read.
    #[error("the token's payload cannot be read: {0}")]
    Payload(String),
}

/// One claim in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Its name, such as `exp` or `kubernetes.io/pod`.
    pub claim: &'static str,
    /// Its value as it stands.
    pub value: String,
    /// What it means at the moment of asking.
    pub meaning: String,
}

/// A token in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Header and claims, in the order people ask for them.
    pub claims: Vec<Line>,
    /// What will happen to it, in order.
    pub outlook: Vec<String>,
}

/// Takes a token apart and explains it. Surrounding white space is ignored.
///
/// # Errors
/// [`NotAToken`] says what is wrong with the input; it never holds the input.
pub fn explain(token: &str, now: UnixTime) -> Result<Explanation, NotAToken> {
    let (header_bytes, payload) = parts(token)?;
    let head = header(&header_bytes).ok_or(NotAToken::NotJwt)?;
    let claims = claims(&payload).map_err(NotAToken::Payload)?;
    let mut lines = vec![
        Line { claim: "alg", value: head.alg, meaning: "signature algorithm (header)".to_owned() },
        Line {
            claim: "kid",
            meaning: if head.kid.is_empty() {
                "none: any of the issuer's keys may verify it"
            } else {
                "the key that verifies it (header)"
            }
            .to_owned(),
            value: head.kid,
        },
    ];
    lines.extend(describe(&claims, now));
    if let Some(legacy) = legacy(&payload) {
        lines.extend(legacy);
    }
    Ok(Explanation { claims: lines, outlook: outlook(&claims, now) })
}

pub(crate) fn parts(token: &str) -> Result<(Vec<u8>, Vec<u8>), NotAToken> {
    let token = token.trim();
    if token.is_empty() {
        return Err(NotAToken::Empty);
    }
    if token.len() > MAX_TOKEN_BYTES {
        return Err(NotAToken::TooLong);
    }
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, _signature] = parts[..] else { return Err(NotAToken::NotJwt) };
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| NotAToken::NotJwt);
    Ok((decode(header)?, decode(payload)?))
}

/// `in 59 min`, `3 h ago`.
pub fn relative(at: i64, now: UnixTime) -> String {
    let seconds = at.saturating_sub(now.seconds());
    let size = seconds.unsigned_abs();
    let (number, unit) = match size {
        0..=119 => (size, "s"),
        120..=7199 => (size / 60, "min"),
        7200..=172_799 => (size / 3600, "h"),
        _ => (size / 86_400, "days"),
    };
    if seconds < 0 { format!("{number} {unit} ago") } else { format!("in {number} {unit}") }
}

fn time(claim: &'static str, at: Option<i64>, what: &str, now: UnixTime) -> Option<Line> {
    let at = at?;
    let shown = format!("{at} ({})", UnixTime::from_seconds(at).rfc3339());
    Some(Line { claim, value: shown, meaning: format!("{what} {}", relative(at, now)) })
}

fn object(claim: &'static str, of: Option<&Ref>, meaning: &str) -> Option<Line> {
    let of = of.filter(|r| !r.name.is_empty())?;
    let uid = if of.uid.is_empty() { "uid unknown" } else { &of.uid };
    Some(Line { claim, value: format!("{} ({uid})", of.name), meaning: meaning.to_owned() })
}

fn describe(c: &Claims, now: UnixTime) -> Vec<Line> {
    let text = |claim, value: &str, meaning: &str| {
        let line = Line { claim, value: value.to_owned(), meaning: meaning.to_owned() };
        (!value.is_empty()).then_some(line)
    };
    let p = &c.private;
    let node = if p.pod.is_some() {
        "where the pod ran when the token was issued; a remark, not checked"
    } else {
        "the token dies with this node"
    };
    [
        text("iss", &c.issuer, "who issued it"),
        text("sub", &c.subject, "whom it speaks for"),
        text("aud", &c.audiences.join(", "), "who may accept it"),
        time("iat", c.issued_at, "issued", now),
        time("nbf", c.not_before, "valid from", now),
        time("exp", c.expires, "expires", now),
        text("jti", &c.id, "its id in audit logs: credential-id JTI=…"),
        text("kubernetes.io/namespace", &p.namespace, "namespace of the account"),
        object("kubernetes.io/serviceaccount", Some(&p.account), "the account; the token dies with it"),
        object("kubernetes.io/pod", p.pod.as_ref(), "the token dies with this pod"),
        object("kubernetes.io/secret", p.secret.as_ref(), "the token dies with this secret"),
        object("kubernetes.io/node", p.node.as_ref(), node),
        time("kubernetes.io/warnafter", p.warn_after, "counts as stale", now),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The flat claims of a token out of a Secret.
fn legacy(payload: &[u8]) -> Option<Vec<Line>> {
    let value: Value = serde_json::from_slice(payload).ok()?;
    let line = |claim: &'static str, meaning: &str| {
        let found = value.get(claim)?.as_str()?.to_owned();
        Some(Line { claim, value: found, meaning: meaning.to_owned() })
    };
    let found: Vec<Line> = [
        line("kubernetes.io/serviceaccount/namespace", "namespace of the account"),
        line("kubernetes.io/serviceaccount/secret.name", "the Secret that holds it; it dies with it"),
        line("kubernetes.io/serviceaccount/service-account.name", "the account; it dies with it"),
        line("kubernetes.io/serviceaccount/service-account.uid", "which account of that name"),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!found.is_empty()).then_some(found)
}

fn outlook(c: &Claims, now: UnixTime) -> Vec<String> {
    let mut out = Vec::new();
    let Some(expires) = c.expires else {
        out.push("It has no end: it works until its Secret or account is deleted.".to_owned());
        return out;
    };
    if now > UnixTime::from_seconds(expires).plus_seconds(LEEWAY_SECONDS) {
        out.push(format!("It expired {} and is refused everywhere.", relative(expires, now)));
        return out;
    }
    if let Some(after) = c.private.warn_after {
        if now > UnixTime::from_seconds(after) {
            out.push(format!(
                "Its holder should have read a new one {}: whoever still uses this one does not re-read its token file, and fails when it expires {}.",
                relative(after, now),
                relative(expires, now)
            ));
        } else {
            out.push(format!(
                "It asked for an hour and got a year: a holder that re-reads its file replaces it before {}.",
                UnixTime::from_seconds(after).rfc3339()
            ));
        }
    }
    for (kind, bound) in [("pod", &c.private.pod), ("secret", &c.private.secret)] {
        if let Some(bound) = bound {
            out.push(format!("It is refused as soon as the {kind} {} is removed.", bound.name));
        }
    }
    if let (Some(node), None) = (&c.private.node, &c.private.pod) {
        out.push(format!("It is refused as soon as the node {} is removed.", node.name));
    }
    out.push(format!("It is refused as soon as the account {} is removed.", c.private.account.name));
    out.push(format!(
        "It expires {}; servers forgive {LEEWAY_SECONDS} s of clock difference.",
        relative(expires, now)
    ));
    out
}

/// The Secret that a token came out of.
fn secret_of(token: &str) -> Option<String> {
    let (_, payload) = parts(token).ok()?;
    let ours = crate::claims::issuer(&payload).as_deref() == Some(LEGACY_ISSUER);
    let claims = legacy_claims(&payload).ok().filter(|_| ours)?;
    Some(format!("secret {}/{}", claims.namespace, claims.secret))
}

/// Which check refused a token, and the evidence the token itself holds, from the words of a TokenReview.
pub fn refusal(words: &str, token: &str, now: UnixTime) -> (&'static str, String) {
    let claims = parts(token).ok().and_then(|(_, payload)| claims(&payload).ok()).unwrap_or_default();
    let reason =
        words.trim_start_matches('[').trim_start_matches("invalid bearer token, ").trim_end_matches(']');
    let when = |at: Option<i64>| at.map_or("absent".to_owned(), |at| relative(at, now));
    let bound =
        [("pod", &claims.private.pod), ("secret", &claims.private.secret), ("node", &claims.private.node)];
    let bound =
        bound.into_iter().find_map(|(kind, r)| r.as_ref().map(|r| format!("{kind} {} ({})", r.name, r.uid)));
    let secret = secret_of(token);
    let bound = bound.or_else(|| secret.clone());
    let secret = secret.unwrap_or_default();
    let account = &claims.private.account;
    if reason == "invalid bearer token" {
        return (
            "issuer",
            format!("iss {:?} is not one of the server's, or the text is no token", claims.issuer),
        );
    }
    for (part, check, evidence) in [
        ("no keys found", "key", "the key id in the header is unknown to the server".to_owned()),
        (
            "cryptographic primitive",
            "signature",
            "the signature does not belong to this header and payload".to_owned(),
        ),
        ("audiences", "audience", format!("the token is for {:?}", claims.audiences)),
        ("been revoked", "revocation", format!("jti {:?} stands in tokenrevocations.jeton.dev", claims.id)),
        ("marked invalid", "mark", format!("{secret} has the label {INVALID_SINCE_LABEL}")),
        ("server's copy", "secret", format!("{secret} holds another token now")),
        ("not valid yet", "time", format!("nbf is {}", when(claims.not_before))),
        ("has expired", "time", format!("exp was {}", when(claims.expires))),
        ("in the future", "time", format!("iat is {}", when(claims.issued_at))),
        (
            "invalidated",
            "bound object",
            format!("{} does not exist any more", bound.clone().unwrap_or_default()),
        ),
        ("ref claim", "bound object", format!("{} is another object now", bound.unwrap_or_default())),
        ("not found", "account", format!("{}/{} does not exist", claims.private.namespace, account.name)),
        ("does not match claim", "account", format!("the token was for uid {}", account.uid)),
        (
            "has been deleted",
            "account",
            format!("{}/{} is being deleted", claims.private.namespace, account.name),
        ),
    ] {
        if reason.contains(part) {
            return (check, evidence);
        }
    }
    ("other", reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(payload: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.c2ln", part(r#"{"alg":"RS256","kid":"k"}"#), part(payload))
    }

    const NOW: UnixTime = UnixTime::from_seconds(1000);
    const POD: &str = r#"{"iss":"i","aud":["a"],"exp":5000,"iat":900,"nbf":900,"sub":"s","kubernetes.io":{"namespace":"ci","pod":{"name":"web","uid":"u"},"serviceaccount":{"name":"builder","uid":"v"},"warnafter":990}}"#;

    #[test]
    fn every_claim_is_explained() {
        let told = explain(&token(POD), NOW).unwrap();
        let claims: Vec<_> = told.claims.iter().map(|l| l.claim).collect();
        assert_eq!(
            claims,
            [
                "alg",
                "kid",
                "iss",
                "sub",
                "aud",
                "iat",
                "nbf",
                "exp",
                "kubernetes.io/namespace",
                "kubernetes.io/serviceaccount",
                "kubernetes.io/pod",
                "kubernetes.io/warnafter"
            ]
        );
        assert!(told.outlook[0].contains("does not re-read"), "{:?}", told.outlook);
        assert!(told.outlook[1].contains("pod web"));
    }

    #[test]
    fn times_are_relative_to_now() {
        for (at, want) in [
            (1000, "in 0 s"),
            (1119, "in 119 s"),
            (1120, "in 2 min"),
            (880, "2 min ago"),
            (1000 + 7200, "in 2 h"),
            (1000 + 172_800, "in 2 days"),
        ] {
            assert_eq!(relative(at, NOW), want);
        }
    }

    #[test]
    fn what_is_no_token_is_said_without_showing_it() {
        let no_json = format!("{}.!!.x", URL_SAFE_NO_PAD.encode("{}"));
        for (text, want) in [
            ("", NotAToken::Empty),
            ("secret", NotAToken::NotJwt),
            ("a.b", NotAToken::NotJwt),
            (&no_json, NotAToken::NotJwt),
        ] {
            assert_eq!(explain(text, NOW).unwrap_err(), want);
        }
        assert_eq!(explain(&"x".repeat(MAX_TOKEN_BYTES + 1), NOW).unwrap_err(), NotAToken::TooLong);
        assert!(matches!(explain(&token("[]"), NOW), Err(NotAToken::Payload(_))));
    }

    #[test]
    fn refusals_name_the_check_and_its_evidence() {
        for (words, check, evidence) in [
            ("invalid bearer token", "issuer", "iss \"i\""),
            (
                "[invalid bearer token, service account token has been invalidated]",
                "bound object",
                "pod web (u)",
            ),
            ("[invalid bearer token, service account token has expired]", "time", "exp was in 66 min"),
            ("[invalid bearer token, serviceaccounts \"builder\" not found]", "account", "ci/builder"),
            ("[invalid bearer token, invalid signature, no keys found]", "key", "unknown"),
            // Kubernetes 1.36, and this server.
            (
                "[invalid bearer token, go-jose/go-jose: error in cryptographic primitive]",
                "signature",
                "does not belong",
            ),
            (
                "[invalid bearer token, the signature does not verify: error in cryptographic primitive]",
                "signature",
                "does not belong",
            ),
        ] {
            let (got, why) = refusal(words, &token(POD), NOW);
            assert_eq!(got, check);
            assert!(why.contains(evidence), "{why}");
        }
    }

    #[test]
    fn refusals_of_tokens_out_of_secrets_name_the_secret() {
        let legacy = r#"{"iss":"kubernetes/serviceaccount","kubernetes.io/serviceaccount/namespace":"ci","kubernetes.io/serviceaccount/secret.name":"old"}"#;
        for (words, check, evidence) in [
            (
                "the token in secret ci/old for service account ci/a has been marked invalid. Use tokens",
                "mark",
                "secret ci/old has the label kubernetes.io/legacy-token-invalid-since",
            ),
            ("Token does not match server's copy", "secret", "secret ci/old holds another token now"),
            ("Token has been invalidated", "bound object", "secret ci/old does not exist any more"),
        ] {
            let told = refusal(&format!("[invalid bearer token, {words}]"), &token(legacy), NOW);
            assert_eq!(told, (check, evidence.to_owned()));
        }
    }
}
