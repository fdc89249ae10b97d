//! The decision: proven claims, the audiences asked for, the objects found, the moment.

use super::binding;
use super::candidate::{Proven, ProvenClaims};
use super::legacy;
use super::verdict::{Kind, Rejected, Staleness, Verified};
use crate::claims::Claims;
use crate::ident::{ALL_ACCOUNTS_GROUP, AUTHENTICATED_GROUP, account_username};
use crate::lookup::Snapshot;
use crate::policy::Policy;
use crate::release::{Gate, Release};
use crate::time::UnixTime;
use crate::wire::UserInfo;
use std::collections::BTreeMap;

/// Decides whether proven claims hold now.
///
/// `asked`: the audiences the asker wants (empty: the API server's). `digest`: SHA-256 of the token
/// as presented, which a legacy token's Secret must hold.
///
/// # Errors
/// The first check, in Kubernetes' order, that refuses.
pub fn decide(
    proven: &Proven,
    digest: &[u8; 32],
    asked: &[String],
    found: &Snapshot,
    policy: &Policy,
    now: UnixTime,
) -> Result<Verified, Rejected> {
    let own = match &proven.0 {
        ProvenClaims::Bound(c) => &c.audiences,
        ProvenClaims::Legacy(c) => &c.audiences,
    };
    let audiences = audiences(own, asked, policy)?;
    match &proven.0 {
        ProvenClaims::Bound(c) => {
            let leeway = policy.lifetimes.leeway;
            binding::window(c, now, leeway)?;
            if found.revoked {
                return Err(Rejected::Revoked { id: c.id.clone() });
            }
            let nodes = policy.release.has(Gate::NodeBindingValidation);
            binding::objects(c, found, nodes, now, leeway)?;
            Ok(Verified {
                user: user(
                    &c.private.namespace,
                    &c.private.account.name,
                    &c.private.account.uid,
                    extra(c, policy.release),
                ),
                audiences,
                subject: c.subject.clone(),
                staleness: staleness(c, now),
                without_audience: own.is_empty(),
                legacy: None,
                kind: Kind::Bound,
                issued_at: c.issued_at,
                expires: c.expires,
            })
        }
        ProvenClaims::Legacy(c) => {
            legacy::claims_present(c)?;
            let used =
                if policy.lookup { legacy::live(c, digest, found, policy.release, now)? } else { None };
            Ok(Verified {
                user: user(&c.namespace, &c.account, &c.account_uid, BTreeMap::new()),
                audiences,
                subject: c.subject.clone(),
                staleness: Staleness::NotExtended,
                without_audience: own.is_empty(),
                legacy: used,
                kind: Kind::Legacy,
                issued_at: None,
                expires: None,
            })
        }
    }
}

/// What was asked for and the token has, in the order asked. A token without audiences has the API's.
fn audiences(own: &[String], asked: &[String], policy: &Policy) -> Result<Vec<String>, Rejected> {
    let own = if own.is_empty() { &policy.api_audiences } else { own };
    let asked = if asked.is_empty() { &policy.api_audiences } else { asked };
    let both: Vec<String> = asked.iter().filter(|a| own.contains(a)).cloned().collect();
    if both.is_empty() {
        return Err(Rejected::Audience { token: own.to_vec(), asked: asked.to_vec() });
    }
    Ok(both)
}

fn user(namespace: &str, name: &str, uid: &str, extra: BTreeMap<String, Vec<String>>) -> UserInfo {
    UserInfo {
        username: account_username(namespace, name),
        uid: uid.to_owned(),
        groups: vec![
            ALL_ACCOUNTS_GROUP.to_owned(),
            [ALL_ACCOUNTS_GROUP, ":", namespace].concat(),
            AUTHENTICATED_GROUP.to_owned(),
        ],
        extra,
    }
}

/// The facts beside the name (Kubernetes 1.36: `authentication.kubernetes.io/…`, one value each).
fn extra(claims: &Claims, release: Release) -> BTreeMap<String, Vec<String>> {
    let mut extra = BTreeMap::new();
    let mut add = |key: &str, value: String| {
        if !value.is_empty() {
            extra.insert(["authentication.kubernetes.io/", key].concat(), vec![value]);
        }
    };
    if !claims.id.is_empty() && release.has(Gate::Jti) {
        add("credential-id", ["JTI=", &claims.id].concat());
    }
    if let Some(pod) = claims.private.pod.as_ref().filter(|p| !p.name.is_empty() && !p.uid.is_empty()) {
        add("pod-name", pod.name.clone());
        add("pod-uid", pod.uid.clone());
    }
    let told = if claims.private.pod.is_some() { Gate::PodNodeInfo } else { Gate::NodeBindingValidation };
    if let Some(node) = claims.private.node.as_ref().filter(|n| !n.name.is_empty() && release.has(told)) {
        add("node-name", node.name.clone());
        add("node-uid", node.uid.clone());
    }
    extra
}

fn staleness(claims: &Claims, now: UnixTime) -> Staleness {
    match claims.private.warn_after {
        None | Some(0) => Staleness::NotExtended,
        Some(after) if now > UnixTime::from_seconds(after) => {
            Staleness::Stale(now.plus_seconds(after.saturating_neg()).seconds())
        }
        Some(_) => Staleness::Fresh,
    }
}
