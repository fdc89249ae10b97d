//! One request, from its head to its answer: what is found out about it on the way, for counters and audit log.
//!
//! Invariant: every exchange is counted once, and audited once where there is an audit log, also when its client goes
//! away in the middle or its handling panics. Without an audit log nothing here is allocated for one.

use crate::audit::AuditLog;
use crate::audit::event::{AuditEvent, ObjectRef, Stage, user_agent};
use crate::metrics::{Attempt, Metrics, RequestLabels};
use crate::objects::{Kind, kinds};
use crate::request_info::{self, Query, RequestInfo, ResourcePath};
use crate::status::ApiError;
use crate::token_uses::Seen;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue, USER_AGENT};
use http::request::Parts;
use jeton_core::clock::Clock;
use jeton_core::observe::{Annotation, Event, annotations, reviewed_annotations};
use jeton_core::time::UnixTime;
use jeton_core::wire::UserInfo;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;
use uuid::Uuid;

/// The header that carries a request's id, both ways.
pub const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");
/// Longest id of a client's own that is taken over, in bytes. Kubernetes 1.36: 64 are logged.
const AUDIT_ID_MAX_BYTES: usize = 64;
/// Addresses of proxies that are written down.
const SOURCE_IPS_MAX: usize = 16;
/// Endpoints that are no resources and have a name of their own in the metrics.
const ENDPOINTS: [&str; 7] = [
    "/healthz",
    "/livez",
    "/metrics",
    "/openid/v1/jwks",
    "/readyz",
    "/version",
    "/.well-known/openid-configuration",
];
/// Subresources that a request which was refused may name in the metrics.
const SUBRESOURCES: [&str; 5] = ["", "binding", "finalize", "status", "token"];

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
}

/// Makes ids that do not repeat: a counter under two keys that the process drew when it started.
#[derive(Debug, Default)]
struct AuditIds {
    keys: [RandomState; 2],
    next: AtomicU64,
}

impl AuditIds {
    fn next(&self) -> Uuid {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let [high, low] = &self.keys;
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&high.hash_one(number).to_le_bytes());
        bytes[8..].copy_from_slice(&low.hash_one(number).to_le_bytes());
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}

