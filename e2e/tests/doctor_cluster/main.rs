//! `jeton doctor cluster`, `collect` and `rbac` against a full server and against scripted ones.
//!
//! 10,000 pods; by hand with another number: `JETON_DOCTOR_PODS=100000 cargo test -p e2e --test doctor_cluster -- --nocapture`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and tells its counts"
)]

mod scripted;

use base64::{Engine, engine::general_purpose::STANDARD};
use e2e::client::As;
use e2e::server::{Server, program};
use scripted::{Identity, Script};
use serde_json::{Value, json};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

/// Connections that load pods at the same time.
const LOADERS: usize = 8;
/// Times a controller's work is looked for, 50 ms apart.
const ATTEMPTS: u32 = 200;
const SPACE: &str = "/api/v1/namespaces/default";
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

fn doctor(args: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.arg("doctor").args(args).env_remove("KUBECONFIG").output().unwrap()
}

/// Facts on standard output, and what was told on the way.
fn told(out: &Output) -> (Value, String) {
    let notes = String::from_utf8_lossy(&out.stderr).into_owned();
    let facts = serde_json::from_slice(&out.stdout).unwrap_or_else(|_| panic!("no JSON; {notes}"));
    (facts, notes)
}

fn gaps(cluster: &Value) -> Vec<&str> {
    cluster["unknown"].as_array().unwrap().iter().map(|gap| gap["id"].as_str().unwrap()).collect()
}

/// A server with an audit log, and a doctor who has an account of its own.
struct Lab {
    dir: tempfile::TempDir,
    server: Server,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("audit.log");
        let data = dir.path().join("data");
        let server = Server::start(&data, &["--audit-log-path", log.to_str().unwrap()]).unwrap();
        let lab = Self { dir, server };
        lab.until(&format!("{SPACE}/serviceaccounts/default"), |_| true);
        lab.made(&format!("{SPACE}/serviceaccounts"), &json!({"metadata": {"name": "doctor"}}));
        lab
    }

    fn made(&self, path: &str, body: &Value) -> Value {
        let answer = self.server.access.ask(&As::Admin, "POST", path, Some(body)).unwrap();
        assert_eq!(answer.status, 201, "{path}: {}", answer.value());
        answer.value()
    }

    fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..ATTEMPTS {
            let answer = self.server.access.ask(&As::Admin, "GET", path, None).unwrap();
            if answer.status == 200 && wanted(&answer.value()) {
                return answer.value();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{path} is not as wanted");
    }

    /// What `doctor rbac` prints, applied and bound.
    fn grant(&self, flags: &[&str]) {
        let printed = doctor(&[&["rbac"], flags].concat());
        let text = String::from_utf8(printed.stdout).unwrap();
        for document in text.split("\n---\n") {
            let role: Value = serde_yaml_ng::from_str(document).unwrap();
            self.made(&format!("{RBAC}/clusterroles"), &role);
            let name = &role["metadata"]["name"];
            let binding = json!({"metadata": {"name": name},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": "doctor", "namespace": "default"}]});
            self.made(&format!("{RBAC}/clusterrolebindings"), &binding);
        }
    }

    /// A kubeconfig of the doctor's account, with its token in a file beside it.
    fn kubeconfig(&self) -> PathBuf {
        let answer = self.made(&format!("{SPACE}/serviceaccounts/doctor/token"), &json!({"spec": {}}));
        std::fs::write(self.dir.path().join("token"), answer["status"]["token"].as_str().unwrap()).unwrap();
        let admin = std::fs::read_to_string(&self.server.kubeconfig).unwrap();
        let mut config: Value = serde_yaml_ng::from_str(&admin).unwrap();
        config["users"][0]["user"] = json!({"tokenFile": "token"});
        let path = self.dir.path().join("doctor.kubeconfig");
        std::fs::write(&path, config.to_string()).unwrap();
        path
    }

    /// Verbs, resources and paths of everything the doctor's account asked, one for each request.
    fn asked(&self) -> Vec<(String, String)> {
        let text = std::fs::read_to_string(self.dir.path().join("audit.log")).unwrap();
        let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let own = events.filter(|e| e["user"]["username"] == "system:serviceaccount:default:doctor");
        let ended = own.filter(|e| e["stage"] == "ResponseComplete");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        ended.map(|e| (text(&e["verb"]), text(&e["requestURI"]))).collect()
    }

    /// As `asked`, once all lines are on the disk.
    fn asked_in_all(&self, count: usize) -> Vec<(String, String)> {
        for _ in 0..ATTEMPTS {
            if self.asked().len() >= count {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.asked()
    }
}

fn pod(n: usize, owner: &Value) -> Value {
    let mut spec = json!({"containers": [{"name": "c", "image": "registry.example/app:1"}]});
    if n.is_multiple_of(10) {
        spec["volumes"] = json!([{"name": "t", "secret": {"secretName": "forever"}}]);
        spec["containers"][0]["volumeMounts"] = json!([{"name": "t", "mountPath": "/t", "subPath": "token"}]);
    }
    json!({"apiVersion": "v1", "kind": "Pod", "spec": spec, "metadata": {"name": format!("web-{n}"),
        "labels": {"pod-template-hash": "6d4cf56db6"},
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-6d4cf56db6",
            "uid": owner["metadata"]["uid"], "controller": true}]}})
}

/// Pods of one ReplicaSet: without it the server would collect them.
fn load_pods(lab: &Lab, count: usize) {
    let labels = json!({"pod-template-hash": "6d4cf56db6"});
    let template =
        json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let set = json!({"metadata": {"name": "web-6d4cf56db6"}, "spec": {"selector": {"matchLabels": labels}, "template": template}});
    let owner = &lab.made("/apis/apps/v1/namespaces/default/replicasets", &set);
    let server = &lab.server;
    std::thread::scope(|scope| {
        for loader in 0..LOADERS {
            scope.spawn(move || {
                let mut connection = server.access.connect(true).unwrap();
                for n in (loader..count).step_by(LOADERS) {
                    let (headers, body) = ([("Content-Type", "application/json")], pod(n, owner).to_string());
                    let path = format!("{SPACE}/pods");
                    let answer = connection.request("POST", &path, &headers, Some(body.as_bytes())).unwrap();
                    assert_eq!(answer.status, 201, "{}", answer.value());
                }
            });
        }
    });
}

/// What Helm 3 keeps of a release: gzip in base64, which the API puts into base64 again.
fn release(name: &str, revision: u32, chart: &str) -> Value {
    let text = json!({"name": name, "chart": {"metadata": {"name": name, "version": chart}},
        "config": {"password": "hunter2"}});
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(text.to_string().as_bytes()).unwrap();
    let data = STANDARD.encode(STANDARD.encode(gzip.finish().unwrap()));
    json!({"apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1", "data": {"release": data},
        "metadata": {"name": format!("sh.helm.release.v1.{name}.v{revision}"), "labels": {"owner": "helm", "name": name,
            "version": revision.to_string(), "status": if revision == 1 { "superseded" } else { "deployed" }}}})
}

fn token_secret(lab: &Lab) -> String {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "metadata": {"name": "forever", "annotations": {"kubernetes.io/service-account.name": "default"}}});
    lab.made(&format!("{SPACE}/secrets"), &secret);
    let filled = lab.until(&format!("{SPACE}/secrets/forever"), |s| s["data"]["token"].is_string());
    let token = STANDARD.decode(filled["data"]["token"].as_str().unwrap()).unwrap();
    String::from_utf8(token).unwrap()
}

