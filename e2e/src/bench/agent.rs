//! 1,000 pods of one agent, one token each, with lifetimes so short that every token is refreshed in a few minutes.

use super::load::{Generator, request};
use super::material::{CREATED, LONG};
use super::report::{Line, Target};
use crate::agent::{Agent, metric};
use crate::server::{Server, program};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jeton_core::claims;
use jeton_core::time::UnixTime;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error;
use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Pods.
const PODS: usize = 1000;
/// Seconds that a token asks for; its window is 70 to 80 s after it was asked for.
const LIFETIME_SECONDS: i64 = 100;
/// Seconds that a token works.
const WORKS_SECONDS: i64 = 110;
/// Time from the last first token until two windows are over.
const TWO_WINDOWS: Duration = Duration::from_secs(165);
/// Time for all first tokens.
const FIRST: Duration = Duration::from_secs(120);
const PART: &str = "agent";
const NODE: &str = "vm1";
const MIB: f64 = 1024.0 * 1024.0;

/// What a reader that never stops found.
#[derive(Debug, Default)]
struct Found {
    reads: u64,
    tokens: u64,
    bad: u64,
}

/// All of it.
///
/// # Errors
/// When something does not start, or first tokens do not come.
pub fn run() -> Result<Vec<Line>, Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let audit = dir.path().join("audit.log");
    let mut serve = Command::new(program());
    let lifetimes = format!("min=5,injected={LIFETIME_SECONDS},extended={WORKS_SECONDS},leeway=1");
    serve.env("JETON_TEST_LIFETIMES", lifetimes).args(["serve", "--listen", "127.0.0.1:0"]);
    serve.arg("--data-dir").arg(dir.path().join("data")).arg("--audit-log-path").arg(&audit);
    let server = Server::spawn(serve, dir.path().join("server.log"))?;
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let agent = Agent::start(&server, dir.path(), NODE, &["--metrics-bind-address", &address])?;
    make(&server)?;
    let files = first_tokens(&agent.root)?;
    let (begun, cpu) = (Instant::now(), processor(agent.pid())?);
    let stop = Arc::new(AtomicBool::new(false));
    let reader = read_for_ever(files, stop.clone());
    std::thread::sleep(TWO_WINDOWS);
    let used = processor(agent.pid())? - cpu;
    let hours = begun.elapsed().as_secs_f64() / LIFETIME_SECONDS as f64;
    stop.store(true, Ordering::Relaxed);
    let found = reader.join().map_err(|_| "the reader panicked")?;
    let counted = |name: &str| metric(&address, name);
    let late = counted("jeton_agent_token_late_total")?;
    let given = counted("jeton_agent_token_requests_total{code=\"201\"}")?;
    let memory = resident(agent.pid())? / MIB;
    let (peak, mean) = busiest(&audit)?;
    let none = Target::Most(0.0);
    Ok(vec![
        Line::figure(PART, "tokens given to 1,000 pods over two windows", given, "", Target::Least(3000.0)),
        Line::figure(PART, "tokens that came after their window", late, "", none),
        Line::figure(PART, "reads of token files meanwhile", found.reads as f64, "", Target::Least(1e6)),
        Line::figure(PART, "different tokens read", found.tokens as f64, "", Target::None),
        Line::figure(PART, "reads that found no, half a or an expired token", found.bad as f64, "", none),
        Line::ratio(PART, "busiest second of the window", (peak, "/s"), peak / mean, Target::Most(3.0)),
        Line::figure(PART, "agent resident with 1,000 volumes", memory, "MiB", Target::Most(48.0)),
        Line::figure(PART, "processor time per hour of tokens' lifetime", used / hours, "s", Target::None),
    ])
}

fn make(server: &Server) -> Result<(), Box<dyn Error>> {
    let mut load = Generator::connect(&server.access)?;
    let pod = |n: usize| {
        let spec = json!({"nodeName": NODE, "containers": [{"name": "main", "image": "none"}]});
        let body = json!({"metadata": {"name": format!("p{n}")}, "spec": spec}).to_string();
        (n < PODS).then(|| Cow::Owned(request("POST", "/api/v1/namespaces/default/pods", &body)))
    };
    load.run(&pod, CREATED, LONG)?;
    Ok(())
}

