//! What happened to pods, as metrics, log lines and events of the pods.
//!
//! Invariant: nobody who keeps volumes waits for this; what does not fit is counted. The same about the same pod is told
//! once a minute at most, with how often it happened.

use super::metrics::Metrics;
use crate::api::Failure;
use crate::happening::{Happening, Log, Sink};
use crate::wanted::PodRef;
use jeton_core::clock::Clock;
use jeton_core::time::UnixTime;
use k8s_openapi::api::core::v1::Event;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Events that wait to be sent.
const MAX_WAITING: usize = 1024;
/// Kinds of events of pods that are remembered, so that they are counted and not repeated.
const MAX_REMEMBERED: usize = 4096;
/// Seconds between two events of the same kind about the same pod.
const QUIET_SECONDS: i64 = 60;
/// Seconds to wait for an answer.
const ANSWER_SECONDS: u64 = 10;
/// Bytes of a pod's name that its events' names begin with.
const MAX_NAME_BYTES: usize = 200;
/// Longest text of an event. Kubernetes 1.36: 1024.
const MAX_MESSAGE_BYTES: usize = 1024;

struct Note {
    pod: PodRef,
    reason: &'static str,
    message: String,
}

/// Counts, logs, and hands over what becomes an event.
pub(super) struct Report {
    metrics: Arc<Metrics>,
    notes: mpsc::Sender<Note>,
}

/// The events to come.
pub(super) struct Notes(mpsc::Receiver<Note>);

pub(super) fn report(metrics: Arc<Metrics>) -> (Arc<Report>, Notes) {
    let (notes, waiting) = mpsc::channel(MAX_WAITING);
    (Arc::new(Report { metrics, notes }), Notes(waiting))
}

fn named(audience: &str) -> String {
    if audience.is_empty() { "the token".to_owned() } else { format!("the token for audience {audience:?}") }
}

/// Reason and words, for what people should see.
fn words(what: &Happening) -> Option<(&'static str, String)> {
    Some(match what {
        Happening::TokenFailed { audience, why, .. } => {
            ("TokenRefreshFailed", format!("{} was not renewed: {why}; the old one stays", named(audience)))
        }
        Happening::TokenLate { audience } => {
            ("TokenLate", format!("{} should have been renewed by now", named(audience)))
        }
        Happening::TokenExpired { audience } => {
            ("TokenExpired", format!("{} on disk has expired: whoever reads it is refused", named(audience)))
        }
        Happening::AccountReplaced => (
            "ServiceAccountReplaced",
            "the service account was made anew: its old token is refused, a new one is asked for".to_owned(),
        ),
        Happening::SourceFailed { volume, what, why } => {
            ("FailedMount", format!("volume {volume:?}, {what}: {why}; the other sources go on"))
        }
        Happening::DiskFailed { volume, why } => {
            ("FailedMount", format!("volume {volume:?}: {why}; the old content stays"))
        }
        Happening::Blocked { volume, name } => {
            ("FailedMount", format!("volume {volume:?}: something else is where {name:?} should be"))
        }
        Happening::TokenRefreshed { .. } | Happening::Written { .. } => return None,
    })
}

impl Sink for Report {
    fn happened(&self, pod: &PodRef, what: &Happening) {
        Log.happened(pod, what);
        self.metrics.count(what);
        if let Some((reason, message)) = words(what)
            && self.notes.try_send(Note { pod: pod.clone(), reason, message }).is_err()
        {
            self.metrics.events_lost.inc();
        }
    }
}

/// An event that was told.
struct Told {
    name: String,
    count: i64,
    at: UnixTime,
}

/// Tells events until nobody reports any more.
pub(super) async fn tell(client: Client, clock: Clock, metrics: Arc<Metrics>, node: String, notes: Notes) {
    let Notes(mut waiting) = notes;
    let mut told: HashMap<(String, &'static str), Told> = HashMap::new();
    while let Some(note) = waiting.recv().await {
        let now = clock.now();
        let key = (note.pod.uid.clone(), note.reason);
        if told.len() >= MAX_REMEMBERED {
            told.retain(|_, t| now < t.at.plus_seconds(QUIET_SECONDS));
            if told.len() >= MAX_REMEMBERED && !told.contains_key(&key) {
                metrics.events_lost.inc();
                continue;
            }
        }
        if let Some(before) = told.get_mut(&key) {
            before.count += 1;
            if now < before.at.plus_seconds(QUIET_SECONDS) {
                continue;
            }
            before.at = now;
        }
        let api: Api<Event> = Api::namespaced(client.clone(), &note.pod.namespace);
        let sent = tokio::time::timeout(
            Duration::from_secs(ANSWER_SECONDS),
            send(&api, &note, told.get(&key), now, &node),
        );
        match sent.await {
            Ok(Ok(name)) => {
                let count = told.get(&key).map_or(1, |t| t.count);
                told.insert(key, Told { name, count, at: now });
            }
            Ok(Err(error)) => {
                let failure = Failure::from(&error);
                metrics.failed(failure.code);
                tracing::debug!(pod = %note.pod, error = %failure, "an event was not told");
                // An event that is gone by now is made anew.
                told.remove(&key);
            }
            Err(_) => metrics.failed(0),
        }
    }
}

async fn send(
    api: &Api<Event>,
    note: &Note,
    before: Option<&Told>,
    now: UnixTime,
    node: &str,
) -> Result<String, kube::Error> {
    let mut message = note.message.clone();
    message.truncate(message.floor_char_boundary(MAX_MESSAGE_BYTES));
    if let Some(before) = before {
        let patch = json!({"count": before.count, "lastTimestamp": now.rfc3339(), "message": message});
        api.patch(&before.name, &PatchParams::default(), &Patch::Merge(patch)).await?;
        return Ok(before.name.clone());
    }
    let PodRef { namespace, name, uid } = &note.pod;
    let own = format!("{}.{:016x}", &name[..name.floor_char_boundary(MAX_NAME_BYTES)], fastrand::u64(..));
    let event = json!({
        "metadata": {"name": own, "namespace": namespace},
        "involvedObject": {"apiVersion": "v1", "kind": "Pod", "namespace": namespace, "name": name, "uid": uid},
        "reason": note.reason, "message": message, "type": "Warning", "count": 1,
        "firstTimestamp": now.rfc3339(), "lastTimestamp": now.rfc3339(),
        "source": {"component": "jeton-agent", "host": node},
        "reportingComponent": "jeton-agent", "reportingInstance": node,
    });
    let event: Event = serde_json::from_value(event).map_err(kube::Error::SerdeError)?;
    api.create(&PostParams::default(), &event).await?;
    Ok(own)
}
