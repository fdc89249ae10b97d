//! The server is killed at random moments; what it had acknowledged is there, what it had deleted stays deleted.
//!
//! `JETON_KILLS` sets how often (default 30).

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and tells its counts"
)]

use e2e::client::{Access, Connection};
use e2e::server::Server;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const WRITERS: usize = 4;
const BASE: &str = "/api/v1/namespaces/default/configmaps";

/// What one writer knows: acknowledged objects, and those whose fate is open.
#[derive(Debug, Default)]
struct Known {
    there: BTreeMap<String, String>,
    gone: Vec<String>,
    open: Vec<String>,
    acknowledged: u64,
}

/// Creates and deletes until the server is gone.
fn write(access: &Access, writer: usize, round: usize, known: &mut Known, stop: &AtomicBool) {
    let Ok(mut connection) = access.connect(true) else { return };
    for n in 0.. {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let name = format!("w{writer}-r{round}-n{n}");
        known.open.push(name.clone());
        let Some(uid) = create(&mut connection, &name) else { return };
        known.open.pop();
        known.acknowledged += 1;
        known.there.insert(name.clone(), uid);
        if n % 3 == 2 {
            known.open.push(name.clone());
            known.there.remove(&name);
            let deleted = connection.request("DELETE", &format!("{BASE}/{name}"), &[], None);
            let Ok(answer) = deleted else { return };
            assert_eq!(answer.status, 200, "{}", answer.value());
            known.open.pop();
            known.acknowledged += 1;
            known.gone.push(name);
        }
    }
}

fn create(connection: &mut Connection, name: &str) -> Option<String> {
    let body =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"n": name}});
    let headers = [("Content-Type", "application/json")];
    let answer = connection.request("POST", BASE, &headers, Some(body.to_string().as_bytes())).ok()?;
    assert_eq!(answer.status, 201, "{}", answer.value());
    answer.value()["metadata"]["uid"].as_str().map(str::to_owned)
}

fn stored(access: &Access) -> BTreeMap<String, String> {
    let list = access.connect(true).unwrap().request("GET", BASE, &[], None).unwrap().value();
    let items = list["items"].as_array().unwrap().iter();
    let text = |item: &Value, key: &str| item["metadata"][key].as_str().unwrap().to_owned();
    items.map(|item| (text(item, "name"), text(item, "uid"))).collect()
}

/// One life of the server, ended after `millis`.
fn life(data: &Path, round: usize, millis: u64, all: &mut [Known]) {
    let server = Server::start(data, &[]).unwrap();
    let found = stored(&server.access);
    for known in all.iter() {
        for (name, uid) in &known.there {
            assert_eq!(found.get(name), Some(uid), "an acknowledged write is lost");
        }
        for name in &known.gone {
            assert!(!found.contains_key(name), "an acknowledged delete came back: {name}");
        }
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for (writer, known) in all.iter_mut().enumerate() {
            let (access, stop) = (server.access.clone(), &stop);
            scope.spawn(move || write(&access, writer, round, known, stop));
        }
        std::thread::sleep(Duration::from_millis(millis));
        server.kill();
        stop.store(true, Ordering::SeqCst);
    });
}

#[test]
fn nothing_acknowledged_is_lost() {
    let kills: usize = std::env::var("JETON_KILLS").ok().and_then(|k| k.parse().ok()).unwrap_or(30);
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut all: Vec<Known> = (0..WRITERS).map(|_| Known::default()).collect();
    for round in 0..kills {
        // Spread over the first tenth of a second, in which batches are under way.
        let millis = 5 + (round as u64 * 37) % 95;
        life(&data, round, millis, &mut all);
    }
    life(&data, kills, 0, &mut all);
    let sum = |of: fn(&Known) -> u64| all.iter().map(of).sum::<u64>();
    let (acknowledged, open) = (sum(|k| k.acknowledged), sum(|k| k.open.len() as u64));
    println!(
        "{kills} kills: {acknowledged} acknowledged writes and deletes, none lost; {open} were under way"
    );
    assert!(acknowledged > kills as u64, "too little happened to prove anything: {acknowledged}");
}
