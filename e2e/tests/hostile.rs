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
    let bomb: String = std::iter::once("a0: &a0 [x, x, x, x, x, x, x, x]\n".to_owned())
        .chain((1..12).map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 8].join(", "))))
        .collect();
    let bad: [Bad<'_>; 10] = [
        ("a YAML bomb", ("Content-Type", "application/yaml"), bomb.as_bytes(), 400),
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
        ("many headers", format!("GET /version HTTP/1.1\r\nHost: x\r\n{many}\r\n"), 431),
        ("no host", "GET /version HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("two hosts", "GET /version HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n".to_owned(), 400),
        ("no host in HTTP/1.0", "GET /version HTTP/1.0\r\n\r\n".to_owned(), 200),
        (
            "a large head",
            format!("GET /version HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n", "x".repeat(66_000)),
            431,
        ),
        ("a slash too much", "GET //api/v1/pods HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 404),
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

/// An HTTP/2 frame.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// `GET https://x/version` in HPACK.
const GET: [u8; 15] = *b"\x82\x87\x04\x08/version\x01\x01x";
/// `POST`, the same.
const POST: [u8; 15] = *b"\x83\x87\x04\x08/version\x01\x01x";

/// Sends frames, as many as the server takes, and gives back what it sent until it closed or had nothing more to say:
/// kind, stream, and error code or first four bytes.
fn play(server: &Server, frames: impl Iterator<Item = Vec<u8>>) -> Vec<(u8, u32, u32)> {
    use std::io::{Read, Write};
    let mut stream = server.access.connect_http2().unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    stream.write_all(&frame(SETTINGS, 0, 0, b"")).unwrap();
    for frame in frames {
        // The server may have closed before everything was sent.
        if stream.write_all(&frame).is_err() {
            break;
        }
    }
    stream.sock.set_read_timeout(Some(std::time::Duration::from_secs(2))).unwrap();
    let mut told = Vec::new();
    let mut head = [0; 9];
    while stream.read_exact(&mut head).is_ok() {
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        if stream.read_exact(&mut payload).is_err() {
            break;
        }
        let word =
            |at: usize| payload.get(at..at + 4).map_or(0, |b| u32::from_be_bytes(b.try_into().unwrap()));
        let at = if head[3] == GOAWAY { 4 } else { 0 };
        told.push((head[3], u32::from_be_bytes(head[5..9].try_into().unwrap()), word(at)));
    }
    told
}

#[test]
fn floods_over_http2_end_their_connection_and_nothing_else() {
    let (_dir, server) = start();
    let before = server.resident().unwrap();
    let odd = |n: u32| 2 * n + 1;

    // A head that never ends.
    let filler: Vec<u8> = b"\x00\x01a\x7f\x00".iter().copied().chain([b'x'; 127]).collect();
    let continued = (0..2000).map(|_| frame(CONTINUATION, 0, 1, &filler.repeat(120)));
    let told = play(&server, std::iter::once(frame(HEADERS, 0, 1, &GET)).chain(continued));
    assert!(
        told.iter().all(|(kind, stream, _)| *kind != HEADERS || *stream != 1),
        "it was answered: {told:?}"
    );

    // Requests that are taken back at once.
    let reset = |n| {
        [frame(HEADERS, END_STREAM | END_HEADERS, odd(n), &GET), frame(RST_STREAM, 0, odd(n), &[0, 0, 0, 8])]
            .concat()
    };
    let told = play(&server, (0..20_000).map(reset));
    let answered = told.iter().filter(|(kind, ..)| *kind == HEADERS).count();
    println!("20000 requests taken back: {answered} were answered");
    assert!(answered < 2000, "{answered}");

    // More requests at once than are allowed.
    let told = play(&server, (0..300).map(|n| frame(HEADERS, END_HEADERS, odd(n), &POST)));
    let refused = told.iter().filter(|(kind, _, code)| *kind == RST_STREAM && *code == 7).count();
    let ended = told.iter().any(|(kind, ..)| *kind == GOAWAY);
    assert!(refused >= 100 || ended, "{refused} of 300 refused");

    let grown = server.resident().unwrap().saturating_sub(before) / 1024 / 1024;
    println!("after the floods: {grown} MiB more");
    assert!(grown < 64, "{grown} MiB");
    assert_eq!(server.access.ask(&As::Admin, "GET", "/version", None).unwrap().status, 200);
}

/// A file that was damaged while nobody looked: the error says so in one line, without a panic's words before it.
#[test]
fn a_damaged_store_is_told_in_one_line() {
    let (dir, server) = start();
    let names = "/api/v1/namespaces/default/configmaps";
    for n in 0..50 {
        let body = json!({"metadata": {"name": format!("m{n}")}, "data": {"a": "b".repeat(2000)}});
        assert_eq!(server.access.ask(&As::Admin, "POST", names, Some(&body)).unwrap().status, 201);
    }
    server.stop().unwrap();
    let path = dir.path().join("data/jeton.db");
    let good = std::fs::read(&path).unwrap();
    let mut refused = 0;
    for page in (1..good.len() / 4096).step_by((good.len() / 4096 / 12).max(1)) {
        let mut bad = good.clone();
        bad[page * 4096..page * 4096 + 64].fill(0xa5);
        std::fs::write(&path, &bad).unwrap();
        // The damage may lie where a start does not look.
        if let Err(told) = Server::start(&dir.path().join("data"), &[]) {
            assert!(told.contains("damaged") && !told.contains("panicked"), "page {page}: {told}");
            refused += 1;
        }
    }
    assert!(refused > 0, "no damage was found");
    println!("{refused} damaged pages refused at the start");
}
