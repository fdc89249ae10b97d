//! What one block of a log says: a row for each event, in their order. Texts lie behind each other in one place, so that
//! a row costs no allocation, and a block no lock.

use super::envelope::Opened;
use super::event::{self, Event, Text};
use super::pack::{Pack, bounded};
use crate::facts::{Account, Issue, Legacy};
use crate::limits::BLOCK_BYTES;
use jeton_core::time::UnixTime;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Texts that are kept of a use.
pub(super) const KEPT: usize = 7;
/// So many of them, the first ones, tell one use from another.
const TELLING: usize = 5;

/// Two hashes of what tells one entry from another. Without a random key: what is forgotten is the same in every run over
/// the same log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(u64, u64);

/// What one event says.
pub(super) struct Row {
    pub(super) at: UnixTime,
    /// Hash of the audit id.
    pub(super) request: u64,
    pub(super) told: Told,
}

/// What a request counts for, apart from the number of events.
pub(super) enum Told {
    Nothing,
    Use(Sighting),
    Refusal(Refused),
}

/// A token was used.
pub(super) struct Sighting {
    pub(super) key: Key,
    /// Seconds past the threshold, where kube-apiserver marked it.
    pub(super) late: Option<i64>,
    pub(super) legacy: Option<Legacy>,
    start: usize,
    kept: Pack<KEPT>,
    request: Pack<2>,
}

/// A request with a bad token.
pub(super) struct Refused {
    pub(super) key: Key,
    start: usize,
    texts: Pack<3>,
}

/// What is known of a block.
#[derive(Default)]
pub(super) struct Part {
    pub(super) rows: Vec<Row>,
    /// The texts of all rows.
    pub(super) texts: String,
    pub(super) issues: Vec<(Key, Issue)>,
    /// Namespace and name of pods, and when they were deleted.
    pub(super) deleted: Vec<((String, String), UnixTime)>,
    pub(super) sums: Sums,
    pub(super) counts: Counts,
    /// Lines of the block.
    pub(super) lines: u64,
}

/// Records of one block or file.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// JSON of another shape: how many, and the first line.
    pub(super) unknown: (u64, u64),
    /// No JSON: how many, and the first line.
    pub(super) broken: (u64, u64),
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

impl Key {
    fn of(telling: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        telling.hash(&mut hasher);
        let first = hasher.finish();
        hasher.write_u8(0);
        Self(first, hasher.finish())
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0);
    }
}

