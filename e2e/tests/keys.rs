//! `jeton key` against a real server: a rotation without a restart, and servers that are killed in the middle of one.
//!
//! `JETON_KEY_KILLS` sets how often (default 15).

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and tells its counts"
)]

use e2e::client::{Access, As};
use e2e::server::{Server, program};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

const KEYS: &str = "/apis/jeton.dev/v1/signingkeys";
const REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";

fn key(server: &Server, args: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.arg("key").args(args).arg("--kubeconfig").arg(&server.kubeconfig).output().unwrap()
}

fn text(out: &[u8]) -> String {
    String::from_utf8_lossy(out).into_owned()
}

/// What `jeton key list` shows: phase and key id.
fn listed(server: &Server) -> Vec<(String, String)> {
    let out = key(server, &["list", "-o", "json"]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    let report: Value = serde_json::from_slice(&out.stdout).unwrap();
    let of = |key: &Value, field: &str| key[field].as_str().unwrap().to_owned();
    report["keys"].as_array().unwrap().iter().map(|k| (of(k, "phase"), of(k, "keyID"))).collect()
}

fn published(access: &Access) -> Vec<String> {
    let answer = access.ask(&As::Admin, "GET", "/openid/v1/jwks", None).unwrap().value();
    answer["keys"].as_array().unwrap().iter().map(|k| k["kid"].as_str().unwrap().to_owned()).collect()
}

fn token(access: &Access) -> Option<String> {
    let path = "/api/v1/namespaces/default/serviceaccounts/default/token";
    let answer = access.ask(&As::Admin, "POST", path, Some(&json!({"spec": {}}))).ok()?;
    assert_eq!(answer.status, 201, "{}", answer.value());
    answer.value()["status"]["token"].as_str().map(str::to_owned)
}

fn holds(access: &Access, token: &str) -> bool {
    let body = json!({"spec": {"token": token}});
    let answer = access.ask(&As::Admin, "POST", REVIEWS, Some(&body)).unwrap().value();
    answer["status"]["authenticated"] == true
}

/// Waits until the controllers of a fresh server have made the account of its namespace.
fn account(access: &Access) {
    let path = "/api/v1/namespaces/default/serviceaccounts/default";
    while access.ask(&As::Admin, "GET", path, None).unwrap().status != 200 {
        std::thread::yield_now();
    }
}

#[test]
fn a_rotation_needs_no_restart() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"), &[]).unwrap();
    account(&server.access);
    let old = token(&server.access).unwrap();
    let first = listed(&server)[0].1.clone();
    let out = key(&server, &["rotate", "--activate-after", "90m"]);
    assert!(out.status.success() && text(&out.stdout).contains("signs every new token from"), "{out:?}");
    let second = listed(&server)[1].1.clone();
    assert_eq!(
        listed(&server),
        [("Active".to_owned(), first.clone()), ("Published".to_owned(), second.clone())]
    );
    assert_eq!(published(&server.access), [first.clone(), second.clone()]);
    let again = key(&server, &["rotate", "--activate-after", "2h"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("is already on its way"), "{}", text(&again.stderr));
    let forward = key(&server, &["rotate", "--activate-after", "0", "-o", "json"]);
    let made: Value = serde_json::from_slice(&forward.stdout).unwrap();
    assert_eq!((&made["status"]["phase"], &made["status"]["keyID"]), (&json!("Active"), &json!(second)));
    let new = token(&server.access).unwrap();
    assert!(holds(&server.access, &old) && holds(&server.access, &new));
    let files = std::fs::read_dir(dir.path().join("data/keys")).unwrap().count();
    assert_eq!((files, dir.path().join("data/sa.key").exists()), (1, false));
    let log = std::fs::read_to_string(&server.log).unwrap();
    assert!(!log.contains("PRIVATE") && !log.contains("eyJ"));
}

#[test]
fn who_may_and_what_may_be_asked() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"), &[]).unwrap();
    account(&server.access);
    let plain = token(&server.access).unwrap();
    let wish = |seconds: Value| json!({"spec": {"activateAfterSeconds": seconds}});
    let ask = |who: &As<'_>, method: &str, path: &str, body: &Value| {
        let answer = server.access.ask(who, method, path, Some(body)).unwrap();
        (answer.status, answer.value()["message"].as_str().unwrap_or("").to_owned())
    };
    let plain = As::Token(&plain);
    for method in ["GET", "POST"] {
        assert_eq!(ask(&plain, method, KEYS, &wish(json!(0))).0, 403, "{method}");
    }
    for (body, code, words) in [
        (
            wish(json!(-1)),
            422,
            "spec.activateAfterSeconds: Invalid value: -1: must be between 0 and 31536000",
        ),
        (wish(json!("x")), 400, "cannot unmarshal string"),
        (json!({"metadata": {"name": "mine"}}), 422, "metadata.name: Forbidden: a key is named after its id"),
        (json!({"kind": "Pod"}), 400, "Pod"),
    ] {
        let (got, message) = ask(&As::Admin, "POST", KEYS, &body);
        assert!(got == code && message.contains(words), "{got} {message}");
    }
    assert_eq!(ask(&As::Admin, "POST", &format!("{KEYS}?dryRun=All"), &wish(json!(0))).0, 400);
    let name =
        server.access.ask(&As::Admin, "GET", KEYS, None).unwrap().value()["items"][0]["metadata"]["name"]
            .clone();
    let one = format!("{KEYS}/{}", name.as_str().unwrap());
    for (method, path) in [("PUT", &one), ("DELETE", &one), ("PATCH", &one), ("DELETE", &KEYS.to_owned())] {
        assert_eq!(ask(&As::Admin, method, path, &json!({})).0, 405, "{method} {path}");
    }
    assert_eq!(listed(&server).len(), 1, "nothing was changed");
}

