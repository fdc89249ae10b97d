//! The books of a log: the rows of its blocks, entered in their order.
//!
//! Memory is bounded by [`Bounds`]: beyond them the credentials that look least suspicious are forgotten and counted. What
//! is forgotten depends on the rows and their order alone.

use super::record::{Record, note_text};
use super::rows::{Key, Part, Refused, Row, Sighting, Sums, Told};
use super::seen::Seen;
use crate::facts::{Facts, Issue, Refusal};
use crate::limits::{MAX_CREDENTIALS, MAX_DELETED_PODS, MAX_EVIDENCE, MAX_ISSUES, MAX_REFUSALS};
use jeton_core::time::UnixTime;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

/// Seconds of one span of activity.
pub(crate) const SPAN_SECONDS: i64 = 600;

/// Most entries of each kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) credentials: usize,
    pub(super) issues: usize,
    pub(super) refusals: usize,
    pub(super) deleted: usize,
}

impl Bounds {
    /// Of a whole log.
    pub(super) const LOG: Self = Self {
        credentials: MAX_CREDENTIALS,
        issues: MAX_ISSUES,
        refusals: MAX_REFUSALS,
        deleted: MAX_DELETED_PODS,
    };
}

/// Boxed, so that the table itself stays small while it grows.
type ByKey<T> = HashMap<Key, Box<T>, BuildHasherDefault<AsItIs>>;

/// All that is known of a log.
pub(super) struct Tally {
    bounds: Bounds,
    seen: Seen,
    uses: ByKey<Record>,
    issues: ByKey<Issue>,
    refusals: ByKey<Refusal>,
    deleted: BTreeMap<(String, String), UnixTime>,
    forgotten: u64,
}

/// A key is a hash already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, _: &[u8]) {
        unreachable!("a key is one number");
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Tally {
    /// An empty one.
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            seen: Seen::new(),
            uses: ByKey::default(),
            issues: ByKey::default(),
            refusals: ByKey::default(),
            deleted: BTreeMap::new(),
            forgotten: 0,
        }
    }

    /// Enters the next block, and gives its sums.
    pub(super) fn enter(&mut self, part: &mut Part) -> Sums {
        let mut sums = std::mem::take(&mut part.sums);
        for (key, issue) in part.issues.drain(..) {
            self.issue(key, issue);
        }
        for (pod, at) in part.deleted.drain(..) {
            self.deletion(pod, at);
        }
        for Row { at, request, told } in &part.rows {
            let is_new = self.seen.is_new(*request);
            sums.events += u64::from(is_new);
            match told {
                Told::Nothing => {}
                Told::Use(sighting) => self.usage(sighting, *at, &part.texts, is_new),
                Told::Refusal(refused) => self.refusal(refused, *at, &part.texts, is_new),
            }
        }
        sums.forgotten += std::mem::take(&mut self.forgotten);
        sums
    }

    fn usage(&mut self, sighting: &Sighting, at: UnixTime, texts: &str, is_new: bool) {
        let new = || Box::new(Record::of(sighting, at, texts));
        let record = self.uses.entry(sighting.key).or_insert_with(new);
        record.add(sighting, at, texts);
        record.uses += u64::from(is_new);
        self.make_room();
    }

    /// Forgets down to half of the room, those that were used shortest and carry no mark first.
    fn make_room(&mut self) {
        if self.uses.len() <= self.bounds.credentials {
            return;
        }
        let surplus = self.uses.len() - self.bounds.credentials.div_ceil(2);
        let mut ranks: Vec<_> = self.uses.iter().map(|(key, record)| (record.suspicion(), *key)).collect();
        if surplus < ranks.len() {
            ranks.select_nth_unstable(surplus);
        }
        for (_, key) in &ranks[..surplus] {
            self.uses.remove(key);
        }
        self.forgotten += surplus as u64;
    }

    fn issue(&mut self, key: Key, issue: Issue) {
        if let Some(own) = self.issues.get_mut(&key) {
            own.at = own.at.min(issue.at);
            own.lifetime = own.lifetime.or(issue.lifetime);
            own.pod_uid = own.pod_uid.take().or(issue.pod_uid);
        } else if self.issues.len() < self.bounds.issues {
            self.issues.insert(key, Box::new(issue));
        } else {
            self.forgotten += 1;
        }
    }

    fn refusal(&mut self, refused: &Refused, at: UnixTime, texts: &str, is_new: bool) {
        let is_known = self.refusals.contains_key(&refused.key);
        if !is_known && self.refusals.len() >= self.bounds.refusals {
            self.forgotten += 1;
            return;
        }
        let [address, agent, id] = refused.texts(texts);
        let new = || Refusal {
            address: address.to_owned(),
            user_agent: agent.to_owned(),
            first: at,
            last: at,
            count: 0,
            audit_ids: Vec::new(),
        };
        let refusal = self.refusals.entry(refused.key).or_insert_with(|| Box::new(new()));
        refusal.first = refusal.first.min(at);
        refusal.last = refusal.last.max(at);
        refusal.count += u64::from(is_new);
        note_text(&mut refusal.audit_ids, id, MAX_EVIDENCE);
    }

    fn deletion(&mut self, pod: (String, String), at: UnixTime) {
        if let Some(last) = self.deleted.get_mut(&pod) {
            *last = (*last).max(at);
        } else if self.deleted.len() < self.bounds.deleted {
            self.deleted.insert(pod, at);
        } else {
            self.forgotten += 1;
        }
    }

    /// The facts, in an order of their own.
    pub(super) fn finish(self, facts: &mut Facts) {
        drop(self.seen);
        // Places are looked up once for each record, not once for each comparison.
        let records: Vec<_> = self.uses.into_values().collect();
        let mut order: Vec<_> = records.iter().map(|record| record.place()).zip(0..).collect();
        order.sort_unstable();
        let order: Vec<usize> = order.into_iter().map(|(_, at)| at).collect();
        let mut records: Vec<_> = records.into_iter().map(Some).collect();
        let in_order = order.into_iter().filter_map(|at| records.get_mut(at)?.take());
        facts.uses.extend(in_order.map(|record| record.finish()));
        facts.issues.extend(self.issues.into_values().map(|issue| *issue));
        facts.issues.sort_by(|a, b| (a.at, &a.credential).cmp(&(b.at, &b.credential)));
        facts.refusals.extend(self.refusals.into_values().map(|refusal| *refusal));
        facts
            .refusals
            .sort_by(|a, b| (a.first, &a.address, &a.user_agent).cmp(&(b.first, &b.address, &b.user_agent)));
        facts.deleted.extend(self.deleted);
    }
}
