//! A day of scripted workloads on a real server whose clock is set, and what the doctor says about its audit log.
//!
//! `JETON_BLESS=1 cargo test -p e2e --test doctor_log` also writes the log to `fixtures/doctor/`, which the doctor's own
//! goldens read; then bless these too. Dates begin at midnight of the day before, because certificates are checked
//! against the machine's clock.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use base64::{Engine, engine::general_purpose::STANDARD};
use e2e::client::{Access, As};
use e2e::server::program;
use jeton_authority::audit;
use jeton_authority::config::Config;
use jeton_authority::server;
use jeton_core::clock::Clock;
use jeton_core::release::{NEWEST, Release};
use jeton_core::time::UnixTime;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

const SPACE: &str = "/api/v1/namespaces/shop";
const DAY: i64 = 24 * 3600;
/// Seconds between two requests of a program.
const STEP: i64 = 1800;
/// Requests of one program: a little more than a day.
const STEPS: i64 = 51;
const NODE: &str = "node-1";
/// Times a controller's work is looked for, 50 ms apart.
const ATTEMPTS: u32 = 200;

/// What a program does with its token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reads {
    Always,
    Never,
    /// As the file has it, which the kubelet does not refresh.
    FileStands,
}

/// A program in a pod.
struct Script {
    pod: &'static str,
    agent: &'static str,
    address: &'static str,
    reads: Reads,
    /// Requested lifetime.
    seconds: i64,
    /// Steps it lives.
    steps: i64,
}

const PYTHON_NEW: &str = "OpenAPI-Generator/26.1.0/python";
const SCRIPTS: [Script; 6] = [
    Script {
        pod: "cart-7c9f8d6b5d-x2k4z",
        agent: PYTHON_NEW,
        address: "10.1.0.1",
        reads: Reads::Always,
        seconds: 3607,
        steps: STEPS,
    },
    Script {
        pod: "orders-5b8d9c7f6c-k8w2p",
        agent: "OpenAPI-Generator/11.0.0/python",
        address: "10.1.0.2",
        reads: Reads::Never,
        seconds: 3607,
        steps: STEPS,
    },
    Script {
        pod: "search-0",
        agent: "fabric8-kubernetes-client/5.12.2",
        address: "10.1.0.3",
        reads: Reads::Never,
        seconds: 3607,
        steps: STEPS,
    },
    Script {
        pod: "frozen-6d9b7c5f48-7vq9m",
        agent: "frozen/v0.0.0 (linux/amd64) kubernetes/$Format",
        address: "10.1.0.4",
        reads: Reads::FileStands,
        seconds: 3607,
        steps: STEPS,
    },
    Script {
        pod: "short-0",
        agent: "short/v0.0.0 (linux/amd64) kubernetes/$Format",
        address: "10.1.0.5",
        reads: Reads::Never,
        seconds: 7200,
        steps: STEPS,
    },
    Script {
        pod: "batch-29400000-4tz9w",
        agent: "batch/1.0",
        address: "10.1.0.6",
        reads: Reads::Always,
        seconds: 3607,
        steps: 2,
    },
];

/// A server in this process, its clock, and who asks it.
struct Lab {
    dir: tempfile::TempDir,
    now: Arc<AtomicI64>,
    admin: Access,
    kubelet: Access,
    runtime: tokio::runtime::Runtime,
    stop: tokio::sync::oneshot::Sender<()>,
    done: tokio::task::JoinHandle<()>,
}

fn config(dir: &Path, extend: bool) -> Config {
    Config {
        data_dir: dir.join("data"),
        listen: "127.0.0.1:0".parse().unwrap(),
        signing_key_file: None,
        key_files: Vec::new(),
        issuers: vec!["https://kubernetes.default.svc".to_owned()],
        api_audiences: Vec::new(),
        max_token_seconds: 0,
        extend: Some(extend),
        release: Release::of(NEWEST),
        token_uses: false,
        audit: Some(audit::Settings { path: dir.join("audit.log"), ..audit::Settings::default() }),
        clean_up_seconds: 365 * DAY,
        lifetimes: None,
    }
}

/// The kubeconfig of a node, with a certificate of the server's own authority.
fn node(dir: &Path, admin: &str) -> String {
    let read = |name: &str| std::fs::read_to_string(dir.join("data").join(name)).unwrap();
    let pair = rcgen::KeyPair::from_pem(&read("ca.key")).unwrap();
    let issuer = rcgen::Issuer::from_ca_cert_pem(&read("ca.crt"), pair).unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, format!("system:node:{NODE}"));
    params.distinguished_name.push(rcgen::DnType::OrganizationName, "system:nodes");
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let own = rcgen::KeyPair::generate().unwrap();
    let cert = params.signed_by(&own, &issuer).unwrap();
    let mut config: Value = serde_yaml_ng::from_str(admin).unwrap();
    config["users"][0]["user"] = json!({"client-certificate-data": STANDARD.encode(cert.pem()),
        "client-key-data": STANDARD.encode(own.serialize_pem())});
    config.to_string()
}

