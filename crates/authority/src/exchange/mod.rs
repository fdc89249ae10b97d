//! One request, from its head to its answer: what is found out about it on the way, for counters and audit log.
//!
//! Invariant: every exchange is counted once, and audited once where there is an audit log, also when its client goes
//! away in the middle or its handling panics. Without an audit log nothing here is allocated for one.

mod conversation;
mod labels;
mod line;

pub use conversation::Conversation;

use crate::audit::AuditLog;
use crate::audit::event::Stage;
use crate::metrics::{Attempt, Metrics};
use crate::request_info::{Query, RequestInfo};
use crate::status::ApiError;
use crate::token_uses::Seen;
use conversation::Asked;
use http::header::{HeaderName, HeaderValue, USER_AGENT};
use http::request::Parts;
use jeton_core::clock::Clock;
use jeton_core::observe::{Annotation, Event, annotations, reviewed_annotations};
use jeton_core::time::UnixTime;
use jeton_core::wire::UserInfo;
use serde_json::{Value, json};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;
use uuid::Uuid;

/// The header that carries a request's id, both ways.
pub const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");
/// Longest id of a client's own that is taken over, in bytes. Kubernetes 1.36: 64 are logged.
const AUDIT_ID_MAX_BYTES: usize = 64;

/// Where every exchange of a server is counted and written down.
#[derive(Debug)]
pub struct Observer {
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// The audit log, where there is one.
    pub audit: Option<AuditLog>,
    /// Stamps audit events.
    pub clock: Clock,
    ids: AuditIds,
    /// Connections there were.
    conversations: AtomicU64,
}

/// Makes ids that do not repeat: numbers under two keys that the process drew when it started.
#[derive(Debug, Default)]
struct AuditIds([RandomState; 2]);

impl AuditIds {
    /// The id of a connection's request, by their numbers.
    fn of(&self, request: (u64, u64)) -> Uuid {
        let [high, low] = &self.0;
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&high.hash_one(request).to_le_bytes());
        bytes[8..].copy_from_slice(&low.hash_one(request).to_le_bytes());
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}

impl Observer {
    /// An observer with these counters, and perhaps an audit log.
    pub fn new(metrics: Arc<Metrics>, audit: Option<AuditLog>, clock: Clock) -> Self {
        Self { metrics, audit, clock, ids: AuditIds::default(), conversations: AtomicU64::new(0) }
    }
}

/// How an exchange ended.
#[derive(Debug)]
enum End {
    /// With this code.
    Answered(u16),
    /// With this error; the Status only where it will be written down.
    Refused { code: u16, known: bool, status: Option<Value> },
    /// The handling panicked.
    Panicked,
}

/// One request and what is known of it so far.
pub struct Exchange {
    conversation: Arc<Conversation>,
    /// The head of the request.
    pub parts: Parts,
    asked: Arc<Asked>,
    id: HeaderValue,
    begun: Instant,
    received: Option<UnixTime>,
    user: OnceLock<Arc<UserInfo>>,
    impersonated: OnceLock<UserInfo>,
    decision: OnceLock<(bool, Arc<str>)>,
    created: OnceLock<String>,
    notes: Mutex<Vec<Annotation>>,
    end: Option<End>,
    closed: bool,
}

impl Exchange {
    /// A request that has just come in.
    pub fn begin(conversation: &Arc<Conversation>, parts: Parts) -> Self {
        let asked = conversation.asked(&parts);
        let given = parts.headers.get(AUDIT_ID).filter(|id| {
            (1..=AUDIT_ID_MAX_BYTES).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
        });
        let id = given.cloned().unwrap_or_else(|| {
            let mut text = Uuid::encode_buffer();
            let text = conversation.next_id().hyphenated().encode_lower(&mut text);
            HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
        });
        let observer = &conversation.observer;
        let received = observer.audit.as_ref().map(|_| observer.clock.now());
        Self {
            conversation: conversation.clone(),
            parts,
            asked,
            id,
            begun: Instant::now(),
            received,
            user: OnceLock::new(),
            impersonated: OnceLock::new(),
            decision: OnceLock::new(),
            created: OnceLock::new(),
            notes: Mutex::default(),
            end: None,
            closed: false,
        }
    }

    fn observer(&self) -> &Observer {
        &self.conversation.observer
    }

    /// The parameters of its query.
    pub fn query(&self) -> &Query {
        &self.asked.line.query
    }

    /// What it asks for; `None`: the URL is not UTF-8.
    pub fn info(&self) -> Option<&RequestInfo> {
        self.asked.line.info.as_ref()
    }

    /// The id for the answer's `Audit-Id` header.
    pub fn id(&self) -> &HeaderValue {
        &self.id
    }

