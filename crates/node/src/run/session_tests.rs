//! Pods of other runners, against a scripted server in time that is not real: a stock kube-apiserver collects none itself.

use super::Note;
use super::pod::Identity;
use super::session::Session;
use http::{Method, Request, Response};
use jeton_core::clock::Clock;
use jeton_core::deliver::{RENEWED_ANNOTATION, RUN_SCHEDULER};
use jeton_core::time::UnixTime;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A pod of the server: its uid, the scheduler it names, and whether somebody renews it.
#[derive(Clone)]
struct Held {
    uid: &'static str,
    scheduler: &'static str,
    lives: bool,
}

#[derive(Default)]
struct Script {
    pods: BTreeMap<&'static str, Held>,
    /// What was deleted, by name and the uid that was asked for, and when.
    deleted: Vec<(String, String, u64)>,
}

fn object(name: &str, held: &Held, now: u64) -> Value {
    let says = if held.lives { (now / 15).to_string() } else { "0".to_owned() };
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "ns", "uid": held.uid, "annotations": {RENEWED_ANNOTATION: says, "jeton.dev/host": "h"}},
        "spec": {"schedulerName": held.scheduler, "containers": [{"name": "c", "image": "i"}]},
    })
}

fn failed(code: u16, reason: &str) -> (u16, Value) {
    (code, json!({"kind": "Status", "code": code, "reason": reason, "message": reason, "status": "Failure"}))
}

fn answer(script: &mut Script, method: &Method, uri: &str, body: &Value, now: u64) -> (u16, Value) {
    let path = uri.split('?').next().unwrap();
    let name = path.strip_prefix("/api/v1/namespaces/ns/pods/");
    match (method.as_str(), name) {
        ("GET", None) => {
            assert!(uri.contains("spec.schedulerName%3Djeton-run"), "{uri}");
            let ours = script.pods.iter().filter(|(_, held)| held.scheduler == RUN_SCHEDULER);
            let items: Vec<Value> = ours.map(|(name, held)| object(name, held, now)).collect();
            (200, json!({"metadata": {"resourceVersion": "1"}, "items": items}))
        }
        ("GET", Some(name)) => match script.pods.get(name) {
            Some(held) => (200, object(name, held, now)),
            None => failed(404, "NotFound"),
        },
        ("POST", None) => {
            let name = body["metadata"]["name"].as_str().unwrap_or("own-abcde");
            if script.pods.contains_key(name) {
                return failed(409, "AlreadyExists");
            }
            (201, object(name, &Held { uid: "own", scheduler: RUN_SCHEDULER, lives: true }, now))
        }
        ("DELETE", Some(name)) => {
            let uid = body["preconditions"]["uid"].as_str().unwrap().to_owned();
            script.deleted.push((name.to_owned(), uid, now));
            let key = script.pods.keys().find(|key| **key == name).copied().unwrap();
            let held = script.pods.remove(key).unwrap();
            (200, object(key, &held, now))
        }
        other => panic!("{other:?} {uri}"),
    }
}

struct Lab {
    script: Arc<Mutex<Script>>,
    client: Client,
    clock: Clock,
    told: Arc<Mutex<Vec<String>>>,
}

impl Lab {
    fn new(pods: &[(&'static str, Held)]) -> Self {
        let start = Instant::now();
        let script = Script { pods: pods.iter().cloned().collect(), ..Script::default() };
        let script = Arc::new(Mutex::new(script));
        let served = script.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let served = served.clone();
            async move {
                let (method, uri) = (request.method().clone(), request.uri().to_string());
                let body = request.into_body().collect_bytes().await?;
                let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
                let now = start.elapsed().as_secs();
                let (code, value) = answer(&mut served.lock().unwrap(), &method, &uri, &body, now);
                let body = Body::from(value.to_string().into_bytes());
                Ok::<_, kube::Error>(Response::builder().status(code).body(body).unwrap())
            }
        });
        let clock = Clock::new(move || {
            UnixTime::from_millis(1_784_973_600_000 + i64::try_from(start.elapsed().as_millis()).unwrap())
        });
        Self { script, client: Client::new(service, "ns"), clock, told: Arc::default() }
    }

    async fn begin(&self, name: Option<&str>) -> Result<Session, super::RunError> {
        let told = self.told.clone();
        let note: Note = Arc::new(move |line: &str| told.lock().unwrap().push(line.to_owned()));
        let who = Identity {
            namespace: "ns".to_owned(),
            account: "a".to_owned(),
            pod: name.map(str::to_owned),
            ..Identity::default()
        };
        let begun =
            Session::begin(self.client.clone(), self.clock.clone(), &who, OsStr::new("own"), &note).await;
        begun.map(|(session, _)| session)
    }

    fn deleted(&self) -> Vec<(String, String, u64)> {
        self.script.lock().unwrap().deleted.clone()
    }
}

const DEAD: Held = Held { uid: "dead", scheduler: RUN_SCHEDULER, lives: false };
const ALIVE: Held = Held { uid: "alive", scheduler: RUN_SCHEDULER, lives: true };
const FOREIGN: Held = Held { uid: "foreign", scheduler: "default-scheduler", lives: false };

#[tokio::test(start_paused = true)]
async fn a_runner_removes_pods_whose_runners_are_gone_and_no_others() {
    let lab = Lab::new(&[("dead", DEAD), ("alive", ALIVE), ("foreign", FOREIGN)]);
    let session = lab.begin(None).await.unwrap();
    tokio::spawn(async move { session.collect_others().await });
    sleep(Duration::from_secs(600)).await;
    let deleted = lab.deleted();
    assert_eq!(deleted.len(), 1, "{deleted:?}");
    let (name, uid, at) = &deleted[0];
    assert_eq!((name.as_str(), uid.as_str()), ("dead", "dead"));
    assert!((45..=120).contains(at), "within two minutes, and not before 45 s: {at}");
    assert_eq!(*lab.told.lock().unwrap(), ["the pod dead was removed: its runner is gone"]);
}

#[tokio::test(start_paused = true)]
async fn a_name_is_taken_over_from_a_runner_that_is_gone() {
    let lab = Lab::new(&[("web", DEAD)]);
    let begun = Instant::now();
    assert_eq!(lab.begin(Some("web")).await.unwrap().name(), "web");
    assert_eq!(lab.deleted(), [("web".to_owned(), "dead".to_owned(), begun.elapsed().as_secs())]);
    assert_eq!(begun.elapsed().as_secs(), 45);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_in_use_is_left_alone() {
    for (held, words) in
        [(ALIVE, "belongs to a runner on h that lives"), (FOREIGN, "exists and is none of jeton run")]
    {
        let lab = Lab::new(&[("web", held)]);
        let error = lab.begin(Some("web")).await.err().unwrap().to_string();
        assert!(error.contains(words), "{error}");
        assert_eq!(lab.deleted(), []);
    }
}
