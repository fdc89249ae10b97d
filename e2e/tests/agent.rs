//! The agent beside a real server, with the credentials of a node and no others.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::agent::Agent;
use e2e::client::{Answer, As};
use e2e::server::{Server, program};
use e2e::wait::until;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const SPACE: &str = "/api/v1/namespaces/default";
const VOLUMES: &str = "volumes/kubernetes.io~projected";

fn ask(server: &Server, method: &str, path: &str, body: Option<&Value>) -> Answer {
    server.access.ask(&As::Admin, method, path, body).unwrap()
}

fn pod(name: &str, node: &str, volumes: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": {
        "nodeName": node, "containers": [{"name": "main", "image": "none"}], "volumes": volumes,
    }})
}

/// Makes a pod and returns its directory.
fn make(server: &Server, root: &Path, pod: &Value) -> PathBuf {
    until("the default account", || {
        (ask(server, "GET", &format!("{SPACE}/serviceaccounts/default"), None).status == 200).then_some(())
    });
    let made = ask(server, "POST", &format!("{SPACE}/pods"), Some(pod));
    assert_eq!(made.status, 201, "{:?}", made.value());
    root.join("pods").join(made.value()["metadata"]["uid"].as_str().unwrap())
}

fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok().filter(|text| !text.is_empty())
}

fn review(server: &Server, token: &str) -> Value {
    let review =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}});
    let path = "/apis/authentication.k8s.io/v1/tokenreviews";
    ask(server, "POST", path, Some(&review)).value()["status"].clone()
}

#[test]
fn a_pod_gets_its_files_and_loses_them_and_its_token_with_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"), &[]).unwrap();
    let agent = Agent::start(&server, dir.path(), "vm1", &[]).unwrap();
    let home = make(&server, &agent.root, &pod("web", "vm1", &json!([])));
    let volumes = home.join(VOLUMES);
    let volume = until("the injected volume", || std::fs::read_dir(&volumes).ok()?.next()?.ok()).path();
    let token = until("a token", || read(&volume.join("token")));
    assert_eq!(review(&server, &token)["authenticated"], true);
    assert_eq!(read(&volume.join("namespace")).as_deref(), Some("default"));
    let ca = until("the certificate", || read(&volume.join("ca.crt")));
    assert!(ca.starts_with("-----BEGIN CERTIFICATE"));
    let ready = until("the condition", || {
        let pod = ask(&server, "GET", &format!("{SPACE}/pods/web"), None).value();
        let conditions = pod["status"]["conditions"].as_array()?.clone();
        conditions.into_iter().find(|c| c["type"] == "jeton.dev/VolumesReady" && c["status"] == "True")
    });
    assert!(ready["message"].as_str().unwrap().contains(home.to_str().unwrap()), "{ready}");
    let node = ask(&server, "GET", "/api/v1/nodes/vm1", None).value();
    assert_eq!(node["spec"]["taints"][0]["key"], "jeton.dev/agent");
    let lease = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/vm1";
    until("the lease", || (ask(&server, "GET", lease, None).status == 200).then_some(()));
    assert_eq!(ask(&server, "DELETE", &format!("{SPACE}/pods/web"), None).status, 200);
    until("the pod's end", || {
        (ask(&server, "GET", &format!("{SPACE}/pods/web"), None).status == 404).then_some(())
    });
    assert!(!home.exists(), "its files went before it");
    assert_eq!(review(&server, &token)["authenticated"], Value::Null);
    assert!(!read(&agent.log).unwrap_or_default().contains("eyJ"), "no token in the log");
}

/// The pod's events that have a reason.
fn events(server: &Server, reason: &str) -> Vec<Value> {
    let list = ask(server, "GET", &format!("{SPACE}/events"), None).value();
    let all = list["items"].as_array().cloned().unwrap_or_default();
    all.into_iter().filter(|e| e["reason"] == reason).collect()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().mode() & 0o7777
}

fn object(kind: &str, name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "data": data})
}

