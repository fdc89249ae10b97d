//! What will become of one case: state, cause, deadline and how sure.
//!
//! A token is stale when its client should have replaced it. Three things prove that, and none needs the others:
//! kube-apiserver's annotation; the age of the credential, where its issue time and lifetime are known; a newer
//! credential of the same pod that this client leaves unused. A token that the server still accepts beyond the injected
//! lifetime *without* an annotation has a longer lifetime of its own, so age alone then proves nothing.

use super::Settings;
use super::case::{Case, deleted};
use crate::collect::audit::SPAN_SECONDS;
use crate::facts::{Facts, Issue, SourceKind, Use};
use crate::knowledge::reload::Reload;
use crate::report::{Confidence, DeadlineKind, State};
use jeton_core::limits::{INJECTED_LIFETIME_SECONDS, LEEWAY_SECONDS};
use jeton_core::time::UnixTime;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, DefaultHasher};

/// Seconds that a refresh may be late: readers that look every 300 s, and the kubelet's sync.
const GRACE_SECONDS: i64 = 600;

/// What will become of a case.
#[derive(Clone, Debug)]
pub struct Outlook {
    /// State.
    pub state: State,
    /// Why: client, kubelet, sub-path, expired, rotated, too-short, once, unbound, lifetime, unseen, legacy.
    pub cause: &'static str,
    /// How sure.
    pub confidence: Confidence,
    /// When it fails.
    pub deadline: Option<UnixTime>,
    /// How that is known.
    pub kind: DeadlineKind,
    /// Credentials that prove it.
    pub credentials: Vec<String>,
    /// At least one of its pods is not known to be deleted.
    pub alive: bool,
    /// Recovered after a refusal.
    pub recovered: bool,
    /// In every pod its requests ended within minutes, and others of the pod went on for an hour and more: an init
    /// container, or a hook at the start.
    pub brief: bool,
}

/// Namespace and name of an account, and a node.
type Place<'f> = (&'f str, &'f str, &'f str);

/// For look-ups alone: nothing depends on its order.
type Table<K, V> = HashMap<K, V, BuildHasherDefault<DefaultHasher>>;

/// What is known across all cases.
#[allow(missing_debug_implementations)] // facts have their own
pub struct Index<'f> {
    facts: &'f Facts,
    issues: Table<&'f str, &'f Issue>,
    /// When tokens were handed out for a pod, by its uid.
    issued_for: Table<&'f str, Vec<UnixTime>>,
    /// When tokens were handed out for an account on a node, where the log does not tell the pod.
    issued_on: Table<Place<'f>, Vec<UnixTime>>,
    by_pod: Table<&'f str, Vec<&'f Use>>,
    /// The pod of an account on a node, by its uid; none when there are several.
    only_pod: Table<Place<'f>, Option<&'f str>>,
    /// The extension is on: an annotation was seen.
    pub extension_seen: bool,
}

impl<'f> Index<'f> {
    /// Sorts facts for look-ups.
    pub fn new(facts: &'f Facts) -> Self {
        let issues = facts.issues.iter().map(|issue| (issue.credential.as_str(), issue)).collect();
        let mut issued_for: Table<&str, Vec<UnixTime>> = Table::default();
        let mut issued_on: Table<Place<'_>, Vec<UnixTime>> = Table::default();
        for issue in &facts.issues {
            if let Some(uid) = &issue.pod_uid {
                issued_for.entry(uid).or_default().push(issue.at);
            } else if let Some(node) = &issue.node {
                let place = (issue.account.namespace.as_str(), issue.account.name.as_str(), node.as_str());
                issued_on.entry(place).or_default().push(issue.at);
            }
        }
        let mut by_pod: Table<&str, Vec<&Use>> = Table::default();
        let mut only_pod: Table<_, Option<&str>> = Table::default();
        for one in &facts.uses {
            let Some((_, uid)) = &one.pod else { continue };
            by_pod.entry(uid).or_default().push(one);
            if let Some(node) = &one.node {
                let key = (one.account.namespace.as_str(), one.account.name.as_str(), node.as_str());
                let only = only_pod.entry(key).or_insert(Some(uid));
                *only = only.filter(|known| known == uid);
            }
        }
        let extension_seen = facts.uses.iter().any(|one| one.stale.is_some());
        Self { facts, issues, issued_for, issued_on, by_pod, only_pod, extension_seen }
    }

