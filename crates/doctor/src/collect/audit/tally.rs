//! Adds the events of one block up, and the blocks of a log.
//!
//! Memory is bounded by [`Bounds`]: beyond them the credentials that look least suspicious are forgotten and counted. What
//! is forgotten depends on the blocks and their order alone: maps are merged whole before anything is cut from them, or in
//! the order of their keys.

use super::event::{self, Event};
use super::record::{Record, bounded, legacy, note_text};
use super::seen::Seen;
use crate::facts::{Account, Facts, Issue, Refusal, Use};
use crate::limits::{
    MAX_BLOCK_CREDENTIALS, MAX_CREDENTIALS, MAX_DELETED_PODS, MAX_EVIDENCE, MAX_ISSUES, MAX_REFUSALS,
};
use jeton_core::time::UnixTime;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

/// Seconds of one span of activity.
pub(crate) const SPAN_SECONDS: i64 = 600;

/// Two hashes of what tells one credential and client from another.
type Key = (u64, u64);

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
    /// Of one block.
    pub(super) const BLOCK: Self = Self {
        credentials: MAX_BLOCK_CREDENTIALS,
        issues: MAX_BLOCK_CREDENTIALS,
        refusals: MAX_BLOCK_CREDENTIALS,
        deleted: MAX_BLOCK_CREDENTIALS,
    };
}

/// Sums of one block, or of all that were merged.
pub(super) struct Tally {
    /// Without a random key: what is forgotten is the same in every run over the same log.
    hasher: BuildHasherDefault<DefaultHasher>,
    bounds: Bounds,
    /// Boxed, so that the table itself stays small while it grows.
    uses: HashMap<Key, Box<Record>>,
    issues: BTreeMap<String, Issue>,
    refusals: BTreeMap<(String, String), Refusal>,
    deleted: BTreeMap<(String, String), UnixTime>,
    /// Of the block.
    pub(super) sums: Sums,
    /// The hash of each event's audit id and what it counts for, in the order of the block.
    ids: Vec<(u64, Counted)>,
}

/// What one more request counts for, apart from the number of events.
#[derive(Clone)]
enum Counted {
    Nothing,
    Use(Key),
    Refusal((String, String)),
}

/// What coverage is told from.
#[derive(Clone, Debug, Default)]
pub(super) struct Sums {
    pub(super) window: Option<(UnixTime, UnixTime)>,
    pub(super) events: u64,
    pub(super) accounts: u64,
    pub(super) reads: u64,
    pub(super) credentials: u64,
    pub(super) requests_for_tokens: u64,
    pub(super) agents: u64,
    pub(super) forgotten: u64,
}

