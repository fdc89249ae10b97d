//! The doctor on an audit log: its quick look against grep, its full one against jq, and the memory it takes.
//!
//! Programs take turns, so that whatever else the machine does falls on all of them. With `JETON_BENCH_LOG_GB=10` there is
//! also a log of ten billion bytes and 100,000 pods, for the memory that it takes.

use super::audit_log::Shape;
use super::report::{Line, Target, median};
use crate::server;
use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PART: &str = "doctor";
const MB: u64 = 1_000_000;
/// Bytes of the log.
const BYTES: u64 = 900 * MB;
/// Bytes of the log that jq reads.
const JQ_BYTES: u64 = BYTES / 30;
/// Who is in it: an hour of log has 20 MB.
const CLUSTER: Shape = Shape { pods: 2000, rounds: 10 };
/// Who is in a large log.
const LARGE_CLUSTER: Shape = Shape { pods: 100_000, rounds: 4 };
/// Names the size of a large log, in GB.
const LARGE: &str = "JETON_BENCH_LOG_GB";
/// How often each program runs; the middle one counts.
const ROUNDS: usize = 5;
/// How often a program's memory is looked at.
const LOOK: Duration = Duration::from_millis(2);
/// The first code that is no finding: misuse.
const MISUSE: i32 = 64;
/// What jq is asked for.
const SELECT: &str = r#"select(.annotations["authentication.k8s.io/stale-token"])"#;
/// The most memory that any log may take.
const MOST_MEMORY: Target = Target::Most(256.0);

/// A program that reads a log.
struct Reader<'a> {
    program: &'a Path,
    flags: &'a [&'a str],
    log: &'a Path,
    bytes: u64,
    one_core: bool,
}

/// Rate and memory of one run, or of the middle one of several.
#[derive(Clone, Copy, Debug)]
struct Run {
    mb_a_second: f64,
    peak_mib: f64,
}

/// Both looks. A program that is not installed is named in a line without a figure to compare with.
///
/// # Errors
/// When the log cannot be written or a program does not read it.
pub fn run() -> Result<Vec<Line>, Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let (whole, few) = (dir.path().join("audit.log"), dir.path().join("few.log"));
    let (bytes, jq_bytes) = (CLUSTER.write(&whole, BYTES)?, CLUSTER.write(&few, JQ_BYTES)?);
    let jeton = server::program();
    let reader = |program, flags, one_core| Reader { program, flags, log: &whole, bytes, one_core };
    let jq = Reader { log: &few, bytes: jq_bytes, ..reader(Path::new("jq"), &["-c", SELECT], true) };
    let [grep, jq, quick, one, all] = in_turn(&[
        reader(Path::new("grep"), &["-F", "-c", "stale-token"], true),
        jq,
        reader(&jeton, &["doctor", "audit", "-o", "json", "--quick"], true),
        reader(&jeton, &["doctor", "audit", "-o", "json"], true),
        reader(&jeton, &["doctor", "audit", "-o", "json"], false),
    ])?;
    let (Some(quick), Some(one), Some(all)) = (quick, one, all) else {
        return Err(format!("{} is not there", jeton.display()).into());
    };
    let cores = std::thread::available_parallelism()?;
    let mut lines = vec![
        against("audit --quick, against grep -F -c on one core", quick, ("grep", grep), Target::Least(1.0)),
        against("audit --quick, against jq on one core", quick, ("jq", jq), Target::Least(30.0)),
        peak("audit --quick, peak memory", quick),
        against("audit, against jq on one core", one, ("jq", jq), Target::Least(6.0)),
        against(&format!("audit on {cores} cores, against one"), all, ("jeton", Some(one)), Target::None),
        peak("audit on all cores, peak memory", all),
    ];
    if let Some(text) = std::env::var_os(LARGE) {
        let gigabytes: Option<u64> = text.to_str().and_then(|text| text.parse().ok());
        let gigabytes = gigabytes.ok_or(format!("{LARGE} is a whole number of GB"))?;
        lines.extend(large(&jeton, &whole, gigabytes * 1000 * MB)?);
    }
    Ok(lines)
}

/// A log of any size, read once by each look.
fn large(jeton: &Path, log: &Path, bytes: u64) -> Result<Vec<Line>, Box<dyn Error>> {
    let bytes = LARGE_CLUSTER.write(log, bytes)?;
    let mut lines = Vec::new();
    for (look, flags) in
        [("", &["doctor", "audit", "-o", "json"][..]), (" --quick", &["doctor", "audit", "--quick"])]
    {
        let Some(run) = (Reader { program: jeton, flags, log, bytes, one_core: false }).once()? else {
            continue;
        };
        let what = format!("audit{look} of {} MB and {} pods", bytes / MB, LARGE_CLUSTER.pods);
        lines.push(Line::figure(PART, &what, run.mb_a_second, "MB/s", Target::None));
        lines.push(peak(&format!("{what}, peak memory"), run));
    }
    Ok(lines)
}

fn against(what: &str, run: Run, (program, other): (&str, Option<Run>), target: Target) -> Line {
    let rate = run.mb_a_second;
    match other {
        Some(other) => Line::ratio(PART, what, (rate, "MB/s"), rate / other.mb_a_second, target),
        None => {
            let what = format!("{what}: skipped, {program} is not installed");
            Line::figure(PART, &what, rate, "MB/s", Target::None)
        }
    }
}

fn peak(what: &str, run: Run) -> Line {
    Line::figure(PART, what, run.peak_mib, "MiB", MOST_MEMORY)
}

/// The middle run of each reader, and the most memory it took; none where the program is not installed.
fn in_turn<const N: usize>(readers: &[Reader<'_>; N]) -> Result<[Option<Run>; N], Box<dyn Error>> {
    let mut runs = [(); N].map(|()| Vec::new());
    for _ in 0..ROUNDS {
        for (reader, runs) in readers.iter().zip(&mut runs) {
            runs.extend(reader.once()?);
        }
    }
    Ok(runs.map(|runs| {
        let mb_a_second = median(runs.iter().map(|run: &Run| run.mb_a_second).collect());
        let peak_mib = runs.iter().map(|run| run.peak_mib).fold(0.0, f64::max);
        (!runs.is_empty()).then_some(Run { mb_a_second, peak_mib })
    }))
}

impl Reader<'_> {
    fn once(&self) -> Result<Option<Run>, Box<dyn Error>> {
        let mut command = if self.one_core { Command::new("taskset") } else { Command::new(self.program) };
        if self.one_core {
            command.args(["-c", "0"]).arg(self.program);
        }
        // grep stops at the first match when its output is /dev/null.
        let out = File::create(self.log.with_extension("out"))?;
        command.args(self.flags).arg(self.log).stdin(Stdio::null()).stdout(out).stderr(Stdio::null());
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
        let mb_a_second = self.bytes as f64 / MB as f64 / begun.elapsed().as_secs_f64();
        match code {
            // What taskset says when there is no such program.
            Some(127) => Ok(None),
            // The doctor tells by its code what it found.
            Some(code) if code < MISUSE => Ok(Some(Run { mb_a_second, peak_mib: peak_kib / 1024.0 })),
            code => Err(format!("{command:?} ended with {code:?}").into()),
        }
    }
}
