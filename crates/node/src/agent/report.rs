//! What happened to pods, as metrics, log lines and events of the pods.
//!
//! Invariant: nobody who keeps volumes waits for this; what does not fit is counted. The same about the same pod is told
//! once a minute at most, with how often it happened. What nobody took, because the server was away or the credentials were
//! refused, is told when somebody does.

use super::metrics::Metrics;
use super::pods::OUT_OF_PODS;
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
use tokio::time::{Instant, sleep_until};

/// Events that wait to be sent.
const MAX_WAITING: usize = 1024;
/// Kinds of events of pods that are remembered, so that they are counted and not repeated.
const MAX_REMEMBERED: usize = 4096;
/// Seconds between two events of the same kind about the same pod.
const QUIET_SECONDS: i64 = 60;
/// Kinds of events of pods that wait until somebody takes them.
const MAX_UNTOLD: usize = 1024;
/// Seconds after which nobody cares any more what was not told.
const MAX_UNTOLD_SECONDS: i64 = 3600;
/// First and longest pause, in seconds, until what nobody took is told again.
const AGAIN_SECONDS: (u64, u64) = (2, 60);
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
        Happening::NotGiven { why } => ("FailedMount", why.clone()),
        Happening::NoRoom { most } => (OUT_OF_PODS, format!("this node keeps {most} pods already")),
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