/// Has the account list its Secret, as Kubernetes before 1.24 did, gives it rights, and uses the token.
fn use_token(lab: &Lab, token: &str) {
    let account = format!("{SPACE}/serviceaccounts/default");
    let patch = [("Content-Type", "application/merge-patch+json")];
    let body = br#"{"secrets":[{"name":"forever"}]}"#;
    let answer = lab.server.access.send(&As::Admin, "PATCH", &account, &patch, Some(body)).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.value());
    let binding = json!({"metadata": {"name": "default-edits"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "default"}]});
    lab.made(&format!("{RBAC}/namespaces/default/rolebindings"), &binding);
    assert_eq!(lab.server.access.ask(&As::Token(token), "GET", "/version", None).unwrap().status, 200);
    let used = |s: &Value| s["metadata"]["labels"]["kubernetes.io/legacy-token-last-used"].is_string();
    lab.until(&format!("{SPACE}/secrets/forever"), used);
}

/// Uses a pod's injected token, which is counted only where lifetimes are extended.
fn use_injected(lab: &Lab) {
    let request = json!({"spec": {"expirationSeconds": 3607,
        "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "web-10"}}});
    let answer = lab.made(&format!("{SPACE}/serviceaccounts/default/token"), &request);
    let token = answer["status"]["token"].as_str().unwrap();
    assert_eq!(lab.server.access.ask(&As::Token(token), "GET", "/version", None).unwrap().status, 200);
}

/// Each add-on at its last affected version in one namespace and its first good one in another.
fn addons(lab: &Lab) -> Vec<(&'static str, &'static str)> {
    let all = [
        ("old", "cceaddon-npd", "1.15.0"),
        ("old", "cceaddon-prometheus", "2.23.34"),
        ("new", "cceaddon-npd", "1.15.1"),
        ("new", "cceaddon-prometheus", "2.23.35"),
    ];
    for namespace in ["old", "new"] {
        lab.made("/api/v1/namespaces", &json!({"metadata": {"name": namespace}}));
    }
    for (namespace, name, chart) in all {
        let path = format!("/api/v1/namespaces/{namespace}/secrets");
        lab.made(&path, &release(name, 1, "0.0.1"));
        lab.made(&path, &release(name, 2, chart));
    }
    let broken = json!({"metadata": {"name": "sh.helm.release.v1.x.v1", "labels": {"owner": "helm",
        "name": "cceaddon-npd", "version": "1", "status": "deployed"}}, "data": {"release": "AAAA"}});
    lab.made(&format!("{SPACE}/secrets"), &broken);
    all.map(|(_, name, chart)| (name, chart)).to_vec()
}

#[test]
fn a_full_cluster_is_seen_and_only_read() {
    let pods: usize = std::env::var("JETON_DOCTOR_PODS").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000);
    let lab = Lab::new();
    let token = token_secret(&lab);
    let mut want: Vec<(&str, Option<&str>)> = addons(&lab).into_iter().map(|(n, v)| (n, Some(v))).collect();
    want.push(("cceaddon-npd", None));
    load_pods(&lab, pods);
    use_token(&lab, &token);
    use_injected(&lab);
    lab.grant(&["--with-secrets"]);
    let bundle = lab.dir.path().join("bundles/");
    let out = doctor(&[
        "collect",
        "--kubeconfig",
        lab.kubeconfig().to_str().unwrap(),
        "--out",
        &format!("{}/", bundle.display()),
    ]);
    println!("{}", String::from_utf8_lossy(&out.stderr).trim());
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
    let path = bundle.join("bundle.json");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    for secret in [token.as_str(), "eyJ", "hunter2"] {
        assert!(!text.contains(secret), "the bundle holds a secret");
    }
    let (facts, _) = told(&doctor(&["cluster", "--facts", "--from", bundle.to_str().unwrap()]));
    let (twice, _) = told(&doctor(&[
        "cluster",
        "--facts",
        "--from",
        path.to_str().unwrap(),
        "--from",
        bundle.to_str().unwrap(),
    ]));
    assert_eq!(twice["clusters"][1]["name"], format!("jeton ({})", path.display()));
    let cluster = &facts["clusters"][0];
    let no_gaps: [&str; 0] = [];
    assert_eq!(gaps(cluster), no_gaps, "a counter that moved tells that lifetimes are extended");
    assert_eq!(cluster["replicas"][0]["validTokens"], 1);
    assert_eq!(cluster["replicas"][0]["legacyTokens"], 1);
    assert_eq!(cluster["pods"].as_array().unwrap().len(), pods);
    assert_eq!(cluster["platform"], "cce");
    let one = cluster["pods"].as_array().unwrap().iter().find(|p| p["name"] == "web-10").unwrap();
    assert_eq!(one["owner"], "Deployment/web");
    let injected = json!({"container": "c", "source": "injected", "subPath": false});
    let secret = json!({"container": "c", "source": {"secretVolume": "forever"}, "subPath": true});
    let tokens = one["tokens"].as_array().unwrap();
    assert!(tokens.contains(&injected) && tokens.contains(&secret) && tokens.len() == 2, "{tokens:?}");
    let today = jiff::Timestamp::now().to_string()[..10].to_owned();
    let secret = json!({"namespace": "default", "name": "forever", "serviceAccount": "default", "auto": true,
        "lastUsed": today, "invalidSince": null, "roles": ["ClusterRole/edit in namespace default"]});
    assert_eq!(cluster["tokenSecrets"], json!([secret]));
    let mut seen: Vec<(&str, Option<&str>)> = cluster["releases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["release"].as_str().unwrap(), r["chartVersion"].as_str()))
        .collect();
    seen.sort_unstable();
    want.sort_unstable();
    assert_eq!(seen, want);
    only_read(&lab, &out);
}

/// The server's own log: as many requests as were told, all of them get or list.
fn only_read(lab: &Lab, out: &Output) {
    let notes = String::from_utf8_lossy(&out.stderr).into_owned();
    let told: usize = notes.split(": ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    let asked = lab.asked_in_all(told);
    assert_eq!(asked.len(), told, "{notes}");
    for (verb, path) in &asked {
        assert!(matches!(verb.as_str(), "get" | "list"), "{verb} {path}");
    }
    let pages = asked.iter().filter(|(_, path)| path.starts_with("/api/v1/pods?")).count();
    println!("{told} requests, {pages} pages of pods, all of them get or list");
}

#[test]
fn without_rights_everything_is_unknown_and_without_secrets_the_rest_is_seen() {
    let lab = Lab::new();
    token_secret(&lab);
    load_pods(&lab, 11);
    let config = lab.kubeconfig();
    through_a_program(&config);
    let args = ["cluster", "--facts", "--kubeconfig", config.to_str().unwrap(), "--qps", "100"];
    let out = doctor(&args);
    let (facts, _) = told(&out);
    let want = [
        "not-granted",
        "no-metrics",
        "not-granted-secrets",
        "not-granted",
        "not-granted",
        "extension-unknown",
    ];
    assert_eq!(gaps(&facts["clusters"][0]), want);
    assert_eq!(out.status.code(), Some(0));
    lab.grant(&[]);
    let (facts, _) = told(&doctor(&args));
    let cluster = &facts["clusters"][0];
    assert_eq!(gaps(cluster), ["not-granted-secrets", "not-granted", "extension-unknown"]);
    assert_eq!(cluster["pods"].as_array().unwrap().len(), 11);
    assert_eq!(cluster["replicas"].as_array().unwrap().len(), 1);
}

/// Has the token come from a program, as managed clusters do.
fn through_a_program(kubeconfig: &Path) {
    let mut config: Value = serde_json::from_str(&std::fs::read_to_string(kubeconfig).unwrap()).unwrap();
    let file = kubeconfig.with_file_name("token");
    let script = format!(r#"printf '{{"status":{{"token":"%s"}}}}' "$(cat {})""#, file.display());
    config["users"][0]["user"] = json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1",
        "command": "sh", "args": ["-c", script], "interactiveMode": "IfAvailable"}});
    std::fs::write(kubeconfig, config.to_string()).unwrap();
}

/// A kubeconfig with one context for each (name, server).
fn config(dir: &Path, identity: &Identity, servers: &[(&str, String)], more: &Value) -> String {
    let mut clusters = Vec::new();
    for (name, server) in servers {
        clusters.push(json!({"name": name, "cluster": {"server": server, "certificate-authority-data": identity.data()}}));
    }
    clusters.push(json!({"name": "unsafe", "cluster": more}));
    let contexts: Vec<Value> = clusters
        .iter()
        .map(|c| json!({"name": c["name"], "context": {"cluster": c["name"], "user": "u"}}))
        .collect();
    let text =
        json!({"clusters": clusters, "contexts": contexts, "users": [{"name": "u", "user": {"token": "t"}}]});
    let path = dir.join("kubeconfig");
    std::fs::write(&path, text.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

fn counters(start: usize, stale: usize) -> String {
    format!("serviceaccount_stale_tokens_total {stale}\nprocess_start_time_seconds {start}\n")
}

fn slice(addresses: &[&str], port: u16) -> String {
    let endpoints: Vec<Value> = addresses.iter().map(|a| json!({"addresses": [a]})).collect();
    json!({"items": [{"endpoints": endpoints, "ports": [{"port": port}]}]}).to_string()
}

/// Three API servers behind one address, in turn, and slices that lead nowhere; the first page of pods asks for patience.
fn balanced() -> Script {
    let (mut turn, mut refused) = (0, false);
    Box::new(move |path| match path.split('?').next().unwrap_or_default() {
        "/version" => (200, "", r#"{"gitVersion":"v1.30.1-eks-1a2b3c"}"#.to_owned()),
        "/metrics" => {
            turn += 1;
            (200, "", counters(1000 + turn % 3, turn))
        }
        path if path.ends_with("/endpointslices") => {
            (200, "", slice(&["127.0.0.2", "127.0.0.3", "127.0.0.4"], 1))
        }
        "/api/v1/pods" if !std::mem::replace(&mut refused, true) => {
            (429, "Retry-After: 1\r\n", String::new())
        }
        _ => (200, "", r#"{"items":[]}"#.to_owned()),
    })
}

#[test]
fn replicas_behind_one_address_are_told_apart_and_lost_clusters_hide_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let identity = Identity::new();
    let good = identity.serve("127.0.0.1:0", balanced());
    let stranger = Identity::new().serve("127.0.0.1:0", Box::new(|_| (200, "", "{}".to_owned())));
    let servers = [
        ("gone", "https://127.0.0.1:1".to_owned()),
        ("stranger", format!("https://{stranger}")),
        ("good", format!("https://{good}")),
    ];
    let unsafe_one = json!({"server": format!("https://{good}"), "insecure-skip-tls-verify": true});
    let config = config(dir.path(), &identity, &servers, &unsafe_one);
    let context = |name| ["--context", name];
    let args = ["cluster", "--facts", "--kubeconfig", config.as_str(), "--qps", "100"];
    let contexts = ["gone", "stranger", "unsafe", "good"].map(context).concat();
    let out = doctor(&[&args[..], &contexts].concat());
    let (facts, notes) = told(&out);
    assert_eq!(out.status.code(), Some(0), "one of four could be read");
    let clusters = facts["clusters"].as_array().unwrap();
    let error = |n: usize| clusters[n]["error"].as_str().unwrap_or_default();
    assert!(error(0).contains("127.0.0.1:1"), "{notes}");
    assert!(error(1).contains("certificate"), "{notes}");
    assert!(error(2).contains("insecure-skip-tls-verify"), "{notes}");
    let replicas = clusters[3]["replicas"].as_array().unwrap();
    let starts: Vec<&str> = replicas.iter().map(|r| r["name"].as_str().unwrap()).collect();
    assert_eq!(starts, ["1970-01-01T00:16:40Z", "1970-01-01T00:16:41Z", "1970-01-01T00:16:42Z"]);
    assert_eq!((gaps(&clusters[3]), &clusters[3]["platform"]), (vec![], &json!("eks")));
    let out = doctor(&[&args[..], &context("gone")].concat());
    assert_eq!(out.status.code(), Some(2), "nothing could be read");
}

#[test]
fn each_replica_is_asked_at_its_own_address_under_the_name_of_the_cluster() {
    let dir = tempfile::tempdir().unwrap();
    let identity = Identity::new();
    let port = std::sync::Arc::new(std::sync::atomic::AtomicU16::new(0));
    let server = |n: usize| -> Script {
        let port = port.clone();
        Box::new(move |path| match path.split('?').next().unwrap_or_default() {
            "/metrics" => (200, "", counters(1000 + n, n * 10)),
            path if path.ends_with("/endpointslices") => {
                let port = port.load(std::sync::atomic::Ordering::SeqCst);
                (200, "", slice(&["127.0.0.1", "127.0.0.2", "127.0.0.3"], port))
            }
            _ => (200, "", r#"{"gitVersion":"v1.33.1","items":[]}"#.to_owned()),
        })
    };
    let first = identity.serve("127.0.0.1:0", server(1));
    port.store(first.port(), std::sync::atomic::Ordering::SeqCst);
    identity.serve(&format!("127.0.0.2:{}", first.port()), server(2));
    // The third is somebody else, who must learn nothing and be believed nothing.
    let betrayed = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let heard = betrayed.clone();
    let stranger: Script = Box::new(move |_| {
        heard.store(true, std::sync::atomic::Ordering::SeqCst);
        (200, "", counters(1003, 30))
    });
    Identity::new().serve(&format!("127.0.0.3:{}", first.port()), stranger);
    let config = config(dir.path(), &identity, &[("c", format!("https://{first}"))], &json!({}));
    let (facts, notes) =
        told(&doctor(&["cluster", "--facts", "--kubeconfig", &config, "--context", "c", "--qps", "100"]));
    let cluster = &facts["clusters"][0];
    let replicas = cluster["replicas"].as_array().unwrap().iter();
    let seen: Vec<(String, Value)> =
        replicas.map(|r| (r["name"].as_str().unwrap().to_owned(), r["staleTokens"].clone())).collect();
    let at = |n: u8| format!("127.0.0.{n}:{}", first.port());
    assert_eq!(seen, [(at(1), json!(10)), (at(2), json!(20))], "{notes}");
    assert!(!betrayed.load(std::sync::atomic::Ordering::SeqCst));
    assert_eq!(cluster["unknown"][0]["detail"], format!("2 of 3; no direct answer of {}", at(3)));
}

#[test]
fn a_bundle_that_is_none_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.json");
    std::fs::write(&path, "{}").unwrap();
    let out = doctor(&["cluster", "--facts", "--from", path.to_str().unwrap()]);
    let error = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(1));
    assert!(error.contains("x.json") && error.contains("no bundle"), "{error}");
}
