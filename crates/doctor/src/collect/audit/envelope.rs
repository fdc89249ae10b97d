//! From what a log service wraps around audit events to the events.
//!
//! Known: plain lines, EventList, CloudWatch (S3 export, `filter-log-events`, `tail`, subscriptions, Insights), Google
//! LogEntry, Azure `properties.log` and `log_s`, Huawei LTS (raw and JSON transfer to OBS, download as text or CSV, query
//! API). Anything else is named, not guessed.

use super::event::{Annotations, Event, First, ObjectRef, Status, Text, User};
use super::{line, skim};
use crate::limits::MAX_ENVELOPE_DEPTH;
use serde::Deserialize;
use serde_json::value::RawValue;

/// What CloudWatch sends to see whether the receiver is there.
const CONTROL_MESSAGE: &str = "CWL CONTROL MESSAGE";
/// How kube-apiserver begins a line. Kubernetes 1.36: members in the order of the type.
const START_OF_EVENT: &str = "{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/";

/// What one record held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Opened {
    /// Audit events.
    pub(super) events: u64,
    /// Other things: JSON of no known shape, lines of other logs that share the envelope.
    pub(super) unknown: u64,
    /// What should have been JSON and is not.
    pub(super) broken: u64,
}

impl Opened {
    /// Something that belongs to an envelope and holds no record.
    const NOTHING: Self = Self { events: 0, unknown: 0, broken: 0 };
    const EVENT: Self = Self { events: 1, ..Self::NOTHING };
    const UNKNOWN: Self = Self { unknown: 1, ..Self::NOTHING };
    const BROKEN: Self = Self { broken: 1, ..Self::NOTHING };

    const fn and(self, other: Self) -> Self {
        Self {
            events: self.events + other.events,
            unknown: self.unknown + other.unknown,
            broken: self.broken + other.broken,
        }
    }
}

type Each<'e> = &'e mut dyn FnMut(&Event<'_>);

/// Members of all envelopes; which are there tells the shape.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Envelope<'a> {
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    events: Option<Vec<&'a RawValue>>,
    #[serde(borrow, rename = "logEvents")]
    log_events: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    records: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    logs: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    log: Option<&'a RawValue>,
    #[serde(borrow)]
    log_s: Option<&'a RawValue>,
    #[serde(borrow, rename = "@message")]
    at_message: Option<&'a RawValue>,
    #[serde(borrow)]
    properties: Option<&'a RawValue>,
    #[serde(borrow, rename = "protoPayload")]
    proto: Option<Google<'a>>,
    #[serde(borrow)]
    labels: Option<&'a RawValue>,
    #[serde(borrow)]
    operation: Option<Operation<'a>>,
    #[serde(borrow, rename = "insertId")]
    insert_id: Option<Text<'a>>,
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Operation<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
}

/// google.cloud.audit.AuditLog.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Google<'a> {
    #[serde(borrow)]
    authentication_info: Principal<'a>,
    #[serde(borrow)]
    request_metadata: RequestMetadata<'a>,
    #[serde(borrow)]
    method_name: Option<Text<'a>>,
    #[serde(borrow)]
    resource_name: Option<Text<'a>>,
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Principal<'a> {
    #[serde(borrow)]
    principal_email: Option<Text<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RequestMetadata<'a> {
    #[serde(borrow)]
    caller_ip: Option<Text<'a>>,
    #[serde(borrow)]
    caller_supplied_user_agent: Option<Text<'a>>,
}

/// Hands every audit event inside one record to `each`.
pub(super) fn open(record: &[u8], each: Each<'_>) -> Opened {
    std::str::from_utf8(record).map_or(Opened::BROKEN, |text| open_text(text, MAX_ENVELOPE_DEPTH, each))
}

fn open_text(text: &str, depth: usize, each: Each<'_>) -> Opened {
    let text = text.trim();
    let Some(left) = depth.checked_sub(1) else { return Opened::UNKNOWN };
    if text.starts_with('{') {
        return open_json(text, left, each);
    }
    if let Some(json) = line::after_prefix(text) {
        let opened = open_json(json, left, each);
        if opened.events > 0 {
            return opened;
        }
    }
    let cells = line::cells(text).filter(|cell| cell.starts_with('{'));
    let opened = cells.fold(Opened::NOTHING, |sum, cell| sum.and(open_json(&cell, left, each)));
    if opened != Opened::NOTHING {
        // The other cells of a row are its labels.
        return if opened.events > 0 { Opened { unknown: 0, ..opened } } else { opened };
    }
    let frame = line::is_header(text) || line::is_rest_of_row(text) || text.starts_with(CONTROL_MESSAGE);
    if text.is_empty() || frame {
        return Opened::NOTHING;
    }
    // Inside an envelope it is a line of another log of the same cluster.
    if depth < MAX_ENVELOPE_DEPTH { Opened::UNKNOWN } else { Opened::BROKEN }
}

