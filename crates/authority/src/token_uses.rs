//! Who uses which kind of token, in memory: counters with few series, and one entry for each workload.
//!
//! Invariants: at most [`MAX_SERIES`] series and [`MAX_ENTRIES`] entries, whatever clients do; label values are names of
//! accounts that hold tokens and words of fixed lists. Everything is forgotten when the process ends.

use http::HeaderValue;
use jeton_core::ident::{dns_label, dns_subdomain};
use jeton_core::observe::{Event, UseKind, family, stem};
use jeton_core::time::UnixTime;
use jeton_core::verify::{Account, Verified};
use prometheus::{Error, IntCounter, IntCounterVec, Opts};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::sync::{Mutex, PoisonError};

/// Series of `jeton_token_uses_total`; what comes after them is counted as `other`.
pub const MAX_SERIES: usize = 1000;
/// Workloads remembered; the one that was used longest ago makes room, one without trouble before one with.
pub const MAX_ENTRIES: usize = 4096;
/// What stands in every label of a use that has no series of its own.
const OTHER: &str = "other";
/// The client of a token that was only seen in a review.
const REVIEWED: &str = "tokenreview";

/// How a token was seen.
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    /// With a request, by a client with this user agent.
    Presented(Option<&'a HeaderValue>),
    /// In a TokenReview: who presented it to the reviewer is not known.
    Reviewed,
}

/// The uses of one kind of token by one workload and one family of clients.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Namespace of the account.
    pub namespace: Box<str>,
    /// The account.
    pub account: Box<str>,
    /// The pod that was seen last; empty: the token is bound to none.
    pub pod: String,
    /// The Secret a legacy token is out of; empty: it is not known, or no such token.
    pub secret: Box<str>,
    /// What the token is.
    pub kind: UseKind,
    /// Family of the client.
    pub client: &'static str,
    /// Uses.
    pub uses: u64,
    /// First and last use.
    pub first: UnixTime,
    /// Last use.
    pub last: UnixTime,
    /// `iat` of the token used last, seconds.
    pub issued_at: Option<i64>,
    /// `exp` of the token used last, seconds; `None`: it does not end.
    pub expires: Option<i64>,
    counter: IntCounter,
}

/// All that is remembered.
#[derive(Debug)]
pub struct TokenUses {
    series: IntCounterVec,
    hasher: RandomState,
    state: Mutex<State>,
}

/// Where an entry stands in the line of those that make room: trouble last, then by the second of its last use.
type Place = (bool, i64, u64);

/// For keys that are hashes already, under a key that the process drew.
#[derive(Debug, Default)]
struct Already(u64);

impl Hasher for Already {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<u64, Entry, BuildHasherDefault<Already>>,
    /// The places of all entries: with more workloads than entries, every use may make room, and must not look at all.
    line: BTreeSet<Place>,
    series: HashSet<u64>,
}

impl TokenUses {
    /// Nothing yet.
    ///
    /// # Errors
    /// Only when the metric has no valid name.
    pub fn new() -> Result<Self, Error> {
        let opts = Opts::new(
            "jeton_token_uses_total",
            "Uses of service account tokens by kind of token, namespace, account and family of client; what is beyond the bound on series is counted as other.",
        );
        let series = IntCounterVec::new(opts, &["kind", "namespace", "account", "client"])?;
        Ok(Self { series, hasher: RandomState::new(), state: Mutex::default() })
    }

    /// The metric.
    pub fn collector(&self) -> IntCounterVec {
        self.series.clone()
    }

