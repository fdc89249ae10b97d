//! From one world to the other over HTTP: permanent tokens, what the cleaner would do with them, and what clients see.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use base64::{Engine, engine::general_purpose::STANDARD};
use e2e::client::As;
use e2e::server::{Server, program};
use e2e::wait::until;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

const SECRETS: &str = "/api/v1/namespaces/default/secrets";
const TRACKING: &str =
    "/api/v1/namespaces/kube-system/configmaps/kube-apiserver-legacy-service-account-token-tracking";
const LABEL: &str = "kubernetes.io/legacy-token-last-used";

fn ask(server: &Server, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
    let answer = server.access.ask(&As::Admin, method, path, body).unwrap();
    (answer.status, answer.value())
}

fn make(server: &Server, path: &str, body: &Value) -> Value {
    let (code, made) = ask(server, "POST", path, Some(body));
    assert_eq!(code, 201, "{path}: {made}");
    made
}

/// The Secret that was made for an account, and the token in it.
fn secret_of(server: &Server, account: &str) -> (String, String) {
    until("a Secret of the account", || {
        let path = format!("/api/v1/namespaces/default/serviceaccounts/{account}");
        let name = ask(server, "GET", &path, None).1["secrets"][0]["name"].as_str()?.to_owned();
        let secret = ask(server, "GET", &format!("{SECRETS}/{name}"), None).1;
        let token = STANDARD.decode(secret["data"]["token"].as_str()?).ok()?;
        Some((name, String::from_utf8(token).ok()?))
    })
}

fn jeton(server: &Server, args: &[&str]) -> Output {
    Command::new(program()).args(args).arg("--kubeconfig").arg(&server.kubeconfig).output().unwrap()
}

fn said(out: &Output) -> (i32, Value) {
    let text = String::from_utf8_lossy(&out.stdout);
    let error = String::from_utf8_lossy(&out.stderr);
    let value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON but {text} {error}"));
    (out.status.code().unwrap(), value)
}

/// A store of 1.20 with a Secret for each account, then the same store as the newest version.
fn moved(data: &Path) -> (Server, [(String, String); 3]) {
    let old = Server::start(data, &["--emulated-version", "1.20"]).unwrap();
    let made = ["idle", "busy", "mounted"].map(|account| {
        let body = json!({"metadata": {"name": account}});
        make(&old, "/api/v1/namespaces/default/serviceaccounts", &body);
        secret_of(&old, account)
    });
    assert!(old.stop().unwrap().success());
    (Server::start(data, &[]).unwrap(), made)
}

#[test]
fn the_dry_run_of_the_cleaner_says_what_and_why_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (server, [idle, busy, mounted]) = moved(&dir.path().join("data"));
    let plan = |more: &[&str]| said(&jeton(&server, &[&["legacy", "plan", "-o", "json"], more].concat()));
    let by_hand = json!({"type": "kubernetes.io/service-account-token", "metadata": {"name": "by-hand",
        "annotations": {"kubernetes.io/service-account.name": "idle"}}});
    make(&server, SECRETS, &by_hand);
    let pod = json!({"metadata": {"name": "user"}, "spec": {"containers": [{"name": "c", "image": "i",
        "env": [{"name": "T", "valueFrom": {"secretKeyRef": {"name": mounted.0, "key": "token"}}}]}]}});
    make(&server, "/api/v1/namespaces/default/pods", &pod);
    // A use leaves its day before the answer does.
    assert_eq!(server.access.ask(&As::Token(&busy.1), "GET", "/version", None).unwrap().status, 200);
    let labels = ask(&server, "GET", &format!("{SECRETS}/{}", busy.0), None).1["metadata"]["labels"].clone();
    assert!(labels[LABEL].is_string(), "{labels}");

    let (code, waiting) = plan(&[]);
    assert_eq!((code, &waiting["state"], &waiting["mark"]), (0, &json!("waiting"), &json!(0)));
    assert_eq!(waiting["cleanUpPeriodSeconds"], 365 * 24 * 3600);
    let since = json!({"data": {"since": "2020-01-01"}});
    let mut map = ask(&server, "GET", TRACKING, None).1;
    map["data"] = since["data"].clone();
    assert_eq!(ask(&server, "PUT", TRACKING, Some(&map)).0, 200);

    let before = ask(&server, "GET", SECRETS, None).1["items"].clone();
    // Creations are whole seconds: from the next one on they are older than no time at all.
    let (code, working) = until("a second", || {
        let found = plan(&["--clean-up-period", "0", "-n", "default"]);
        (found.1["secrets"].as_array()?.iter().all(|s| s["reasons"] != json!(["young"]))).then_some(found)
    });
    let row = |name: &str| {
        let all = working["secrets"].as_array().unwrap();
        let row = all.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("{name}: {working}"));
        (row["action"].as_str().unwrap().to_owned(), row["reasons"].clone(), row["markedFrom"].is_string())
    };
    assert_eq!((code, &working["state"]), (1, &json!("working")));
    assert_eq!(row(&idle.0), ("mark".to_owned(), json!([]), true));
    assert_eq!(row(&busy.0), ("keep".to_owned(), json!(["used"]), true));
    assert_eq!(row(&mounted.0), ("keep".to_owned(), json!(["mounted"]), false));
    assert_eq!(row("by-hand"), ("keep".to_owned(), json!(["manual"]), false));
    assert_eq!(ask(&server, "GET", SECRETS, None).1["items"], before, "a dry run writes nothing");

    assert_eq!(ask(&server, "DELETE", TRACKING, None).0, 200);
    let (code, untracked) = plan(&["--clean-up-period", "0"]);
    // It is made again half an hour later at the earliest.
    assert_eq!((code, &untracked["state"]), (0, &json!("untracked")));
    let text = jeton(&server, &["legacy", "plan"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("does not say since when") && text.contains("made by hand"), "{text}");
}

