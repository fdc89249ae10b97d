//! What is known of one credential in the hands of one client. There are many of them, and no room to spare.

use super::pack::{Pack, bounded};
use super::rows::{KEPT, Sighting};
use super::tally::SPAN_SECONDS;
use crate::facts::{Account, Legacy, Stale, Use};
use crate::limits::{MAX_ADDRESSES, MAX_EVIDENCE};
use jeton_core::time::UnixTime;

/// Spans of activity that are kept, the latest ones.
const SPANS: usize = 8;

/// A use with the times of its evidence.
pub(super) struct Record {
    texts: Box<str>,
    pack: Pack<KEPT>,
    spans: Spans,
    first: UnixTime,
    last: UnixTime,
    pub(super) uses: u64,
    addresses: Vec<Box<str>>,
    evidence: Evidence,
    mark: Option<Box<Mark>>,
}

/// What only few have: something that kube-apiserver said of the token.
#[derive(Default)]
struct Mark {
    stale: Option<Stale>,
    legacy: Option<Legacy>,
    /// Requests that it marked; they are better evidence.
    evidence: Evidence,
}

/// Some requests, the earliest ones in their order.
#[derive(Default)]
struct Evidence(Vec<(UnixTime, Box<str>)>);

/// The latest spans with a use in them, in order.
#[derive(Default)]
struct Spans {
    list: [i32; SPANS],
    count: u8,
}

impl Record {
    pub(super) fn of(sighting: &Sighting, at: UnixTime, texts: &str) -> Self {
        let (texts, pack) = sighting.kept(texts);
        let legacy = sighting.legacy.clone();
        Self {
            texts: texts.into(),
            pack,
            spans: Spans::default(),
            first: at,
            last: at,
            uses: 0,
            addresses: Vec::new(),
            evidence: Evidence::default(),
            mark: legacy.map(|legacy| Box::new(Mark { legacy: Some(legacy), ..Mark::default() })),
        }
    }

    pub(super) fn add(&mut self, sighting: &Sighting, at: UnixTime, texts: &str) {
        self.first = self.first.min(at);
        self.last = self.last.max(at);
        self.spans.note(at);
        let [address, id] = sighting.request(texts);
        note_text(&mut self.addresses, address, MAX_ADDRESSES);
        let Some(late) = sighting.late else {
            self.evidence.note(at, id);
            return;
        };
        let told = Stale { first: at, last: at, warn_after: at.plus_seconds(-late) };
        let mark = self.mark.get_or_insert_default();
        mark.stale = Some(mark.stale.map_or(told, |known| merge_stale(known, told)));
        mark.evidence.note(at, id);
    }

    /// Bytes of its texts.
    pub(super) fn bytes(&self) -> usize {
        let evidence = |evidence: &Evidence| evidence.0.iter().map(|(_, id)| id.len()).sum::<usize>();
        let addresses: usize = self.addresses.iter().map(|address| address.len()).sum();
        let marked = self.mark.as_ref().map_or(0, |mark| evidence(&mark.evidence));
        self.texts.len() + addresses + evidence(&self.evidence) + marked
    }

    /// Marks first, then how long one credential was in use.
    pub(super) fn suspicion(&self) -> (bool, i64) {
        (self.mark.is_some(), self.last.seconds() - self.first.seconds())
    }

    /// What records are sorted by, so that the same log gives the same report: account, pod, client, first use, credential.
    pub(super) fn place(&self) -> impl Ord {
        let [namespace, name, uid, agent, credential, pod, _] = self.pack.open(&self.texts);
        (namespace, name, pod.zip(uid), agent, self.first, credential)
    }

    pub(super) fn finish(self) -> Use {
        let mark = self.mark.map(|mark| *mark).unwrap_or_default();
        let best = if mark.evidence.0.is_empty() { self.evidence } else { mark.evidence };
        let own = |text: Option<&str>| text.map(str::to_owned);
        let [namespace, name, uid, agent, credential, pod, node] = self.pack.open(&self.texts).map(own);
        Use {
            account: Account { namespace: namespace.unwrap_or_default(), name: name.unwrap_or_default() },
            pod: pod.zip(uid),
            node,
            user_agent: agent.unwrap_or_default(),
            credential,
            first: Some(self.first),
            last: Some(self.last),
            uses: self.uses,
            spans: self.spans.finish(),
            stale: mark.stale,
            legacy: mark.legacy,
            addresses: self.addresses.into_iter().map(String::from).collect(),
            audit_ids: best.0.into_iter().map(|(_, id)| id.into()).collect(),
        }
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

impl Spans {
    fn note(&mut self, at: UnixTime) {
        // Years -9999 to 9999 are half of what fits.
        let Ok(span) = i32::try_from(at.seconds().div_euclid(SPAN_SECONDS)) else { return };
        let count = usize::from(self.count);
        let Err(place) = self.list[..count].binary_search(&span) else { return };
        if count < SPANS {
            self.list[place..=count].rotate_right(1);
            self.list[place] = span;
            self.count += 1;
        } else if place > 0 {
            self.list[..place].rotate_left(1);
            self.list[place - 1] = span;
        }
    }

    fn finish(&self) -> Vec<i64> {
        self.list[..usize::from(self.count)].iter().map(|span| i64::from(*span)).collect()
    }
}

impl Evidence {
    fn note(&mut self, at: UnixTime, id: &str) {
        let list = &mut self.0;
        if list.len() == MAX_EVIDENCE && list.last().is_some_and(|(last, _)| *last <= at) {
            return;
        }
        if id.is_empty() || list.iter().any(|(_, known)| **known == *id) {
            return;
        }
        list.reserve_exact(1);
        list.push((at, id.into()));
        list.sort();
        list.truncate(MAX_EVIDENCE);
    }
}

/// Keeps the first few of all texts, in their order.
pub(super) fn note_text<T: AsRef<str> + for<'t> From<&'t str>>(list: &mut Vec<T>, text: &str, most: usize) {
    if let Err(place) = list.binary_search_by(|known| known.as_ref().cmp(text))
        && !text.is_empty()
        && place < most
    {
        list.reserve_exact(1);
        list.insert(place, bounded(text).into());
        list.truncate(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_spans_are_kept_in_order() {
        let mut spans = Spans::default();
        for minutes in [50, 10, 30, 30, 20, 60, 40, 0, 70, 90, 80, 55, 5] {
            spans.note(UnixTime::from_seconds(minutes * 60));
        }
        assert_eq!(spans.finish(), [2, 3, 4, 5, 6, 7, 8, 9]);
    }
}