/// The token files, once all are there.
fn first_tokens(root: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let begun = Instant::now();
    while begun.elapsed() < FIRST {
        let mut files = Vec::new();
        for pod in std::fs::read_dir(root.join("pods"))?.flatten() {
            let volumes = pod.path().join("volumes/kubernetes.io~projected");
            let volume = std::fs::read_dir(volumes).ok().and_then(|mut v| v.next()?.ok());
            files.extend(volume.map(|v| v.path().join("token")).filter(|f| f.exists()));
        }
        if files.len() == PODS {
            return Ok(files);
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    Err(format!("not all first tokens after {} s", FIRST.as_secs()).into())
}

fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixTime::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// When a token ends; `None` when it is no whole token.
fn ends(token: &str) -> Option<i64> {
    let [_, payload, signature] = token.split('.').collect::<Vec<_>>().try_into().ok()?;
    URL_SAFE_NO_PAD.decode(signature).ok().filter(|s| s.len() >= 64)?;
    claims::claims(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?.expires
}

fn read_for_ever(files: Vec<PathBuf>, stop: Arc<AtomicBool>) -> JoinHandle<Found> {
    std::thread::spawn(move || {
        let mut found = Found::default();
        let mut known: Vec<(String, i64)> = vec![Default::default(); files.len()];
        let mut text = String::new();
        while !stop.load(Ordering::Relaxed) {
            for (file, known) in files.iter().zip(&mut known) {
                text.clear();
                let read = std::fs::File::open(file).and_then(|mut f| f.read_to_string(&mut text));
                found.reads += 1;
                // A token is taken apart once.
                if read.is_ok() && text != known.0 {
                    *known = (text.clone(), ends(&text).unwrap_or(0));
                    found.tokens += 1;
                }
                found.bad += u64::from(read.is_err() || known.1 < now().seconds());
            }
        }
        found
    })
}

/// Requests for tokens in the busiest second of the first window of refreshes, and in a mean one, by the authority's log.
fn busiest(audit: &Path) -> Result<(f64, f64), Box<dyn Error>> {
    let mut seconds: BTreeMap<i64, u32> = BTreeMap::new();
    let mut begun: Option<i64> = None;
    for line in std::fs::read_to_string(audit)?.lines() {
        let event: Value = serde_json::from_str(line)?;
        let at = event["requestReceivedTimestamp"].as_str().and_then(UnixTime::parse_rfc3339);
        if let Some(at) = at.filter(|_| event["objectRef"]["subresource"] == "token").map(|t| t.seconds()) {
            begun = Some(begun.map_or(at, |b| b.min(at)));
            *seconds.entry(at).or_default() += 1;
        }
    }
    let from = begun.ok_or("no token was asked for")? + LIFETIME_SECONDS * 6 / 10;
    // Until the second refreshes can begin.
    let window: Vec<u32> = (from..from + LIFETIME_SECONDS / 2)
        .map(|at| seconds.get(&at).copied().unwrap_or(0))
        .skip_while(|n| *n == 0)
        .collect();
    let last = window.iter().rposition(|n| *n > 0).ok_or_else(|| {
        let (first, all) = (seconds.keys().next(), seconds.values().sum::<u32>());
        format!(
            "of {all} requests for tokens from second {first:?} on, none came in the {} s from {from}",
            LIFETIME_SECONDS / 2
        )
    })?;
    let window = &window[..=last];
    let peak = window.iter().max().copied().unwrap_or(0);
    Ok((f64::from(peak), f64::from(window.iter().sum::<u32>()) / window.len() as f64))
}

/// Processor seconds of a process.
fn processor(pid: u32) -> Result<f64, Box<dyn Error>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, after) = text.rsplit_once(") ").ok_or("no stat")?;
    let fields: Vec<&str> = after.split(' ').collect();
    let ticks = fields.get(11..13).ok_or("a short stat")?;
    let sum: f64 = ticks.iter().map(|t| t.parse::<f64>()).sum::<Result<f64, _>>()?;
    /// Ticks of a second in /proc, on every Linux.
    const TICKS: f64 = 100.0;
    Ok(sum / TICKS)
}

/// Resident bytes of a process.
fn resident(pid: u32) -> Result<f64, Box<dyn Error>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|l| l.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0)
}
