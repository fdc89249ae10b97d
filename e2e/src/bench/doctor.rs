//! The doctor on an audit log: its quick look against grep, its full one against jq, and the memory it takes.

use super::report::{Line, Target, median};
use crate::server;
use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PART: &str = "doctor";
/// Events of the whole log, about 1 kB each.
const EVENTS: usize = 300_000;
/// Events of the part that jq reads.
const TENTH: usize = EVENTS / 10;
/// One in so many events has a mark.
const MARKED: usize = 1000;
/// Pods, each with a credential an hour.
const PODS: usize = 2000;
/// Requests an hour in the log.
const AN_HOUR: usize = 20_000;
/// How often each program runs; the middle one counts.
const RUNS: usize = 3;
/// How often a program's memory is looked at.
const LOOK: Duration = Duration::from_millis(2);
/// The first code that is no finding: misuse.
const MISUSE: i32 = 64;
/// What jq is asked for.
const SELECT: &str = r#"select(.annotations["authentication.k8s.io/stale-token"])"#;

/// Time and memory of one run.
#[derive(Clone, Copy, Debug)]
struct Run {
    seconds: f64,
    peak_mib: f64,
}

/// Both looks. A program that is not installed is named in a line without a figure to compare with.
///
/// # Errors
/// When the log cannot be written or a program does not read it.
pub fn run() -> Result<Vec<Line>, Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let (whole, tenth) = (dir.path().join("audit.log"), dir.path().join("tenth.log"));
    let mib = write(&whole, EVENTS)?;
    let tenth_mib = write(&tenth, TENTH)?;
    let jq = measure("jq", &["-c", SELECT], &tenth, true)?.map(|run| tenth_mib / run.seconds);
    let grep = measure("grep", &["-F", "-c", "stale-token"], &whole, true)?.map(|run| mib / run.seconds);
    let mut lines = Vec::new();
    let quick = doctor(&["--quick"], &whole, true)?;
    let rate = mib / quick.seconds;
    lines.push(against("audit --quick, against grep -F -c on one core", rate, ("grep", grep), 1.0));
    lines.push(against("audit --quick, against jq on one core", rate, ("jq", jq), 30.0));
    lines.push(peak("audit --quick, peak memory", quick));
    let one = doctor(&[], &whole, true)?;
    lines.push(against("audit, against jq on one core", mib / one.seconds, ("jq", jq), 6.0));
    let all = doctor(&[], &whole, false)?;
    let cores = std::thread::available_parallelism()?;
    let what = format!("audit on {cores} cores, against one");
    lines.push(Line::ratio(
        PART,
        &what,
        (mib / all.seconds, "MiB/s"),
        one.seconds / all.seconds,
        Target::None,
    ));
    lines.push(peak("audit on all cores, peak memory", all));
    Ok(lines)
}

fn against(what: &str, rate: f64, (program, other): (&str, Option<f64>), least: f64) -> Line {
    match other {
        Some(other) => Line::ratio(PART, what, (rate, "MiB/s"), rate / other, Target::Least(least)),
        None => {
            let what = format!("{what}: skipped, {program} is not installed");
            Line::figure(PART, &what, rate, "MiB/s", Target::None)
        }
    }
}

fn peak(what: &str, run: Run) -> Line {
    Line::figure(PART, what, run.peak_mib, "MiB", Target::Most(256.0))
}

fn doctor(flags: &[&str], log: &Path, one_core: bool) -> Result<Run, Box<dyn Error>> {
    let program = server::program();
    let arguments = [&["doctor", "audit", "-o", "json"], flags].concat();
    measure(program.to_str().ok_or("the program's path is no text")?, &arguments, log, one_core)?
        .ok_or_else(|| format!("{} is not there", program.display()).into())
}

/// The middle one of some runs; none when the program is not installed.
fn measure(program: &str, flags: &[&str], log: &Path, one_core: bool) -> Result<Option<Run>, Box<dyn Error>> {
    let (mut seconds, mut peaks) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let mut command = if one_core { Command::new("taskset") } else { Command::new(program) };
        if one_core {
            command.args(["-c", "0", program]);
        }
        // grep stops at the first match when its output is /dev/null.
        let out = File::create(log.with_extension("out"))?;
        command.args(flags).arg(log).stdin(Stdio::null()).stdout(out).stderr(Stdio::null());
        let Some(run) = once(&mut command)? else { return Ok(None) };
        seconds.push(run.seconds);
        peaks.push(run.peak_mib);
    }
    let peak_mib = peaks.into_iter().fold(0.0, f64::max);
    Ok(Some(Run { seconds: median(seconds), peak_mib }))
}

