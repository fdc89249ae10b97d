//! A keeper against a scripted API server, in time that is not real.

use super::*;
use crate::happening::{Happening, Sink};
use crate::wanted::{PodRef, wanted};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Request, Response};
use jeton_core::clock::Clock;
use jeton_core::time::UnixTime;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const START: UnixTime = UnixTime::from_seconds(1_784_973_600);

/// What the server does at the moment.
#[derive(Default)]
struct Script {
    /// Seconds since the start at which tokens were asked for.
    asked: Vec<u64>,
    away: bool,
    uid: &'static str,
    /// The one ConfigMap, if there is one.
    map: Option<Value>,
}

#[derive(Default)]
struct Notes(Mutex<Vec<Happening>>);

impl Sink for Notes {
    fn happened(&self, _: &PodRef, what: &Happening) {
        self.0.lock().unwrap().push(what.clone());
    }
}

fn answer(code: u16, body: &Value) -> Response<Body> {
    Response::builder().status(code).body(Body::from(body.to_string().into_bytes())).unwrap()
}

fn token(script: &Script) -> String {
    let claims = json!({"iss": "x", "kubernetes.io": {"serviceaccount": {"name": "a", "uid": script.uid}}});
    format!("h.{}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()), script.asked.len())
}

async fn serve(script: Arc<Mutex<Script>>, start: Instant, request: Request<Body>) -> Response<Body> {
    let uri = request.uri().to_string();
    let watching = uri.contains("watch=true");
    let now = {
        let mut s = script.lock().unwrap();
        let failed =
            |code: u16, why: &str| answer(code, &json!({"code": code, "message": why, "reason": "x"}));
        if s.away {
            Some(failed(503, "away"))
        } else if uri.ends_with("/token") || uri.contains("/token?") {
            s.asked.push(start.elapsed().as_secs());
            let status = json!({"token": token(&s), "expirationTimestamp": "2026-07-25T11:00:00Z"});
            Some(answer(201, &json!({"spec": {"audiences": [], "expirationSeconds": 600}, "status": status})))
        } else if uri.contains("/serviceaccounts/") {
            Some(answer(
                200,
                &json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {"name": "a", "uid": s.uid}}),
            ))
        } else if uri.contains("/configmaps") && !watching {
            let items: Vec<&Value> = s.map.iter().collect();
            Some(answer(200, &json!({"metadata": {"resourceVersion": "1"}, "items": items})))
        } else {
            None
        }
    };
    match now {
        Some(answer) => answer,
        None => std::future::pending().await,
    }
}

struct Lab {
    script: Arc<Mutex<Script>>,
    notes: Arc<Notes>,
    keeper: Keeper,
    dir: tempfile::TempDir,
    start: Instant,
}

impl Lab {
    fn new(dir: tempfile::TempDir, map: Option<Value>) -> Self {
        let start = Instant::now();
        let script = Arc::new(Mutex::new(Script { uid: "u1", map, ..Script::default() }));
        let served = script.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let served = served.clone();
            async move { Ok::<_, tower::BoxError>(serve(served, start, request).await) }
        });
        let clock = Clock::new(move || {
            UnixTime::from_millis(START.millis() + i64::try_from(start.elapsed().as_millis()).unwrap())
        });
        let notes = Arc::new(Notes::default());
        let context = Context::new(Client::new(service, "ns"), clock, notes.clone());
        let pod = json!({
            "metadata": {"name": "p", "namespace": "ns", "uid": "pod-uid"},
            "spec": {"serviceAccountName": "a", "containers": [{"name": "c"}], "volumes": [{"name": "v", "projected": {"sources": [
                {"serviceAccountToken": {"path": "token"}}, {"configMap": {"name": "m"}},
                {"serviceAccountToken": {"path": "../token"}},
            ]}}]},
        });
        let wanted = wanted(&serde_json::from_value(pod).unwrap()).unwrap();
        let keeper = Keeper::start(&context, wanted, vec![Dir::open(dir.path()).unwrap()]);
        Self { script, notes, keeper, dir, start }
    }

    fn read(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.dir.path().join(name)).ok()
    }

    fn noted(&self, what: impl Fn(&Happening) -> bool) -> usize {
        self.notes.0.lock().unwrap().iter().filter(|n| what(n)).count()
    }

    /// Ready when the volume has had content.
    async fn written(&self) {
        self.keeper.progress().wait_for(|p| p.written).await.unwrap();
    }

    async fn until(&self, seconds: u64) {
        let target = Duration::from_secs(seconds);
        while self.start.elapsed() < target {
            sleep(Duration::from_millis(500)).await;
        }
    }
}

