//! Bad input: each gets a clear answer, and others are served meanwhile.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and tells its counts"
)]

use e2e::client::As;
use e2e::server::Server;
use serde_json::{Value, json};

const REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
const JSON: (&str, &str) = ("Content-Type", "application/json");

/// What is wrong, content type, body, the code it must get.
type Bad<'a> = (&'static str, (&'static str, &'static str), &'a [u8], u16);

fn start() -> (tempfile::TempDir, Server) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"), &[]).unwrap();
    (dir, server)
}

#[test]
fn every_bad_body_has_its_code() {
    let (_dir, server) = start();
    let large = format!(r#"{{"spec":{{"token":"{}"}}}}"#, "x".repeat(3 * 1024 * 1024));
    let deep = format!(r#"{{"spec":{}"#, "[".repeat(200_000));
    let bad: [Bad<'_>; 9] = [
        ("larger than 3 MiB", JSON, large.as_bytes(), 413),
        ("deep nesting", JSON, deep.as_bytes(), 400),
        ("not UTF-8", JSON, b"{\"spec\":{\"token\":\"\xff\"}}", 400),
        ("a list", JSON, b"[]", 400),
        ("a wrong type", JSON, b"{\"spec\":{\"token\":1}}", 400),
        ("trailing text", JSON, b"{} x", 400),
        ("broken YAML", ("Content-Type", "application/yaml"), b"a: [", 400),
        ("protobuf without its magic", ("Content-Type", "application/vnd.kubernetes.protobuf"), b"abc", 400),
        ("an unknown media type", ("Content-Type", "text/plain"), b"x", 415),
    ];
    for (what, header, body, code) in bad {
        let answer = server.access.send(&As::Admin, "POST", REVIEWS, &[header], Some(body)).unwrap();
        assert_eq!(answer.status, code, "{what}: {}", answer.value());
        assert_eq!(answer.value()["kind"], "Status", "{what}");
        assert!(!answer.value()["message"].as_str().unwrap().is_empty(), "{what}");
    }
    let names = "/api/v1/namespaces/default/configmaps";
    for (body, field) in [
        (json!({"metadata": {"name": "Bad_Name"}}), "metadata.name"),
        (json!({"metadata": {"name": "a"}, "data": {"b/c": "d"}}), "data[b/c]"),
        (json!({"metadata": {"name": "a", "labels": {"-": "x"}}}), "metadata.labels"),
    ] {
        let answer = server.access.ask(&As::Admin, "POST", names, Some(&body)).unwrap();
        assert_eq!((answer.status, &answer.value()["details"]["causes"][0]["field"]), (422, &json!(field)));
    }
    for (path, code) in [
        ("/api/v1/pods?limit=x", 400),
        ("/api/v1/pods?labelSelector=a%20b", 400),
        ("/api/v1/%ff", 400),
        ("/api/v1/pods?continue=x", 400),
    ] {
        let answer = server.access.ask(&As::Admin, "GET", path, None).unwrap();
        assert_eq!(answer.status, code, "{path}: {}", answer.value());
    }
}

#[test]
fn what_is_no_http_is_told_so() {
    let (_dir, server) = start();
    let many: String = (0..200).map(|n| format!("A{n}: x\r\n")).collect();
    for (what, bytes, code) in [
        ("no HTTP", "hello\r\n\r\n".to_owned(), 400),
        (
            "two lengths",
            "POST /version HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx".to_owned(),
            400,
        ),
        ("many headers", format!("GET /version HTTP/1.1\r\n{many}\r\n"), 431),
    ] {
        let mut connection = server.access.connect(true).unwrap();
        // The server may have closed before everything was sent.
        let _ = connection.raw(bytes.as_bytes());
        assert_eq!(connection.answer("GET").map(|a| a.status).ok(), Some(code), "{what}");
    }
    // A request is answered even when only the beginning of the next one is there.
    let mut connection = server.access.connect(true).unwrap();
    connection.raw(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\nGET /version HT").unwrap();
    assert_eq!(connection.answer("GET").unwrap().status, 200);
}

#[test]
fn bearer_headers_that_are_no_tokens_are_refused_alike() {
    let (_dir, server) = start();
    for token in ["x", "a.b.c", "..", "eyJhbGciOiJub25lIn0.e30.", &"y".repeat(50_000)] {
        let answer = server.access.ask(&As::Token(token), "GET", "/api/v1/namespaces", None).unwrap();
        assert_eq!((answer.status, &answer.value()["message"]), (401, &json!("Unauthorized")));
    }
    let log = std::fs::read_to_string(&server.log).unwrap();
    assert!(!log.contains("eyJ"), "a token in the log");
}

/// A log on a disk that is full must not take requests with it.
#[test]
fn a_log_that_takes_nothing_stops_no_request() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(e2e::server::program());
    command.arg("serve").arg("--data-dir").arg(dir.path().join("data")).args(["--listen", "127.0.0.1:0"]);
    let server = Server::spawn(command, "/dev/full".into()).unwrap();
    let answer = server.access.ask(&As::Token("a.b.c"), "GET", "/api/v1/namespaces", None).unwrap();
    assert_eq!(answer.status, 401, "{}", answer.value());
    assert_eq!(server.stop().unwrap().code(), Some(0));
}

#[test]
fn silent_and_slow_clients_hold_nobody_up() {
    let (_dir, server) = start();
    let before = server.resident().unwrap();
    let mut idle = Vec::new();
    for n in 0..1500 {
        let mut connection = server.access.connect(false).unwrap();
        match n % 3 {
            0 => connection.raw(b"").unwrap(),
            1 => connection.raw(b"POST /apis/authentication.k8s.io/v1/tokenreviews HTTP/1.1\r\nHost: x\r\n").unwrap(),
            _ => connection
                .raw(b"POST /apis/authentication.k8s.io/v1/tokenreviews HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n{")
                .unwrap(),
        }
        idle.push(connection);
    }
    let body = json!({"spec": {"token": "x"}});
    for _ in 0..20 {
        let answer = server.access.ask(&As::Admin, "POST", REVIEWS, Some(&body)).unwrap();
        assert_eq!(
            (answer.status, &answer.value()["status"]["error"]),
            (201, &json!("invalid bearer token"))
        );
    }
    let grown = server.resident().unwrap().saturating_sub(before) / 1024 / 1024;
    println!("1500 silent connections: {grown} MiB");
    assert!(grown < 256, "{grown} MiB for 1500 silent connections");
    let value: Value = server.access.ask(&As::Admin, "GET", "/version", None).unwrap().value();
    assert_eq!(value["minor"], "36");
}