fn open_json(text: &str, depth: usize, each: Each<'_>) -> Opened {
    if let Some(event) = skim::event(text) {
        each(&event);
        return Opened::EVENT;
    }
    if let Ok(event) = serde_json::from_str::<Event<'_>>(text)
        && event.is_event()
    {
        each(&event);
        return Opened::EVENT;
    }
    match serde_json::from_str::<Envelope<'_>>(text) {
        Ok(envelope) => envelope.open(depth, each),
        Err(_) if serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() => Opened::UNKNOWN,
        Err(_) => open_several(text, depth, each),
    }
}

/// Several documents without a line feed between them, as Firehose delivers them, or a line that was cut off by a crash
/// with the next one right behind it.
fn open_several(text: &str, depth: usize, each: Each<'_>) -> Opened {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    let mut opened = Opened::NOTHING;
    let mut good = 0;
    while let Some(Ok(value)) = values.next() {
        opened = opened.and(open_text(value.get(), depth, each));
        good = values.byte_offset();
    }
    let rest = text.get(good..).unwrap_or_default();
    if rest.trim().is_empty() {
        return opened;
    }
    // A value that ended at `good` may be a number or text in the middle of something else: nothing was found in it then.
    let next = rest.get(1..).and_then(|later| later.find(START_OF_EVENT).map(|at| at + 1));
    match next.and_then(|at| rest.get(at..)) {
        Some(next) => opened.and(Opened::BROKEN).and(open_text(next, depth, each)),
        None => opened.and(Opened::BROKEN),
    }
}

impl Envelope<'_> {
    fn open(&self, depth: usize, each: Each<'_>) -> Opened {
        let lists = [&self.items, &self.events, &self.log_events, &self.records, &self.logs];
        if let Some(list) = lists.into_iter().flatten().next() {
            let open = |sum: Opened, item: &&RawValue| sum.and(open_text(item.get(), depth, each));
            return list.iter().fold(Opened::NOTHING, open);
        }
        if let Some(google) = &self.proto {
            return self.open_google(google, each);
        }
        let inner = [self.properties, self.log, self.log_s, self.at_message, self.message, self.content];
        match inner.into_iter().flatten().next() {
            // Text that holds JSON, or the JSON itself.
            Some(raw) if raw.get().starts_with('"') => serde_json::from_str::<Text<'_>>(raw.get())
                .map_or(Opened::BROKEN, |text| open_text(&text, depth, each)),
            Some(raw) => open_text(raw.get(), depth, each),
            None => Opened::UNKNOWN,
        }
    }

    /// Google keeps annotations in `labels`, the audit id in `operation.id`, and no extras of the user.
    fn open_google(&self, google: &Google<'_>, each: Each<'_>) -> Opened {
        let annotations = self.labels.and_then(|raw| serde_json::from_str::<Annotations<'_>>(raw.get()).ok());
        let time = self.timestamp.and_then(|raw| serde_json::from_str::<Text<'_>>(raw.get()).ok());
        let Some(id) = self.operation.as_ref().and_then(|o| o.id.clone()).or_else(|| self.insert_id.clone())
        else {
            return Opened::UNKNOWN;
        };
        let metadata = &google.request_metadata;
        let verb = google.method_name.as_deref().and_then(|m| m.rsplit('.').next());
        // google.rpc.Code 16 is UNAUTHENTICATED.
        let code = if google.status.code == Some(16) { 401 } else { 200 };
        each(&Event {
            audit_id: Some(id),
            stage: Some("ResponseComplete".to_owned().into()),
            verb: verb.map(|v| v.to_owned().into()),
            user_agent: metadata.caller_supplied_user_agent.clone(),
            source_ips: First(metadata.caller_ip.clone()),
            request_received_timestamp: time,
            user: User { username: google.authentication_info.principal_email.clone(), extra: None },
            object_ref: google.resource_name.as_deref().map(google_object),
            response_status: Some(Status { code: Some(code) }),
            annotations,
            ..Event::default()
        });
        Opened::EVENT
    }
}

/// `core/v1/namespaces/NS/serviceaccounts/NAME/token`.
fn google_object(name: &str) -> ObjectRef<'static> {
    let parts: Vec<&str> = name.split('/').collect();
    let after = |word: &str| parts.iter().position(|p| *p == word).and_then(|at| parts.get(at + 1));
    let own = |part: Option<&&str>| part.map(|p| Text::from((*p).to_owned()));
    let resource = if parts.get(2) == Some(&"namespaces") { 4 } else { 2 };
    ObjectRef {
        resource: own(parts.get(resource)),
        namespace: own(after("namespaces")),
        name: own(parts.get(resource + 1)),
        subresource: own(parts.get(resource + 2)),
    }
}