/// Uid of a pod, and what is told of it.
type Key = (String, &'static str);

/// Tells events: one after another, each once a minute at most, and those that nobody took later.
struct Teller {
    client: Client,
    clock: Clock,
    metrics: Arc<Metrics>,
    node: String,
    told: HashMap<Key, Told>,
    /// What is to be told again, its last words, and since when it waits.
    untold: HashMap<Key, (Note, UnixTime)>,
}

/// Tells events until nobody reports any more.
pub(super) async fn tell(client: Client, clock: Clock, metrics: Arc<Metrics>, node: String, notes: Notes) {
    let Notes(mut waiting) = notes;
    let (told, untold) = (HashMap::new(), HashMap::new());
    let mut teller = Teller { client, clock, metrics, node, told, untold };
    let after = |seconds| Instant::now() + Duration::from_secs(seconds);
    let (mut pause, mut again) = (AGAIN_SECONDS.0, after(AGAIN_SECONDS.0));
    loop {
        tokio::select! {
            note = waiting.recv() => match note {
                Some(note) => teller.hear(note).await,
                None => return,
            },
            () = sleep_until(again), if !teller.untold.is_empty() => {
                pause = if teller.again().await { AGAIN_SECONDS.0 } else { (pause * 2).min(AGAIN_SECONDS.1) };
                again = after(pause);
            }
        }
    }
}

impl Teller {
    /// Tells something, unless it was told just now.
    async fn hear(&mut self, note: Note) {
        let now = self.clock.now();
        let key = (note.pod.uid.clone(), note.reason);
        if let Some((last, _)) = self.untold.get_mut(&key) {
            *last = note;
            return;
        }
        if self.told.len() >= MAX_REMEMBERED {
            self.told.retain(|_, t| now < t.at.plus_seconds(QUIET_SECONDS));
            if self.told.len() >= MAX_REMEMBERED && !self.told.contains_key(&key) {
                return self.metrics.events_lost.inc();
            }
        }
        if let Some(before) = self.told.get_mut(&key) {
            before.count += 1;
            if now < before.at.plus_seconds(QUIET_SECONDS) {
                return;
            }
            before.at = now;
        }
        if !self.send(&key, &note).await {
            if self.untold.len() < MAX_UNTOLD {
                self.untold.insert(key, (note, now));
            } else {
                self.metrics.events_lost.inc();
            }
        }
    }

    /// Tells what nobody took before; false when nobody takes it yet.
    async fn again(&mut self) -> bool {
        let old = self.clock.now().plus_seconds(-MAX_UNTOLD_SECONDS);
        let before = self.untold.len();
        self.untold.retain(|_, (_, since)| *since >= old);
        self.metrics.events_lost.inc_by(u64::try_from(before - self.untold.len()).unwrap_or(0));
        while let Some(key) = self.untold.keys().next().cloned() {
            let Some((note, since)) = self.untold.remove(&key) else { continue };
            if !self.send(&key, &note).await {
                self.untold.insert(key, (note, since));
                return false;
            }
        }
        true
    }

    /// Sends one event; false when it should be tried again.
    async fn send(&mut self, key: &Key, note: &Note) -> bool {
        let now = self.clock.now();
        let api: Api<Event> = Api::namespaced(self.client.clone(), &note.pod.namespace);
        let sent = send(&api, note, self.told.get(key), now, &self.node);
        let failure = match tokio::time::timeout(Duration::from_secs(ANSWER_SECONDS), sent).await {
            Ok(Ok(name)) => {
                let count = self.told.get(key).map_or(1, |t| t.count);
                self.told.insert(key.clone(), Told { name, count, at: now });
                return true;
            }
            Ok(Err(error)) => Failure::from(&error),
            Err(_) => Failure::late(ANSWER_SECONDS),
        };
        self.metrics.failed(failure.code);
        tracing::debug!(pod = %note.pod, error = %failure, "an event was not told");
        // An event that is gone by now is made anew.
        if failure.code == 404 {
            return self.told.remove(key).is_none();
        }
        // Somebody who is away, or does not know this agent at the moment, will take it later; others never will.
        !matches!(failure.code, 0 | 401 | 429 | 500..)
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

#[cfg(test)]
mod tests {
    use super::*;
    use http::{Request, Response};
    use kube::client::Body;
    use std::sync::Mutex;

    /// What a server that knows nobody for a while was told.
    #[derive(Default)]
    struct Script {
        refuses: bool,
        asked: usize,
        told: Vec<serde_json::Value>,
    }

    fn answer(script: &Mutex<Script>, body: &[u8]) -> Response<Body> {
        let mut script = script.lock().unwrap();
        script.asked += 1;
        let (code, body) = if script.refuses {
            (401, json!({"code": 401, "message": "Unauthorized", "reason": "Unauthorized"}))
        } else {
            let event: serde_json::Value = serde_json::from_slice(body).unwrap();
            script.told.push(event.clone());
            (201, json!({"metadata": {}, "involvedObject": event["involvedObject"]}))
        };
        Response::builder().status(code).body(Body::from(body.to_string().into_bytes())).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_takes_is_told_once_somebody_does() {
        let script = Arc::new(Mutex::new(Script { refuses: true, ..Script::default() }));
        let served = script.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let served = served.clone();
            async move {
                let body = request.into_body().collect_bytes().await?;
                Ok::<_, kube::Error>(answer(&served, &body))
            }
        });
        let start = Instant::now();
        let clock = Clock::new(move || {
            UnixTime::from_millis(1_784_973_600_000 + i64::try_from(start.elapsed().as_millis()).unwrap())
        });
        let metrics = Arc::new(Metrics::new().unwrap());
        let (sink, notes) = report(metrics.clone());
        tokio::spawn(tell(Client::new(service, "ns"), clock, metrics, "vm1".to_owned(), notes));
        let pod = PodRef { namespace: "ns".to_owned(), name: "p".to_owned(), uid: "u".to_owned() };
        let failed =
            |why: &str| Happening::TokenFailed { audience: String::new(), code: 401, why: why.to_owned() };
        sink.happened(&pod, &failed("first words"));
        sink.happened(&pod, &Happening::TokenExpired { audience: String::new() });
        sink.happened(&pod, &failed("last words"));
        let pass = async |seconds| tokio::time::sleep(Duration::from_secs(seconds)).await;
        pass(600).await;
        let asked = script.lock().unwrap().asked;
        assert!((5..30).contains(&asked), "it pauses between attempts: {asked}");
        script.lock().unwrap().refuses = false;
        pass(61).await;
        let mut told: Vec<String> =
            script.lock().unwrap().told.iter().map(|e| e["message"].to_string()).collect();
        told.sort();
        assert_eq!(told.len(), 2, "each once: {told:?}");
        assert!(told[0].contains("has expired") && told[1].contains("last words"), "{told:?}");
    }
}
