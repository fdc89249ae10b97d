//! Watches: nothing is missed, the too old are told, and a stream does not outlive the token it was opened with.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::client::{Access, As, Connection};
use e2e::server::Server;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn map(name: &str, value: &str) -> Value {
    json!({"metadata": {"name": name, "labels": {"v": value}}, "data": {"v": value}})
}

fn make(access: &Access, name: &str) {
    let made = access.ask(&As::Admin, "POST", MAPS, Some(&map(name, "0"))).unwrap();
    assert_eq!(made.status, 201, "{:?}", made.value());
}

/// An open stream, and its events one by one.
fn open(access: &Access, who: &As<'_>, path: &str) -> Connection {
    let mut connection = access.connect(*who == As::Admin).unwrap();
    let bearer = match who {
        As::Token(token) => format!("Authorization: Bearer {token}\r\n"),
        As::Admin | As::Anonymous => String::new(),
    };
    connection.raw(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{bearer}\r\n").as_bytes()).unwrap();
    let head = connection.answer("HEAD").unwrap();
    assert_eq!(head.status, 200);
    connection
}

/// The next event; `None` when the stream has ended.
fn next(connection: &mut Connection) -> Option<Value> {
    let chunk = connection.chunk().unwrap()?;
    Some(serde_json::from_slice(&chunk).unwrap())
}

fn told(event: &Value) -> (String, String) {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or("").to_owned();
    (text("/type"), text("/object/metadata/name"))
}

fn start() -> (tempfile::TempDir, Server) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"), &[]).unwrap();
    (dir, server)
}

#[test]
fn a_list_and_a_watch_from_there_miss_nothing() {
    let (_dir, server) = start();
    let access = &server.access;
    for at in 0..40 {
        make(access, &format!("before-{at:02}"));
    }
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || {
            for at in 0..40 {
                let name = format!("before-{at:02}");
                let path = format!("{MAPS}/{name}");
                assert_eq!(access.ask(&As::Admin, "PUT", &path, Some(&map(&name, "1"))).unwrap().status, 200);
                make(access, &format!("during-{at:02}"));
            }
            make(access, "zz-last");
        });
        // Pages of three, so that much happens between the first and the last.
        let mut seen = BTreeMap::new();
        let (mut revision, mut next_page) = (None, String::new());
        loop {
            let page =
                access.ask(&As::Admin, "GET", &format!("{MAPS}?limit=3{next_page}"), None).unwrap().value();
            let metadata = &page["metadata"];
            revision.get_or_insert_with(|| metadata["resourceVersion"].as_str().unwrap().to_owned());
            for item in page["items"].as_array().unwrap() {
                let name = item["metadata"]["name"].as_str().unwrap().to_owned();
                seen.insert(name, item["data"]["v"].as_str().map(str::to_owned));
            }
            match metadata["continue"].as_str() {
                Some(token) => next_page = format!("&continue={token}"),
                None => break,
            }
        }
        let from = revision.unwrap();
        let mut stream = open(access, &As::Admin, &format!("{MAPS}?watch=1&resourceVersion={from}"));
        while !seen.contains_key("zz-last") {
            let event = next(&mut stream).unwrap();
            let (kind, name) = told(&event);
            assert!(matches!(kind.as_str(), "ADDED" | "MODIFIED"), "{event}");
            seen.insert(name, event["object"]["data"]["v"].as_str().map(str::to_owned));
        }
        writer.join().unwrap();
        for at in 0..40 {
            assert_eq!(seen[&format!("before-{at:02}")].as_deref(), Some("1"), "{at}");
            assert_eq!(seen[&format!("during-{at:02}")].as_deref(), Some("0"), "{at}");
        }
    });
}

