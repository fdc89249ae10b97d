//! Every check and test in one go, counted.
//!
//! Invariant: a check that did not run is never counted as passed, and the exit code follows the counts.

use crate::tools::Missing;
use crate::{clients, console, fuzz, generate, tidy, tools, workspace};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

/// What was counted so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Count {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Count {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    fn one(passed: bool) -> Self {
        Self { passed: passed.into(), failed: (!passed).into(), skipped: 0 }
    }

    fn exit(self) -> ExitCode {
        match (self.failed, self.skipped) {
            (0, 0) => ExitCode::SUCCESS,
            (0, _) => ExitCode::from(3),
            _ => ExitCode::FAILURE,
        }
    }
}

/// It waits on real clocks for most of its time, so that it runs beside the others, which follow it.
const BESIDE: &str =
    "real client libraries (pip, go build, npm, mvn, cargo test; 4 minutes, beside the others)";

/// A chore by name, and how to run it.
type Chore = (&'static str, fn() -> Result<Count, String>);

const CHORES: [Chore; 10] = [
    ("format (cargo fmt --check)", || cargo(&["fmt", "--all", "--check"])),
    ("rules (cargo xtask tidy)", || tidy::chore().map(|code| Count::one(code == ExitCode::SUCCESS))),
    ("lints (cargo clippy)", || {
        let all = ["clippy", "--workspace", "--all-targets", "--all-features", "--locked"];
        cargo(&[&all[..], &["--", "-D", "warnings"]].concat())
    }),
    ("what the tests start, and the tests (cargo build)", || cargo(&workspace::BUILD)),
    ("generated pages (cargo xtask generate --check)", || {
        generate::chore(true).map(|code| Count::one(code == ExitCode::SUCCESS))
    }),
    (BESIDE, client_libraries),
    ("tests (cargo test)", || tests(&["test", "--workspace", "--locked", "--no-fail-fast"])),
    ("real kubectl (go build, cargo test)", kubectl),
    ("real Prometheus (apt-get install, cargo test)", prometheus),
    ("fuzz targets (cargo install cargo-fuzz, their seeds)", || fuzz_targets(&[], fuzz::SEEDS_ALONE)),
];

/// Chores that run only when they are named, each with the reason.
const WHEN_NAMED: [(Chore, &str); 1] = [(("stock kube-apiserver", stock), "its servers take long to build")];

/// The tests against a stock control plane, or one skipped when it or a kubectl cannot be built here.
fn stock() -> Result<Count, String> {
    if let Err(missing) = tools::stock().and_then(|()| tools::kubectl()) {
        return Ok(skipped("stock kube-apiserver", &missing));
    }
    let of = ["--workspace", "--locked", "--features", "e2e/stock"];
    let mut count = cargo(&[&["build", "--bins"], &of[..]].concat())?;
    count.add(tests(&[&["test"], &of[..], &["--test", "stock"]].concat())?);
    Ok(count)
}

/// The tests with a real kubectl, or one skipped when it cannot be built here.
fn kubectl() -> Result<Count, String> {
    match tools::kubectl() {
        Ok(()) => {
            tests(&["test", "--workspace", "--locked", "--features", "e2e/kubectl", "--test", "kubectl"])
        }
        Err(missing) => Ok(skipped("kubectl", &missing)),
    }
}

/// Says what could not be run here, and what would make it possible.
fn skipped(name: &str, missing: &Missing) -> Count {
    console::say(&format!("skipped: {name}: {}; to run it: {}", missing.what, missing.remedy));
    Count { skipped: 1, ..Count::default() }
}

/// The tests with a real Prometheus, or one skipped where there is none.
fn prometheus() -> Result<Count, String> {
    match tools::prometheus() {
        Ok(()) => tests(&[
            "test",
            "--workspace",
            "--locked",
            "--features",
            "e2e/prometheus",
            "--test",
            "prometheus",
        ]),
        Err(missing) => Ok(skipped("prometheus", &missing)),
    }
}

/// Fuzz targets as tests, or one skipped where they cannot be built.
fn fuzz_targets(names: &[String], seconds: u32) -> Result<Count, String> {
    match fuzz::run(names, seconds)? {
        Ok(fuzz::Outcome { passed, failed }) => Ok(Count { passed, failed, skipped: 0 }),
        Err(missing) => Ok(skipped("fuzz", &missing)),
    }
}

/// Runs fuzz targets for as long as somebody wants to wait.
pub(crate) fn fuzz(names: &[String], seconds: u32) -> Result<ExitCode, String> {
    let count = fuzz_targets(names, seconds)?;
    console::say(&format!("{} passed, {} failed, {} skipped", count.passed, count.failed, count.skipped));
    Ok(count.exit())
}

/// The tests with real client libraries; those of a language that cannot be installed here are left out, one skipped each.
fn client_libraries() -> Result<Count, String> {
    let mut count = Count::default();
    let mut left_out = Vec::new();
    for language in clients::LANGUAGES {
        if let Err(missing) = (language.install)() {
            count.add(skipped(language.name, &missing));
            left_out.extend(["--skip".to_owned(), format!("{}_", language.name)]);
        }
    }
    // All at once: they wait for each other's clients no longer than for the slowest.
    let run = ["test", "--workspace", "--locked", "--features", "e2e/clients", "--test", "clients", "--"];
    let left_out: Vec<&str> = left_out.iter().map(String::as_str).collect();
    count.add(tests(&[&run[..], &["--test-threads", "16"], &left_out].concat())?);
    Ok(count)
}

/// Runs the chores whose names hold one of these words, all of them when there is none; prints the counts last.
pub(crate) fn chores(words: &[String]) -> Result<ExitCode, String> {
    let mut all = Count::default();
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    let mut beside = None;
    // Asked for before the build, which may put another file there.
    let this = std::env::current_exe().map_err(|e| format!("this program: {e}"))?;
    let named = WHEN_NAMED.into_iter().filter(|_| !words.is_empty()).map(|(chore, _)| chore);
    for (name, run) in CHORES.into_iter().chain(named).filter(|(name, _)| wanted(name)) {
        if name == BESIDE && words.is_empty() {
            console::say(&format!("== begun: {name}"));
            let this = this.clone();
            beside = Some(std::thread::spawn(move || in_a_process(&this)));
            continue;
        }
        console::say(&format!("== {name}"));
        let begun = Instant::now();
        let count = run()?;
        let seconds = begun.elapsed().as_secs();
        console::say(&format!("== {name}: {} failed, {seconds} s", count.failed));
        all.add(count);
    }
    if let Some(beside) = beside {
        all.add(beside.join().map_err(|_| "the checks beside the others panicked".to_owned())??);
    }
    for ((name, _), why) in WHEN_NAMED.into_iter().filter(|_| words.is_empty()) {
        console::say(&format!("left out, and not counted: {name}: {why}; to run it: cargo xtask test stock"));
    }
    if all == Count::default() {
        return Err(format!("no check's name holds {}", words.join(" or ")));
    }
    console::say(&format!("{} passed, {} failed, {} skipped", all.passed, all.failed, all.skipped));
    Ok(all.exit())
}

/// Runs the chore that goes beside the others, and shows what it said once it is through.
fn in_a_process(this: &Path) -> Result<Count, String> {
    let failed = |e: std::io::Error| format!("{BESIDE}: {e}");
    let out = Command::new(this).args(["test", BESIDE]).output().map_err(failed)?;
    let said = String::from_utf8_lossy(&out.stdout);
    let (before, last) = said.trim_end().rsplit_once('\n').unwrap_or_default();
    let count = last_line(last);
    if count.is_none_or(|count| count.failed > 0) {
        console::say(&String::from_utf8_lossy(&out.stderr));
    }
    console::say(before);
    Ok(count.unwrap_or(Count::one(false)))
}

fn cargo(arguments: &[&str]) -> Result<Count, String> {
    let status = workspace::cargo().args(arguments).status().map_err(|e| format!("cargo: {e}"))?;
    Ok(Count::one(status.success()))
}

/// Runs cargo's tests, shows their output, and counts from the lines that end each test program.
fn tests(arguments: &[&str]) -> Result<Count, String> {
    let mut child = workspace::cargo()
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("cargo: {e}"))?;
    let mut count = Count::default();
    if let Some(out) = child.stdout.take() {
        for line in BufReader::new(out).lines() {
            let line = line.map_err(|e| format!("cargo test: {e}"))?;
            count.add(counted(&line).unwrap_or_default());
            if !line.ends_with("... ok") && !line.trim().is_empty() {
                console::say(&line);
            }
        }
    }
    let status = child.wait().map_err(|e| format!("cargo test: {e}"))?;
    if !status.success() && count.failed == 0 {
        // Did not compile, or a test program died without its summary.
        count.failed = 1;
    }
    Ok(count)
}