#[test]
fn every_source_with_its_owner_and_what_changes_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"), &[]).unwrap();
    let agent = Agent::start(&server, dir.path(), "vm1", &[]).unwrap();
    ask(
        &server,
        "POST",
        &format!("{SPACE}/configmaps"),
        Some(&object("ConfigMap", "m", &json!({"k": "one"}))),
    );
    ask(&server, "POST", &format!("{SPACE}/secrets"), Some(&object("Secret", "s", &json!({"p": "cHc="}))));
    let volumes = json!([
        {"name": "all", "projected": {"defaultMode": 0o600, "sources": [
            {"serviceAccountToken": {"path": "tokens/vault", "audience": "vault"}},
            {"configMap": {"name": "m"}}, {"configMap": {"name": "none", "optional": true}},
            {"secret": {"name": "s", "items": [{"key": "p", "path": "deep/p", "mode": 0o400}]}},
            {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
            {"configMap": {"name": "missing"}},
        ]}},
        {"name": "plain", "secret": {"secretName": "s"}},
    ]);
    let mut wanted = pod("web", "vm1", &volumes);
    let root = rustix::process::geteuid().is_root();
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let (user, group) = if root { (4321, 8765) } else { (uid, gid) };
    wanted["spec"]["securityContext"] = json!({"runAsUser": user, "fsGroup": group});
    let home = make(&server, &agent.root, &wanted);
    let all = home.join(VOLUMES).join("all");
    let plain = home.join("volumes/kubernetes.io~secret/plain");
    let token = until("a token for vault", || read(&all.join("tokens/vault")));
    assert_eq!(review(&server, &token)["authenticated"], Value::Null, "it is for vault, not for the API");
    until("the plain volume", || read(&plain.join("p")).filter(|p| p == "pw"));
    let read_all = |name: &str| read(&all.join(name)).unwrap_or_default();
    assert_eq!([read_all("k"), read_all("deep/p"), read_all("labels")], ["one", "pw", "app=\"web\""]);
    let modes = ["tokens/vault", "k", "deep/p", "tokens"].map(|name| mode(&all.join(name)));
    assert_eq!(modes, [0o640, 0o640, 0o440, 0o2755]);
    assert_eq!((mode(&home), mode(&plain.join("p"))), (0o750, 0o644));
    let meta = std::fs::metadata(all.join("tokens/vault")).unwrap();
    assert_eq!((meta.uid(), meta.gid()), (user, group));
    let fault = until("the missing source's event", || events(&server, "FailedMount").into_iter().next());
    assert!(fault["message"].as_str().unwrap().contains("\"missing\" not found"), "{fault}");
    // A link that somebody planted is replaced, and what it leads to is left alone.
    let outside = dir.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, all.join("..data_tmp")).unwrap();
    let change = json!({"data": {"k": "two", "new": "x"}});
    let patch = serde_json::to_vec(&change).unwrap();
    let kind = [("Content-Type", "application/merge-patch+json")];
    server.access.send(&As::Admin, "PATCH", &format!("{SPACE}/configmaps/m"), &kind, Some(&patch)).unwrap();
    until("the change", || read(&all.join("new")));
    assert_eq!(read_all("k"), "two");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    let other = make(&server, &agent.root, &pod("foreign", "vm2", &json!([])));
    assert!(!other.exists(), "another node's pod");
}

#[test]
fn a_killed_agent_goes_on_and_removes_what_ended_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"), &[]).unwrap();
    let agent = Agent::start(&server, dir.path(), "vm1", &[]).unwrap();
    let homes = ["stays", "goes"].map(|name| make(&server, &agent.root, &pod(name, "vm1", &json!([]))));
    let token = |home: &Path| {
        let volume = std::fs::read_dir(home.join(VOLUMES)).ok()?.next()?.ok()?.path();
        read(&volume.join("token"))
    };
    let first = homes.clone().map(|home| until("a token", || token(&home)));
    let kubeconfig = agent.kubeconfig.clone();
    agent.kill();
    assert_eq!(token(&homes[0]).as_ref(), Some(&first[0]), "files stay");
    let gone = format!("{SPACE}/pods/goes?gracePeriodSeconds=0");
    assert_eq!(ask(&server, "DELETE", &gone, None).status, 200);
    let _agent = Agent::again(dir.path(), "vm1", &kubeconfig, &[]).unwrap();
    until("the end of what ended", || (!homes[1].exists()).then_some(()));
    // A program that read the token before the kill goes on with it.
    assert_eq!(review(&server, &first[0])["authenticated"], true);
    until("the next token", || token(&homes[0]).filter(|t| *t != first[0]));
}

