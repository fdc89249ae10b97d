//! The cleaner: what it does with a Secret now, why it leaves one alone, and when that changes if nobody does anything.
//!
//! Kubernetes 1.36 (pkg/controller/serviceaccount/legacy_serviceaccount_token_cleaner.go).

use super::{DAY_SECONDS, day};
use crate::time::UnixTime;

/// What the cleaner does with a Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleaning {
    /// It stays, and why.
    Keep(Kept),
    /// Its token is marked invalid, from today on.
    Mark,
    /// It is deleted.
    Delete,
}

/// Why the cleaner leaves a Secret alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Uses have not been written down for a whole period.
    Untracked,
    /// It is younger than the period.
    Young,
    /// It is being deleted.
    Deleting,
    /// Its last-used label is no day.
    UnreadableUse,
    /// It was used within the period.
    Used,
    /// Its account does not list it: it was made by hand.
    Manual,
    /// A pod names it.
    Mounted,
    /// It was marked less than a period ago.
    Marked,
}

impl Cleaning {
    /// One word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Keep(_) => "keep",
            Self::Mark => "mark",
            Self::Delete => "delete",
        }
    }
}

impl Kept {
    /// One word, or two joined by a hyphen.
    pub fn name(self) -> &'static str {
        match self {
            Self::Untracked => "untracked",
            Self::Young => "young",
            Self::Deleting => "deleting",
            Self::UnreadableUse => "unreadable-use",
            Self::Used => "used",
            Self::Manual => "manual",
            Self::Mounted => "mounted",
            Self::Marked => "marked",
        }
    }

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Untracked => "uses are not written down for long enough",
            Self::Young => "younger than the period",
            Self::Deleting => "being deleted",
            Self::UnreadableUse => "its last-used label is no day",
            Self::Used => "used within the period",
            Self::Manual => "made by hand: its account does not list it",
            Self::Mounted => "a pod names it",
            Self::Marked => "marked less than a period ago",
        }
    }

    /// Whether it ends by itself when nobody does anything.
    fn passes(self) -> bool {
        match self {
            Self::Untracked | Self::Young | Self::Used | Self::Marked => true,
            Self::Deleting | Self::UnreadableUse | Self::Manual | Self::Mounted => false,
        }
    }
}

/// What the cleaner knows of a Secret of the token type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanerFacts<'a> {
    /// Its creationTimestamp.
    pub created: UnixTime,
    /// Whether it has a deletionTimestamp.
    pub deleting: bool,
    /// Its last-used label.
    pub last_used: Option<&'a str>,
    /// Its invalid-since label.
    pub invalid_since: Option<&'a str>,
    /// Whether its account exists, is the annotated one, and names it in `secrets[]`.
    pub listed: bool,
    /// Whether a pod of its namespace names it.
    pub mounted: bool,
}

/// From when on the cleaner works: uses must have been written down for a whole period and a day. `None`: it does not,
/// because nobody knows since when they are.
pub fn works_from(since: Option<&str>, period: i64) -> Option<UnixTime> {
    since.and_then(day).map(|since| since.plus_seconds(DAY_SECONDS.saturating_add(period)))
}

/// Whether the cleaner may work at all.
pub fn cleaner_starts(since: Option<&str>, now: UnixTime, period: i64) -> bool {
    works_from(since, period).is_some_and(|from| now >= from)
}

/// Every reason to leave a Secret alone, in the order in which Kubernetes looks.
fn reasons(facts: &CleanerFacts<'_>, now: UnixTime, period: i64) -> impl Iterator<Item = Kept> {
    let border = now.plus_seconds(period.saturating_neg());
    let recent = |date: UnixTime| date.date() >= border.date();
    let used = facts.last_used.map(day);
    let all = [
        (facts.created >= border, Kept::Young),
        (facts.deleting, Kept::Deleting),
        (used == Some(None), Kept::UnreadableUse),
        (used.flatten().is_some_and(recent), Kept::Used),
        (!facts.listed, Kept::Manual),
        (facts.mounted, Kept::Mounted),
        (facts.invalid_since.and_then(day).is_some_and(recent), Kept::Marked),
    ];
    all.into_iter().filter(|(holds, _)| *holds).map(|(_, why)| why)
}