fn lab(map: Option<Value>) -> Lab {
    Lab::new(tempfile::tempdir().unwrap(), map)
}

fn map() -> Option<Value> {
    Some(json!({"metadata": {"name": "m", "namespace": "ns"}, "data": {"ca.crt": "CA"}}))
}

fn entries(path: &Path) -> usize {
    std::fs::read_dir(path).unwrap().count()
}

#[tokio::test(start_paused = true)]
async fn a_token_is_refreshed_in_its_window_and_nothing_is_left_over() {
    let lab = lab(map());
    lab.written().await;
    let first = lab.read("token").unwrap();
    assert_eq!(lab.read("ca.crt").as_deref(), Some("CA"));
    lab.until(490).await;
    let asked = lab.script.lock().unwrap().asked.clone();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!((420..=480).contains(&asked[1]), "{asked:?}");
    assert_ne!(lab.read("token").unwrap(), first);
    let faults = lab.keeper.progress().borrow().faults.clone();
    assert_eq!(faults.len(), 1, "only the path that leads out: {faults:?}");
    let (notes, dir) = (lab.notes.clone(), lab.dir);
    lab.keeper.stop().await;
    assert_eq!(entries(dir.path()), 4, "..data, its directory and two links");
    assert!(!format!("{:?}", notes.0.lock().unwrap()).contains(&first));
}

#[tokio::test(start_paused = true)]
async fn the_old_token_stays_while_the_server_is_away_and_a_new_one_comes_with_it() {
    let lab = lab(map());
    lab.written().await;
    let first = lab.read("token");
    lab.script.lock().unwrap().away = true;
    lab.until(470).await;
    assert_eq!(lab.noted(|n| matches!(n, Happening::TokenLate { .. })), 0);
    lab.until(650).await;
    assert_eq!(lab.read("token"), first);
    assert_eq!(lab.noted(|n| matches!(n, Happening::TokenLate { .. })), 1);
    assert_eq!(lab.noted(|n| matches!(n, Happening::TokenExpired { .. })), 1);
    assert!(lab.noted(|n| matches!(n, Happening::TokenFailed { code: 503, .. })) > 3);
    lab.script.lock().unwrap().away = false;
    lab.until(720).await;
    assert_ne!(lab.read("token"), first);
    assert_eq!(
        lab.noted(
            |n| matches!(n, Happening::TokenRefreshed { late_millis, first: false } if *late_millis > 170_000)
        ),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_missing_does_not_stop_the_token() {
    let lab = lab(None);
    lab.written().await;
    assert!(lab.read("token").is_some());
    assert_eq!(lab.noted(|n| matches!(n, Happening::SourceFailed { what, .. } if what == "configmap m")), 1);
    let first = lab.read("token");
    lab.until(490).await;
    assert_ne!(lab.read("token"), first);
}

#[tokio::test(start_paused = true)]
async fn an_account_that_was_made_anew_gets_its_token_at_once() {
    let lab = lab(map());
    lab.written().await;
    lab.until(30).await;
    lab.script.lock().unwrap().uid = "u2";
    lab.until(40).await;
    let asked = lab.script.lock().unwrap().asked.clone();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(asked[1] <= 36, "{asked:?}");
    assert_eq!(lab.noted(|n| matches!(n, Happening::AccountReplaced)), 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_start_without_a_server_keeps_what_is_on_disk() {
    let first = lab(map());
    first.written().await;
    let token = first.read("token");
    let dir = first.dir;
    first.keeper.stop().await;
    let again = Lab::new(dir, map());
    again.script.lock().unwrap().away = true;
    again.until(100).await;
    assert_eq!(again.read("token"), token);
    assert_eq!(again.read("ca.crt").as_deref(), Some("CA"));
    again.script.lock().unwrap().away = false;
    again.script.lock().unwrap().map = None;
    again.until(200).await;
    assert_eq!(again.read("ca.crt").as_deref(), Some("CA"), "gone at the server, but it was there");
    assert_eq!(again.script.lock().unwrap().asked.len(), 1);
}
