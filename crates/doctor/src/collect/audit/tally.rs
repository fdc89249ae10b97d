//! Adds events up. Every sum here is the same in whatever order, and by however many workers, the events are seen.
//!
//! Memory is bounded: beyond [`MAX_CREDENTIALS`] the credentials that look least suspicious are forgotten and counted.

use super::event::{self, Event};
use super::seen::Seen;
use crate::facts::{Account, Facts, Issue, Legacy, Refusal, Stale, Use};
use crate::limits::{
    MAX_ADDRESSES, MAX_CREDENTIALS, MAX_DELETED_PODS, MAX_EVIDENCE, MAX_ISSUES, MAX_REFUSALS, MAX_TEXT_BYTES,
};
use jeton_core::time::UnixTime;
use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

/// Spans of activity that are kept, the latest ones.
const SPANS: usize = 8;
/// Seconds of one span.
pub(crate) const SPAN_SECONDS: i64 = 600;

/// Sums of one worker.
pub(super) struct Tally<'s> {
    /// Without a random key: what is forgotten is the same in every run over the same log.
    hasher: BuildHasherDefault<DefaultHasher>,
    seen: &'s Seen,
    shares: usize,
    uses: HashMap<(u64, u64), Record>,
    issues: HashMap<String, Issue>,
    refusals: HashMap<(String, String), Refusal>,
    deleted: HashMap<(String, String), UnixTime>,
    sums: Vec<Sums>,
    file: usize,
}

/// A use with the times of its evidence.
struct Record {
    value: Use,
    evidence: Vec<(UnixTime, String)>,
    /// Requests that kube-apiserver marked; they are better evidence.
    marked: Vec<(UnixTime, String)>,
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

impl<'s> Tally<'s> {
    /// An empty one of `shares` that divide the memory.
    pub(super) fn new(seen: &'s Seen, shares: usize) -> Self {
        Self {
            hasher: BuildHasherDefault::new(),
            seen,
            shares: shares.max(1),
            uses: HashMap::new(),
            issues: HashMap::new(),
            refusals: HashMap::new(),
            deleted: HashMap::new(),
            sums: vec![Sums::default()],
            file: 0,
        }
    }

    /// What follows comes from this file.
    pub(super) fn enter(&mut self, file: usize) {
        if self.sums.len() <= file {
            self.sums.resize(file + 1, Sums::default());
        }
        self.file = file;
    }

    /// Notes when an event was, and nothing else of it.
    pub(super) fn glance(&mut self, event: &Event<'_>) {
        if let Some(at) = event.at() {
            self.sums[self.file].note(at);
        }
    }

    /// The sums of each file.
    pub(super) fn sums(&self, file: usize) -> Sums {
        self.sums.get(file).cloned().unwrap_or_default()
    }

    /// Adds one event.
    pub(super) fn add(&mut self, event: &Event<'_>) {
        let Some(at) = event.at() else { return };
        self.sums[self.file].note(at);
        let id = event.audit_id.as_deref().unwrap_or("");
        let new = self.seen.is_new(self.hasher.hash_one(id));
        self.sums[self.file].events += u64::from(new);
        self.issue(event, at);
        self.deletion(event, at);
        let code = event.response_status.as_ref().and_then(|s| s.code);
        let marked = event.annotations.as_ref().and_then(|a| a.stale.as_deref()).and_then(event::stale);
        let subject = marked.and_then(|(subject, _)| event::account(subject)).or_else(|| event.account());
        match subject {
            Some(account) => self.usage(event, at, account, marked.map(|(_, n)| n), new),
            None if code == Some(401) && event.user.username.as_deref().unwrap_or("").is_empty() => {
                self.refusal(event, at, new);
            }
            None => {}
        }
    }

    fn usage(
        &mut self,
        event: &Event<'_>,
        at: UnixTime,
        account: (&str, &str),
        late: Option<i64>,
        new: bool,
    ) {
        let extra = event.user.extra.as_ref();
        let credential = extra.and_then(|e| e.credential.first()).map(|c| c.trim_start_matches("JTI="));
        let agent = event.user_agent.as_deref().unwrap_or("");
        let pod_uid = extra.and_then(|e| e.pod_uid.first()).map(|uid| &**uid);
        let legacy = legacy(event);
        let sums = &mut self.sums[self.file];
        sums.accounts += 1;
        sums.reads += u64::from(matches!(event.verb.as_deref(), Some("get" | "list" | "watch")));
        sums.credentials += u64::from(credential.is_some());
        sums.agents += u64::from(!agent.is_empty());
        let secret = legacy.as_ref().map(|l| (l.auto, l.secret.as_deref().unwrap_or("")));
        let identity = (account, pod_uid, agent, credential, secret);
        let key = (self.hasher.hash_one(identity), self.hasher.hash_one((identity, "")));
        if !self.uses.contains_key(&key) {
            self.make_room();
        }
        let record =
            self.uses.entry(key).or_insert_with(|| Record::of(event, account, credential, agent, legacy));
        record.add(event, at, late, new);
    }

    /// Forgets half of the credentials, those that were used shortest and carry no mark first.
    fn make_room(&mut self) {
        let most = (MAX_CREDENTIALS / self.shares).max(16);
        if self.uses.len() < most {
            return;
        }
        let mut ranks: Vec<_> = self.uses.iter().map(|(key, record)| (record.suspicion(), *key)).collect();
        let half = most / 2;
        ranks.select_nth_unstable(half);
        for (_, key) in &ranks[..half] {
            self.uses.remove(key);
        }
        self.sums[self.file].forgotten += half as u64;
    }

