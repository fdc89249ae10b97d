//! What a server counts and writes down about requests and tokens.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use e2e::client::As;
use e2e::server::Server;
use http::Request;
use http_body_util::{BodyExt, Full};
use jeton_authority::api::App;
use jeton_authority::audit::{AuditLog, Settings};
use jeton_authority::edge::Peer;
use jeton_authority::exchange::Observer;
use jeton_authority::flow::{Keyring, Source};
use jeton_authority::metrics::Metrics;
use jeton_authority::server;
use jeton_authority::signer::{LocalSigner, Signer, local};
use jeton_authority::store::{Embedded, Store};
use jeton_core::clock::Clock;
use jeton_core::keys::KeySet;
use jeton_core::policy::Policy;
use jeton_core::time::UnixTime;
use jeton_core::wire::UserInfo;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

const NOW: i64 = 1_784_973_600;
const REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";

/// A server without a socket, whose clock the test sets.
struct Lab {
    app: Arc<App>,
    seconds: Arc<AtomicI64>,
    audit: PathBuf,
}

impl Lab {
    fn new(dir: &Path) -> Self {
        let seconds = Arc::new(AtomicI64::new(NOW));
        let clock = {
            let seconds = seconds.clone();
            Clock::new(move || UnixTime::from_seconds(seconds.load(Ordering::SeqCst)))
        };
        let store: Arc<dyn Store> = Arc::new(Embedded::open(&dir.join("jeton.db")).unwrap());
        let key = LocalSigner::from_pem(local::new_key_pem().unwrap().as_bytes()).unwrap();
        let keys = KeySet::new([key.public().clone()]);
        let metrics = Arc::new(Metrics::new(store.figures()).unwrap());
        let audit = dir.join("audit.log");
        let settings = Settings { path: audit.clone(), ..Settings::default() };
        let log = AuditLog::open(settings, clock.clone(), metrics.clone()).unwrap();
        let observer = Observer::new(metrics, Some(log), clock.clone());
        let policy = Policy::for_issuer("https://kubernetes.default.svc");
        let keys = (Keyring::fixed(Signer::Local(Arc::new(key)), keys), Source::Given("sa.key".into()));
        let address = "127.0.0.1:6443".parse().unwrap();
        let app = Arc::new(server::app(store, policy, keys, clock, observer, address));
        Self { app, seconds, audit }
    }

