//! What a server does by itself, seen from outside, and that a killed one goes on where it was.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use base64::{Engine, engine::general_purpose::STANDARD};
use e2e::client::{Answer, As};
use e2e::server::Server;
use serde_json::{Value, json};
use std::time::Duration;

/// Times a controller's work is looked for, 50 ms apart.
const ATTEMPTS: u32 = 200;
const SPACE: &str = "/api/v1/namespaces/default";

fn ask(server: &Server, method: &str, path: &str, body: Option<&Value>) -> Answer {
    server.access.ask(&As::Admin, method, path, body).unwrap()
}

/// Asks until the answer is as wanted.
fn until(server: &Server, path: &str, wanted: impl Fn(&Answer) -> bool) -> Value {
    for _ in 0..ATTEMPTS {
        let answer = ask(server, "GET", path, None);
        if wanted(&answer) {
            return answer.value();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{path} is not as wanted: {:?}", ask(server, "GET", path, None).value());
}

fn map(name: &str, owner: Option<&Value>) -> Value {
    let owners: Vec<Value> = owner
        .map(|o| json!({"apiVersion": "v1", "kind": "ConfigMap", "name": o["metadata"]["name"], "uid": o["metadata"]["uid"]}))
        .into_iter()
        .collect();
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "ownerReferences": owners}})
}

#[test]
fn who_uses_a_token_that_a_controller_once_made_is_warned_whatever_the_answer() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"), &[]).unwrap();
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "metadata": {"name": "forever", "annotations": {"kubernetes.io/service-account.name": "default"}}});
    until(&server, &format!("{SPACE}/serviceaccounts/default"), |a| a.status == 200);
    ask(&server, "POST", &format!("{SPACE}/secrets"), Some(&secret));
    let path = format!("{SPACE}/secrets/forever");
    let filled = until(&server, &path, |a| a.value()["data"]["token"].is_string());
    let token = STANDARD.decode(filled["data"]["token"].as_str().unwrap()).unwrap();
    let token = String::from_utf8(token).unwrap();
    let warning = |path: &str| {
        let answer = server.access.ask(&As::Token(&token), "GET", path, None).unwrap();
        (answer.status, answer.header("warning").map(str::to_owned))
    };
    assert_eq!(warning("/version"), (200, None), "made by hand");
    let account = format!("{SPACE}/serviceaccounts/default");
    let mut listed = ask(&server, "GET", &account, None).value();
    listed["secrets"] = json!([{"name": "forever", "namespace": "elsewhere"}]);
    let answer = ask(&server, "PUT", &account, Some(&listed));
    assert_eq!(answer.value()["secrets"], json!([{"name": "forever"}]));
    for (path, code) in [("/version", 200), ("/api/v1/nodes", 403)] {
        let (status, text) = warning(path);
        assert_eq!(status, code, "{path}");
        assert!(text.unwrap().starts_with("299 - \"Use tokens from the TokenRequest API"), "{path}");
    }
}

#[test]
fn a_killed_server_goes_on_with_what_it_had_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data, &[]).unwrap();
    let maps = format!("{SPACE}/configmaps");
    let top = ask(&server, "POST", &maps, Some(&map("top", None))).value();
    let mut held = map("child", Some(&top));
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    ask(&server, "POST", &maps, Some(&held));
    ask(&server, "POST", &maps, Some(&map("other", Some(&top))));
    let team = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}});
    ask(&server, "POST", "/api/v1/namespaces", Some(&team));
    let kept = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept", "finalizers": ["example.com/hold"]}});
    ask(&server, "POST", "/api/v1/namespaces/team/configmaps", Some(&kept));
    assert_eq!(ask(&server, "DELETE", "/api/v1/namespaces/team", None).status, 200);
    assert_eq!(ask(&server, "DELETE", &format!("{maps}/top"), None).status, 200);
    server.kill();
    let server = Server::start(&data, &[]).unwrap();
    until(&server, &format!("{maps}/other"), |a| a.status == 404);
    until(&server, &format!("{maps}/child"), |a| a.value()["metadata"]["deletionTimestamp"].is_string());
    for path in [format!("{maps}/child"), "/api/v1/namespaces/team/configmaps/kept".to_owned()] {
        let mut free = until(&server, &path, |a| a.value()["metadata"]["deletionTimestamp"].is_string());
        free["metadata"]["finalizers"] = json!([]);
        assert_eq!(ask(&server, "PUT", &path, Some(&free)).status, 200, "{path}");
        until(&server, &path, |a| a.status == 404);
    }
    until(&server, "/api/v1/namespaces/team", |a| a.status == 404);
}