    fn issue(&self, one: &Use) -> Option<&'f Issue> {
        self.issues.get(one.credential.as_deref()?).copied()
    }

    fn is_brief(&self, case: &Case<'_>) -> bool {
        let span = |one: &Use| one.first.zip(one.last).map_or(i64::MAX, |(a, b)| b.seconds() - a.seconds());
        let outlived = |one: &Use| {
            let Some((_, uid)) = &one.pod else { return false };
            let others = self.by_pod.get(uid.as_str()).into_iter().flatten();
            let latest =
                others.filter(|other| other.user_agent != one.user_agent).filter_map(|u| u.last).max();
            let end = one.last.map(|last| last.plus_seconds(INJECTED_LIFETIME_SECONDS));
            latest.zip(end).is_some_and(|(latest, end)| latest > end)
        };
        !case.uses.is_empty() && case.uses.iter().all(|one| span(one) <= GRACE_SECONDS && outlived(one))
    }

    /// When a newer token reached the pod: handed out for it, or used by another client in it.
    fn newer(&self, one: &Use) -> Option<UnixTime> {
        let (_, uid) = one.pod.as_ref()?;
        let own = self.issue(one).map(|issue| issue.at).or(one.first)?;
        let others = self.by_pod.get(uid.as_str()).into_iter().flatten();
        let others = others.filter(|u| u.user_agent != one.user_agent && u.credential != one.credential);
        let used = others.filter_map(|u| {
            let issued = self.issue(u).map(|issue| issue.at);
            issued.filter(|at| *at > own).or(u.first.filter(|at| issued.is_none() && *at > own))
        });
        let node = one.node.as_deref().unwrap_or("");
        let key = (one.account.namespace.as_str(), one.account.name.as_str(), node);
        let alone = !node.is_empty() && self.only_pod.get(&key).is_some_and(Option::is_some);
        let for_pod = self.issued_for.get(uid.as_str()).into_iter().flatten();
        let on_node = self.issued_on.get(&key).filter(|_| alone).into_iter().flatten();
        for_pod.chain(on_node).copied().filter(|at| *at > own).chain(used).min()
    }
}

/// One proof that a use is stale.
struct Proof {
    confidence: Confidence,
    /// When the token was issued, if that is known.
    issued: Option<UnixTime>,
    /// Its real lifetime, if that is known.
    lifetime: Option<i64>,
    cause: &'static str,
}

/// Seconds that a token was asked for: from the log, or from the pod.
fn lifetime(index: &Index<'_>, case: &Case<'_>, one: &Use) -> Option<i64> {
    index.issue(one).and_then(|issue| issue.lifetime).or_else(|| {
        let uid = &one.pod.as_ref()?.1;
        let pod = case.pods.iter().find(|pod| pod.uid == *uid)?;
        let seconds: BTreeSet<i64> = pod
            .tokens
            .iter()
            .filter_map(|token| match &token.kind {
                SourceKind::Injected => Some(INJECTED_LIFETIME_SECONDS),
                SourceKind::Projected { audience: None, seconds } => Some(*seconds),
                _ => None,
            })
            .collect();
        // Two lifetimes in one pod: which one this token has cannot be told.
        (seconds.len() == 1).then(|| seconds.into_iter().next()).flatten()
    })
}

/// Used past a moment, and not just once after a pause: twice, ten minutes apart, or without a pause before it.
fn kept_using(one: &Use, threshold: UnixTime) -> bool {
    let Some(last) = one.last.filter(|last| *last > threshold) else { return false };
    let (threshold, last) = (threshold.seconds(), last.seconds());
    let spans = || one.spans.iter().map(|span| span * SPAN_SECONDS);
    let apart = spans().any(|start| start > threshold && last - (start + SPAN_SECONDS) >= GRACE_SECONDS);
    let steady = spans().any(|start| start < threshold && start + SPAN_SECONDS >= threshold - GRACE_SECONDS);
    apart || steady
}