#[test]
fn a_new_account_of_the_old_name_gets_a_new_token_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"), &[]).unwrap();
    let agent = Agent::start(&server, dir.path(), "vm1", &[]).unwrap();
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "app"}});
    let accounts = format!("{SPACE}/serviceaccounts");
    ask(&server, "POST", &accounts, Some(&account));
    let mut wanted = pod("web", "vm1", &json!([]));
    wanted["spec"]["serviceAccountName"] = json!("app");
    let home = make(&server, &agent.root, &wanted);
    let token = || read(&std::fs::read_dir(home.join(VOLUMES)).ok()?.next()?.ok()?.path().join("token"));
    let first = until("a token", token);
    ask(&server, "DELETE", &format!("{accounts}/app"), None);
    ask(&server, "POST", &accounts, Some(&account));
    assert_eq!(review(&server, &first)["authenticated"], Value::Null);
    let next = until("the new account's token", || token().filter(|t| *t != first));
    assert_eq!(review(&server, &next)["authenticated"], true);
    until("the event", || events(&server, "ServiceAccountReplaced").pop());
}

#[test]
fn jeton_up_has_an_agent_for_the_example() {
    let dir = tempfile::tempdir().unwrap();
    let mut up = Command::new(program());
    up.arg("up").arg("--data-dir").arg(dir.path().join("data")).args(["--listen", "127.0.0.1:0"]);
    let server = Server::spawn(up, dir.path().join("log")).unwrap();
    until("the default account", || {
        (ask(&server, "GET", &format!("{SPACE}/serviceaccounts/default"), None).status == 200).then_some(())
    });
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/pod.yaml");
    let text = std::fs::read_to_string(example).unwrap();
    let mut home = PathBuf::new();
    for document in text.split("\n---\n") {
        let object: Value = serde_yaml_ng::from_str(document).unwrap();
        let plural = format!("{}s", object["kind"].as_str().unwrap().to_lowercase());
        let made = ask(&server, "POST", &format!("{SPACE}/{plural}"), Some(&object));
        assert_eq!(made.status, 201, "{:?}", made.value());
        home = dir.path().join("data/node/pods").join(made.value()["metadata"]["uid"].as_str().unwrap());
    }
    let volume = home.join(VOLUMES).join("demo");
    for (name, want) in [("greeting", "hello"), ("labels", "app=\"demo\""), ("vault-token", "eyJ")] {
        let text = until(name, || read(&volume.join(name)));
        assert!(text.starts_with(want), "{name}");
    }
}

#[test]
fn tokens_that_live_ten_seconds_over_a_server_that_was_away() {
    let dir = tempfile::tempdir().unwrap();
    let mut serve = Command::new(program());
    serve
        .env("JETON_TEST_LIFETIMES", "min=5,injected=10,extended=12,leeway=1")
        .arg("serve")
        .args(["--listen", "127.0.0.1:0"]);
    serve.arg("--data-dir").arg(dir.path().join("data"));
    let server = Server::spawn(serve, dir.path().join("server.log")).unwrap();
    let agent = Agent::start(&server, dir.path(), "vm1", &[]).unwrap();
    let volumes = make(&server, &agent.root, &pod("web", "vm1", &json!([]))).join(VOLUMES);
    let volume = until("the injected volume", || std::fs::read_dir(&volumes).ok()?.next()?.ok());
    let file = volume.path().join("token");
    let first = until("a token", || read(&file));
    let second = until("the next token", || read(&file).filter(|t| *t != first));
    assert_eq!(review(&server, &second)["authenticated"], true);
    // Longer than a window: nothing answers, and the file stays.
    server.pause(true).unwrap();
    until("the agent's word that a token expired", || {
        assert_eq!(read(&file).as_ref(), Some(&second), "the old token stays");
        read(&agent.log).filter(|log| log.contains("TokenExpired"))
    });
    server.pause(false).unwrap();
    let third = until("a token after the server came back", || read(&file).filter(|t| *t != second));
    assert_eq!(review(&server, &third)["authenticated"], true);
    until("the event", || events(&server, "TokenExpired").pop());
}

