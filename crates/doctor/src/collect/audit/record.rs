//! What is known of one credential in the hands of one client, and texts cut to their bounds.

use super::event::{self, Event};
use super::tally::SPAN_SECONDS;
use crate::facts::{Account, Legacy, Stale, Use};
use crate::limits::{MAX_ADDRESSES, MAX_EVIDENCE, MAX_TEXT_BYTES};
use jeton_core::time::UnixTime;

/// Spans of activity that are kept, the latest ones.
const SPANS: usize = 8;

/// A use with the times of its evidence.
pub(super) struct Record {
    pub(super) value: Use,
    evidence: Vec<(UnixTime, String)>,
    /// Requests that kube-apiserver marked; they are better evidence.
    marked: Vec<(UnixTime, String)>,
}

impl Record {
    pub(super) fn of(
        event: &Event<'_>,
        account: (&str, &str),
        credential: Option<&str>,
        agent: &str,
        legacy: Option<Legacy>,
    ) -> Self {
        let extra = event.user.extra.as_ref();
        let first = |list: Option<&Vec<event::Text<'_>>>| list.and_then(|l| l.first()).map(|v| bounded(v));
        let name = first(extra.map(|e| &e.pod_name));
        let uid = first(extra.map(|e| &e.pod_uid));
        let value = Use {
            account: Account { namespace: bounded(account.0), name: bounded(account.1) },
            pod: name.zip(uid),
            node: first(extra.map(|e| &e.node)),
            user_agent: bounded(agent),
            credential: credential.map(bounded),
            legacy,
            ..Use::default()
        };
        Self { value, evidence: Vec::new(), marked: Vec::new() }
    }

    pub(super) fn add(&mut self, event: &Event<'_>, at: UnixTime, late: Option<i64>) {
        let own = &mut self.value;
        own.first = Some(own.first.map_or(at, |first| first.min(at)));
        own.last = Some(own.last.map_or(at, |last| last.max(at)));
        note_span(&mut own.spans, at.seconds().div_euclid(SPAN_SECONDS));
        if let Some(late) = late {
            let mark = Stale { first: at, last: at, warn_after: at.plus_seconds(-late) };
            own.stale = Some(own.stale.map_or(mark, |known| merge_stale(known, mark)));
        }
        if let Some(address) = event.source_ips.first() {
            note_text(&mut own.addresses, address, MAX_ADDRESSES);
        }
        let list = if late.is_some() { &mut self.marked } else { &mut self.evidence };
        note_evidence(list, at, event.audit_id.as_deref().unwrap_or(""));
    }

    pub(super) fn merge(&mut self, other: Self) {
        let (own, from) = (&mut self.value, other.value);
        own.first = [own.first, from.first].into_iter().flatten().min();
        own.last = [own.last, from.last].into_iter().flatten().max();
        from.spans.into_iter().for_each(|span| note_span(&mut own.spans, span));
        own.stale = match (own.stale, from.stale) {
            (Some(one), Some(two)) => Some(merge_stale(one, two)),
            (one, two) => one.or(two),
        };
        from.addresses.iter().for_each(|address| note_text(&mut own.addresses, address, MAX_ADDRESSES));
        other.evidence.iter().for_each(|(at, id)| note_evidence(&mut self.evidence, *at, id));
        other.marked.iter().for_each(|(at, id)| note_evidence(&mut self.marked, *at, id));
    }

    /// Marks first, then how long one credential was in use.
    pub(super) fn suspicion(&self) -> (bool, i64) {
        let own = &self.value;
        let seconds = own.first.zip(own.last).map_or(0, |(first, last)| last.seconds() - first.seconds());
        (own.stale.is_some() || own.legacy.is_some(), seconds)
    }

    pub(super) fn finish(self) -> Use {
        let best = if self.marked.is_empty() { self.evidence } else { self.marked };
        Use { audit_ids: best.into_iter().map(|(_, id)| id).collect(), ..self.value }
    }
}

/// The earliest threshold that was told: the cache freezes the number of seconds for ten seconds, never the other way.
fn merge_stale(one: Stale, two: Stale) -> Stale {
    Stale {
        first: one.first.min(two.first),
        last: one.last.max(two.last),
        warn_after: one.warn_after.min(two.warn_after),
    }
}

pub(super) fn legacy(event: &Event<'_>) -> Option<Legacy> {
    let a = event.annotations.as_ref()?;
    let told = |text: &Option<event::Text<'_>>| text.as_deref().map(bounded);
    if let Some(both) = told(&a.legacy_invalidated) {
        let secret = both.split('/').next().map(str::to_owned);
        return Some(Legacy { secret, auto: true, invalidated: true });
    }
    if let Some(secret) = told(&a.legacy_auto) {
        return Some(Legacy { secret: Some(secret), auto: true, invalidated: false });
    }
    let secret = told(&a.legacy_manual);
    (secret.is_some() || a.legacy.is_some()).then_some(Legacy { secret, auto: false, invalidated: false })
}

fn note_span(spans: &mut Vec<i64>, span: i64) {
    if spans.last() == Some(&span) {
        return;
    }
    if let Err(place) = spans.binary_search(&span) {
        spans.reserve_exact(1);
        spans.insert(place, span);
        if spans.len() > SPANS {
            spans.remove(0);
        }
    }
}

pub(super) fn note_text(list: &mut Vec<String>, text: &str, most: usize) {
    if let Err(place) = list.binary_search_by(|known| known.as_str().cmp(text))
        && !text.is_empty()
        && place < most
    {
        list.reserve_exact(1);
        list.insert(place, bounded(text));
        list.truncate(most);
    }
}

fn note_evidence(list: &mut Vec<(UnixTime, String)>, at: UnixTime, id: &str) {
    if list.len() == MAX_EVIDENCE && list.last().is_some_and(|(last, _)| *last <= at) {
        return;
    }
    if id.is_empty() || list.iter().any(|(_, known)| known == id) {
        return;
    }
    // Most lists stay at one: there are many of them, and no room to spare.
    list.reserve_exact(1);
    list.push((at, bounded(id)));
    list.sort();
    list.truncate(MAX_EVIDENCE);
}

/// The first bytes of a text, whole characters.
pub(super) fn bounded(text: &str) -> String {
    let mut end = text.len().min(MAX_TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}
