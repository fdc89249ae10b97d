//! The books of a log: the rows of its blocks, entered in their order.
//!
//! Memory is bounded by [`Bounds`]: beyond them the credentials that look least suspicious are forgotten and counted. What
//! is forgotten depends on the rows and their order alone.

use super::record::{Record, note_text};
use super::rows::{Key, Part, Refused, Row, Sighting, Sums, Told};
use super::seen::Seen;
use crate::facts::{Facts, Issue, Refusal};
use crate::limits::{
    MAX_CREDENTIALS, MAX_DELETED_PODS, MAX_EVIDENCE, MAX_ISSUES, MAX_OTHER_BYTES, MAX_REFUSALS, MAX_USE_BYTES,
};
use jeton_core::time::UnixTime;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

/// Seconds of one span of activity.
pub(crate) const SPAN_SECONDS: i64 = 600;

/// Most entries of each kind, and most bytes of their texts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) credentials: usize,
    pub(super) issues: usize,
    pub(super) refusals: usize,
    pub(super) deleted: usize,
    pub(super) use_bytes: usize,
    pub(super) other_bytes: usize,
}

impl Bounds {
    /// Of a whole log.
    pub(super) const LOG: Self = Self {
        credentials: MAX_CREDENTIALS,
        issues: MAX_ISSUES,
        refusals: MAX_REFUSALS,
        deleted: MAX_DELETED_PODS,
        use_bytes: MAX_USE_BYTES,
        other_bytes: MAX_OTHER_BYTES,
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
    /// Bytes of the texts of uses.
    use_bytes: usize,
    /// Bytes of all other texts.
    other_bytes: usize,
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
            use_bytes: 0,
            other_bytes: 0,
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
        let (record, before) = match self.uses.entry(sighting.key) {
            Entry::Occupied(known) => {
                let record = known.into_mut();
                let before = record.bytes();
                (record, before)
            }
            Entry::Vacant(free) => (free.insert(Box::new(Record::of(sighting, at, texts))), 0),
        };
        record.add(sighting, at, texts);
        record.uses += u64::from(is_new);
        self.use_bytes = self.use_bytes + record.bytes() - before;
        self.make_room();
    }

    /// Forgets down to half of the room, or half of those that fill it, those first that were used shortest and carry no
    /// mark.
    fn make_room(&mut self) {
        if self.uses.len() <= self.bounds.credentials && self.use_bytes <= self.bounds.use_bytes {
            return;
        }
        let surplus = self.uses.len() - self.uses.len().min(self.bounds.credentials).div_ceil(2);
        let mut ranks: Vec<_> = self.uses.iter().map(|(key, record)| (record.suspicion(), *key)).collect();
        if surplus < ranks.len() {
            ranks.select_nth_unstable(surplus);
        }
        for (_, key) in &ranks[..surplus] {
            self.use_bytes -= self.uses.remove(key).map_or(0, |record| record.bytes());
        }
        self.forgotten += surplus as u64;
    }

    fn issue(&mut self, key: Key, issue: Issue) {
        if let Some(own) = self.issues.get_mut(&key) {
            own.at = own.at.min(issue.at);
            own.lifetime = own.lifetime.or(issue.lifetime);
            if own.pod_uid.is_none() {
                self.other_bytes += issue.pod_uid.as_ref().map_or(0, String::len);
                own.pod_uid = issue.pod_uid;
            }
        } else if self.issues.len() < self.bounds.issues && self.other_bytes < self.bounds.other_bytes {
            let Issue { credential, account, node, pod_uid, .. } = &issue;
            let further = [node, pod_uid].into_iter().flatten().map(String::len).sum::<usize>();
            self.other_bytes += credential.len() + account.namespace.len() + account.name.len() + further;
            self.issues.insert(key, Box::new(issue));
        } else {
            self.forgotten += 1;
        }
    }

    fn refusal(&mut self, refused: &Refused, at: UnixTime, texts: &str, is_new: bool) {
        let is_known = self.refusals.contains_key(&refused.key);
        let is_full =
            self.refusals.len() >= self.bounds.refusals || self.other_bytes >= self.bounds.other_bytes;
        if !is_known && is_full {
            self.forgotten += 1;
            return;
        }
        let [address, agent, id] = refused.texts(texts);
        if !is_known {
            self.other_bytes += address.len() + agent.len() + MAX_EVIDENCE * id.len();
        }
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
        } else if self.deleted.len() < self.bounds.deleted && self.other_bytes < self.bounds.other_bytes {
            self.other_bytes += pod.0.len() + pod.1.len();
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
