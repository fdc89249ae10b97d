//! The rules on one workload. A rule is data: id, severity, the facts it needs, a pure check. Its words are in
//! `knowledge/texts.json` under its id.

use super::case::Case;
use super::outlook::Outlook;
use crate::report::{Severity, State};

/// A rule on one workload.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Stable id.
    pub id: &'static str,
    /// How bad.
    pub severity: Severity,
    /// Facts it needs.
    pub needs: &'static str,
    /// Whether it holds.
    pub check: fn(&Case<'_>, &Outlook) -> bool,
}

fn stale(case: &Case<'_>, outlook: &Outlook, causes: &[&str]) -> bool {
    outlook.state == State::Stale && !self_heals(case, outlook) && causes.contains(&outlook.cause)
}

/// Looks stale, and survives expiry.
pub fn self_heals(_: &Case<'_>, outlook: &Outlook) -> bool {
    outlook.state == State::Stale && outlook.recovered
}

/// Known to fail, though not yet seen to be stale.
pub fn doomed(case: &Case<'_>, outlook: &Outlook) -> bool {
    never_reloads(case, outlook) || (outlook.state == State::Unknown && outlook.cause == "sub-path")
}

fn never_reloads(case: &Case<'_>, outlook: &Outlook) -> bool {
    outlook.state == State::Unknown
        && !outlook.brief
        && case.client.token_reload.is_bad()
        && case.uses.iter().any(|u| u.pod.is_some())
}

/// Refused, because its Secret was marked invalid: it fails, and the extension has nothing to do with it.
pub fn invalidated(case: &Case<'_>) -> bool {
    any_legacy(case, |legacy| legacy.invalidated)
}

fn any_legacy(case: &Case<'_>, check: fn(&crate::facts::Legacy) -> bool) -> bool {
    case.uses.iter().filter_map(|one| one.legacy.as_ref()).any(check)
}

/// All of them, in the order in which they are told.
pub const RULES: &[Rule] = &[
    Rule {
        id: "expired-token",
        severity: Severity::Critical,
        needs: "audit log with refusals and source addresses",
        check: |_, outlook| outlook.state == State::Expired,
    },
    Rule {
        id: "stale-token",
        severity: Severity::Critical,
        needs: "audit log with annotations or credential ids",
        check: |case, outlook| {
            stale(case, outlook, &["client", "client-likely"]) && !case.client.token_reload.is_good()
        },
    },
    Rule {
        id: "stale-token-copied",
        severity: Severity::Critical,
        needs: "audit log; a User-Agent that names a library which re-reads",
        check: |case, outlook| {
            stale(case, outlook, &["client", "client-likely"]) && case.client.token_reload.is_good()
        },
    },
    Rule {
        id: "stale-file",
        severity: Severity::Critical,
        needs: "audit log with TokenRequest events",
        check: |case, outlook| stale(case, outlook, &["kubelet"]),
    },
    Rule {
        id: "stale-sub-path",
        severity: Severity::Critical,
        needs: "pods of the cluster",
        check: |_, outlook| outlook.state != State::Fresh && outlook.cause == "sub-path",
    },
    Rule {
        id: "library-never-reloads",
        severity: Severity::Critical,
        needs: "a User-Agent that names library and version",
        check: never_reloads,
    },
    Rule {
        id: "stale-self-heals",
        severity: Severity::Warning,
        needs: "audit log; a library that re-reads after 401, or such a recovery in the log",
        check: self_heals,
    },
    Rule {
        id: "stale-once",
        severity: Severity::Info,
        needs: "audit log with annotations",
        check: |_, outlook| outlook.state == State::Unknown && outlook.cause == "once",
    },
    Rule {
        id: "lifetime-unknown",
        severity: Severity::Info,
        needs: "audit log with credential ids",
        check: |_, outlook| outlook.state == State::Unknown && outlook.cause == "lifetime",
    },
    Rule {
        id: "unbound-token",
        severity: Severity::Info,
        needs: "audit log with credential ids",
        check: |_, outlook| outlook.state == State::Unknown && outlook.cause == "unbound",
    },
    Rule {
        id: "legacy-token-invalidated",
        severity: Severity::Critical,
        needs: "audit log with annotations",
        check: |case, _| invalidated(case),
    },
    Rule {
        id: "legacy-token-auto",
        severity: Severity::Warning,
        needs: "audit log with annotations",
        check: |case, _| any_legacy(case, |legacy| legacy.auto && !legacy.invalidated),
    },
    Rule {
        id: "legacy-token-manual",
        severity: Severity::Warning,
        needs: "audit log with annotations",
        check: |case, _| any_legacy(case, |legacy| !legacy.auto),
    },
    Rule {
        id: "pod-uses-token-secret",
        severity: Severity::Warning,
        needs: "pods of the cluster",
        check: |case, _| case.pods.iter().flat_map(|pod| &pod.tokens).any(|token| !token.kind.is_projected()),
    },
    Rule {
        id: "ca-never-reloaded",
        severity: Severity::Info,
        needs: "a User-Agent that names library and version",
        check: |case, outlook| case.client.ca_reload == "never" && outlook.state == State::Fresh,
    },
];