impl Part {
    /// Empty again, with the room it had, unless that was for something out of the ordinary.
    pub(super) fn clear(&mut self) {
        let Self { rows, texts, issues, deleted, .. } = std::mem::take(self);
        if texts.capacity() <= 2 * BLOCK_BYTES {
            (self.rows, self.texts, self.issues, self.deleted) = (rows, texts, issues, deleted);
            self.rows.clear();
            self.texts.clear();
            self.issues.clear();
            self.deleted.clear();
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
        self.sums.reads += u64::from(matches!(event.verb.as_deref(), Some("get" | "list" | "watch")));
        self.issue(event, at);
        self.deletion(event, at);
        let code = event.response_status.as_ref().and_then(|s| s.code);
        let marked = event.annotations.as_ref().and_then(|a| a.stale.as_deref()).and_then(event::stale);
        let subject = marked.and_then(|(subject, _)| event::account(subject)).or_else(|| event.account());
        let told = match subject {
            Some(account) => Told::Use(self.sighting(event, account, marked.map(|(_, late)| late))),
            None if code == Some(401) && event.user.username.as_deref().unwrap_or("").is_empty() => {
                Told::Refusal(self.refused(event))
            }
            None => Told::Nothing,
        };
        let request = Key::of(event.audit_id.as_deref().unwrap_or("")).0;
        self.rows.push(Row { at, request, told });
    }

    fn sighting(&mut self, event: &Event<'_>, account: (&str, &str), late: Option<i64>) -> Sighting {
        let extra = event.user.extra.as_ref();
        let credential = extra.and_then(|e| e.credential.get()).map(bare);
        let agent = event.user_agent.as_deref().unwrap_or("");
        let sums = &mut self.sums;
        sums.accounts += 1;
        sums.credentials += u64::from(credential.is_some());
        sums.agents += u64::from(!agent.is_empty());
        let legacy = legacy(event);
        let start = self.texts.len();
        let (namespace, name) = (Some(account.0), Some(account.1));
        let uid = extra.and_then(|e| e.pod_uid.get());
        let pod = extra.and_then(|e| e.pod_name.get());
        let node = extra.and_then(|e| e.node.get());
        let kept = Pack::put([namespace, name, uid, Some(agent), credential, pod, node], &mut self.texts);
        let secret = legacy.as_ref().map(|l| (l.auto, l.secret.as_deref()));
        let key = Key::of((kept.first::<TELLING>(&self.texts[start..]), secret));
        let request = Pack::put([event.source_ips.get(), event.audit_id.as_deref()], &mut self.texts);
        Sighting { key, late, legacy, start, kept, request }
    }

    fn refused(&mut self, event: &Event<'_>) -> Refused {
        let address = event.source_ips.get().map_or("", bounded);
        let agent = event.user_agent.as_deref().map_or("", bounded);
        let start = self.texts.len();
        let texts = Pack::put([Some(address), Some(agent), event.audit_id.as_deref()], &mut self.texts);
        Refused { key: Key::of((address, agent)), start, texts }
    }

    fn issue(&mut self, event: &Event<'_>, at: UnixTime) {
        let Some(issued) = event.annotations.as_ref().and_then(|a| a.issued.as_deref()) else { return };
        let object = event.object_ref.as_ref();
        let own = |text: &Option<Text<'_>>| text.as_deref().map(|text| bounded(text).to_owned());
        let account = Account {
            namespace: object.and_then(|o| own(&o.namespace)).unwrap_or_default(),
            name: object.and_then(|o| own(&o.name)).unwrap_or_default(),
        };
        self.sums.requests_for_tokens += 1;
        let credential = bounded(bare(issued)).to_owned();
        let node = event.user.username.as_deref().and_then(|u| u.strip_prefix("system:node:"));
        let body = event.body();
        let issue = Issue {
            account,
            node: node.map(|node| bounded(node).to_owned()),
            at,
            lifetime: body.lifetime.filter(|seconds| *seconds > 0),
            pod_uid: own(&body.pod_uid),
            credential,
        };
        self.issues.push((Key::of(&issue.credential), issue));
    }

    fn deletion(&mut self, event: &Event<'_>, at: UnixTime) {
        let Some(object) = &event.object_ref else { return };
        let deleted = event.verb.as_deref() == Some("delete")
            && object.resource.as_deref() == Some("pods")
            && object.subresource.is_none();
        if let (true, Some(namespace), Some(name)) = (deleted, &object.namespace, &object.name) {
            self.deleted.push(((bounded(namespace).to_owned(), bounded(name).to_owned()), at));
        }
    }
}

impl Sighting {
    /// The texts that are kept, as they lie among those of the block.
    pub(super) fn kept<'t>(&self, texts: &'t str) -> (&'t str, Pack<KEPT>) {
        (&texts[self.start..self.start + self.kept.len()], self.kept)
    }

    /// Address and audit id.
    pub(super) fn request<'t>(&self, texts: &'t str) -> [&'t str; 2] {
        self.request.open(&texts[self.start + self.kept.len()..]).map(Option::unwrap_or_default)
    }
}

impl Refused {
    /// Address, client and audit id.
    pub(super) fn texts<'t>(&self, texts: &'t str) -> [&'t str; 3] {
        self.texts.open(&texts[self.start..]).map(Option::unwrap_or_default)
    }
}

/// A credential id without what kube-apiserver puts in front of a `jti`.
fn bare(credential: &str) -> &str {
    credential.strip_prefix("JTI=").unwrap_or(credential)
}

fn legacy(event: &Event<'_>) -> Option<Legacy> {
    let a = event.annotations.as_ref()?;
    let told = |text: &Option<Text<'_>>| text.as_deref().map(|text| bounded(text).to_owned());
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

impl Counts {
    /// The same with lines that are counted from the start of the file; 0 stands for a line that is not known.
    pub(super) fn behind(self, lines: u64) -> Self {
        let of_file = |(count, line): (u64, u64)| (count, if line == 0 { 0 } else { line + lines });
        Self { unknown: of_file(self.unknown), broken: of_file(self.broken) }
    }

    pub(super) fn note(&mut self, opened: Opened, line: u64) {
        self.merge(Self { unknown: (opened.unknown, line), broken: (opened.broken, line) });
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.unknown = join(self.unknown, other.unknown);
        self.broken = join(self.broken, other.broken);
    }
}

/// Sum of the counts, and the first of the lines.
fn join(one: (u64, u64), two: (u64, u64)) -> (u64, u64) {
    let line = match (one, two) {
        ((0, _), (_, line)) | ((_, line), (0, _)) => line,
        ((_, a), (_, b)) => a.min(b),
    };
    (one.0 + two.0, line)
}