/// Decides about a Secret. `period`: seconds without use until it is marked, and from then until it is deleted.
pub fn clean(facts: &CleanerFacts<'_>, now: UnixTime, period: i64) -> Cleaning {
    match (reasons(facts, now, period).next(), facts.invalid_since.and_then(day)) {
        (Some(why), _) => Cleaning::Keep(why),
        (None, None) => Cleaning::Mark,
        (None, Some(_)) => Cleaning::Delete,
    }
}

/// What becomes of a Secret when nobody uses, mounts or changes it from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prospect {
    /// What a round of the cleaner does now.
    pub cleaning: Cleaning,
    /// Every reason why it does nothing; the first one is in `cleaning`.
    pub reasons: Vec<Kept>,
    /// The first moment at which a round marks it; `None`: it is marked already, or never is.
    pub marked_from: Option<UnixTime>,
    /// The first moment at which a round deletes it; `None`: never.
    pub deleted_from: Option<UnixTime>,
}

/// Decides about a Secret and looks ahead. `since`: the day since which uses are written down.
pub fn prospect(facts: &CleanerFacts<'_>, since: Option<&str>, now: UnixTime, period: i64) -> Prospect {
    let works = works_from(since, period);
    let untracked = works.is_none_or(|from| now < from);
    let reasons: Vec<Kept> =
        untracked.then_some(Kept::Untracked).into_iter().chain(reasons(facts, now, period)).collect();
    let cleaning = reasons.first().map_or_else(|| clean(facts, now, period), |why| Cleaning::Keep(*why));
    let Some(works) = works.filter(|_| reasons.iter().all(|why| why.passes())) else {
        return Prospect { cleaning, reasons, marked_from: None, deleted_from: None };
    };
    // A day counts to its end, and the second of the creation itself is still too early.
    let after = |date: UnixTime| date.plus_seconds(DAY_SECONDS.saturating_add(period));
    let used = facts.last_used.and_then(day).map(after);
    let old = facts.created.plus_seconds(period.saturating_add(1));
    let open = [Some(now), Some(works), Some(old), used].into_iter().flatten().max().unwrap_or(now);
    let (marked_from, marked) = match facts.invalid_since.and_then(day) {
        Some(marked) => (None, marked),
        None => (Some(open), day(&open.date()).unwrap_or(open)),
    };
    Prospect { cleaning, reasons, marked_from, deleted_from: Some(open.max(after(marked))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::legacy::CLEAN_UP_PERIOD_SECONDS;

    const NOW: UnixTime = UnixTime::from_seconds(1_784_973_600); // 2026-07-25T10:00:00Z

    #[test]
    fn the_cleaner_waits_for_a_period_of_notes() {
        let year = CLEAN_UP_PERIOD_SECONDS;
        for (since, want) in [
            (None, false),
            (Some("odd"), false),
            (Some("2026-07-25"), false),
            (Some("2025-07-25"), false),
            (Some("2025-07-24"), true),
        ] {
            assert_eq!(cleaner_starts(since, NOW, year), want, "{since:?}");
        }
    }

    #[test]
    fn what_nobody_used_is_marked_and_then_deleted() {
        let old = CleanerFacts {
            created: UnixTime::from_seconds(0),
            deleting: false,
            last_used: None,
            invalid_since: None,
            listed: true,
            mounted: false,
        };
        let keep = Cleaning::Keep;
        for (facts, want) in [
            (old, Cleaning::Mark),
            (CleanerFacts { created: NOW.plus_seconds(-CLEAN_UP_PERIOD_SECONDS), ..old }, keep(Kept::Young)),
            (CleanerFacts { created: NOW.plus_seconds(-CLEAN_UP_PERIOD_SECONDS - 1), ..old }, Cleaning::Mark),
            (CleanerFacts { deleting: true, ..old }, keep(Kept::Deleting)),
            (CleanerFacts { last_used: Some("odd"), ..old }, keep(Kept::UnreadableUse)),
            (CleanerFacts { last_used: Some("2025-07-25"), ..old }, keep(Kept::Used)),
            (CleanerFacts { last_used: Some("2025-07-24"), ..old }, Cleaning::Mark),
            (CleanerFacts { listed: false, ..old }, keep(Kept::Manual)),
            (CleanerFacts { mounted: true, ..old }, keep(Kept::Mounted)),
            (CleanerFacts { invalid_since: Some("odd"), ..old }, Cleaning::Mark),
            (CleanerFacts { invalid_since: Some("2026-07-25"), ..old }, keep(Kept::Marked)),
            (CleanerFacts { invalid_since: Some("2025-07-25"), ..old }, keep(Kept::Marked)),
            (CleanerFacts { invalid_since: Some("2025-07-24"), ..old }, Cleaning::Delete),
            // A use while invalid is written down, and postpones the deletion.
            (
                CleanerFacts { invalid_since: Some("2025-07-24"), last_used: Some("2026-07-25"), ..old },
                keep(Kept::Used),
            ),
        ] {
            assert_eq!(clean(&facts, NOW, CLEAN_UP_PERIOD_SECONDS), want, "{facts:?}");
        }
    }

    /// Lives through what was foreseen: a second earlier nothing happens, at that moment it does.
    fn comes_true(facts: &CleanerFacts<'_>, since: Option<&str>, period: i64) -> [bool; 2] {
        let at = |facts: &CleanerFacts<'_>, when: UnixTime| prospect(facts, since, when, period).cleaning;
        let foreseen = prospect(facts, since, NOW, period);
        if let Cleaning::Keep(why) = foreseen.cleaning {
            assert_eq!(foreseen.reasons.first(), Some(&why));
        }
        let kept = |facts: &CleanerFacts<'_>, when: UnixTime| {
            assert!(
                when == NOW || matches!(at(facts, when.plus_seconds(-1)), Cleaning::Keep(_)),
                "{facts:?}"
            );
        };
        let mut today = String::new();
        if let Some(when) = foreseen.marked_from {
            kept(facts, when);
            assert_eq!(at(facts, when), Cleaning::Mark, "{facts:?} {when:?}");
            today = when.date();
        }
        let marked = if today.is_empty() { facts.invalid_since } else { Some(today.as_str()) };
        let facts = CleanerFacts { invalid_since: marked, ..*facts };
        if let Some(when) = foreseen.deleted_from {
            kept(&facts, when);
            assert_eq!(at(&facts, when), Cleaning::Delete, "{facts:?} {when:?}");
        } else {
            for years in [1, 10, 100] {
                let later = NOW.plus_seconds(years * CLEAN_UP_PERIOD_SECONDS);
                assert!(matches!(at(&facts, later), Cleaning::Keep(_)), "{facts:?}");
            }
        }
        [foreseen.marked_from.is_some(), foreseen.deleted_from.is_some()]
    }

    #[test]
    fn what_is_foreseen_comes_true() {
        let days = [
            None,
            Some("odd"),
            Some("2025-07-24"),
            Some("2025-07-25"),
            Some("2026-01-31"),
            Some("2026-07-25"),
        ];
        let mut told = [0, 0];
        for period in [CLEAN_UP_PERIOD_SECONDS, 36 * 3600] {
            for created in [0, -period - 1, -period, -5] {
                for (since, last_used) in days.into_iter().flat_map(|a| days.map(|b| (a, b))) {
                    for (invalid_since, switch) in days.into_iter().flat_map(|a| [0, 1, 2, 4].map(|b| (a, b)))
                    {
                        let created =
                            if created == 0 { UnixTime::from_seconds(0) } else { NOW.plus_seconds(created) };
                        let (deleting, listed, mounted) = (switch == 1, switch != 2, switch == 4);
                        let facts =
                            CleanerFacts { created, deleting, last_used, invalid_since, listed, mounted };
                        let dates = comes_true(&facts, since, period);
                        told = [0, 1].map(|at| told[at] + u32::from(dates[at]));
                    }
                }
            }
        }
        assert!(told.iter().all(|told| *told > 100), "dates were told: {told:?}");
    }
}