#[test]
fn a_key_that_was_given_is_not_rotated() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("given.pem");
    let made = Command::new("openssl").args(["genrsa", "-out"]).arg(&file).arg("2048").output().unwrap();
    assert!(made.status.success());
    let flag = ["--service-account-signing-key-file", file.to_str().unwrap()];
    let server = Server::start(&dir.path().join("data"), &flag).unwrap();
    let out = key(&server, &["rotate"]);
    assert_eq!(out.status.code(), Some(1));
    let error = text(&out.stderr);
    assert!(
        error.contains("the signing key was given as a file (--service-account-signing-key-file="),
        "{error}"
    );
    let keys = listed(&server);
    assert_eq!((keys.len(), keys[0].0.as_str()), (1, "File"));
    assert!(file.exists() && !dir.path().join("data/sa.key").exists());
}

/// One life: everything issued so far holds, and a rotation is begun that the kill may interrupt anywhere; without a time the
/// kill comes after its answer.
fn life(data: &Path, millis: Option<u64>, tokens: &mut Vec<String>) -> usize {
    let server = Server::start(data, &[]).unwrap();
    account(&server.access);
    for token in tokens.iter() {
        assert!(holds(&server.access, token), "a token lost its key");
    }
    let keys = listed(&server);
    assert_eq!(keys.iter().filter(|(phase, _)| phase == "Active").count(), 1, "{keys:?}");
    let ids = published(&server.access);
    assert!(keys.iter().filter(|(phase, _)| phase != "Prepared").all(|(_, id)| ids.contains(id)), "{keys:?}");
    tokens.push(token(&server.access).unwrap());
    let access = server.access.clone();
    std::thread::scope(|scope| {
        let rotating = scope.spawn(move || {
            // Whether it comes to an answer is open.
            let _ = access.ask(&As::Admin, "POST", KEYS, Some(&json!({"spec": {"activateAfterSeconds": 0}})));
        });
        match millis {
            Some(millis) => {
                std::thread::sleep(Duration::from_millis(millis));
                server.kill();
                rotating.join().unwrap();
            }
            None => {
                rotating.join().unwrap();
                server.kill();
            }
        }
    });
    keys.len()
}

#[test]
fn a_kill_in_the_middle_of_a_rotation_loses_no_key() {
    let kills: u64 = std::env::var("JETON_KEY_KILLS").ok().and_then(|k| k.parse().ok()).unwrap_or(15);
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut tokens = Vec::new();
    for round in 0..kills {
        // From before the key is made to after it signs.
        life(&data, Some((round * 23) % 230), &mut tokens);
    }
    // On a slow machine no key may be made that fast; one rotation comes to its end in any case.
    life(&data, None, &mut tokens);
    let keys = life(&data, Some(0), &mut tokens);
    println!("{kills} kills: {} tokens hold, {keys} keys", tokens.len());
    assert!(keys > 1, "no rotation came to an end");
}
