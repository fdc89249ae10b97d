//! One token is revoked through the command line: refused by every check from that moment on, others untouched.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use e2e::client::{As, Connection};
use e2e::server::{Server, program};
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Output, Stdio};

const ACCOUNTS: &str = "/api/v1/namespaces/default/serviceaccounts";
const REVOCATIONS: &str = "/apis/jeton.dev/v1/tokenrevocations";
const REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";

/// A token of an account, which is made when it is not there.
fn token(server: &Server) -> String {
    let account = json!({"metadata": {"name": "app"}});
    server.access.ask(&As::Admin, "POST", ACCOUNTS, Some(&account)).unwrap();
    let path = format!("{ACCOUNTS}/app/token");
    let answer = server.access.ask(&As::Admin, "POST", &path, Some(&json!({"spec": {}}))).unwrap();
    answer.value()["status"]["token"].as_str().unwrap().to_owned()
}

fn claim(token: &str, name: &str) -> Value {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice::<Value>(&payload).unwrap()[name].clone()
}

fn revoke(server: &Server, args: &[&str], input: &str) -> Output {
    let mut command = Command::new(program());
    command.args(["token", "revoke"]).args(args).arg("--kubeconfig").arg(&server.kubeconfig);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that needs no input may be gone by now.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn told(out: &Output) -> (Option<i32>, String) {
    let text = [&out.stdout[..], &out.stderr[..]].concat();
    let text = String::from_utf8(text).unwrap();
    assert!(!text.contains("eyJ"), "a token in the output");
    (out.status.code(), text)
}

fn status(connection: &mut Connection, token: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    connection.request("GET", "/version", &[("Authorization", &bearer)], None).unwrap().status
}

fn review(server: &Server, token: &str) -> Value {
    let answer = server.access.ask(&As::Admin, "POST", REVIEWS, Some(&json!({"spec": {"token": token}})));
    answer.unwrap().value()["status"].clone()
}

#[test]
fn a_revoked_token_is_refused_on_every_connection_at_once_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data, &[]).unwrap();
    let (leaked, other) = (token(&server), token(&server));
    let mut open: Vec<Connection> = (0..3).map(|_| server.access.connect(false).unwrap()).collect();
    assert!(open.iter_mut().all(|c| status(c, &leaked) == 200), "proven, and the connections stay");
    let (code, text) = told(&revoke(&server, &["--reason", "leaked"], &leaked));
    let id = claim(&leaked, "jti").as_str().unwrap().to_owned();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.starts_with(&format!("token {id} revoked; kept until ")), "{text}");
    assert!(open.iter_mut().all(|c| status(c, &leaked) == 401));
    assert!(open.iter_mut().all(|c| status(c, &other) == 200));
    let refused = review(&server, &leaked);
    assert_eq!(refused["authenticated"], Value::Null);
    let why = format!("[invalid bearer token, service account token \"{id}\" has been revoked]");
    assert_eq!(refused["error"], json!(why));
    let (code, text) = told(&revoke(&server, &[], &leaked));
    assert_eq!((code, text.contains("was revoked already")), (Some(0), true), "{text}");

    let path = format!("{REVOCATIONS}/{id}");
    let stored = server.access.ask(&As::Admin, "GET", &path, None).unwrap().value();
    let expires = jiff::Timestamp::from_second(claim(&leaked, "exp").as_i64().unwrap()).unwrap();
    assert_eq!(stored["spec"], json!({"reason": "leaked", "until": expires.to_string()}));
    server.kill();
    let server = Server::start(&data, &[]).unwrap();
    let ask = |token: &str| server.access.ask(&As::Token(token), "GET", "/version", None).unwrap().status;
    assert_eq!((ask(&leaked), ask(&other)), (401, 200), "after a kill and a start");
}

#[test]
fn a_token_that_is_not_at_hand_is_revoked_by_its_id() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"), &[]).unwrap();
    let token = token(&server);
    let id = claim(&token, "jti").as_str().unwrap().to_owned();
    let until = jiff::Timestamp::from_second(claim(&token, "exp").as_i64().unwrap()).unwrap().to_string();
    let by_id =
        |id: &str, until: &str| told(&revoke(&server, &["--jti", id, "--until", until, "-o", "json"], ""));
    let (code, text) = by_id(&id, &until);
    let stored: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &stored["metadata"]["name"]), (Some(0), &json!(id)));
    assert_eq!(server.access.ask(&As::Token(&token), "GET", "/version", None).unwrap().status, 401);
    for (until, words) in
        [("2020-01-01T00:00:00Z", "is past"), ("2999-01-01T00:00:00Z", "no token lives longer")]
    {
        let (code, text) = by_id("another", until);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains("spec.until") && text.contains(words), "{text}");
    }
    for (args, input, wanted, words) in [
        (&["--jti", "x"][..], "", 64, "--until"),
        (&["--jti", "x", "--until", "tomorrow"], "", 64, "is no time such as"),
        (&[], "nonsense", 1, "no token"),
        (&[], "", 1, "the input is empty"),
    ] {
        let (code, text) = told(&revoke(&server, args, input));
        assert_eq!(code, Some(wanted), "{args:?}: {text}");
        assert!(text.contains(words), "{text}");
    }
    // Without the right to revoke nothing is revoked.
    let body = json!({"metadata": {"name": "mine"}, "spec": {"until": until}});
    let fresh = self::token(&server);
    let refused = server.access.ask(&As::Token(&fresh), "POST", REVOCATIONS, Some(&body)).unwrap();
    assert_eq!(refused.status, 403);
}
