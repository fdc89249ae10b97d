//! The decision: proven claims, the audiences asked for, the objects found, the moment.

use super::binding;
use super::candidate::Proven;
use super::claimed::ProvenClaims;
use super::legacy;
use super::rejected::Rejected;
use super::verified::{Staleness, Verified};
use crate::claims::PackedClaims;
use crate::lookup::Snapshot;
use crate::policy::Policy;
use crate::release::Gate;
use crate::time::UnixTime;

/// Decides whether proven claims hold now.
///
/// `asked`: the audiences the asker wants (empty: the API server's). `token`: the token as
/// presented, which a legacy token's Secret must hold.
///
/// # Errors
/// The first check, in Kubernetes' order, that refuses.
pub fn decide(
    proven: Proven,
    token: &str,
    asked: &[String],
    found: &Snapshot,
    policy: &Policy,
    now: UnixTime,
) -> Result<Verified, Rejected> {
    let (audiences, legacy, staleness) = match &proven.0 {
        ProvenClaims::Bound(c) => {
            let audiences = audiences(c.audiences(), asked, policy)?;
            let leeway = policy.lifetimes.leeway;
            binding::window(c, now, leeway)?;
            if found.revoked {
                return Err(Rejected::Revoked { id: c.id().to_owned() });
            }
            let nodes = policy.release.has(Gate::NodeBindingValidation);
            binding::objects(c, found, nodes, now, leeway)?;
            (audiences, None, staleness(c, now))
        }
        ProvenClaims::Legacy(c) => {
            let audiences = audiences(c.audiences.iter().map(String::as_str), asked, policy)?;
            legacy::claims_present(c)?;
            let used = if policy.lookup { legacy::live(c, token, found, policy.release, now)? } else { None };
            (audiences, used, Staleness::NotExtended)
        }
    };
    Ok(Verified { claims: proven.0, audiences, staleness, legacy, release: policy.release })
}

/// What was asked for and the token has, in the order asked. A token without audiences has the API's.
fn audiences<'a>(
    own: impl Iterator<Item = &'a str> + Clone,
    asked: &[String],
    policy: &Policy,
) -> Result<Vec<String>, Rejected> {
    let has = |wanted: &&String| match own.clone().next() {
        None => policy.api_audiences.contains(wanted),
        Some(_) => own.clone().any(|audience| audience == wanted.as_str()),
    };
    let asked = if asked.is_empty() { &policy.api_audiences } else { asked };
    let both: Vec<String> = asked.iter().filter(has).cloned().collect();
    if both.is_empty() {
        let mut token: Vec<String> = own.map(str::to_owned).collect();
        if token.is_empty() {
            token.clone_from(&policy.api_audiences);
        }
        return Err(Rejected::Audience { token, asked: asked.to_vec() });
    }
    Ok(both)
}

fn staleness(claims: &PackedClaims, now: UnixTime) -> Staleness {
    match claims.warn_after {
        None | Some(0) => Staleness::NotExtended,
        Some(after) if now > UnixTime::from_seconds(after) => {
            Staleness::Stale(now.plus_seconds(after.saturating_neg()).seconds())
        }
        Some(_) => Staleness::Fresh,
    }
}
