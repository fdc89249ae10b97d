//! API servers, told apart by address or by their start.

use super::super::extended;
use super::*;

fn slices(count: usize) -> Value {
    let endpoints: Vec<Value> = (1..=count).map(|n| json!({"addresses": [format!("10.0.0.{n}")]})).collect();
    json!([{"endpoints": endpoints, "ports": [{"name": "https", "port": 6443}]}])
}

#[test]
fn every_api_server_is_asked_at_its_own_address() {
    let mut fake = Fake::empty().instead(SLICES).items(SLICES, &slices(3));
    for n in 1..=3 {
        fake = fake.on(&format!("10.0.0.{n}:6443/metrics"), 200, &json!(metrics(n, n * 10)));
    }
    let got = fake.run();
    let seen: Vec<_> = got.cluster.replicas.iter().map(|r| (r.name.as_str(), r.stale)).collect();
    assert_eq!(seen, [("10.0.0.1:6443", Some(10)), ("10.0.0.2:6443", Some(20)), ("10.0.0.3:6443", Some(30))]);
    assert!(gaps(&got).is_empty(), "counters that moved tell that the extension is on: {:?}", gaps(&got));
    assert_eq!(extended(&got.cluster), Some(true));
}

#[test]
fn api_servers_behind_one_address_are_told_apart_by_their_start() {
    let mut fake = Fake::empty().instead(SLICES).items(SLICES, &slices(3)).instead("/metrics");
    for (start, stale) in [(100, 1), (200, 5), (100, 2), (100, 2), (300, 9), (1, 1)] {
        fake = fake.on("/metrics", 200, &json!(metrics(start, stale)));
    }
    let got = fake.run();
    let seen: Vec<_> = got.cluster.replicas.iter().map(|r| (r.name.as_str(), r.stale)).collect();
    let want = [
        ("1970-01-01T00:01:40Z", Some(2)),
        ("1970-01-01T00:03:20Z", Some(5)),
        ("1970-01-01T00:05:00Z", Some(9)),
    ];
    assert_eq!(seen, want);
    assert!(gaps(&got).is_empty(), "{:?}", gaps(&got));
    let direct = fake.asked.iter().filter(|get| get.direct.is_some()).count();
    assert_eq!(direct, 2, "two addresses without an answer are enough");
}

#[test]
fn api_servers_of_the_same_second_have_names_of_their_own() {
    let mut fake = Fake::empty().instead("/metrics");
    for start in ["1.25", "1.5"] {
        fake = fake.on("/metrics", 200, &json!(format!("process_start_time_seconds {start}\n")));
    }
    let names: Vec<String> = fake.run().cluster.replicas.into_iter().map(|r| r.name).collect();
    assert_eq!(names, ["1970-01-01T00:00:01Z", "1970-01-01T00:00:01.500000Z"]);
}

#[test]
fn one_address_may_hide_several_api_servers() {
    let mut fake = Fake::empty().instead(SLICES).items(SLICES, &slices(1)).instead("/metrics");
    fake = fake.on("/metrics", 200, &json!(metrics(100, 1))).on("/metrics", 200, &json!(metrics(200, 5)));
    let got = fake.run();
    assert_eq!(got.cluster.replicas.len(), 2);
    assert_eq!(got.cluster.unknown[0].detail, "2/?");
}

#[test]
fn an_api_server_that_was_not_met_is_told() {
    let fake = Fake::empty().instead(SLICES).items(SLICES, &slices(2));
    let mut fake = fake.on("10.0.0.2:6443/metrics", 200, &json!(metrics(2, 0)));
    let got = fake.run();
    assert_eq!(got.cluster.replicas.len(), 1);
    assert_eq!(got.cluster.unknown[0].id, "replicas-unseen");
    assert_eq!(got.cluster.unknown[0].detail, "1/2; 10.0.0.1:6443");
}