    fn issue(&mut self, event: &Event<'_>, at: UnixTime) {
        let Some(issued) = event.annotations.as_ref().and_then(|a| a.issued.as_deref()) else { return };
        let object = event.object_ref.as_ref();
        let part = |f: fn(&event::ObjectRef<'_>) -> Option<String>| object.and_then(f).unwrap_or_default();
        let account = Account {
            namespace: part(|o| o.namespace.as_deref().map(bounded)),
            name: part(|o| o.name.as_deref().map(bounded)),
        };
        self.sums[self.file].requests_for_tokens += 1;
        let credential = bounded(issued.trim_start_matches("JTI="));
        if self.issues.len() >= MAX_ISSUES / self.shares && !self.issues.contains_key(&credential) {
            self.sums[self.file].forgotten += 1;
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
        if !deleted || self.deleted.len() >= MAX_DELETED_PODS / self.shares {
            return;
        }
        if let (Some(namespace), Some(name)) = (object.namespace.as_deref(), object.name.as_deref()) {
            let last = self.deleted.entry((bounded(namespace), bounded(name))).or_insert(at);
            *last = (*last).max(at);
        }
    }

    fn refusal(&mut self, event: &Event<'_>, at: UnixTime, new: bool) {
        let address = event.source_ips.first().map(|ip| bounded(ip)).unwrap_or_default();
        let agent = bounded(event.user_agent.as_deref().unwrap_or(""));
        let key = (address.clone(), agent.clone());
        if self.refusals.len() >= MAX_REFUSALS / self.shares && !self.refusals.contains_key(&key) {
            self.sums[self.file].forgotten += 1;
            return;
        }
        let refusal = self.refusals.entry(key).or_insert(Refusal {
            address,
            user_agent: agent,
            first: at,
            last: at,
            count: 0,
            audit_ids: Vec::new(),
        });
        refusal.first = refusal.first.min(at);
        refusal.last = refusal.last.max(at);
        refusal.count += u64::from(new);
        note_text(&mut refusal.audit_ids, event.audit_id.as_deref().unwrap_or(""), MAX_EVIDENCE);
    }

    /// Adds another worker's sums.
    pub(super) fn merge(&mut self, other: Self) {
        for (key, record) in other.uses {
            match self.uses.get_mut(&key) {
                Some(own) => own.merge(record),
                None => drop(self.uses.insert(key, record)),
            }
        }
        for (id, issue) in other.issues {
            let own = self.issues.entry(id).or_insert_with(|| issue.clone());
            own.at = own.at.min(issue.at);
            own.lifetime = own.lifetime.or(issue.lifetime);
            own.pod_uid = own.pod_uid.take().or(issue.pod_uid);
        }
        for (key, refusal) in other.refusals {
            match self.refusals.get_mut(&key) {
                Some(own) => {
                    own.first = own.first.min(refusal.first);
                    own.last = own.last.max(refusal.last);
                    own.count += refusal.count;
                    refusal.audit_ids.iter().for_each(|id| note_text(&mut own.audit_ids, id, MAX_EVIDENCE));
                }
                None => drop(self.refusals.insert(key, refusal)),
            }
        }
        for (pod, at) in other.deleted {
            let own = self.deleted.entry(pod).or_insert(at);
            *own = (*own).max(at);
        }
        for (file, sums) in other.sums.iter().enumerate() {
            self.enter(file);
            self.sums[file].merge(sums);
        }
    }

    /// The facts, in an order of their own.
    pub(super) fn finish(self, facts: &mut Facts) {
        facts.uses.extend(self.uses.into_values().map(Record::finish));
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

    fn merge(&mut self, other: &Self) {
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

impl Record {
    fn of(
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

    fn add(&mut self, event: &Event<'_>, at: UnixTime, late: Option<i64>, new: bool) {
        let own = &mut self.value;
        own.first = Some(own.first.map_or(at, |first| first.min(at)));
        own.last = Some(own.last.map_or(at, |last| last.max(at)));
        own.uses += u64::from(new);
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

    fn merge(&mut self, other: Self) {
        let (own, from) = (&mut self.value, other.value);
        own.first = [own.first, from.first].into_iter().flatten().min();
        own.last = [own.last, from.last].into_iter().flatten().max();
        own.uses += from.uses;
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
    fn suspicion(&self) -> (bool, i64) {
        let own = &self.value;
        let seconds = own.first.zip(own.last).map_or(0, |(first, last)| last.seconds() - first.seconds());
        (own.stale.is_some() || own.legacy.is_some(), seconds)
    }

    fn finish(self) -> Use {
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

fn legacy(event: &Event<'_>) -> Option<Legacy> {
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
        spans.insert(place, span);
        if spans.len() > SPANS {
            spans.remove(0);
        }
    }
}

fn note_text(list: &mut Vec<String>, text: &str, most: usize) {
    if let Err(place) = list.binary_search_by(|known| known.as_str().cmp(text))
        && !text.is_empty()
        && place < most
    {
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
    list.push((at, bounded(id)));
    list.sort();
    list.truncate(MAX_EVIDENCE);
}

/// The first bytes of a text, whole characters.
fn bounded(text: &str) -> String {
    let mut end = text.len().min(MAX_TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}
