//! From what a log service wraps around audit events to the events.
//!
//! Known: plain lines, EventList, CloudWatch (S3 export, `filter-log-events`, subscription), Google LogEntry, Azure
//! `properties.log`, Huawei LTS (raw and JSON transfer to OBS, download, query API). Anything else is named, not guessed.

use super::event::{Annotations, Event, ObjectRef, Status, Text, User};
use crate::limits::MAX_ENVELOPE_DEPTH;
use serde::Deserialize;
use serde_json::value::RawValue;

/// What one record was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// It held this many audit events (none: an empty list).
    Events(u64),
    /// It is JSON of no known shape.
    Unknown,
    /// It is no JSON.
    Broken,
}

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
pub(super) fn open(record: &[u8], each: &mut dyn FnMut(&Event<'_>)) -> Shape {
    match std::str::from_utf8(record) {
        Ok(text) => open_text(text, MAX_ENVELOPE_DEPTH, each),
        Err(_) => Shape::Broken,
    }
}

fn open_text(text: &str, depth: usize, each: &mut dyn FnMut(&Event<'_>)) -> Shape {
    let text = text.trim();
    let Some(depth) = depth.checked_sub(1) else { return Shape::Unknown };
    let text = without_time(text);
    if !text.starts_with('{') {
        return Shape::Broken;
    }
    if let Ok(event) = serde_json::from_str::<Event<'_>>(text)
        && event.is_event()
    {
        each(&event);
        return Shape::Events(1);
    }
    match serde_json::from_str::<Envelope<'_>>(text) {
        Ok(envelope) => envelope.open(depth, each),
        Err(_) if serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() => Shape::Unknown,
        Err(_) => Shape::Broken,
    }
}

/// An export of CloudWatch to S3 writes `2026-11-25T01:02:03.456Z {…}`.
fn without_time(text: &str) -> &str {
    match text.split_once(' ') {
        Some((time, rest)) if time.len() <= 35 && time.contains('T') && rest.starts_with('{') => rest,
        _ => text,
    }
}

impl Envelope<'_> {
    fn open(&self, depth: usize, each: &mut dyn FnMut(&Event<'_>)) -> Shape {
        let lists = [&self.items, &self.events, &self.log_events, &self.records, &self.logs];
        if let Some(list) = lists.into_iter().flatten().next() {
            return Self::open_list(list, depth, each);
        }
        if let Some(google) = &self.proto {
            return self.open_google(google, each);
        }
        let inner = [self.properties, self.log, self.message, self.content];
        match inner.into_iter().flatten().next() {
            // Text that holds JSON, or the JSON itself.
            Some(raw) if raw.get().starts_with('"') => match serde_json::from_str::<Text<'_>>(raw.get()) {
                Ok(text) => open_text(&text, depth, each),
                Err(_) => Shape::Broken,
            },
            Some(raw) => open_text(raw.get(), depth, each),
            None => Shape::Unknown,
        }
    }

    fn open_list(list: &[&RawValue], depth: usize, each: &mut dyn FnMut(&Event<'_>)) -> Shape {
        let mut found = 0;
        for item in list {
            match open_text(item.get(), depth, each) {
                Shape::Events(count) => found += count,
                Shape::Unknown | Shape::Broken => {}
            }
        }
        if found == 0 && !list.is_empty() { Shape::Unknown } else { Shape::Events(found) }
    }

    /// Google keeps annotations in `labels`, the audit id in `operation.id`, and no extras of the user.
    fn open_google(&self, google: &Google<'_>, each: &mut dyn FnMut(&Event<'_>)) -> Shape {
        let annotations = self.labels.and_then(|raw| serde_json::from_str::<Annotations<'_>>(raw.get()).ok());
        let time = self.timestamp.and_then(|raw| serde_json::from_str::<Text<'_>>(raw.get()).ok());
        let Some(id) = self.operation.as_ref().and_then(|o| o.id.clone()).or_else(|| self.insert_id.clone())
        else {
            return Shape::Unknown;
        };
        let metadata = &google.request_metadata;
        let verb = google.method_name.as_deref().and_then(|m| m.rsplit('.').next());
        // google.rpc.Code 16 is UNAUTHENTICATED.
        let code = if google.status.code == Some(16) { 401 } else { 200 };
        each(&Event {
            audit_id: Some(id),
            stage: Some("ResponseComplete".to_owned().into()),
            verb: verb.map(|v| v.to_owned().into()),
            uri: google.resource_name.clone(),
            user_agent: metadata.caller_supplied_user_agent.clone(),
            source_ips: metadata.caller_ip.clone().into_iter().collect(),
            request_received_timestamp: time,
            user: User { username: google.authentication_info.principal_email.clone(), extra: None },
            object_ref: google.resource_name.as_deref().map(google_object),
            response_status: Some(Status { code: Some(code) }),
            annotations,
            ..Event::default()
        });
        Shape::Events(1)
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