#[test]
fn initial_events_end_with_a_bookmark_and_selectors_turn_changes_into_arrivals() {
    let (_dir, server) = start();
    let access = &server.access;
    make(access, "a");
    let query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&labelSelector=v%3D0";
    let mut stream = open(access, &As::Admin, &format!("{MAPS}?{query}"));
    assert_eq!(told(&next(&mut stream).unwrap()), ("ADDED".to_owned(), "a".to_owned()));
    let end = next(&mut stream).unwrap();
    assert_eq!(end["type"], "BOOKMARK");
    assert_eq!(end["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    assert_eq!(end["object"]["kind"], "ConfigMap");
    for (value, kind) in [("1", "DELETED"), ("0", "ADDED")] {
        access.ask(&As::Admin, "PUT", &format!("{MAPS}/a"), Some(&map("a", value))).unwrap();
        assert_eq!(told(&next(&mut stream).unwrap()), (kind.to_owned(), "a".to_owned()), "{value}");
    }
    access.ask(&As::Admin, "DELETE", &format!("{MAPS}/a"), None).unwrap();
    let gone = next(&mut stream).unwrap();
    assert_eq!(told(&gone), ("DELETED".to_owned(), "a".to_owned()));
    // Tables and metadata tell the same.
    make(access, "b");
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let head = format!(
        "GET {MAPS}?watch=1&fieldSelector=metadata.name%3Db HTTP/1.1\r\nHost: localhost\r\nAccept: {table}\r\n\r\n"
    );
    let mut stream = access.connect(true).unwrap();
    stream.raw(head.as_bytes()).unwrap();
    stream.answer("HEAD").unwrap();
    let row = next(&mut stream).unwrap();
    assert_eq!(row["object"]["rows"][0]["cells"][0], "b");
    assert_eq!(row["object"]["columnDefinitions"][1]["name"], "Data");
}

#[test]
fn a_revision_that_nobody_remembers_is_gone_and_one_to_come_is_waited_for_elsewhere() {
    let (_dir, server) = start();
    let access = &server.access;
    make(access, "a");
    let far =
        access.ask(&As::Admin, "GET", &format!("{MAPS}?watch=1&resourceVersion=999999999"), None).unwrap();
    assert_eq!(far.status, 504);
    let dir = server.kubeconfig.parent().unwrap().to_owned();
    server.stop().unwrap();
    // The ring of events begins anew with the process.
    let server = Server::start(&dir, &[]).unwrap();
    let mut stream = open(&server.access, &As::Admin, &format!("{MAPS}?watch=1&resourceVersion=2"));
    let event = next(&mut stream).unwrap();
    assert_eq!((event["type"].as_str(), event["object"]["code"].as_u64()), (Some("ERROR"), Some(410)));
    assert_eq!(event["object"]["reason"], "Expired");
    assert!(next(&mut stream).is_none(), "the stream ends");
}

#[test]
fn a_stream_dies_with_its_token_and_with_its_server() {
    let (_dir, server) = start();
    let access = &server.access;
    let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    assert_eq!(
        access.ask(&As::Admin, "POST", "/api/v1/namespaces/default/pods", Some(&pod)).unwrap().status,
        201
    );
    let binding = json!({
        "metadata": {"name": "edit"}, "roleRef": {"kind": "ClusterRole", "name": "edit"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "default"}],
    });
    let bindings = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings";
    assert_eq!(access.ask(&As::Admin, "POST", bindings, Some(&binding)).unwrap().status, 201);
    let ask = json!({"spec": {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "p"}}});
    let path = "/api/v1/namespaces/default/serviceaccounts/default/token";
    let token = access.ask(&As::Admin, "POST", path, Some(&ask)).unwrap().value();
    let token = token["status"]["token"].as_str().unwrap();
    let mut mine = open(access, &As::Token(token), &format!("{MAPS}?watch=1&resourceVersion=1"));
    let mut admins = open(access, &As::Admin, &format!("{MAPS}?watch=1&fieldSelector=metadata.name%3Dnone"));
    access.ask(&As::Admin, "DELETE", "/api/v1/namespaces/default/pods/p", None).unwrap();
    let deleted = Instant::now();
    while next(&mut mine).is_some() {}
    let took = deleted.elapsed();
    // One second is promised; a busy machine gets some more.
    assert!(took < Duration::from_secs(5), "{took:?}");
    let stopped = Instant::now();
    assert!(server.stop().unwrap().success());
    assert!(next(&mut admins).is_none());
    assert!(stopped.elapsed() < Duration::from_secs(8), "open streams do not hold up the end");
}