/// `3 passed, 1 failed, 2 skipped` as counts.
fn last_line(line: &str) -> Option<Count> {
    let mut numbers = line.split(", ").zip([" passed", " failed", " skipped"]);
    let mut next = || numbers.next().and_then(|(part, word)| part.strip_suffix(word)?.parse().ok());
    Some(Count { passed: next()?, failed: next()?, skipped: next()? })
}

/// `test result: ok. 3 passed; 1 failed; 2 ignored; …` as counts.
fn counted(line: &str) -> Option<Count> {
    let rest = line.strip_prefix("test result: ")?;
    let number = |word: &str| -> Option<u64> {
        let before = rest.split(word).next()?.trim_end();
        before.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    Some(Count { passed: number(" passed")?, failed: number(" failed")?, skipped: number(" ignored")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_come_from_the_summary_lines() {
        let line = "test result: FAILED. 31 passed; 2 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.12s";
        assert_eq!(counted(line), Some(Count { passed: 31, failed: 2, skipped: 1 }));
        assert_eq!(counted("test a ... ok"), None);
        assert_eq!(counted("test result: nonsense"), None);
        let line = "31 passed, 2 failed, 1 skipped";
        assert_eq!(last_line(line), Some(Count { passed: 31, failed: 2, skipped: 1 }));
        assert_eq!(last_line("31 passed, 2 failed"), None);
    }

    #[test]
    fn the_exit_code_follows_the_counts() {
        for (failed, skipped, code) in [(0, 0, 0), (0, 1, 3), (1, 1, 1), (1, 0, 1)] {
            let exit = Count { passed: 1, failed, skipped }.exit();
            assert_eq!(exit, ExitCode::from(code));
        }
    }
}