#[test]
fn a_plan_without_the_right_to_look_is_no_plan() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"), &[]).unwrap();
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    make(&server, accounts, &json!({"metadata": {"name": "app"}}));
    let token = make(&server, &format!("{accounts}/app/token"), &json!({"spec": {}}));
    let text = std::fs::read_to_string(&server.kubeconfig).unwrap();
    let mut config: Value = serde_yaml_ng::from_str(&text).unwrap();
    config["users"][0]["user"] = json!({"token": token["status"]["token"]});
    let path = dir.path().join("nobody.kubeconfig");
    std::fs::write(&path, config.to_string()).unwrap();
    let out = Command::new(program()).args(["legacy", "plan", "--kubeconfig"]).arg(&path).output().unwrap();
    let error = String::from_utf8(out.stderr).unwrap();
    assert_eq!((out.status.code(), out.stdout.len()), (Some(2), 0), "{error}");
    assert!(error.contains("secrets is forbidden") && error.contains("the verb list on secrets"), "{error}");
    assert!(!error.contains("eyJ"));
}

const NEEDY: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      serviceAccountName: app
      containers: [{name: c, image: i}]
      volumes: [{name: t, secret: {secretName: app-token-x2vzq}}]
";
const FINE: &str = "apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: i}]}}
- {apiVersion: v1, kind: Service, metadata: {name: s}}
";

#[test]
fn a_rehearsal_tells_work_from_questions_and_by_its_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (needy, fine) = (file("needy.yaml", NEEDY), file("fine.yaml", FINE));
    let (broken, empty) = (file("broken.yaml", "a: [b"), file("empty.yaml", ""));
    let run = |args: &[&str]| Command::new(program()).arg("rehearse").args(args).output().unwrap();
    let all = |path: &str, profile: &str| {
        said(&run(&["--from", "1.19", "--to", "1.25", "--profile", profile, "-f", path, "-o", "json"]))
    };
    let (code, report) = all(&needy, "cce");
    assert_eq!((code, &report["kind"], &report["needsWork"]), (1, &json!("RehearsalReport"), &json!(true)));
    assert_eq!(report["versions"], json!(["1.19", "1.21", "1.23", "1.25"]));
    let steps = report["workloads"][0]["steps"].as_array().unwrap();
    let work: Vec<(&Value, &Value)> = steps
        .iter()
        .flat_map(|step| {
            step["work"].as_array().into_iter().flatten().map(move |w| (&step["to"], &w["rule"]))
        })
        .collect();
    assert_eq!(work, [(&json!("1.25"), &json!("generated-secret"))]);
    let questions = report["questions"].as_array().unwrap();
    assert!(questions.iter().any(|q| q["to"] == "1.21"), "{questions:?}");
    assert!(questions.iter().any(|q| q["text"].as_str().unwrap().contains("secrets[0]")), "{questions:?}");

    let (code, report) = all(&fine, "kubernetes");
    assert_eq!((code, &report["needsWork"]), (0, &json!(false)));
    assert_eq!(report["versions"].as_array().unwrap().len(), 7);
    assert_eq!(report["skipped"].as_array().unwrap().len(), 1, "{report}");
    for (args, want) in [
        (&["--from", "1.19", "--to", "1.25", "-f", &broken][..], 2),
        (&["--from", "1.19", "--to", "1.25", "-f", &empty], 2),
        (&["--from", "1.19", "--to", "1.25", "-f", "/nowhere"], 2),
        (&["--from", "1.25", "--to", "1.19", "-f", &fine], 64),
        (&["--from", "1.19", "--to", "1.99", "-f", &fine], 64),
        (&["--from", "1.20", "--to", "1.25", "--profile", "cce", "-f", &fine], 64),
    ] {
        let out = run(args);
        let error = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!((out.status.code(), out.stdout.len()), (Some(want), 0), "{args:?}: {error}");
        assert!(error.starts_with("error: "), "{error}");
    }
}
