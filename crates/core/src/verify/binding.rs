//! A bound token against time and the live objects.
//!
//! Order (Kubernetes 1.36, pkg/serviceaccount/claims.go): nbf, exp, iat; account, secret, pod, node;
//! within each: exists, uid, deleted. "Deleted" is strictly before now − leeway.

use super::verdict::Rejected;
use crate::claims::{Claims, Ref};
use crate::lookup::{Found, Snapshot};
use crate::time::UnixTime;

/// Whether `seconds` lies strictly before now − leeway.
fn past(seconds: i64, now: UnixTime, leeway: i64) -> bool {
    UnixTime::from_seconds(seconds) < now.plus_seconds(-leeway)
}

pub(super) fn window(claims: &Claims, now: UnixTime, leeway: i64) -> Result<(), Rejected> {
    let future = |seconds: i64| UnixTime::from_seconds(seconds) > now.plus_seconds(leeway);
    let at = now.seconds();
    match (claims.not_before, claims.expires, claims.issued_at) {
        (Some(not_before), _, _) if future(not_before) => {
            Err(Rejected::NotYet { not_before, now: at, leeway })
        }
        (_, Some(expired), _) if past(expired, now, leeway) => {
            Err(Rejected::Expired { expired, now: at, leeway })
        }
        (_, _, Some(issued_at)) if future(issued_at) => {
            Err(Rejected::FromTheFuture { issued_at, now: at, leeway })
        }
        _ => Ok(()),
    }
}

/// `nodes`: whether a token that is bound to a node is held against it.
pub(super) fn objects(
    claims: &Claims,
    found: &Snapshot,
    nodes: bool,
    now: UnixTime,
    leeway: i64,
) -> Result<(), Rejected> {
    account(claims, found.account.as_ref(), now, leeway)?;
    let private = &claims.private;
    let node = private.node.as_ref().filter(|_| nodes && private.pod.is_none());
    for (object, claimed, live) in [
        ("secret", private.secret.as_ref(), found.secret.as_ref()),
        ("pod", private.pod.as_ref(), found.pod.as_ref()),
        ("node", node, found.node.as_ref()),
    ] {
        if let Some(claimed) = claimed {
            bound(object, claimed, live, now, leeway)?;
        }
    }
    Ok(())
}

fn account(claims: &Claims, found: Option<&Found>, now: UnixTime, leeway: i64) -> Result<(), Rejected> {
    let private = &claims.private;
    if private.account.name.is_empty() {
        return Err(Rejected::NoAccountName);
    }
    let (namespace, account) = (private.namespace.clone(), private.account.name.clone());
    let Some(live) = found else { return Err(Rejected::NoAccount { namespace, account }) };
    if !live.uid_is(&private.account.uid) {
        return Err(Rejected::AccountUid { live: live.uid, claimed: private.account.uid.clone() });
    }
    match live.deletion {
        Some(deleted) if past(deleted, now, leeway) => {
            Err(Rejected::AccountDeleted { namespace, account, deleted })
        }
        _ => Ok(()),
    }
}

fn bound(
    object: &'static str,
    claimed: &Ref,
    found: Option<&Found>,
    now: UnixTime,
    leeway: i64,
) -> Result<(), Rejected> {
    let name = claimed.name.clone();
    let Some(live) = found else { return Err(Rejected::Invalidated { object, name, deleted: None }) };
    if !live.uid_is(&claimed.uid) {
        return Err(Rejected::ObjectUid { object, name, live: live.uid, claimed: claimed.uid.clone() });
    }
    match live.deletion {
        Some(deleted) if past(deleted, now, leeway) => {
            Err(Rejected::Invalidated { object, name, deleted: Some(deleted) })
        }
        _ => Ok(()),
    }
}