impl Tally {
    /// An empty one.
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            hasher: BuildHasherDefault::new(),
            bounds,
            uses: HashMap::new(),
            issues: BTreeMap::new(),
            refusals: BTreeMap::new(),
            deleted: BTreeMap::new(),
            sums: Sums::default(),
            ids: Vec::new(),
        }
    }

    /// Notes when an event was, and nothing else of it.
    pub(super) fn glance(&mut self, event: &Event<'_>) {
        if let Some(at) = event.at() {
            self.sums.note(at);
        }
    }

    /// Adds one event.
    pub(super) fn add(&mut self, event: &Event<'_>) {
        let Some(at) = event.at() else { return };
        self.sums.note(at);
        self.issue(event, at);
        self.deletion(event, at);
        let code = event.response_status.as_ref().and_then(|s| s.code);
        let marked = event.annotations.as_ref().and_then(|a| a.stale.as_deref()).and_then(event::stale);
        let subject = marked.and_then(|(subject, _)| event::account(subject)).or_else(|| event.account());
        let counted = match subject {
            Some(account) => Counted::Use(self.usage(event, at, account, marked.map(|(_, n)| n))),
            None if code == Some(401) && event.user.username.as_deref().unwrap_or("").is_empty() => {
                self.refusal(event, at)
            }
            None => Counted::Nothing,
        };
        let id = event.audit_id.as_deref().unwrap_or("");
        self.ids.push((self.hasher.hash_one(id), counted));
    }

    fn usage(&mut self, event: &Event<'_>, at: UnixTime, account: (&str, &str), late: Option<i64>) -> Key {
        let extra = event.user.extra.as_ref();
        let credential = extra.and_then(|e| e.credential.first()).map(|c| c.trim_start_matches("JTI="));
        let agent = event.user_agent.as_deref().unwrap_or("");
        let pod_uid = extra.and_then(|e| e.pod_uid.first()).map(|uid| &**uid);
        let legacy = legacy(event);
        let sums = &mut self.sums;
        sums.accounts += 1;
        sums.reads += u64::from(matches!(event.verb.as_deref(), Some("get" | "list" | "watch")));
        sums.credentials += u64::from(credential.is_some());
        sums.agents += u64::from(!agent.is_empty());
        let secret = legacy.as_ref().map(|l| (l.auto, l.secret.as_deref().unwrap_or("")));
        let identity = (account, pod_uid, agent, credential, secret);
        let key = (self.hasher.hash_one(identity), self.hasher.hash_one((identity, "")));
        let new = || Box::new(Record::of(event, account, credential, agent, legacy));
        self.uses.entry(key).or_insert_with(new).add(event, at, late);
        self.make_room();
        key
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
        self.sums.forgotten += surplus as u64;
    }

    fn issue(&mut self, event: &Event<'_>, at: UnixTime) {
        let Some(issued) = event.annotations.as_ref().and_then(|a| a.issued.as_deref()) else { return };
        let object = event.object_ref.as_ref();
        let part = |f: fn(&event::ObjectRef<'_>) -> Option<String>| object.and_then(f).unwrap_or_default();
        let account = Account {
            namespace: part(|o| o.namespace.as_deref().map(bounded)),
            name: part(|o| o.name.as_deref().map(bounded)),
        };
        self.sums.requests_for_tokens += 1;
        let credential = bounded(issued.trim_start_matches("JTI="));
        if self.issues.len() >= self.bounds.issues && !self.issues.contains_key(&credential) {
            self.sums.forgotten += 1;
            return;
        }
        let node = event.user.username.as_deref().and_then(|u| u.strip_prefix("system:node:")).map(bounded);
        let body = event.request_object.as_ref();
        let issue = self.issues.entry(credential.clone()).or_insert(Issue {
            credential,
            account,
            node,
            at,
            lifetime: None,
            pod_uid: None,
        });
        issue.at = issue.at.min(at);
        issue.lifetime = issue.lifetime.or_else(|| body.and_then(|b| b.lifetime).filter(|s| *s > 0));
        issue.pod_uid = issue.pod_uid.take().or_else(|| body.and_then(|b| b.pod_uid.as_deref()).map(bounded));
    }

    fn deletion(&mut self, event: &Event<'_>, at: UnixTime) {
        let Some(object) = &event.object_ref else { return };
        let deleted = event.verb.as_deref() == Some("delete")
            && object.resource.as_deref() == Some("pods")
            && object.subresource.is_none();
        if !deleted {
            return;
        }
        if let (Some(namespace), Some(name)) = (object.namespace.as_deref(), object.name.as_deref()) {
            self.deleted((bounded(namespace), bounded(name)), at);
        }
    }

    fn deleted(&mut self, pod: (String, String), at: UnixTime) {
        if let Some(last) = self.deleted.get_mut(&pod) {
            *last = (*last).max(at);
        } else if self.deleted.len() < self.bounds.deleted {
            self.deleted.insert(pod, at);
        }
    }

    fn refusal(&mut self, event: &Event<'_>, at: UnixTime) -> Counted {
        let address = event.source_ips.first().map(|ip| bounded(ip)).unwrap_or_default();
        let agent = bounded(event.user_agent.as_deref().unwrap_or(""));
        let key = (address.clone(), agent.clone());
        if self.refusals.len() >= self.bounds.refusals && !self.refusals.contains_key(&key) {
            self.sums.forgotten += 1;
            return Counted::Nothing;
        }
        let refusal = self.refusals.entry(key.clone()).or_insert(Refusal {
            address,
            user_agent: agent,
            first: at,
            last: at,
            count: 0,
            audit_ids: Vec::new(),
        });
        refusal.first = refusal.first.min(at);
        refusal.last = refusal.last.max(at);
        note_text(&mut refusal.audit_ids, event.audit_id.as_deref().unwrap_or(""), MAX_EVIDENCE);
        Counted::Refusal(key)
    }

    /// Adds the next block of the log, and counts the requests that no block before it had.
    pub(super) fn merge(&mut self, next: Self, seen: &mut Seen) {
        self.sums.merge(&next.sums);
        for (key, record) in next.uses {
            match self.uses.get_mut(&key) {
                Some(own) => own.merge(*record),
                None => drop(self.uses.insert(key, record)),
            }
        }
        next.issues.into_values().for_each(|issue| self.merge_issue(issue));
        next.refusals.into_iter().for_each(|(key, refusal)| self.merge_refusal(key, refusal));
        next.deleted.into_iter().for_each(|(pod, at)| self.deleted(pod, at));
        for (_, counted) in next.ids.into_iter().filter(|(id, _)| seen.is_new(*id)) {
            self.sums.events += 1;
            match counted {
                Counted::Nothing => {}
                Counted::Use(key) => self.uses.get_mut(&key).into_iter().for_each(|u| u.value.uses += 1),
                Counted::Refusal(key) => self.refusals.get_mut(&key).into_iter().for_each(|r| r.count += 1),
            }
        }
        self.make_room();
    }

    fn merge_issue(&mut self, issue: Issue) {
        if let Some(own) = self.issues.get_mut(&issue.credential) {
            own.at = own.at.min(issue.at);
            own.lifetime = own.lifetime.or(issue.lifetime);
            own.pod_uid = own.pod_uid.take().or(issue.pod_uid);
        } else if self.issues.len() < self.bounds.issues {
            self.issues.insert(issue.credential.clone(), issue);
        } else {
            self.sums.forgotten += 1;
        }
    }

    fn merge_refusal(&mut self, key: (String, String), refusal: Refusal) {
        if let Some(own) = self.refusals.get_mut(&key) {
            own.first = own.first.min(refusal.first);
            own.last = own.last.max(refusal.last);
            refusal.audit_ids.iter().for_each(|id| note_text(&mut own.audit_ids, id, MAX_EVIDENCE));
        } else if self.refusals.len() < self.bounds.refusals {
            self.refusals.insert(key, refusal);
        } else {
            self.sums.forgotten += 1;
        }
    }

    /// The facts, in an order of their own.
    pub(super) fn finish(self, facts: &mut Facts) {
        facts.uses.extend(self.uses.into_values().map(|record| record.finish()));
        facts.uses.sort_by(|a, b| order(a).cmp(&order(b)));
        facts.issues.extend(self.issues.into_values());
        facts.issues.sort_by(|a, b| (a.at, &a.credential).cmp(&(b.at, &b.credential)));
        facts.refusals.extend(self.refusals.into_values());
        facts
            .refusals
            .sort_by(|a, b| (a.first, &a.address, &a.user_agent).cmp(&(b.first, &b.address, &b.user_agent)));
        facts.deleted.extend(self.deleted);
    }
}

/// What uses are sorted by, so that the same log gives the same report.
type Place<'a> = (&'a Account, &'a Option<(String, String)>, &'a str, Option<UnixTime>, &'a Option<String>);

fn order(a: &Use) -> Place<'_> {
    (&a.account, &a.pod, &a.user_agent, a.first, &a.credential)
}

impl Sums {
    fn note(&mut self, at: UnixTime) {
        self.window = Some(self.window.map_or((at, at), |(a, b)| (a.min(at), b.max(at))));
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.window = match (self.window, other.window) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, two) => one.or(two),
        };
        self.events += other.events;
        self.accounts += other.accounts;
        self.reads += other.reads;
        self.credentials += other.credentials;
        self.requests_for_tokens += other.requests_for_tokens;
        self.agents += other.agents;
        self.forgotten += other.forgotten;
    }
}
