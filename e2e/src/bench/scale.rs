//! 10,000 accounts and 100,000 pods: memory, reviews, and starts.

use super::load::{Generator, request};
use super::material::{ACCEPTED, CREATED, LONG, fill, once, reviews};
use super::report::{Line, Target, median};
use crate::server::Server;
use serde_json::json;
use std::borrow::Cow;
use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

/// Namespaces of the large server; each has 100 accounts.
const NAMESPACES: usize = 100;
/// Pods of the large server.
const PODS: usize = 100_000;
/// Pods of the small one it is compared with.
const FEW: usize = 100;
/// Tokens reviewed on each server.
const TOKENS: usize = 50_000;
/// How often each side is measured.
const ROUNDS: usize = 10;
/// How often a start is timed; the slowest counts.
const STARTS: usize = 3;
/// Memory counts as settled when it fell by less than this between two looks.
const SETTLED_BYTES: u64 = 256 * 1024;
/// Time a server is left alone before memory is looked at.
const IDLE: Duration = Duration::from_secs(15);
/// Time between two looks.
const LOOK: Duration = Duration::from_secs(3);

const PART: &str = "scale";
const MIB: f64 = 1024.0 * 1024.0;

/// All of it, on one server after the other.
///
/// # Errors
/// When a server does not start or does not answer as expected.
pub fn run() -> Result<Vec<Line>, Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let pem = jeton_authority::signer::local::new_key_pem()?;
    let key = dir.path().join("sa.key");
    std::fs::write(&key, pem.as_bytes())?;
    let more = ["--service-account-signing-key-file", key.to_str().ok_or("a strange directory")?];
    let (data, small_data) = (dir.path().join("data"), dir.path().join("small"));
    let server = Server::start(&data, &more)?;
    let begun = Instant::now();
    let pods = fill(&server.access, NAMESPACES, PODS)?;
    let rate = (PODS + NAMESPACES * 100) as f64 / begun.elapsed().as_secs_f64();
    let mut lines = vec![
        Line::figure(PART, "objects created over HTTPS while filling", rate, "/s", Target::None),
        memory("resident, idle after 10,000 accounts and 100,000 pods", &server)?,
    ];
    let small = Server::start(&small_data, &more)?;
    let few = fill(&small.access, 1, FEW)?;
    lines.extend(compare(
        (&server, &reviews(pem.as_bytes(), &spread(&pods), TOKENS)?),
        (&small, &reviews(pem.as_bytes(), &few, TOKENS)?),
    )?);
    drop(small);
    lines.push(memory("resident, idle after 50,000 reviews more", &server)?);
    lines.extend(starts(server, &data, &more)?);
    Ok(lines)
}

/// Every other pod, so that all namespaces take part.
fn spread(pods: &[super::material::Pod]) -> Vec<super::material::Pod> {
    pods.iter().step_by((pods.len() / TOKENS).max(1)).cloned().collect()
}

/// Memory once it no longer falls: the allocator gives pages back over the seconds after a burst.
fn memory(what: &str, server: &Server) -> Result<Line, Box<dyn Error>> {
    std::thread::sleep(IDLE);
    let mut last = server.resident()?;
    for _ in 0..10 {
        std::thread::sleep(LOOK);
        let now = server.resident()?;
        if last.saturating_sub(now) < SETTLED_BYTES && now <= last {
            last = now;
            break;
        }
        last = now;
    }
    Ok(Line::figure(PART, what, last as f64 / MIB, "MiB", Target::Most(64.0)))
}

type Side<'a> = (&'a Server, &'a [Vec<u8>]);

/// The same reviews on both servers in turn.
fn compare(
    large: (&Server, &Vec<Vec<u8>>),
    small: (&Server, &Vec<Vec<u8>>),
) -> Result<Vec<Line>, Box<dyn Error>> {
    let sides: [Side<'_>; 2] = [(large.0, large.1), (small.0, small.1)];
    let mut loads = [Generator::connect(&sides[0].0.access)?, Generator::connect(&sides[1].0.access)?];
    let mut rates = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        let share = TOKENS / ROUNDS;
        for side in 0..2 {
            let requests = &sides[side].1[round * share..(round + 1) * share];
            rates[side].push(loads[side].run(&once(requests), ACCEPTED, LONG)?);
        }
    }
    let [many, few] = rates;
    let ratio = median(many.iter().zip(&few).map(|(m, f)| m / f).collect());
    Ok(vec![
        Line::figure(PART, "review with 100 pods", median(few), "/s", Target::None),
        Line::ratio(PART, "review with 100,000 pods", (median(many), "/s"), ratio, Target::Least(0.9)),
    ])
}

/// Time from the start of the process to its ready line, after a clean stop and after a kill in the middle of writes.
fn starts(server: Server, data: &Path, more: &[&str]) -> Result<Vec<Line>, Box<dyn Error>> {
    let mut server = server;
    let (mut clean, mut killed) = (0.0_f64, 0.0_f64);
    for _ in 0..STARTS {
        server.stop()?;
        let begun = Instant::now();
        server = Server::start(data, more)?;
        clean = clean.max(begun.elapsed().as_secs_f64());
    }
    for round in 0..STARTS {
        let access = server.access.clone();
        let writer = std::thread::spawn(move || {
            let Ok(mut load) = Generator::connect(&access) else { return };
            let make = |n: usize| {
                let body = json!({"metadata": {"name": format!("kill-{round}-{n}")}, "data": {"n": "x"}});
                let path = "/api/v1/namespaces/default/configmaps";
                Some(Cow::Owned(request("POST", path, &body.to_string())))
            };
            // It ends with the server.
            let _ = load.run(&make, CREATED, LONG);
        });
        std::thread::sleep(Duration::from_millis(700));
        server.kill();
        let _ = writer.join();
        let begun = Instant::now();
        server = Server::start(data, more)?;
        killed = killed.max(begun.elapsed().as_secs_f64());
    }
    Ok(vec![
        Line::figure(PART, "ready after a clean stop, slowest of 3", clean, "s", Target::Most(0.5)),
        Line::figure(PART, "ready after kill -9 while writing, slowest of 3", killed, "s", Target::Most(2.0)),
    ])
}
