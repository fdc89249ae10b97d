//! A cluster whose every answer is hostile: objects, lists, metrics, Helm releases, refusals. What is kept of it is bounded,
//! cannot drive a terminal, and comes back from a bundle as it went in.
#![no_main]

use jeton_core::time::UnixTime;
use jeton_doctor::collect::bundle;
use jeton_doctor::collect::cluster::api::{Answer, Api, Get, NoAnswer};
use jeton_doctor::collect::cluster::limits::{MAX_REPLICAS, MAX_RETRY_WAIT};
use jeton_doctor::collect::cluster::{Settings, collect};
use jeton_doctor::facts::Facts;
use jeton_fuzz::hidden_in;
use libfuzzer_sys::fuzz_target;
use std::time::Duration;

/// What a part of the input may begin with, to be something else than success.
const CODES: [u16; 8] = [401, 403, 404, 406, 410, 429, 500, 503];

/// Answers one part of the input after the other; no byte of UTF-8 is what separates them.
struct Hostile<'a> {
    parts: std::slice::Split<'a, u8, fn(&u8) -> bool>,
    time: Duration,
}

impl Api for Hostile<'_> {
    fn get(&mut self, get: &Get) -> Result<Answer, NoAnswer> {
        assert!(get.path.starts_with('/') && !get.path.contains(['?', '#', ' ', '%']), "{get:?}");
        assert!(!get.path.contains("/../") && !get.path.contains("//"), "{get:?}");
        let part = self.parts.next().ok_or_else(|| NoAnswer::Unreachable("no more".to_owned()))?;
        let (code, body) = match part {
            [code @ 0..8, body @ ..] => (CODES[usize::from(*code)], body),
            body => (200, body),
        };
        Ok(Answer { code, retry_after: body.first().map(|b| u64::from(*b)), body: body.to_vec() })
    }

    fn elapsed(&self) -> Duration {
        self.time
    }

    fn pause(&mut self, duration: Duration) {
        self.time += duration;
    }
}

fuzz_target!(|bytes: &[u8]| {
    let separates: fn(&u8) -> bool = |byte| *byte == 0xff;
    let mut api = Hostile { parts: bytes.split(separates), time: Duration::ZERO };
    let releases = vec!["cceaddon-npd".to_owned()];
    let found = collect(&mut api, &Settings { name: "lab".to_owned(), qps: 5, releases });
    // The rate, and what retries may wait for in all.
    let most = Duration::from_millis(200) * u32::try_from(found.requests).unwrap() + MAX_RETRY_WAIT;
    assert!(api.time <= most, "{:?} for {} requests", api.time, found.requests);
    assert!(found.cluster.replicas.len() <= MAX_REPLICAS);
    let facts = Facts { sources: vec![found.source], clusters: vec![found.cluster], ..Facts::default() };
    let now = UnixTime::from_seconds(0);
    let once = bundle::write(&facts, now).unwrap();
    assert!(!hidden_in(&serde_json::from_str(&once).unwrap()), "{once}");
    let (clusters, sources) = bundle::read(once.as_bytes()).unwrap().into_iter().unzip();
    let twice = bundle::write(&Facts { sources, clusters, ..Facts::default() }, now).unwrap();
    assert_eq!(once, twice);
});