fn once(command: &mut Command) -> Result<Option<Run>, Box<dyn Error>> {
    let begun = Instant::now();
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let status = format!("/proc/{}/status", child.id());
    let mut peak_kib = 0.0_f64;
    let code = loop {
        if let Some(ended) = child.try_wait()? {
            break ended.code();
        }
        // The file is empty once the process has ended.
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        peak_kib = peak_kib.max(now.unwrap_or(0.0));
        std::thread::sleep(LOOK);
    };
    let seconds = begun.elapsed().as_secs_f64();
    match code {
        // What taskset says when there is no such program.
        Some(127) => Ok(None),
        // The doctor tells by its code what it found.
        Some(code) if code < MISUSE => Ok(Some(Run { seconds, peak_mib: peak_kib / 1024.0 })),
        code => Err(format!("{command:?} ended with {code:?}").into()),
    }
}

/// Writes a log as kube-apiserver writes it, and gives its size in MiB.
fn write(path: &Path, events: usize) -> Result<f64, Box<dyn Error>> {
    let mut out = BufWriter::new(File::create(path)?);
    for number in 0..events {
        writeln!(out, "{}", event(number))?;
    }
    let file = out.into_inner()?;
    Ok(file.metadata()?.len() as f64 / 1024.0 / 1024.0)
}

/// One request of a pod that reads its token again every hour, or of one that does not.
fn event(number: usize) -> String {
    let (hour, pod) = (number / AN_HOUR, number % PODS);
    let stale = number.is_multiple_of(MARKED);
    let at = format!(
        "2026-11-24T{:02}:{:02}:{:02}.000000Z",
        hour % 24,
        number % AN_HOUR * 60 / AN_HOUR,
        number % AN_HOUR * 3600 / AN_HOUR % 60
    );
    let user = format!("system:serviceaccount:team-{}:app-{pod}", pod % 20);
    let mark = if stale {
        format!(
            r#","authentication.k8s.io/stale-token":"subject: {user}, seconds after warning threshold: 60""#
        )
    } else {
        String::new()
    };
    let credential = if stale { 0 } else { hour };
    format!(
        r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"5f0c0c1e-8f3a-4a55-9d53-{number:012}","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/team-{team}/configmaps?limit=500&resourceVersion=0","verb":"list","user":{{"username":"{user}","uid":"0d2b8c5a-4f0e-4d2a-9a52-{pod:012}","groups":["system:serviceaccounts","system:serviceaccounts:team-{team}","system:authenticated"],"extra":{{"authentication.kubernetes.io/credential-id":["JTI=c2a6b0c4-{hour:04}-4a55-{credential:04}-{pod:012}"],"authentication.kubernetes.io/node-name":["node-{node}"],"authentication.kubernetes.io/node-uid":["9f0c0c1e-8f3a-4a55-9d53-{node:012}"],"authentication.kubernetes.io/pod-name":["app-{pod}-7c9f8d6b5d-x2k4z"],"authentication.kubernetes.io/pod-uid":["1c7c0c1e-8f3a-4a55-9d53-{pod:012}"]}}}},"sourceIPs":["10.1.{high}.{low}"],"userAgent":"app-{pod}/v0.0.0 (linux/amd64) kubernetes/$Format","objectRef":{{"resource":"configmaps","namespace":"team-{team}","apiVersion":"v1"}},"responseStatus":{{"metadata":{{}},"code":200}},"requestReceivedTimestamp":"{at}","stageTimestamp":"{at}","annotations":{{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":"RBAC: allowed by RoleBinding"{mark}}}}}"#,
        team = pod % 20,
        hour = credential,
        node = pod % 100,
        high = pod / 250,
        low = pod % 250,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_json_and_some_have_a_mark() {
        let marked = (0..3000).filter(|number| {
            let event: serde_json::Value = serde_json::from_str(&event(*number)).unwrap();
            event["annotations"]["authentication.k8s.io/stale-token"].is_string()
        });
        assert_eq!(marked.count(), 3);
    }
}
