//! A bound token against time and the live objects.
//!
//! Order (Kubernetes 1.36, pkg/serviceaccount/claims.go): nbf, exp, iat; account, secret, pod, node;
//! within each: exists, uid, deleted. "Deleted" is strictly before now − leeway.

use super::rejected::Rejected;
use crate::claims::{PackedClaims, RefView};
use crate::lookup::{Found, Snapshot};
use crate::time::UnixTime;

/// Whether `seconds` lies strictly before now − leeway.
fn past(seconds: i64, now: UnixTime, leeway: i64) -> bool {
    UnixTime::from_seconds(seconds) < now.plus_seconds(-leeway)
}

pub(super) fn window(claims: &PackedClaims, now: UnixTime, leeway: i64) -> Result<(), Rejected> {
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
    claims: &PackedClaims,
    found: &Snapshot,
    nodes: bool,
    now: UnixTime,
    leeway: i64,
) -> Result<(), Rejected> {
    account(claims, found.account.as_ref(), now, leeway)?;
    let node = claims.node().filter(|_| nodes && claims.pod().is_none());
    for (object, claimed, live) in [
        ("secret", claims.secret(), found.secret.as_ref()),
        ("pod", claims.pod(), found.pod.as_ref()),
        ("node", node, found.node.as_ref()),
    ] {
        if let Some(claimed) = claimed {
            bound(object, claimed, live, now, leeway)?;
        }
    }
    Ok(())
}

fn account(claims: &PackedClaims, found: Option<&Found>, now: UnixTime, leeway: i64) -> Result<(), Rejected> {
    let claimed = claims.account();
    if claimed.name.is_empty() {
        return Err(Rejected::NoAccountName);
    }
    let named = || (claims.namespace().to_owned(), claimed.name.to_owned());
    let Some(live) = found else {
        let (namespace, account) = named();
        return Err(Rejected::NoAccount { namespace, account });
    };
    if !live.uid_is(claimed.uid) {
        return Err(Rejected::AccountUid { live: live.uid, claimed: claimed.uid.to_owned() });
    }
    match live.deletion {
        Some(deleted) if past(deleted, now, leeway) => {
            let (namespace, account) = named();
            Err(Rejected::AccountDeleted { namespace, account, deleted })
        }
        _ => Ok(()),
    }
}

fn bound(
    object: &'static str,
    claimed: RefView<'_>,
    found: Option<&Found>,
    now: UnixTime,
    leeway: i64,
) -> Result<(), Rejected> {
    let name = || claimed.name.to_owned();
    let Some(live) = found else {
        return Err(Rejected::Invalidated { object, name: name(), deleted: None });
    };
    if !live.uid_is(claimed.uid) {
        let claimed = claimed.uid.to_owned();
        return Err(Rejected::ObjectUid { object, name: name(), live: live.uid, claimed });
    }
    match live.deletion {
        Some(deleted) if past(deleted, now, leeway) => {
            Err(Rejected::Invalidated { object, name: name(), deleted: Some(deleted) })
        }
        _ => Ok(()),
    }
}