    async fn ask(&self, method: &str, path: &str, token: Option<&str>, body: Option<&Value>) -> (u16, Value) {
        let mut request = Request::builder().method(method).uri(path).header("user-agent", "lab/1");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if path.contains("impersonate") {
            request = request.header("impersonate-user", "jane");
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let bytes = body.map(|b| Bytes::from(b.to_string())).unwrap_or_default();
        let admin = UserInfo {
            username: "admin".to_owned(),
            groups: vec!["system:masters".to_owned(), "system:authenticated".to_owned()],
            ..UserInfo::default()
        };
        let user = token.is_none().then_some(admin);
        let peer = Peer { address: "192.0.2.7:1234".parse().unwrap(), user };
        let conversation = self.app.converse(peer);
        let answer = self.app.answer(request.body(Full::new(bytes)).unwrap(), &conversation).await;
        let code = answer.status().as_u16();
        assert!(answer.headers().contains_key("audit-id"));
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let text = || Value::String(String::from_utf8_lossy(&body).into_owned());
        (code, serde_json::from_slice(&body).unwrap_or_else(|_| text()))
    }

    async fn made(&self, path: &str, body: Value) -> Value {
        let (code, answer) = self.ask("POST", path, None, Some(&body)).await;
        assert_eq!(code, 201, "{answer}");
        answer
    }

    /// A pod's injected token, which is stretched to a year.
    async fn injected_token(&self) -> String {
        self.made("/api/v1/namespaces", json!({"metadata": {"name": "ci"}})).await;
        let account = json!({"metadata": {"name": "builder"}});
        self.made("/api/v1/namespaces/ci/serviceaccounts", account).await;
        let pod = json!({"metadata": {"name": "web"}, "spec": {
            "serviceAccountName": "builder", "containers": [{"name": "c", "image": "i"}]}});
        self.made("/api/v1/namespaces/ci/pods", pod).await;
        let request = json!({"spec": {"expirationSeconds": 3607,
            "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "web"}}});
        let answer = self.made("/api/v1/namespaces/ci/serviceaccounts/builder/token", request).await;
        answer["status"]["token"].as_str().unwrap().to_owned()
    }

    async fn counter(&self, name: &str) -> String {
        let (code, text) = self.ask("GET", "/metrics", None, None).await;
        assert_eq!(code, 200);
        let text = text.as_str().unwrap().to_owned();
        text.lines().find(|l| l.starts_with(&format!("{name} "))).unwrap().to_owned()
    }

    /// Every event, once all are on the disk.
    fn events(&self) -> Vec<Value> {
        self.app.observer.audit.as_ref().unwrap().finish();
        let text = std::fs::read_to_string(&self.audit).unwrap();
        assert!(!text.contains("eyJ"), "a token in the audit log");
        text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_token_is_counted_and_annotated_at_each_use() {
    let dir = tempfile::tempdir().unwrap();
    let lab = Lab::new(dir.path());
    let token = lab.injected_token().await;
    lab.ask("GET", "/api/v1/nodes", Some(&token), None).await;
    assert_eq!(lab.counter("serviceaccount_valid_tokens_total").await, "serviceaccount_valid_tokens_total 1");
    lab.seconds.store(NOW + 3607 + 25, Ordering::SeqCst);
    for _ in 0..2 {
        assert_eq!(lab.ask("GET", "/api/v1/nodes", Some(&token), None).await.0, 403);
    }
    let review = json!({"spec": {"token": token}});
    let (_, answer) = lab.ask("POST", REVIEWS, None, Some(&review)).await;
    assert_eq!(answer["status"]["authenticated"], true);
    assert_eq!(lab.counter("serviceaccount_stale_tokens_total").await, "serviceaccount_stale_tokens_total 3");
    let events = lab.events();
    let issued: Vec<&Value> = events.iter().filter(|e| e["objectRef"]["subresource"] == "token").collect();
    let id = issued[0]["annotations"]["authentication.kubernetes.io/issued-credential-id"].as_str().unwrap();
    let stale = "subject: system:serviceaccount:ci:builder, seconds after warning threshold: 25".to_owned();
    let used: Vec<&Value> = events
        .iter()
        .filter(|e| e["annotations"]["authentication.k8s.io/stale-token"] == json!(stale))
        .collect();
    assert_eq!(used.len(), 2);
    assert_eq!(used[0]["user"]["extra"]["authentication.kubernetes.io/credential-id"], json!([id]));
    assert_eq!(used[0]["user"]["extra"]["authentication.kubernetes.io/pod-name"], json!(["web"]));
    assert_eq!(used[0]["annotations"]["authorization.k8s.io/decision"], "forbid");
    let reviewed = events.iter().find(|e| e["objectRef"]["resource"] == "tokenreviews").unwrap();
    assert_eq!(reviewed["user"]["username"], "admin");
    assert_eq!(reviewed["annotations"]["jeton.dev/reviewed-stale-token"], json!(stale));
    assert_eq!(reviewed["annotations"]["authentication.k8s.io/stale-token"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_say_who_did_what_to_what() {
    let dir = tempfile::tempdir().unwrap();
    let lab = Lab::new(dir.path());
    let token = lab.injected_token().await;
    assert_eq!(lab.ask("GET", "/api/v1/pods?x=y", Some("a.b.c"), None).await.0, 401);
    lab.ask("GET", &format!("/api/v1/nodes?token={token}"), None, None).await;
    lab.ask("GET", "/api/v1/namespaces/ci/pods/ghost", None, None).await;
    lab.ask("GET", "/nowhere", None, None).await;
    lab.ask("GET", "/api/v1/nodes?impersonate", None, None).await;
    let events = lab.events();
    let at = |uri: &str| events.iter().find(|e| e["requestURI"] == uri).unwrap_or_else(|| panic!("{uri}"));
    let refused = at("/api/v1/pods?x=y");
    assert_eq!(refused["user"], json!({}));
    assert_eq!(refused["responseStatus"]["code"], 401);
    assert_eq!(refused["responseStatus"]["message"], "Authentication failed, attempted: bearer");
    let created = at("/api/v1/namespaces/ci/pods");
    assert_eq!(
        created["objectRef"],
        json!({"resource": "pods", "namespace": "ci", "name": "web", "apiVersion": "v1"})
    );
    assert_eq!((created["verb"].as_str(), &created["level"]), (Some("create"), &json!("Metadata")));
    assert_eq!(created["sourceIPs"], json!(["192.0.2.7"]));
    assert_eq!((&created["userAgent"], &created["stage"]), (&json!("lab/1"), &json!("ResponseComplete")));
    assert_eq!(created["requestReceivedTimestamp"], "2026-07-25T10:00:00.000000Z");
    assert_eq!(at("/api/v1/nodes?token=<redacted>")["responseStatus"], json!({"metadata": {}, "code": 200}));
    let acted = at("/api/v1/nodes?impersonate");
    assert_eq!(acted["user"]["username"], "admin");
    assert_eq!(acted["impersonatedUser"], json!({"username": "jane", "groups": ["system:authenticated"]}));
    assert_eq!(acted["annotations"]["authorization.k8s.io/decision"], "forbid");
    let missing = at("/api/v1/namespaces/ci/pods/ghost");
    assert_eq!(missing["responseStatus"]["message"], "pods \"ghost\" not found");
    assert_eq!(missing["responseStatus"]["reason"], "NotFound");
    assert_eq!((at("/nowhere")["verb"].as_str(), &at("/nowhere")["objectRef"]), (Some("get"), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_written_down_when_it_begins_and_when_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let lab = Lab::new(dir.path());
    lab.app.end();
    let uri = "/api/v1/namespaces?watch=1&timeoutSeconds=1";
    assert_eq!(lab.ask("GET", uri, None, None).await.0, 200);
    let events = lab.events();
    let stages: Vec<(&str, u64)> = events
        .iter()
        .filter(|e| e["requestURI"] == uri)
        .map(|e| (e["stage"].as_str().unwrap(), e["responseStatus"]["code"].as_u64().unwrap()))
        .collect();
    assert_eq!(stages, [("ResponseStarted", 200), ("ResponseComplete", 200)]);
    assert_eq!(events[0]["auditID"], events[1]["auditID"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_is_written_down() {
    let dir = tempfile::tempdir().unwrap();
    let lab = Lab::new(dir.path());
    let body = Never;
    let request = Request::post(REVIEWS).header("content-type", "application/json").body(body).unwrap();
    let peer = Peer {
        address: "192.0.2.7:1".parse().unwrap(),
        user: Some(UserInfo { groups: vec!["system:masters".to_owned()], ..UserInfo::default() }),
    };
    let conversation = lab.app.converse(peer);
    let mut waiting = Box::pin(lab.app.answer(request, &conversation));
    let polled =
        std::future::poll_fn(|context| std::task::Poll::Ready(waiting.as_mut().poll(context).is_pending()));
    assert!(polled.await, "the body never comes");
    drop(waiting);
    let events = lab.events();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["responseStatus"]["message"], "the client went away before it was answered");
}

/// A body that never comes.
struct Never;

impl http_body::Body for Never {
    type Data = Bytes;
    type Error = std::convert::Infallible;
    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Pending
    }
}

/// A disk that takes nothing: a pipe that nobody reads. Requests are answered, lost lines are counted, and the
/// server still ends when it is asked to.
#[test]
fn a_stuck_disk_holds_no_request_up_for_long() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    // Open at both ends, so that the server's opening does not wait.
    let held = std::fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    let path = pipe.to_str().unwrap();
    let server = Server::start(&dir.path().join("data"), &["--audit-log-path", path]).unwrap();
    let mut connection = server.access.connect(true).unwrap();
    // Each line holds the whole URI: the queue of 16 MiB is full after about 280.
    let uri = format!("/version?{}", "x".repeat(60_000));
    for _ in 0..290 {
        assert_eq!(connection.request("GET", &uri, &[], None).unwrap().status, 200);
    }
    let metrics = server.access.ask(&As::Admin, "GET", "/metrics", None).unwrap();
    let text = String::from_utf8(metrics.body).unwrap();
    let lost = text.lines().find_map(|l| l.strip_prefix("apiserver_audit_error_total{plugin=\"log\"} "));
    let lost: u64 = lost.unwrap().parse().unwrap();
    assert!((1..290).contains(&lost), "{lost}");
    assert!(server.stop().unwrap().success());
    drop(held);
}

#[test]
fn an_audit_log_that_cannot_be_is_refused_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let path = file.join("audit.log");
    let error =
        Server::start(&dir.path().join("data"), &["--audit-log-path", path.to_str().unwrap()]).unwrap_err();
    assert!(error.contains("the audit log") && error.contains("cannot be written"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_a_client_made_up_are_no_labels() {
    let dir = tempfile::tempdir().unwrap();
    let lab = Lab::new(dir.path());
    for path in ["/api/v1/madeup", "/api/v1/namespaces/default/pods/p/madeup", "/madeup"] {
        let (status, _) = lab.ask("GET", path, None, None).await;
        assert_eq!(status, 404, "{path}");
    }
    let (_, text) = lab.ask("GET", "/metrics", None, None).await;
    assert!(!text.as_str().unwrap().contains("madeup"));
}

#[test]
fn a_key_file_that_is_not_there_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nowhere.pem");
    for flag in ["--service-account-key-file", "--service-account-signing-key-file"] {
        let error = Server::start(&dir.path().join("data"), &[flag, path.to_str().unwrap()]).unwrap_err();
        assert!(error.contains("nowhere.pem is not there"), "{error}");
    }
}

/// The reference lists exactly the metrics that there are.
#[tokio::test(flavor = "multi_thread")]
async fn the_reference_lists_every_metric() {
    let dir = tempfile::tempdir().unwrap();
    let lab = Lab::new(dir.path());
    // Labelled metrics are there once something was counted.
    let token = lab.injected_token().await;
    lab.ask("GET", "/version", Some(&token), None).await;
    let (_, text) = lab.ask("GET", "/metrics", None, None).await;
    let shown = text.as_str().unwrap().lines().filter_map(|l| l.strip_prefix("# HELP ")?.split(' ').next());
    // This server was given its key; one that manages its keys tells more of them.
    let managed = ["created", "next_step"].map(|what| format!("jeton_signing_key_{what}_timestamp_seconds"));
    let shown = shown.chain(managed.iter().map(String::as_str));
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/metrics.md");
    let page = std::fs::read_to_string(page).unwrap();
    let listed = page.lines().filter_map(|l| l.strip_prefix("| `")?.split('`').next());
    let sorted =
        |names: Vec<&str>| names.into_iter().map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(sorted(shown.collect()), sorted(listed.collect()));
}
