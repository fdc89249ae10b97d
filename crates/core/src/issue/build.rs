//! From a request and the objects found to unsigned claims.

use super::request::{Ask, Bound, IssueError, bound, checked};
use crate::claims::{Claims, Private, Ref};
use crate::ident::account_username;
use crate::lookup::{Found, FoundPod};
use crate::policy::Policy;
use crate::release::{Gate, Release};
use crate::time::UnixTime;
use uuid::Uuid;

/// What was found of the objects a TokenRequest names, all at one moment.
#[derive(Clone, Debug, Default)]
pub struct IssueSnapshot {
    /// The account.
    pub account: Option<Found>,
    /// The pod, where one is bound.
    pub pod: Option<FoundPod>,
    /// The secret, where one is bound.
    pub secret: Option<Found>,
    /// The node that is bound, or that the bound pod is scheduled to.
    pub node: Option<Found>,
}

/// A token before its signature, and what the answer says beside it.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The claims to sign.
    pub claims: Claims,
    /// `spec.expirationSeconds` of the answer: clamped, never extended.
    pub expiration_seconds: i64,
    /// `status.expirationTimestamp` of the answer: never extended.
    pub expires: UnixTime,
    /// Seconds that were asked for, when the maximum shortened them.
    pub shortened_from: Option<i64>,
    /// The account's uid, for the answer's metadata.
    pub account_uid: Uuid,
    /// The uid that was given and is not the account's, where the release only warns of that.
    pub other_uid: Option<String>,
}

/// Decides on a TokenRequest. `token_id` is a fresh random UUID (`jti`).
///
/// Lifetimes: clamped to the policy's maximum; then, when the token is pod-bound, for the API server
/// alone, and exactly the injected lifetime is asked for, `exp` is stretched and `warnafter` set.
///
/// # Errors
/// The first check, in Kubernetes' order, that refuses.
pub fn draft(
    ask: &Ask<'_>,
    found: &IssueSnapshot,
    policy: &Policy,
    now: UnixTime,
    token_id: Uuid,
) -> Result<Draft, IssueError> {
    if !ask.body_name.is_empty() && ask.body_name != ask.account {
        return Err(IssueError::OtherName {
            account: ask.account.to_owned(),
            given: ask.body_name.to_owned(),
        });
    }
    let Some(account) = &found.account else {
        return Err(IssueError::NoAccount { account: ask.account.to_owned() });
    };
    let other_uid = (!ask.body_uid.is_empty() && !account.uid_is(ask.body_uid)).then_some(ask.body_uid);
    if other_uid.is_some() && policy.release.has(Gate::UidValidation) {
        let (account_name, given) = (ask.account.to_owned(), ask.body_uid.to_owned());
        return Err(IssueError::OtherAccountUid { account: account_name, given, live: account.uid });
    }
    let asked = checked(ask, policy)?;
    let mut private = Private {
        namespace: ask.namespace.to_owned(),
        account: reference(ask.account, Some(account)),
        ..Private::default()
    };
    bind(ask, found, policy.release, &mut private)?;

    let seconds = policy.max_lifetime.map_or(asked, |max| asked.min(max));
    let audiences = if ask.audiences.is_empty() { &policy.api_audiences } else { ask.audiences };
    let for_api_alone = audiences.iter().all(|a| policy.api_audiences.contains(a));
    let extended =
        policy.extend && private.pod.is_some() && seconds == policy.lifetimes.injected && for_api_alone;
    let lifetime = if extended { policy.lifetimes.extended } else { seconds };
    private.warn_after = extended.then(|| now.plus_seconds(seconds).seconds());
    let claims = Claims {
        issuer: policy.issuer().to_owned(),
        subject: account_username(ask.namespace, ask.account),
        audiences: audiences.to_vec(),
        expires: Some(now.plus_seconds(lifetime).seconds()),
        issued_at: Some(now.seconds()),
        not_before: Some(now.seconds()),
        id: if policy.release.has(Gate::Jti) { token_id.hyphenated().to_string() } else { String::new() },
        private,
    };
    Ok(Draft {
        claims,
        expiration_seconds: seconds,
        expires: now.plus_seconds(seconds),
        shortened_from: (seconds != asked).then_some(asked),
        account_uid: account.uid,
        other_uid: other_uid.map(str::to_owned),
    })
}

fn reference(name: &str, found: Option<&Found>) -> Ref {
    Ref { name: name.to_owned(), uid: found.map(|f| f.uid.hyphenated().to_string()).unwrap_or_default() }
}

fn bind(
    ask: &Ask<'_>,
    found: &IssueSnapshot,
    release: Release,
    private: &mut Private,
) -> Result<(), IssueError> {
    let Some(wanted) = ask.bound else { return Ok(()) };
    let kind = bound(wanted, release)?;
    let live = match kind {
        Bound::Pod => found.pod.as_ref().map(|p| &p.object),
        Bound::Secret => found.secret.as_ref(),
        Bound::Node => found.node.as_ref(),
    };
    let Some(live) = live else {
        return Err(IssueError::NoBoundObject { bound: kind, name: wanted.name.to_string() });
    };
    if let (Bound::Pod, Some(pod)) = (kind, &found.pod) {
        if pod.account != ask.account {
            return Err(IssueError::OtherPodAccount { account: ask.account.to_owned() });
        }
        let named = pod.node.as_ref().filter(|_| release.has(Gate::PodNodeInfo));
        private.node = named.map(|node| reference(node, found.node.as_ref()));
    }
    if !wanted.uid.is_empty() && !live.uid_is(&wanted.uid) {
        let (name, given) = (wanted.name.to_string(), wanted.uid.to_string());
        return Err(IssueError::OtherBoundUid { bound: kind, name, given });
    }
    let bound_to = Some(reference(&wanted.name, Some(live)));
    match kind {
        Bound::Pod => private.pod = bound_to,
        Bound::Secret => private.secret = bound_to,
        Bound::Node => private.node = bound_to,
    }
    Ok(())
}
