//! A pod as a row. Kubernetes 1.36 (printPod): the words a person reads first.

use crate::objects::kind::text;
use crate::objects::table::{AGE, Cell, Column, NAME, column, count, or_none, whole, wide};
use serde_json::{Value, json};

/// What a table shows of a pod.
pub(super) const COLUMNS: &[Column] = &[
    NAME,
    column("Ready", Cell::Of(|o, _| ready(o))),
    column("Status", Cell::Of(|o, _| status(o))),
    column("Restarts", Cell::Of(|o, _| restarts(o))),
    AGE,
    wide("IP", Cell::Of(|o, _| or_none(text(o, "/status/podIP")))),
    wide("Node", Cell::Of(|o, _| or_none(text(o, "/spec/nodeName")))),
    wide("Nominated Node", Cell::Of(|o, _| or_none(text(o, "/status/nominatedNodeName")))),
    wide("Readiness Gates", Cell::Of(|o, _| gates(o))),
];

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    pod.pointer("/status/containerStatuses").and_then(Value::as_array).into_iter().flatten()
}

fn ready(pod: &Value) -> Value {
    let ready = containers(pod).filter(|c| c["ready"] == Value::Bool(true)).count();
    json!(format!("{ready}/{}", count(pod, "/spec/containers")))
}

fn restarts(pod: &Value) -> Value {
    json!(containers(pod).map(|c| whole(c, "/restartCount")).sum::<i64>().to_string())
}

/// The phase, unless a container or the pod gives a reason that says more.
fn status(pod: &Value) -> Value {
    if pod.pointer("/metadata/deletionTimestamp").is_some() {
        return json!("Terminating");
    }
    let waits = containers(pod)
        .flat_map(|c| [text(c, "/state/waiting/reason"), text(c, "/state/terminated/reason")])
        .find(|reason| !reason.is_empty());
    let own = Some(text(pod, "/status/reason")).filter(|reason| !reason.is_empty());
    json!(waits.or(own).unwrap_or(text(pod, "/status/phase")))
}

fn gates(pod: &Value) -> Value {
    let total = count(pod, "/spec/readinessGates");
    if total == 0 {
        return or_none("");
    }
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    let holds = |gate: &Value| {
        let mut all = conditions.into_iter().flatten();
        all.any(|c| c["type"] == gate["conditionType"] && c["status"] == "True")
    };
    let gates = pod.pointer("/spec/readinessGates").and_then(Value::as_array).into_iter().flatten();
    json!(format!("{}/{total}", gates.filter(|g| holds(g)).count()))
}
