//! The agent beside a real server, with the credentials of a node and no others.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::agent::Agent;
use e2e::client::{Answer, As};
use e2e::server::Server;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Times something is looked for, 50 ms apart.
const ATTEMPTS: u32 = 600;
const SPACE: &str = "/api/v1/namespaces/default";
const VOLUMES: &str = "volumes/kubernetes.io~projected";

fn ask(server: &Server, method: &str, path: &str, body: Option<&Value>) -> Answer {
    server.access.ask(&As::Admin, method, path, body).unwrap()
}

/// Looks until there is something.
fn until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    for _ in 0..ATTEMPTS {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{what} does not come about");
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
