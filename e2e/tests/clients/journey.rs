//! List, create, patch, a watch that outlives the server, delete.

use crate::program::{self, Client};
use e2e::client::As;
use e2e::server::Server;
use serde_json::{Value, json};
use std::process::Command;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// Whether these lines are among what was seen, in this order. A resumed watch may tell something twice.
fn in_order(seen: &Value, wanted: &[&str]) -> bool {
    let mut seen = seen.as_array().unwrap().iter();
    wanted.iter().all(|wanted| seen.any(|line| line == wanted))
}

/// Takes a program through its journey and kills the server on the way.
fn journey(mut command: Command) {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data, &[]).unwrap();
    let address = server.access.address;
    let map = |name: &str| json!({"metadata": {"name": name}});
    let post = |server: &Server, body: &Value| {
        let answer = server.access.ask(&As::Admin, "POST", MAPS, Some(body)).unwrap();
        assert_eq!(answer.status, 201, "{}", answer.value());
    };
    post(&server, &map("before"));
    command.arg("default").env("KUBECONFIG", &server.kubeconfig).env("HOME", dir.path());
    let mut client = Client::start(command, dir.path().join("client.log"));
    assert_eq!(client.line(), json!({"step": "watching"}));
    server.kill();
    let server = Server::start_on(&data, address, &[]).unwrap();
    post(&server, &map("after-restart"));
    let saw = client.line();
    client.end();
    assert!(saw["listed"].as_array().unwrap().contains(&json!("before")), "{saw}");
    assert!(saw["created"].is_string() && saw["created"] == saw["deleted"], "{saw}");
    assert_eq!(saw["patched"], "two", "{saw}");
    assert_eq!(saw["account"], "system:serviceaccount:default:default", "{saw}");
    let events =
        ["ADDED before", "ADDED journey", "MODIFIED journey", "ADDED after-restart", "DELETED journey"];
    assert!(in_order(&saw["events"], &events), "{saw}");
    let gone = server.access.ask(&As::Admin, "GET", &format!("{MAPS}/journey"), None).unwrap();
    assert_eq!(gone.status, 404);
}

#[test]
fn python_journey() {
    journey(program::python("journey"));
}

#[test]
fn go_journey() {
    journey(program::go("journey"));
}

#[test]
fn javascript_journey() {
    journey(program::javascript("journey"));
}

#[test]
fn java_journey() {
    journey(program::java("Journey"));
}
