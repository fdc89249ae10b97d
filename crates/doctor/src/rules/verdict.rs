//! The first line of a report, from what was judged of each cluster.

use super::addons;
use super::case::Case;
use super::finding::place;
use super::names::Names;
use super::outlook::Outlook;
use super::table::{doomed, invalidated, self_heals};
use crate::facts::{Facts, Refusal};
use crate::knowledge::addon::Addon;
use crate::report::{Coverage, DeadlineKind, State, Verdict};

/// Seconds a log must cover before silence means anything: a day, for what runs once a day.
pub(super) const MIN_WINDOW_SECONDS: i64 = 24 * 3600;

/// Gaps that do not keep a verdict from being "yes".
const HARMLESS: [&str; 6] = [
    "no-token-requests",
    "unknown-records",
    "broken-records",
    "not-granted-secrets",
    "extension-off",
    "extension-unknown",
];

/// A case and what will become of it.
pub(super) type Judged<'f> = (Case<'f>, Outlook);

/// One cluster, judged.
pub(super) struct Part<'f> {
    pub(super) facts: &'f Facts,
    /// Its workloads.
    pub(super) judged: Vec<Judged<'f>>,
    /// Refusals that belong to none of them.
    pub(super) lost: Vec<&'f Refusal>,
    /// Add-ons of versions that never re-read.
    pub(super) outdated: Vec<&'f Addon>,
}

/// Fails within an hour without the extension, or already.
fn blocks(case: &Case<'_>, outlook: &Outlook) -> bool {
    (matches!(outlook.state, State::Stale | State::Expired) && !self_heals(case, outlook))
        || doomed(case, outlook)
}

fn fails(case: &Case<'_>, outlook: &Outlook) -> bool {
    (blocks(case, outlook) || invalidated(case)) && outlook.alive
}

impl Part<'_> {
    fn count(&self, check: impl Fn(&Case<'_>, &Outlook) -> bool) -> usize {
        self.judged.iter().filter(|(case, outlook)| check(case, outlook)).count()
    }

    /// Rows that count, and add-ons none of whose workloads stands in such a row: each of them once.
    fn with_addons(&self, counts: fn(&Case<'_>, &Outlook) -> bool) -> usize {
        let told = |addon: &Addon| self.judged.iter().any(|(c, o)| counts(c, o) && addons::is_of(c, addon));
        self.count(counts) + self.outdated.iter().filter(|addon| !told(addon)).count()
    }

    /// Not known; the workload of an add-on that counts is.
    fn is_open(&self, case: &Case<'_>, outlook: &Outlook) -> bool {
        outlook.state == State::Unknown
            && !doomed(case, outlook)
            && !self.outdated.iter().any(|addon| addons::is_of(case, addon))
    }

    /// An API server counted stale uses, and no workload is known that makes any: a TokenReview, which leaves no mark in
    /// the log, or somebody who is long gone.
    fn is_counted_elsewhere(&self) -> bool {
        let counted = self.facts.clusters.iter().flat_map(|c| &c.replicas).any(|r| r.stale.unwrap_or(0) > 0);
        counted && self.count(|_, outlook| outlook.state == State::Stale) == 0
    }

    /// Requests were seen, for a day at least, and all refusals and counts belong to somebody.
    fn is_seen(&self) -> bool {
        let windows = || self.facts.sources.iter().filter_map(|source| source.window);
        let (from, to) = (windows().map(|w| w.0).min(), windows().map(|w| w.1).max());
        let span = from.zip(to).map_or(0, |(from, to)| to.seconds() - from.seconds());
        let known = self.lost.is_empty() && !self.is_counted_elsewhere();
        span >= MIN_WINDOW_SECONDS && known && self.judged.iter().any(|(case, _)| case.seen)
    }
}

pub(super) fn verdict(parts: &[Part<'_>], coverage: &[Coverage], names: &mut Names) -> Verdict {
    let sum = |count: &dyn Fn(&Part<'_>) -> usize| parts.iter().map(count).sum::<usize>();
    let all = parts.iter().flat_map(|part| &part.judged);
    let first = all
        .filter(|(case, outlook)| fails(case, outlook))
        .filter_map(|(case, outlook)| Some((outlook.deadline?, outlook.kind, case)))
        .min_by_key(|(at, ..)| *at);
    let blockers = sum(&|part| part.with_addons(blocks));
    let unknown = sum(&|part| part.count(|case, outlook| part.is_open(case, outlook)));
    let gap = coverage.iter().any(|source| {
        source.error.is_some()
            || source.missing.iter().any(|gap| gap.id != "short-window" && !HARMLESS.contains(&gap.id))
    });
    let safe = if blockers > 0 {
        "no"
    } else if unknown > 0 || gap || !parts.iter().all(Part::is_seen) {
        "unknown"
    } else {
        "yes"
    };
    Verdict {
        will_fail: sum(&|part| part.with_addons(fails)),
        first_deadline: first.map(|(at, ..)| at.rfc3339()),
        first_deadline_kind: first.map_or(DeadlineKind::None, |(_, kind, _)| kind),
        first_workload: first.map(|(.., case)| place(case, names)),
        safe_to_disable_extension: safe,
        blockers,
        self_healing: sum(&|part| part.count(self_heals)),
        fine: sum(&|part| part.count(|_, outlook| outlook.state == State::Fresh)),
        unknown,
        legacy: sum(&|part| part.count(|_, outlook| outlook.state == State::Legacy)),
    }
}