fn proof(index: &Index<'_>, case: &Case<'_>, one: &Use) -> Option<Proof> {
    let issue = index.issue(one);
    let newer = index.newer(one);
    let cause = |newer: Option<UnixTime>| match (newer, one.last, index.issues.is_empty()) {
        (Some(newer), Some(last), _) if newer.plus_seconds(GRACE_SECONDS) < last => "client",
        (None, _, false) if issue.is_some() => "kubelet",
        _ => "client-likely",
    };
    if let Some(stale) = one.stale {
        let apart = stale.last.seconds() - stale.first.seconds() >= GRACE_SECONDS;
        let confidence = if apart { Confidence::High } else { Confidence::Low };
        let issued = Some(stale.warn_after.plus_seconds(-INJECTED_LIFETIME_SECONDS));
        return Some(Proof {
            confidence,
            issued,
            lifetime: None,
            cause: if apart { cause(newer) } else { "once" },
        });
    }
    let own_lifetime = lifetime(index, case, one);
    if let Some(newer) = newer
        && kept_using(one, newer.plus_seconds(GRACE_SECONDS))
    {
        let issued = issue.map(|issue| issue.at);
        return Some(Proof { confidence: Confidence::High, issued, lifetime: own_lifetime, cause: "client" });
    }
    let seconds = own_lifetime.unwrap_or(INJECTED_LIFETIME_SECONDS);
    let start = issue.map(|issue| issue.at).or(one.first.filter(|_| own_lifetime.is_some()))?;
    // Accepted beyond its assumed lifetime and not marked: the assumption is wrong.
    let last = one.last?;
    if own_lifetime.is_none() && last > start.plus_seconds(seconds + LEEWAY_SECONDS) {
        return None;
    }
    if one.pod.is_none() || !kept_using(one, start.plus_seconds(seconds * 8 / 10 + GRACE_SECONDS)) {
        return None;
    }
    let confidence = if own_lifetime.is_some() { Confidence::High } else { Confidence::Medium };
    Some(Proof {
        confidence,
        issued: issue.map(|issue| issue.at),
        lifetime: Some(seconds),
        cause: cause(newer),
    })
}

/// Judges one case.
pub fn outlook(index: &Index<'_>, case: &Case<'_>, settings: &Settings) -> Outlook {
    let alive = case.uses.is_empty() || case.uses.iter().any(|one| deleted(index.facts, one).is_none());
    let mut result = Outlook {
        state: State::Unknown,
        cause: "too-short",
        confidence: Confidence::Low,
        deadline: None,
        kind: DeadlineKind::None,
        credentials: Vec::new(),
        alive,
        recovered: recovered(case),
        brief: index.is_brief(case),
    };
    if !case.seen {
        estimate(case, settings, &mut result);
        return result;
    }
    if case.legacy {
        (result.state, result.cause, result.confidence) = (State::Legacy, "legacy", Confidence::High);
        return result;
    }
    let proofs: Vec<(&Use, Proof)> =
        case.uses.iter().filter_map(|one| proof(index, case, one).map(|proof| (*one, proof))).collect();
    let firm: Vec<&(&Use, Proof)> = proofs.iter().filter(|(_, p)| p.cause != "once").collect();
    if let Some((_, best)) = firm.iter().max_by_key(|(_, p)| p.confidence) {
        (result.state, result.cause, result.confidence) = (State::Stale, best.cause, best.confidence);
        result.credentials = firm.iter().filter_map(|(one, _)| one.credential.clone()).collect();
        deadline(index, &firm, settings, &mut result);
        sub_path(case, &mut result);
    } else if rotated(index, case) {
        (result.state, result.cause, result.confidence) = (State::Fresh, "rotated", Confidence::High);
    } else if !proofs.is_empty() {
        result.cause = "once";
    } else {
        silent(index, case, &mut result);
    }
    expired(case, &mut result);
    result
}

/// A newer credential took the place of an older one in the same pod.
fn rotated(index: &Index<'_>, case: &Case<'_>) -> bool {
    let mut pods: BTreeMap<&str, Vec<&Use>> = BTreeMap::new();
    for one in &case.uses {
        if let (Some((_, uid)), Some(_)) = (&one.pod, &one.credential) {
            pods.entry(uid).or_default().push(one);
        }
    }
    let replaced = |uses: &Vec<&Use>| {
        let newest = uses.iter().max_by_key(|one| one.first);
        newest.is_some_and(|new| {
            uses.iter().any(|old| old.credential != new.credential && old.first < new.first)
        })
    };
    let watched = !pods.is_empty() && pods.values().any(replaced);
    // Every other pod must at least not have outlived a refresh with one credential.
    watched && pods.values().all(|uses| replaced(uses) || uses.iter().all(|one| young(index, one)))
}

fn young(index: &Index<'_>, one: &Use) -> bool {
    let start = index.issue(one).map(|issue| issue.at).or(one.first);
    start.zip(one.last).is_some_and(|(a, b)| b.seconds() - a.seconds() <= INJECTED_LIFETIME_SECONDS)
}