#[test]
fn credentials_that_are_not_accepted_are_said_and_nothing_ends() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"), &[]).unwrap();
    let other = Server::start(&dir.path().join("other"), &[]).unwrap();
    let agent = Agent::start(&server, dir.path(), "vm1", &[]).unwrap();
    let yaml = |path: &Path| serde_yaml_ng::from_str::<Value>(&read(path).unwrap()).unwrap();
    let mut mixed = yaml(&agent.kubeconfig);
    drop(agent);
    mixed["users"] = yaml(&other.kubeconfig)["users"].clone();
    let kubeconfig = dir.path().join("mixed");
    std::fs::write(&kubeconfig, mixed.to_string()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let more = ["--metrics-bind-address", &address.to_string()];
    let mut agent = Agent::again(dir.path(), "vm1", &kubeconfig, &more).unwrap();
    let get = |path: &str| {
        let mut stream = TcpStream::connect(address).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text)
    };
    until("the failures are counted", || {
        let text = get("/metrics")?;
        let count = text.lines().filter(|l| l.starts_with("jeton_agent_api_failures_total{"));
        count.filter_map(|l| l.rsplit_once(' ')?.1.parse::<u64>().ok()).any(|n| n >= 2).then_some(())
    });
    assert!(get("/healthz").unwrap().starts_with("HTTP/1.1 503 "));
    assert!(agent.runs(), "it tries again");
    let log = read(&agent.log).unwrap();
    assert!(log.contains("the node is not registered yet"), "{log}");
    assert!(log.lines().count() < 40, "it pauses between attempts");
}

#[test]
fn a_full_disk_keeps_the_old_content_and_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"), &[]).unwrap();
    ask(
        &server,
        "POST",
        &format!("{SPACE}/configmaps"),
        Some(&object("ConfigMap", "m", &json!({"k": "one"}))),
    );
    let agent = Agent::in_small_memory(&server, dir.path(), "vm1", "128k").unwrap();
    let volumes = json!([{"name": "v", "configMap": {"name": "m"}}]);
    let mut wanted = pod("web", "vm1", &volumes);
    wanted["spec"]["automountServiceAccountToken"] = json!(false);
    let home = make(&server, &agent.root, &wanted);
    let seen = PathBuf::from(format!("/proc/{}/root{}", agent.pid(), home.display()));
    let file = seen.join("volumes/kubernetes.io~configmap/v/k");
    until("the first content", || read(&file).filter(|t| t == "one"));
    let filler = seen.join("filler");
    let full = std::fs::write(&filler, vec![0; 1 << 20]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    let change = serde_json::to_vec(&json!({"data": {"k": "two"}})).unwrap();
    let kind = [("Content-Type", "application/merge-patch+json")];
    server.access.send(&As::Admin, "PATCH", &format!("{SPACE}/configmaps/m"), &kind, Some(&change)).unwrap();
    let told = until("the event", || events(&server, "FailedMount").pop());
    assert!(told["message"].as_str().unwrap().contains("No space left"), "{told}");
    assert_eq!(read(&file).as_deref(), Some("one"));
    std::fs::remove_file(&filler).unwrap();
    until("the new content", || read(&file).filter(|t| t == "two"));
}