impl Observer {
    /// An observer with these counters, and perhaps an audit log.
    pub fn new(metrics: Arc<Metrics>, audit: Option<AuditLog>, clock: Clock) -> Self {
        Self { metrics, audit, clock, ids: AuditIds::default() }
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
    observer: Arc<Observer>,
    /// The head of the request.
    pub parts: Parts,
    /// The parameters of its query.
    pub query: Query,
    /// What it asks for; `None`: the URL is not UTF-8.
    pub info: Option<RequestInfo>,
    address: SocketAddr,
    certificate: bool,
    id: HeaderValue,
    begun: Instant,
    received: Option<UnixTime>,
    user: OnceLock<UserInfo>,
    impersonated: OnceLock<UserInfo>,
    decision: OnceLock<(bool, Arc<str>)>,
    created: OnceLock<String>,
    notes: Mutex<Vec<Annotation>>,
    end: Option<End>,
    closed: bool,
}

impl Exchange {
    /// A request that has just come in.
    pub fn begin(observer: &Arc<Observer>, parts: Parts, address: SocketAddr, certificate: bool) -> Self {
        let query = Query::parse(parts.uri.query());
        let info = request_info::parse(&parts.method, parts.uri.path(), &query);
        let given = parts.headers.get(AUDIT_ID).filter(|id| {
            (1..=AUDIT_ID_MAX_BYTES).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
        });
        let id = given.cloned().unwrap_or_else(|| {
            let mut text = Uuid::encode_buffer();
            let text = observer.ids.next().hyphenated().encode_lower(&mut text);
            HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
        });
        let received = observer.audit.as_ref().map(|_| observer.clock.now());
        Self {
            observer: observer.clone(),
            parts,
            query,
            info,
            address,
            certificate,
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

    /// The id for the answer's `Audit-Id` header.
    pub fn id(&self) -> &HeaderValue {
        &self.id
    }

    /// Counts what happened to the token that came with the request, or that it is answered with.
    pub fn saw(&self, event: &Event<'_>) {
        let seen = Seen::Presented(self.parts.headers.get(USER_AGENT));
        self.observer.metrics.token(event, seen, self.observer.clock.now());
        self.annotate(|| annotations(event));
    }

    /// Counts what happened to the token in a TokenReview.
    pub fn saw_reviewed(&self, event: &Event<'_>) {
        self.observer.metrics.token(event, Seen::Reviewed, self.observer.clock.now());
        self.annotate(|| reviewed_annotations(event));
    }

    fn annotate(&self, make: impl FnOnce() -> Vec<Annotation>) {
        if self.observer.audit.is_some() {
            self.notes.lock().unwrap_or_else(PoisonError::into_inner).extend(make());
        }
    }

    /// Who called, once that is established.
    pub fn authenticated(&self, user: UserInfo) -> &UserInfo {
        let user = self.user.get_or_init(|| user);
        self.observer.metrics.authentication(Attempt::Success, self.begun.elapsed(), Some(&user.username));
        user
    }

    /// Nobody: the credentials do not hold.
    pub fn not_authenticated(&self) {
        self.observer.metrics.authentication(Attempt::Error, self.begun.elapsed(), None);
    }

    /// In whose name the caller acts.
    pub fn impersonates(&self, user: UserInfo) -> &UserInfo {
        self.impersonated.get_or_init(|| user)
    }

    /// Whether the caller may, and why.
    pub fn decided(&self, allowed: bool, reason: Arc<str>) {
        // A request is decided on once; a second decision would be about something else.
        let _ = self.decision.set((allowed, reason));
    }

    /// The object that a create brings or made: its path does not name it.
    pub fn about(&self, object: &Value) {
        let name = object["metadata"]["name"].as_str().filter(|n| !n.is_empty());
        if let (Some(name), Some(_)) = (name, &self.observer.audit) {
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
        let status = self.observer.audit.as_ref().map(|_| self.status_of(error));
        self.end = Some(End::Refused { code, known, status });
    }

    /// Its handling panicked.
    pub fn panicked(&mut self) {
        self.end = Some(End::Panicked);
    }

    /// Counts it and writes it down; an audit log that is behind may hold this up for a moment.
    pub async fn finish(mut self) {
        if let (Some(line), Some(audit)) = (self.close(), &self.observer.audit) {
            audit.put(line).await;
        }
    }

    /// Its answer has begun and goes on: writes that down. It is over when it is dropped.
    pub async fn stream(self, code: u16) -> Box<Self> {
        let begun = End::Answered(code);
        if let Some(audit) = &self.observer.audit {
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
        self.observer.audit.as_ref().map(|_| self.line(stage, &end))
    }

    /// The Status in the audit event of an error. Kubernetes 1.36: a refused caller learns only `Unauthorized`, the
    /// audit log also which credentials were tried.
    fn status_of(&self, error: &ApiError) -> Value {
        let mut status = error.status();
        if let Some(map) = status.as_object_mut() {
            map.remove("kind");
            map.remove("apiVersion");
            if matches!(error, ApiError::Unauthorized) {
                map.insert("message".to_owned(), json!(self.attempted()));
            }
        }
        status
    }

    fn attempted(&self) -> String {
        let header = self.parts.headers.get(AUTHORIZATION).and_then(|h| h.to_str().ok()).unwrap_or("");
        let scheme = header.trim().split(' ').next().unwrap_or("").to_lowercase();
        let mut tried: Vec<&str> = ["basic", "bearer"].into_iter().filter(|s| *s == scheme).collect();
        if self.query.get("access_token").is_some() {
            tried.push("access_token");
        }
        if self.certificate {
            tried.push("x509");
        }
        match &tried[..] {
            [] => "Authentication failed, no credentials provided".to_owned(),
            tried => format!("Authentication failed, attempted: {}", tried.join(", ")),
        }
    }

    fn count(&self, end: &End) {
        let (code, served) = match end {
            End::Answered(code) => (*code, true),
            End::Refused { code, known, .. } => (*code, *known),
            End::Panicked => (500, true),
        };
        self.observer.metrics.request(&self.labels(served), code, self.begun.elapsed());
    }

    /// Labels that only name what is served: a client cannot invent any.
    fn labels(&self, served: bool) -> RequestLabels<'_> {
        let Some(info) = &self.info else { return RequestLabels::default() };
        let dry_run = self.query.get("dryRun").is_some();
        let Some(path) = &info.resource else {
            let endpoint = ENDPOINTS.into_iter().find(|e| *e == info.path).unwrap_or("");
            let verb = plain_verb(info.verb);
            return RequestLabels { verb, subresource: endpoint, ..RequestLabels::default() };
        };
        let verb = match info.verb {
            "create" => "POST",
            "update" => "PUT",
            "get" => "GET",
            "list" => "LIST",
            "watch" => "WATCH",
            "patch" => "PATCH",
            "delete" => "DELETE",
            "deletecollection" => "DELETECOLLECTION",
            _ => "",
        };
        if !served && !SUBRESOURCES.contains(&path.subresource.as_str()) {
            return RequestLabels { verb, ..RequestLabels::default() };
        }
        let same = |k: &&Kind| k.group == path.group && k.version == path.version && k.plural == path.plural;
        if !served && !kinds::ALL.iter().any(same) {
            return RequestLabels { verb, ..RequestLabels::default() };
        }
        RequestLabels {
            verb,
            group: &path.group,
            version: &path.version,
            resource: &path.plural,
            subresource: &path.subresource,
            scope: scope(info.verb, path),
            dry_run,
        }
    }

    /// Its audit event.
    fn line(&self, stage: Stage, end: &End) -> Vec<u8> {
        let nobody = UserInfo::default();
        let status = match end {
            End::Answered(code) => json!({"metadata": {}, "code": code}),
            End::Refused { status, .. } => status.clone().unwrap_or_default(),
            End::Panicked => {
                let message = "the request's handling panicked; the server's log says where";
                json!({
                    "metadata": {}, "status": "Failure", "message": message,
                    "reason": "InternalError", "code": 500,
                })
            }
        };
        let uri = self.parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let id = self.id.to_str().unwrap_or("");
        let mut event = AuditEvent::new(id, stage, uri, self.user.get().unwrap_or(&nobody));
        let method = self.parts.method.as_str().to_lowercase();
        event.verb = self.info.as_ref().map(|i| i.verb).filter(|v| !v.is_empty()).unwrap_or(&method);
        event.impersonated_user = self.impersonated.get();
        event.source_ips = self.source_ips();
        event.user_agent =
            self.parts.headers.get(USER_AGENT).map(|h| user_agent(h.as_bytes())).unwrap_or_default();
        event.object_ref =
            self.info.as_ref().and_then(|i| i.resource.as_ref()).map(|path| self.object_ref(path));
        event.response_status = status;
        event.request_received_timestamp = self.received.map(UnixTime::rfc3339_micros).unwrap_or_default();
        event.stage_timestamp = self.observer.clock.now().rfc3339_micros();
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        event.annotations = notes.iter().map(|note| (note.key, note.value.as_str())).collect();
        self.decision_into(&mut event.annotations);
        event.line()
    }

    fn object_ref<'a>(&'a self, path: &'a ResourcePath) -> ObjectRef<'a> {
        let name = if path.name.is_empty() { self.created.get() } else { None };
        ObjectRef {
            resource: &path.plural,
            namespace: &path.namespace,
            name: name.unwrap_or(&path.name),
            api_group: &path.group,
            api_version: &path.version,
            subresource: &path.subresource,
        }
    }

    fn decision_into<'a>(&'a self, annotations: &mut BTreeMap<&'a str, &'a str>) {
        if let Some((allowed, reason)) = self.decision.get() {
            let decision = if *allowed { "allow" } else { "forbid" };
            annotations.insert("authorization.k8s.io/decision", decision);
            annotations.insert("authorization.k8s.io/reason", reason);
        }
    }

    /// What proxies say of the client, then the other end of the connection. Kubernetes 1.36: in this order.
    fn source_ips(&self) -> Vec<String> {
        let header = |name: &str| self.parts.headers.get(name).and_then(|h| h.to_str().ok()).unwrap_or("");
        let parse = |text: &str| text.trim().parse::<IpAddr>().ok();
        let mut all: Vec<IpAddr> =
            header("x-forwarded-for").split(',').filter_map(parse).take(SOURCE_IPS_MAX).collect();
        for ip in [parse(header("x-real-ip")), Some(self.address.ip())].into_iter().flatten() {
            if all.last() != Some(&ip) {
                all.push(ip);
            }
        }
        all.iter().map(IpAddr::to_string).collect()
    }
}

impl Drop for Exchange {
    /// What nobody finished: the client went away, and its request is written down all the same.
    fn drop(&mut self) {
        if let (Some(line), Some(audit)) = (self.close(), &self.observer.audit) {
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

fn plain_verb(verb: &'static str) -> &'static str {
    match verb {
        "get" => "GET",
        "head" => "HEAD",
        "post" => "POST",
        "put" => "PUT",
        "patch" => "PATCH",
        "delete" => "DELETE",
        "options" => "OPTIONS",
        _ => "",
    }
}

/// Kubernetes 1.36: a create is about one object, though its path names none.
fn scope(verb: &str, path: &ResourcePath) -> &'static str {
    match (path.name.as_str(), path.namespace.as_str()) {
        _ if verb == "create" => "resource",
        ("", "") => "cluster",
        ("", _) => "namespace",
        _ => "resource",
    }
}
