//! A token to a verdict: take apart, prove, look up, decide.

use super::Tokens;
use super::issue::found;
use crate::store::Key;
use jeton_core::legacy::{INVALID_SINCE_LABEL, LAST_USED_LABEL};
use jeton_core::limits::MAX_TOKEN_BYTES;
use jeton_core::lookup::{FoundTokenSecret, Snapshot, Wanted};
use jeton_core::observe::Event;
use jeton_core::verify::{Kind, Rejected, Verified, decide, open};
use serde_json::Value;

/// Where revocations of single tokens stand in the store, each under its token's `jti`.
pub const REVOCATIONS: &str = "jeton.dev/tokenrevocations";

/// Why a token is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is none of ours. Kubernetes 1.36: the words of any unknown bearer token.
    #[error("invalid bearer token")]
    NotOurs,
    /// It is ours, and does not hold. Kubernetes 1.36 puts both texts in brackets.
    #[error("[invalid bearer token, {why}]")]
    Rejected {
        /// The first check that refused it.
        why: Box<Rejected>,
        /// Its subject, when its signature holds and it has no audience of its own.
        audienceless: Option<String>,
    },
}

impl Refused {
    fn of(why: Rejected) -> Self {
        Self::Rejected { why: Box::new(why), audienceless: None }
    }
}

/// What is to be counted and written down of a review.
pub fn event(outcome: &Result<Verified, Refused>) -> Option<Event<'_>> {
    match outcome {
        Ok(verified) => Some(Event::Accepted(verified)),
        Err(Refused::NotOurs) => None,
        Err(Refused::Rejected { why, audienceless }) => {
            Some(Event::Refused { why, audienceless: audienceless.as_deref() })
        }
    }
}

/// Verifies a token for the audiences asked for (none: the API server's).
///
/// # Errors
/// [`Refused`] holds the evidence.
pub fn review(tokens: &Tokens, token: &str, asked: &[String]) -> Result<Verified, Refused> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(Refused::NotOurs);
    }
    let ring = tokens.ring.load();
    let candidate = open(token, &tokens.policy, &ring.keys, &ring.seen).ok_or(Refused::NotOurs)?;
    let proven = candidate.prove(&tokens.policy).map_err(Refused::of)?;
    let wanted = proven.wanted();
    let snapshot = match proven.kind() {
        Kind::Bound => look_up(tokens, &wanted),
        Kind::Legacy => look_up_legacy(tokens, &wanted),
    };
    let audienceless = proven.audienceless().map(str::to_owned);
    let decided = decide(proven, token, asked, &snapshot, &tokens.policy, tokens.clock.now());
    note_use(tokens, &decided);
    decided.map_err(|why| Refused::Rejected { why: Box::new(why), audienceless })
}

/// A legacy token that held, or would hold but for its mark, counts as used.
fn note_use(tokens: &Tokens, decided: &Result<Verified, Rejected>) {
    match decided {
        Ok(verified) => {
            if let Some(used) = verified.legacy().filter(|used| used.label_is_old) {
                tokens.uses.note(&used.namespace, &used.secret);
            }
        }
        Err(Rejected::LegacyMarkedInvalid { namespace, secret, label_is_old: true, .. }) => {
            tokens.uses.note(namespace, secret);
        }
        Err(_) => {}
    }
}

fn look_up(tokens: &Tokens, wanted: &Wanted<'_>) -> Snapshot {
    tokens.store.index().read(|view| {
        let get = |resource: &str, namespace: &str, name: Option<&str>| {
            view.look(resource, namespace, name?).map(found)
        };
        Snapshot {
            account: get("core/serviceaccounts", wanted.namespace, Some(wanted.account)),
            secret: get("core/secrets", wanted.namespace, wanted.secret),
            pod: get("core/pods", wanted.namespace, wanted.pod),
            node: get("core/nodes", "", wanted.node),
            revoked: !wanted.id.is_empty() && view.look(REVOCATIONS, "", wanted.id).is_some(),
            token_secret: None,
        }
    })
}

/// A legacy token is rare, so its Secret and account are read whole; the index still has the last word on whether
/// they exist.
fn look_up_legacy(tokens: &Tokens, wanted: &Wanted<'_>) -> Snapshot {
    let snapshot = look_up(tokens, wanted);
    let name = wanted.secret.unwrap_or_default();
    let read = |resource: &str, name: &str| -> Option<Value> {
        let key = Key::new(resource, wanted.namespace, name).ok()?;
        serde_json::from_slice(&tokens.store.get(&key).ok()??.body).ok()
    };
    let (Some(secret), account) = (read("core/secrets", name), read("core/serviceaccounts", wanted.account))
    else {
        return snapshot;
    };
    let row = tokens.store.index().read(|view| {
        view.look("core/secrets", wanted.namespace, name).map(|row| (found(row), row.token_digest()))
    });
    let label =
        |key: &str| secret["metadata"]["labels"][key].as_str().filter(|v| !v.is_empty()).map(str::to_owned);
    let listed = account.as_ref().and_then(|a| a["secrets"].as_array());
    let token_secret = row.map(|(object, token_digest)| FoundTokenSecret {
        object,
        token_digest,
        invalid_since: label(INVALID_SINCE_LABEL),
        last_used: label(LAST_USED_LABEL),
        auto_generated: listed.is_some_and(|all| all.iter().any(|s| s["name"] == name)),
    });
    Snapshot { token_secret, ..snapshot }
}
