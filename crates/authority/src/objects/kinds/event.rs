//! Events: what happened to objects, in words. They go after an hour, by a controller.
//!
//! One store, two names: events.k8s.io/v1 calls some members otherwise than core/v1.

use crate::objects::kind::{Kind, PLAIN, text};
use crate::objects::table::{Cell, UNKNOWN, age, column, whole, wide};
use crate::status::Cause;
use jeton_core::time::UnixTime;
use serde_json::{Value, json};

/// core/v1 Event.
pub const EVENT: Kind = Kind {
    kind: "Event",
    plural: "events",
    singular: "event",
    short_names: &["ev"],
    stored_as: "core/events",
    check,
    columns: &[
        column("Last Seen", Cell::Of(last_seen)),
        column("Type", Cell::At("/type")),
        column("Reason", Cell::At("/reason")),
        column("Object", Cell::Of(|o, _| about(o, "involvedObject"))),
        wide("Subobject", Cell::At("/involvedObject/fieldPath")),
        wide("Source", Cell::Of(|o, _| source(o))),
        column("Message", Cell::Of(|o, _| json!(text(o, "/message").trim()))),
        wide("First Seen", Cell::Of(first_seen)),
        wide("Count", Cell::Of(|o, _| json!(whole(o, "/count").max(1).to_string()))),
        wide("Name", Cell::At("/metadata/name")),
    ],
    field: |object, field| selected(object, field, "involvedObject"),
    ..PLAIN
};

/// events.k8s.io/v1 Event.
pub const EVENT_V1: Kind = Kind {
    group: "events.k8s.io",
    columns: &[
        column("Last Seen", Cell::Of(last_seen)),
        column("Type", Cell::At("/type")),
        column("Reason", Cell::At("/reason")),
        column("Object", Cell::Of(|o, _| about(o, "regarding"))),
        column("Message", Cell::Of(|o, _| json!(text(o, "/note").trim()))),
    ],
    renamed: &[
        ("reportingController", "reportingComponent"),
        ("regarding", "involvedObject"),
        ("note", "message"),
        ("deprecatedSource", "source"),
        ("deprecatedFirstTimestamp", "firstTimestamp"),
        ("deprecatedLastTimestamp", "lastTimestamp"),
        ("deprecatedCount", "count"),
    ],
    field: |object, field| selected(object, field, "regarding"),
    ..EVENT
};

/// An event lies in the namespace of the object it is about.
fn check(new: &Value, _: Option<&Value>, causes: &mut Vec<Cause>) {
    for what in ["involvedObject", "regarding"] {
        let given = text(&new[what], "/namespace");
        let own = text(new, "/metadata/namespace");
        if !given.is_empty() && given != own {
            causes.push(Cause::invalid(format!("{what}.namespace"), given, "does not match event.namespace"));
        }
    }
}

fn selected(event: &Value, field: &str, object: &str) -> Option<String> {
    if let Some(member) = field.strip_prefix(object).and_then(|rest| rest.strip_prefix('.')) {
        let known = ["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"]
            .contains(&member);
        return known.then(|| event[object][member].as_str().unwrap_or("").to_owned());
    }
    let known = ["reason", "type", "reportingComponent", "reportingController", "source"].contains(&field);
    known.then(|| match field {
        "source" => text(event, "/source/component").to_owned(),
        _ => event[field].as_str().unwrap_or("").to_owned(),
    })
}

fn about(event: &Value, object: &str) -> Value {
    let kind = event[object]["kind"].as_str().unwrap_or("").to_lowercase();
    json!(format!("{kind}/{}", event[object]["name"].as_str().unwrap_or("")))
}

fn source(event: &Value) -> Value {
    let (component, host) = (text(event, "/source/component"), text(event, "/source/host"));
    json!(if host.is_empty() { component.to_owned() } else { format!("{component}, {host}") })
}

/// The first of the members that holds a time, as an age.
fn seen(event: &Value, now: UnixTime, members: &[&str]) -> Value {
    let found = members.iter().find(|pointer| !text(event, pointer).is_empty());
    json!(found.map_or(UNKNOWN.to_owned(), |pointer| age(event, pointer, now)))
}

fn last_seen(event: &Value, now: UnixTime) -> Value {
    let members = ["/series/lastObservedTime", "/lastTimestamp", "/deprecatedLastTimestamp", "/eventTime"];
    seen(event, now, &members)
}

fn first_seen(event: &Value, now: UnixTime) -> Value {
    seen(event, now, &["/firstTimestamp", "/eventTime"])
}