/// Nothing proves anything: why not.
fn silent(index: &Index<'_>, case: &Case<'_>, result: &mut Outlook) {
    let span = |one: &Use| one.first.zip(one.last).map_or(0, |(a, b)| b.seconds() - a.seconds());
    let longest = case.uses.iter().map(|one| span(one)).max().unwrap_or(0);
    let bound = case.uses.iter().any(|one| one.pod.is_some());
    let past = longest > INJECTED_LIFETIME_SECONDS + GRACE_SECONDS;
    let nameless = case.uses.iter().all(|one| one.credential.is_none());
    if bound && nameless && past && index.extension_seen {
        // The extension is on and an hour went by without a mark: the token was replaced.
        (result.state, result.cause, result.confidence) = (State::Fresh, "unmarked", Confidence::Medium);
    } else if !bound {
        result.cause = if nameless { "no-credential-ids" } else { "unbound" };
    } else if past && !nameless {
        result.cause = "lifetime";
    }
}

/// The first moment at which a living pod's token ends.
fn deadline(index: &Index<'_>, firm: &[&(&Use, Proof)], settings: &Settings, result: &mut Outlook) {
    let ends = firm.iter().filter(|(one, _)| deleted(index.facts, one).is_none()).filter_map(|(_, proof)| {
        let issued = proof.issued?;
        let injected = proof.lifetime == Some(INJECTED_LIFETIME_SECONDS);
        let own = proof.lifetime.filter(|_| !(injected && index.extension_seen));
        let sure = own.map_or(settings.extended_given, |_| proof.confidence == Confidence::High);
        let kind = if sure { DeadlineKind::Exact } else { DeadlineKind::Estimated };
        Some((issued.plus_seconds(own.unwrap_or(settings.extended_lifetime)), kind))
    });
    if let Some((at, kind)) = ends.min_by_key(|(at, _)| *at) {
        (result.deadline, result.kind) = (Some(at), kind);
    }
}

/// Refused, and nothing was accepted afterwards.
fn expired(case: &Case<'_>, result: &mut Outlook) {
    let accepted = case.uses.iter().filter_map(|one| one.last).max();
    let after = case.refused.iter().filter(|(refusal, _)| accepted.is_none_or(|at| refusal.last > at));
    let Some((refusal, sure)) = after.min_by_key(|(refusal, _)| refusal.first) else { return };
    (result.state, result.cause, result.confidence) = (State::Expired, "expired", *sure);
    (result.deadline, result.kind) = (Some(refusal.first), DeadlineKind::Exact);
}

/// Refused, and afterwards accepted with a token that it had not used before.
fn recovered(case: &Case<'_>) -> bool {
    let newest = case.uses.iter().filter_map(|one| one.first).max();
    case.refused.iter().any(|(refusal, _)| newest.is_some_and(|at| at > refusal.first))
        || (case.client.token_reload == Reload::After401 && case.refused.is_empty())
}

/// A file of a projected volume that is mounted alone; a Secret's token has nothing to be refreshed for.
fn sub_path(case: &Case<'_>, result: &mut Outlook) {
    if case.pods.iter().flat_map(|pod| &pod.tokens).any(|token| token.sub_path && token.kind.is_projected()) {
        result.cause = "sub-path";
    }
}

/// Without a log: the oldest container's start and the longest lifetime its token may have.
fn estimate(case: &Case<'_>, settings: &Settings, result: &mut Outlook) {
    result.cause = "unseen";
    for pod in &case.pods {
        let seconds = pod.tokens.iter().filter_map(|token| match &token.kind {
            SourceKind::Injected => Some(settings.extended_lifetime),
            SourceKind::Projected { audience: None, seconds } => Some(*seconds),
            _ => None,
        });
        let (Some(seconds), Some(start)) = (seconds.min(), pod.started.values().min()) else { continue };
        let at = start.plus_seconds(seconds);
        result.deadline = Some(result.deadline.map_or(at, |known| known.min(at)));
        result.kind = DeadlineKind::Estimated;
    }
    sub_path(case, result);
    let secrets = |kind: &SourceKind| matches!(kind, SourceKind::SecretVolume(_) | SourceKind::SecretEnv(_));
    if case.pods.iter().all(|pod| pod.tokens.iter().all(|token| secrets(&token.kind))) {
        (result.state, result.cause, result.confidence) = (State::Legacy, "legacy", Confidence::High);
    }
}