impl Lab {
    fn new(start: i64, extend: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let now = Arc::new(AtomicI64::new(start));
        let hand = now.clone();
        let clock = Clock::new(move || UnixTime::from_seconds(hand.load(Ordering::SeqCst)));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let server = runtime.block_on(server::start(&config(dir.path(), extend), clock)).unwrap();
        let admin = std::fs::read_to_string(server.kubeconfig()).unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let done = runtime.spawn(server.run(async { drop(stopped.await) }));
        let kubelet = Access::read(&node(dir.path(), &admin)).unwrap();
        Self { now, admin: Access::read(&admin).unwrap(), kubelet, runtime, stop, done, dir }
    }

    fn post(&self, who: &Access, path: &str, body: &Value) -> Value {
        let headers = [
            ("Content-Type", "application/json"),
            ("User-Agent", "kubelet/v1.36.0 (linux/amd64) kubernetes/abcdef0"),
        ];
        let answer = who.send(&As::Admin, "POST", path, &headers, Some(body.to_string().as_bytes())).unwrap();
        assert_eq!(answer.status, 201, "{path}: {}", answer.value());
        answer.value()
    }

    /// Waits for what a controller makes.
    fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..ATTEMPTS {
            let answer = self.admin.ask(&As::Admin, "GET", path, None).unwrap();
            if answer.status == 200 && wanted(&answer.value()) {
                return answer.value();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{path} is not as wanted");
    }

    /// Namespace, node, rights, accounts and pods: uid by pod.
    fn furnish(&self) -> BTreeMap<&'static str, Value> {
        self.post(&self.admin, "/api/v1/nodes", &json!({"metadata": {"name": NODE}}));
        self.post(&self.admin, "/api/v1/namespaces", &json!({"metadata": {"name": "shop"}}));
        self.until(&format!("{SPACE}/serviceaccounts/default"), |_| true);
        let binding = json!({"metadata": {"name": "accounts-view"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
            "subjects": [{"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "system:serviceaccounts"}]});
        self.post(&self.admin, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", &binding);
        let mut uids = BTreeMap::new();
        for script in &SCRIPTS {
            let account = account(script);
            self.post(
                &self.admin,
                &format!("{SPACE}/serviceaccounts"),
                &json!({"metadata": {"name": account}}),
            );
            let pod = json!({"metadata": {"name": script.pod}, "spec": {"serviceAccountName": account,
                "nodeName": NODE, "containers": [{"name": "app", "image": "registry.example/app:1"}]}});
            uids.insert(
                script.pod,
                self.post(&self.admin, &format!("{SPACE}/pods"), &pod)["metadata"]["uid"].clone(),
            );
        }
        uids
    }

    /// What the kubelet writes into the file of a pod.
    fn issue(&self, script: &Script, uid: &Value) -> String {
        let path = format!("{SPACE}/serviceaccounts/{}/token", account(script));
        let body = json!({"spec": {"expirationSeconds": script.seconds,
            "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": script.pod, "uid": uid}}});
        self.post(&self.kubelet, &path, &body)["status"]["token"].as_str().unwrap().to_owned()
    }

    fn request(&self, token: &str, agent: &str, address: &str) -> u16 {
        let headers = [("User-Agent", agent), ("X-Forwarded-For", address)];
        self.admin
            .send(&As::Token(token), "GET", &format!("{SPACE}/pods?limit=1"), &headers, None)
            .unwrap()
            .status
    }

    /// A token Secret made by hand, filled by the controller.
    fn permanent(&self) -> String {
        self.post(
            &self.admin,
            &format!("{SPACE}/serviceaccounts"),
            &json!({"metadata": {"name": "deployer"}}),
        );
        let secret = json!({"type": "kubernetes.io/service-account-token", "metadata": {"name": "deployer-token",
            "annotations": {"kubernetes.io/service-account.name": "deployer"}}});
        self.post(&self.admin, &format!("{SPACE}/secrets"), &secret);
        let filled =
            self.until(&format!("{SPACE}/secrets/deployer-token"), |s| s["data"]["token"].is_string());
        String::from_utf8(STANDARD.decode(filled["data"]["token"].as_str().unwrap()).unwrap()).unwrap()
    }

    /// Ends the server; its log, whole.
    fn end(self) -> (tempfile::TempDir, String) {
        self.stop.send(()).unwrap();
        self.runtime.block_on(self.done).unwrap();
        let text = std::fs::read_to_string(self.dir.path().join("audit.log")).unwrap();
        (self.dir, text)
    }
}

fn account(script: &Script) -> &'static str {
    script.pod.split('-').next().unwrap()
}

/// Plays a day. Answers of the last request of each pod.
fn play(lab: &Lab, start: i64) -> BTreeMap<&'static str, u16> {
    let uids = lab.furnish();
    let permanent = lab.permanent();
    let mut files: BTreeMap<&str, (String, i64)> = BTreeMap::new();
    let mut last = BTreeMap::new();
    let mut held: BTreeMap<&str, String> = BTreeMap::new();
    for step in 0..STEPS {
        let at = start + step * STEP;
        lab.now.store(at, Ordering::SeqCst);
        for script in SCRIPTS.iter().filter(|script| step < script.steps) {
            // Kubernetes 1.36: the kubelet asks anew at 80 % of the lifetime.
            let old = files.get(script.pod).is_none_or(|(_, made)| at - made >= script.seconds * 8 / 10);
            if old && (script.reads != Reads::FileStands || step == 0) {
                files.insert(script.pod, (lab.issue(script, &uids[script.pod]), at));
            }
            let file = &files[script.pod].0;
            let token = held.entry(script.pod).or_insert_with(|| file.clone());
            if script.reads == Reads::Always {
                token.clone_from(file);
            }
            last.insert(script.pod, lab.request(token, script.agent, script.address));
        }
        if step % 4 == 0 {
            assert_eq!(lab.request(&permanent, "curl/8.5.0", "192.0.2.7"), 200);
        }
    }
    last
}

/// Namespace/account, state, class, seconds from the start to the deadline, rules of its findings.
type Row = (String, String, String, Option<i64>, Vec<String>);

fn rows(report: &Value, start: i64) -> BTreeSet<Row> {
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let seconds = |v: &Value| v.as_str().map(|t| t.parse::<jiff::Timestamp>().unwrap().as_second() - start);
    let all = report["workloads"].as_array().unwrap().iter();
    all.map(|row| {
        let ids = row["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| text(id).split(':').next().unwrap().to_owned());
        let deadline = seconds(&row["deadline"]);
        (
            text(&row["serviceAccount"]),
            text(&row["state"]),
            text(&row["client"]["tokenReload"]),
            deadline,
            ids.collect(),
        )
    })
    .collect()
}

fn row(account: &str, state: &str, class: &str, deadline: Option<i64>, rules: &[&str]) -> Row {
    let rules = rules.iter().map(|rule| (*rule).to_owned()).collect();
    (account.to_owned(), state.to_owned(), class.to_owned(), deadline, rules)
}

fn keep(name: &str, text: &str) {
    if std::env::var_os("JETON_BLESS").is_none() {
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/doctor").join(name);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(text.as_bytes()).unwrap();
    std::fs::write(path, gzip.finish().unwrap()).unwrap();
}

/// Plays a day, and has the doctor read its log.
fn examined(extend: bool, name: &str) -> (Value, i64, BTreeMap<&'static str, u16>) {
    let now = jiff::Timestamp::now().as_second();
    let start = now - now % DAY - DAY;
    let lab = Lab::new(start, extend);
    let last = play(&lab, start);
    let (dir, log) = lab.end();
    assert!(!log.contains("eyJ"), "a token is in the log");
    keep(name, &log);
    let path = dir.path().join("audit.log");
    let args = ["doctor", "audit", path.to_str().unwrap(), "-o", "json"];
    let out = Command::new(program()).args(args).output().unwrap();
    assert_eq!(out.status.code(), Some(1), "{}", String::from_utf8_lossy(&out.stderr));
    (serde_json::from_slice(&out.stdout).unwrap(), start, last)
}

#[test]
fn with_the_extension() {
    let (report, start, last) = examined(true, "extended.jsonl.gz");
    let year = Some(365 * DAY);
    let want = BTreeSet::from([
        row("cart", "fresh", "periodic(60s)", None, &[]),
        row("orders", "stale", "never", year, &["stale-token"]),
        row("search", "stale", "after-401", year, &["stale-self-heals"]),
        row("frozen", "stale", "unknown", year, &["stale-file"]),
        row("short", "expired", "unknown", Some(9000), &["expired-token"]),
        row("batch", "unknown", "unknown", None, &[]),
        row("deployer", "legacy", "unknown", None, &["legacy-token-manual"]),
    ]);
    assert_eq!(rows(&report, start), want, "{report:#}");
    assert_eq!((last["orders-5b8d9c7f6c-k8w2p"], last["short-0"]), (200, 401), "the server did the same");
    let verdict = &report["verdict"];
    assert_eq!(
        (&verdict["willFail"], &verdict["safeToDisableExtension"]),
        (&json!(3), &json!("no")),
        "{verdict}"
    );
}

#[test]
fn without_the_extension() {
    let (report, start, last) = examined(false, "not-extended.jsonl.gz");
    // 3607 s and a minute's leeway: the first request that is refused is the one after an hour and a half.
    let refused = Some(5400);
    let want = BTreeSet::from([
        row("cart", "fresh", "periodic(60s)", None, &[]),
        row("orders", "expired", "never", refused, &["expired-token"]),
        row("search", "expired", "after-401", refused, &["expired-token"]),
        row("frozen", "expired", "unknown", refused, &["expired-token"]),
        row("short", "expired", "unknown", Some(9000), &["expired-token"]),
        row("batch", "unknown", "unknown", None, &[]),
        row("deployer", "legacy", "unknown", None, &["legacy-token-manual"]),
    ]);
    assert_eq!(rows(&report, start), want, "{report:#}");
    assert_eq!(
        (last["orders-5b8d9c7f6c-k8w2p"], last["cart-7c9f8d6b5d-x2k4z"]),
        (401, 200),
        "the server did the same"
    );
}