    /// Counts what happened to the token that came with the request, or that it is answered with.
    pub fn saw(&self, event: &Event<'_>) {
        let seen = Seen::Presented(self.parts.headers.get(USER_AGENT));
        self.observer().metrics.token(event, seen, self.observer().clock.now());
        self.annotate(|| annotations(event));
    }

    /// Counts what happened to the token in a TokenReview.
    pub fn saw_reviewed(&self, event: &Event<'_>) {
        self.observer().metrics.token(event, Seen::Reviewed, self.observer().clock.now());
        self.annotate(|| reviewed_annotations(event));
    }

    fn annotate(&self, make: impl FnOnce() -> Vec<Annotation>) {
        if self.observer().audit.is_some() {
            self.notes.lock().unwrap_or_else(PoisonError::into_inner).extend(make());
        }
    }

    /// Who called, once that is established.
    pub fn authenticated(&self, user: Arc<UserInfo>) -> &UserInfo {
        let user = self.user.get_or_init(|| user);
        self.observer().metrics.authentication(Attempt::Success, self.begun.elapsed(), Some(&user.username));
        user
    }

    /// Nobody: the credentials do not hold.
    pub fn not_authenticated(&self) {
        self.observer().metrics.authentication(Attempt::Error, self.begun.elapsed(), None);
    }

    /// In whose name the caller acts.
    pub fn impersonates(&self, user: UserInfo) -> &UserInfo {
        self.impersonated.get_or_init(|| user)
    }

    /// Whether the caller may, and why.
    pub fn decided(&self, allowed: bool, reason: &Arc<str>) {
        if self.observer().audit.is_some() {
            // A request is decided on once; a second decision would be about something else.
            let _ = self.decision.set((allowed, reason.clone()));
        }
    }

    /// The object that a create brings or made: its path does not name it.
    pub fn about(&self, object: &Value) {
        let name = object["metadata"]["name"].as_str().filter(|n| !n.is_empty());
        if let (Some(name), Some(_)) = (name, &self.observer().audit) {
            self.created.get_or_init(|| name.to_owned());
        }
    }

    /// It will be answered with this code.
    pub fn answered(&mut self, code: u16) {
        self.end = Some(End::Answered(code));
    }

    /// It will be answered with this error.
    pub fn refused(&mut self, error: &ApiError) {
        let code = error.row().code;
        let known = !matches!(
            error,
            ApiError::NoResource
                | ApiError::NoSubresource(..)
                | ApiError::Unauthorized
                | ApiError::Forbidden(..)
                | ApiError::ForbiddenPath(_)
        );
        let status = self.observer().audit.as_ref().map(|_| self.status_of(error));
        self.end = Some(End::Refused { code, known, status });
    }

    /// Its handling panicked.
    pub fn panicked(&mut self) {
        self.end = Some(End::Panicked);
    }

    /// Counts it and writes it down; an audit log that is behind may hold this up for a moment.
    pub async fn finish(&mut self) {
        if let (Some(line), Some(audit)) = (self.close(), &self.observer().audit) {
            audit.put(line).await;
        }
    }

    /// Its answer has begun and goes on: writes that down. It is over when it is dropped.
    pub async fn stream(self, code: u16) -> Box<Self> {
        let begun = End::Answered(code);
        if let Some(audit) = &self.observer().audit {
            audit.put(self.line(Stage::ResponseStarted, &begun)).await;
        }
        let mut exchange = Box::new(self);
        exchange.end = Some(begun);
        exchange
    }

    /// Counts it, once; gives back its line for the audit log.
    fn close(&mut self) -> Option<Vec<u8>> {
        if std::mem::replace(&mut self.closed, true) {
            return None;
        }
        let end = self.end.take().unwrap_or_else(|| {
            let message = "the client went away before it was answered";
            let status = json!({"metadata": {}, "status": "Failure", "message": message});
            End::Refused { code: 0, known: false, status: Some(status) }
        });
        self.count(&end);
        let stage = if matches!(end, End::Panicked) { Stage::Panic } else { Stage::ResponseComplete };
        self.observer().audit.as_ref().map(|_| self.line(stage, &end))
    }

    fn count(&self, end: &End) {
        let (code, served) = match end {
            End::Answered(code) => (*code, true),
            End::Refused { code, known, .. } => (*code, *known),
            End::Panicked => (500, true),
        };
        self.asked.count(self.observer(), code, served, self.begun.elapsed());
    }
}

impl Drop for Exchange {
    /// What nobody finished: the client went away, and its request is written down all the same.
    fn drop(&mut self) {
        if let (Some(line), Some(audit)) = (self.close(), &self.observer().audit) {
            audit.put_now(line);
        }
    }
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The head holds credentials.
        write!(f, "Exchange({:?})", self.id)
    }
}
