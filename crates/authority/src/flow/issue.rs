//! A TokenRequest to a token: look up, decide, sign, seal.

use super::Tokens;
use super::ids::fresh_id;
use crate::signer::SignError;
use crate::store::{Looked, View};
use jeton_core::claims::{LegacyClaims, legacy_payload, payload, to_segment};
use jeton_core::issue::{
    Ask, Bound, Draft, IssueError, IssueSnapshot, SealError, Sealed, bound, draft, seal, seal_legacy,
};
use jeton_core::lookup::{Found, FoundPod};
use jeton_core::release::Release;
use jeton_core::secret::TokenText;
use jeton_core::time::UnixTime;

/// A token, and what the answer says beside it.
#[derive(Debug)]
pub struct Issued {
    /// What was decided.
    pub draft: Draft,
    /// The token.
    pub token: TokenText,
    /// The moment of the decision.
    pub now: UnixTime,
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssueFailure {
    /// The request is refused.
    #[error("refused")]
    Refused(#[source] IssueError),
    /// The token would outlive what is journaled of its key: journal it, then ask again.
    #[error("it is not journaled that tokens of key {key_id} reach to {expires}")]
    Uncovered {
        /// The key that signs.
        key_id: String,
        /// `exp` of the token, seconds.
        expires: i64,
    },
    /// The signer failed.
    #[error("failed to generate token: {0}")]
    Sign(SignError),
    /// What the signer gave back cannot be a token.
    #[error("failed to generate token: {0}")]
    Seal(SealError),
}

/// Issues a token.
///
/// # Errors
/// [`IssueFailure`] holds the evidence.
pub fn issue(tokens: &Tokens, ask: &Ask<'_>) -> Result<Issued, IssueFailure> {
    let now = tokens.clock.now();
    let found = tokens.store.index().read(|view| look_up(view, ask, tokens.policy.release));
    let draft = draft(ask, &found, &tokens.policy, now, fresh_id()).map_err(IssueFailure::Refused)?;
    let ring = tokens.ring.load();
    let expires = draft.claims.expires.unwrap_or(i64::MAX);
    if ring.covered_until.is_some_and(|until| until < expires) {
        let key_id = ring.signer.public().id().to_owned();
        return Err(IssueFailure::Uncovered { key_id, expires });
    }
    let body = to_segment(&payload(&draft.claims));
    let signed = ring.signer.sign(&body).map_err(IssueFailure::Sign)?;
    let verify = ring.signer.is_outside();
    let token = seal(&draft.claims, signed.message, &signed.signature, &ring.keys, verify)
        .map_err(IssueFailure::Seal)?;
    ring.seen.sealed(&token);
    Ok(Issued { draft, token: token.into_token(), now })
}

/// Signs a token that goes into a Secret.
///
/// # Errors
/// The signer fails, or what it gave back cannot be a token.
pub fn legacy(tokens: &Tokens, claims: &LegacyClaims) -> Result<TokenText, IssueFailure> {
    let body = to_segment(&legacy_payload(claims));
    let ring = tokens.ring.load();
    let signed = ring.signer.sign(&body).map_err(IssueFailure::Sign)?;
    let verify = ring.signer.is_outside();
    let sealed = seal_legacy(signed.message, &signed.signature, &ring.keys, verify);
    sealed.map(Sealed::into_token).map_err(IssueFailure::Seal)
}

pub(super) fn found(row: Looked<'_>) -> Found {
    Found { uid: row.uid(), deletion: row.deletion() }
}

fn look_up(view: &View<'_>, ask: &Ask<'_>, release: Release) -> IssueSnapshot {
    let mut snapshot = IssueSnapshot {
        account: view.look("core/serviceaccounts", ask.namespace, ask.account).map(found),
        ..IssueSnapshot::default()
    };
    let Some((kind, name)) = ask.bound.and_then(|b| Some((bound(b, release).ok()?, &*b.name))) else {
        return snapshot;
    };
    match kind {
        Bound::Pod => {
            let Some(pod) = view.look("core/pods", ask.namespace, name) else { return snapshot };
            snapshot.node = pod.node().and_then(|node| view.look("core/nodes", "", node)).map(found);
            snapshot.pod = Some(FoundPod {
                object: found(pod),
                account: pod.account().unwrap_or_default().to_owned(),
                node: pod.node().map(str::to_owned),
            });
        }
        Bound::Secret => {
            snapshot.secret = view.look("core/secrets", ask.namespace, name).map(found);
        }
        Bound::Node => snapshot.node = view.look("core/nodes", "", name).map(found),
    }
    snapshot
}