    /// Counts a use, when the event is one.
    pub fn note(&self, event: &Event<'_>, seen: Seen<'_>, now: UnixTime) {
        let Event::Accepted(verified) = event else { return };
        let Account { namespace, name: account, .. } = verified.account();
        let kind = UseKind::of(verified);
        let client = match seen {
            Seen::Presented(agent) => family(agent.map(|agent| agent.to_str().unwrap_or("?"))),
            Seen::Reviewed => REVIEWED,
        };
        let pod = verified.pod().unwrap_or("");
        let secret = verified.legacy().map_or("", |used| used.secret.as_str());
        let key = self.hasher.hash_one((kind, namespace, account, stem(pod), secret, client));
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { entries, line, .. } = &mut *state;
        if let Some(entry) = entries.get_mut(&key) {
            let before = entry.place(key);
            entry.used(verified, pod, now);
            let after = entry.place(key);
            if before != after {
                line.remove(&before);
                line.insert(after);
            }
            return;
        }
        if dns_label(namespace).is_err() || dns_subdomain(account).is_err() {
            return;
        }
        let counter = self.counter(&mut state, [kind.name(), namespace, account, client]);
        state.make_room();
        let mut entry = Entry {
            namespace: namespace.into(),
            account: account.into(),
            pod: String::new(),
            secret: secret.into(),
            kind,
            client,
            uses: 0,
            first: now,
            last: now,
            issued_at: None,
            expires: None,
            counter,
        };
        entry.used(verified, pod, now);
        state.insert(key, entry);
    }

    /// The counter of these labels, or the one that the rest share.
    fn counter(&self, state: &mut State, labels: [&str; 4]) -> IntCounter {
        let key = self.hasher.hash_one(labels);
        let known = state.series.contains(&key);
        if known || state.series.len() < MAX_SERIES {
            state.series.insert(key);
            return self.series.with_label_values(&labels);
        }
        self.series.with_label_values(&[OTHER; 4])
    }

    /// Everything that is remembered, by namespace, account and trouble, each under a name of its own.
    pub fn all(&self) -> Vec<(String, Entry)> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<(String, Entry)> =
            state.entries.iter().map(|(key, entry)| (entry.name(*key), entry.clone())).collect();
        drop(state);
        all.sort_by(|(a, x), (b, y)| {
            (&x.namespace, &x.account, x.kind, a).cmp(&(&y.namespace, &y.account, y.kind, b))
        });
        all
    }
}

impl State {
    fn make_room(&mut self) {
        if self.entries.len() < MAX_ENTRIES {
            return;
        }
        if let Some((_, _, key)) = self.line.pop_first() {
            self.entries.remove(&key);
        }
    }

    fn insert(&mut self, key: u64, entry: Entry) {
        self.line.insert(entry.place(key));
        self.entries.insert(key, entry);
    }
}

impl Entry {
    fn place(&self, key: u64) -> Place {
        (self.kind.is_old(), self.last.seconds(), key)
    }

    fn used(&mut self, verified: &Verified, pod: &str, now: UnixTime) {
        self.counter.inc();
        self.uses += 1;
        self.last = now;
        self.issued_at = verified.issued_at();
        self.expires = verified.expires();
        if self.pod != pod {
            self.pod.clear();
            self.pod.push_str(pod);
        }
    }

