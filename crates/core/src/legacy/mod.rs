//! Tokens out of Secrets: what their Secrets hold, when they were used, and when they go.
//!
//! Kubernetes 1.36 (pkg/controller/serviceaccount, pkg/controlplane/controller/legacytokentracking): a Secret of the
//! token type is filled once and never looked into again; one that a controller once made, and that nobody used or
//! mounted for a whole period, is marked, and one period later deleted. Dates are UTC days, compared as texts.

mod cleaner;

pub use cleaner::{CleanerFacts, Cleaning, Kept, Prospect, clean, cleaner_starts, prospect, works_from};

use crate::time::UnixTime;
use uuid::Uuid;

/// Label of a Secret: the day its token was last used.
pub const LAST_USED_LABEL: &str = "kubernetes.io/legacy-token-last-used";
/// Label of a Secret: the day its token was marked invalid. Any text that is not empty keeps the token out.
pub const INVALID_SINCE_LABEL: &str = "kubernetes.io/legacy-token-invalid-since";
/// Annotation of a Secret: the name of its account.
pub const ACCOUNT_NAME_ANNOTATION: &str = "kubernetes.io/service-account.name";
/// Annotation of a Secret: the uid of its account.
pub const ACCOUNT_UID_ANNOTATION: &str = "kubernetes.io/service-account.uid";
/// Namespace and name of the ConfigMap that says since when uses are written down.
pub const TRACKING: (&str, &str) = ("kube-system", "kube-apiserver-legacy-service-account-token-tracking");
/// Its key: a day.
pub const SINCE: &str = "since";
/// Seconds of a day.
const DAY_SECONDS: i64 = 24 * 3600;
/// Seconds between two creations of the tracking ConfigMap, when somebody deletes it. Kubernetes 1.36: 30 min.
pub const TRACKING_RECREATE_SECONDS: i64 = 30 * 60;
/// `--legacy-service-account-token-clean-up-period` unless set, in seconds. Kubernetes 1.36: 8760 h.
pub const CLEAN_UP_PERIOD_SECONDS: i64 = 365 * DAY_SECONDS;
/// Seconds between two rounds of the cleaner. Kubernetes 1.36: 24 h.
pub const CLEAN_UP_INTERVAL_SECONDS: i64 = DAY_SECONDS;

/// A day, `YYYY-MM-DD`, as the moment it begins; `None` when it is something else.
pub fn day(text: &str) -> Option<UnixTime> {
    let exact = text.len() == 10 && text.is_ascii();
    exact.then(|| UnixTime::parse_rfc3339(&format!("{text}T00:00:00Z"))).flatten()
}

/// Whether the last-used label must be set to today. Tomorrow counts as today: clocks differ.
pub fn use_is_old(label: Option<&str>, now: UnixTime) -> bool {
    let recent = [now.date(), now.plus_seconds(DAY_SECONDS).date()];
    label.is_none_or(|date| !recent.iter().any(|r| r == date))
}

/// What is to be done with a Secret of the token type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upkeep {
    /// Its account is not there, or is another one of that name.
    Delete,
    /// Certificate, namespace or token is missing.
    Fill,
    /// Nothing.
    Keep,
}

/// What a Secret of the token type holds, as far as its upkeep cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held<'a> {
    /// Its uid annotation; empty: none.
    pub account_uid: &'a str,
    /// Whether `data["ca.crt"]` is the certificate of the server.
    pub certificate: bool,
    /// Whether `data.namespace` is not empty.
    pub namespace: bool,
    /// Whether `data.token` is not empty; what it says does not matter.
    pub token: bool,
}

/// Decides about a Secret of the token type; `account`: the uid of the account it names.
pub fn upkeep(held: &Held<'_>, account: Option<Uuid>) -> Upkeep {
    let Some(uid) = account else { return Upkeep::Delete };
    let other = !held.account_uid.is_empty() && held.account_uid != uid.hyphenated().to_string();
    match held {
        _ if other => Upkeep::Delete,
        Held { certificate: true, namespace: true, token: true, .. } => Upkeep::Keep,
        _ => Upkeep::Fill,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_seconds(1_784_973_600); // 2026-07-25T10:00:00Z

    #[test]
    fn days() {
        assert_eq!(day("2026-07-25").map(UnixTime::seconds), Some(1_784_937_600));
        for odd in ["", "2026-7-25", "2026-07-25T", "yesterday!", "2026-13-01", "２026-07-1"] {
            assert_eq!(day(odd), None, "{odd}");
        }
        for (label, old) in [
            (None, true),
            (Some("2026-07-24"), true),
            (Some("2026-07-25"), false),
            (Some("2026-07-26"), false),
            (Some("2026-07-27"), true),
            (Some("odd"), true),
        ] {
            assert_eq!(use_is_old(label, NOW), old, "{label:?}");
        }
    }

    #[test]
    fn secrets_are_filled_or_deleted() {
        let account = Uuid::from_u128(7);
        let (own, other) = (account.hyphenated().to_string(), Uuid::from_u128(8).hyphenated().to_string());
        let full = Held { account_uid: &own, certificate: true, namespace: true, token: true };
        for (held, found, want) in [
            (full, Some(account), Upkeep::Keep),
            (full, None, Upkeep::Delete),
            (Held { account_uid: &other, ..full }, Some(account), Upkeep::Delete),
            // Annotations alone are never the reason for a write.
            (Held { account_uid: "", ..full }, Some(account), Upkeep::Keep),
            (Held { token: false, ..full }, Some(account), Upkeep::Fill),
            (Held { certificate: false, ..full }, Some(account), Upkeep::Fill),
            (Held { account_uid: "", namespace: false, ..full }, Some(account), Upkeep::Fill),
        ] {
            assert_eq!(upkeep(&held, found), want, "{held:?} {found:?}");
        }
    }
}
