//! A token out of a Secret against that Secret.
//!
//! Kubernetes 1.36, pkg/serviceaccount/legacy.go: no time counts, no deletion is forgiven, the Secret
//! is looked at before the account, deletion before uid.

use super::rejected::Rejected;
use super::verified::LegacyUse;
use crate::claims::LegacyClaims;
use crate::ident::split_account_username;
use crate::legacy::use_is_old;
use crate::lookup::Snapshot;
use crate::release::{Gate, Release};
use crate::time::UnixTime;
use aws_lc_rs::digest::{SHA256, digest};

pub(super) fn claims_present(c: &LegacyClaims) -> Result<(), Rejected> {
    for (claim, value) in [
        ("sub", &c.subject),
        ("namespace", &c.namespace),
        ("secretName", &c.secret),
        ("serviceAccountName", &c.account),
        ("serviceAccountUID", &c.account_uid),
    ] {
        if value.is_empty() {
            return Err(Rejected::LegacyClaimMissing { claim });
        }
    }
    if split_account_username(&c.subject) != Some((&c.namespace, &c.account)) {
        return Err(Rejected::LegacySubject { subject: c.subject.clone() });
    }
    Ok(())
}

pub(super) fn live(
    c: &LegacyClaims,
    token: &str,
    found: &Snapshot,
    release: Release,
    now: UnixTime,
) -> Result<Option<LegacyUse>, Rejected> {
    let (namespace, secret, account) = (c.namespace.clone(), c.secret.clone(), c.account.clone());
    let live = match &found.token_secret {
        Some(live) if live.object.deletion.is_none() => live,
        _ => return Err(Rejected::LegacySecretGone { namespace, secret }),
    };
    let digest = digest(&SHA256, token.as_bytes());
    if live.token_digest.as_ref().is_none_or(|held| held[..] != *digest.as_ref()) {
        return Err(Rejected::LegacyOtherToken { namespace, secret });
    }
    let Some(owner) = &found.account else { return Err(Rejected::NoAccount { namespace, account }) };
    if owner.deletion.is_some() {
        return Err(Rejected::LegacyAccountDeleted { namespace, account });
    }
    if !owner.uid_is(&c.account_uid) {
        return Err(Rejected::LegacyAccountUid { live: owner.uid, claimed: c.account_uid.clone() });
    }
    if !release.has(Gate::Tracking) {
        return Ok(None);
    }
    let label_is_old = use_is_old(live.last_used.as_deref(), now);
    if let Some(since) = &live.invalid_since {
        let since = since.clone();
        return Err(Rejected::LegacyMarkedInvalid { namespace, secret, account, since, label_is_old });
    }
    Ok(Some(LegacyUse { namespace, secret, auto_generated: live.auto_generated, label_is_old }))
}