    /// A name that stays as long as the process: the workload or account, and eight digits.
    fn name(&self, key: u64) -> String {
        let base = if self.pod.is_empty() { &*self.account } else { stem(&self.pod) };
        let end = base.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= 200).last();
        format!("{}-{:08x}", &base[..end.unwrap_or(0)], key >> 32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::lab::{Lab, pod};
    use crate::flow::Tokens;
    use crate::flow::issue::issue;
    use crate::flow::review::{event, review};
    use jeton_core::issue::Ask;
    use jeton_core::wire::BoundObjectRef;

    fn token(tokens: &Tokens, account: &str, pod: &str) -> String {
        let bound = BoundObjectRef { kind: "Pod".into(), name: pod.into(), ..BoundObjectRef::default() };
        let ask = Ask {
            namespace: "ns",
            account,
            body_name: "",
            body_uid: "",
            audiences: &[],
            expiration_seconds: Some(3607),
            bound: (!pod.is_empty()).then_some(&bound),
        };
        issue(tokens, &ask).unwrap().token.expose().to_owned()
    }

    fn used(uses: &TokenUses, tokens: &Tokens, token: &str, seen: Seen<'_>) {
        let outcome = review(tokens, token, &[]);
        uses.note(&event(&outcome).unwrap(), seen, tokens.clock.now());
    }

    #[tokio::test]
    async fn an_old_token_is_laid_at_its_workload_however_it_was_seen() {
        let lab = Lab::new().await;
        let (tokens, uses) = (lab.tokens(), TokenUses::new().unwrap());
        for name in ["web-7c9f4d5b8-x2vzq", "web-7c9f4d5b8-b4k9m"] {
            lab.make("pods", "ns", pod(name, "")).await;
        }
        let first = token(&tokens, "default", "web-7c9f4d5b8-x2vzq");
        let second = token(&tokens, "default", "web-7c9f4d5b8-b4k9m");
        let agent = HeaderValue::from_static("OpenAPI-Generator/11.0.0/python");
        used(&uses, &tokens, &first, Seen::Presented(Some(&agent)));
        lab.pass(3608);
        used(&uses, &tokens, &first, Seen::Presented(Some(&agent)));
        used(&uses, &tokens, &second, Seen::Presented(Some(&agent)));
        used(&uses, &tokens, &second, Seen::Reviewed);
        let told: Vec<_> = uses.all().into_iter().map(|(_, e)| (e.kind.name(), e.client, e.uses)).collect();
        let mut want =
            vec![("extended", "python", 1), ("overdue", "python", 2), ("overdue", "tokenreview", 1)];
        let mut sorted = told.clone();
        sorted.sort_unstable();
        want.sort_unstable();
        assert_eq!(sorted, want, "two pods of one workload are one");
        let (name, entry) = uses.all().into_iter().find(|(_, e)| e.client == "tokenreview").unwrap();
        assert!(name.starts_with("web-") && *entry.pod == *"web-7c9f4d5b8-b4k9m");
        let year = 365 * 24 * 3600;
        assert_eq!(entry.expires.unwrap() - entry.issued_at.unwrap(), year, "when it stops working");
    }

    #[tokio::test]
    async fn series_and_entries_are_bounded() {
        let lab = Lab::new().await;
        let (tokens, uses) = (lab.tokens(), TokenUses::new().unwrap());
        lab.make("pods", "ns", pod("old", "")).await;
        let old = token(&tokens, "default", "old");
        lab.pass(3608);
        used(&uses, &tokens, &old, Seen::Reviewed);
        let verified = review(&tokens, &token(&tokens, "default", ""), &[]).unwrap();
        {
            // As if that many other workloads had been there.
            let mut state = uses.state.lock().unwrap();
            state.series.extend(0..MAX_SERIES as u64);
            let counter = uses.series.with_label_values(&[OTHER; 4]);
            let now = tokens.clock.now();
            for key in 0..MAX_ENTRIES as u64 {
                state.make_room();
                let entry = Entry {
                    namespace: "x".into(),
                    account: "y".into(),
                    pod: String::new(),
                    secret: "".into(),
                    kind: UseKind::Bound,
                    client: "none",
                    uses: 0,
                    first: now,
                    last: now,
                    issued_at: None,
                    expires: None,
                    counter: counter.clone(),
                };
                state.insert(key, entry);
            }
        }
        uses.note(&Event::Accepted(&verified), Seen::Presented(None), tokens.clock.now());
        let all = uses.all();
        assert_eq!(all.len(), MAX_ENTRIES);
        let state = uses.state.lock().unwrap();
        let places: BTreeSet<Place> = state.entries.iter().map(|(key, entry)| entry.place(*key)).collect();
        assert_eq!(state.line, places, "every entry has its place, and no other");
        drop(state);
        assert!(all.iter().any(|(_, e)| e.kind == UseKind::Overdue), "what somebody must act on stays");
        assert_eq!(
            uses.series.with_label_values(&[OTHER; 4]).get(),
            1,
            "counted, without a series of its own"
        );
    }
}
