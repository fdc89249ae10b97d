//! Fuzz targets: built once, then each run over its seeds for a while.
//!
//! Everything they need or leave lies under cargo's target folder: the tool, the build, what was found on the way
//! (`fuzz/corpus`), and inputs that broke something (`fuzz/artifacts`). Seeds are part of the project.

use crate::tools::{self, Missing};
use crate::{console, workspace};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Seconds for each target unless somebody says otherwise.
pub(crate) const SHORT_SECONDS: u32 = 3;
/// No time at all: the seeds alone. So a check says the same of the same code every time.
pub(crate) const SEEDS_ALONE: u32 = 0;
/// Megabytes that one input may take.
const MAX_MEGABYTES: u32 = 2048;
/// Seconds that one input may take.
const MAX_SECONDS: u32 = 10;
/// Bytes of one input.
const MAX_INPUT_BYTES: u32 = 16 * 1024;

/// How many targets found nothing, and how many something.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

/// Runs the targets of these names, all of them when there is none.
pub(crate) fn run(names: &[String], seconds: u32) -> Result<Result<Outcome, Missing>, String> {
    let all = targets()?;
    if let Some(unknown) = names.iter().find(|name| !all.contains(name)) {
        return Err(format!("no fuzz target {unknown}; there are: {}", all.join(", ")));
    }
    let tool = match tools::cargo_fuzz() {
        Ok(tool) => tool,
        Err(missing) => return Ok(Err(missing)),
    };
    let mut outcome = Outcome::default();
    let one = if let [name] = names { Some(name.as_str()) } else { None };
    if !formatted()? || !build(&tool, one)? {
        outcome.failed = 1;
        return Ok(Ok(outcome));
    }
    for name in all.iter().filter(|name| names.is_empty() || names.contains(name)) {
        match fuzz(name, seconds)? {
            true => outcome.passed += 1,
            false => outcome.failed += 1,
        }
    }
    Ok(Ok(outcome))
}

/// The targets: one file each.
fn targets() -> Result<Vec<String>, String> {
    let folder = source().join("targets");
    let entries = fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let names = entries.flatten().filter_map(|entry| {
        entry.file_name().to_str().and_then(|name| name.strip_suffix(".rs")).map(str::to_owned)
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    Ok(names)
}

fn source() -> PathBuf {
    workspace::root().join("fuzz")
}

fn home() -> PathBuf {
    workspace::target().join("fuzz")
}

/// The lock file fits, and the text is formatted: the workspace's own checks do not come here.
fn formatted() -> Result<bool, String> {
    let lock = |folder: PathBuf| fs::read_to_string(folder.join("Cargo.lock")).unwrap_or_default();
    let other = others(&lock(workspace::root()), &lock(source()));
    if !other.is_empty() {
        let other = other.join(", ");
        console::say(&format!(
            "fuzz/Cargo.lock: what is fuzzed must be what ships, but Cargo.lock has no {other}"
        ));
        return Ok(false);
    }
    let manifest = source().join("Cargo.toml").display().to_string();
    for arguments in [["fetch", "--locked", "--manifest-path"], ["fmt", "--check", "--manifest-path"]] {
        let status = workspace::cargo().args(arguments).arg(&manifest).status();
        if !status.map_err(|e| format!("cargo: {e}"))?.success() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Packages of a lock file that the program's own has in other versions.
fn others(program: &str, fuzzed: &str) -> Vec<String> {
    let packages = |text: &str| -> Vec<(String, String)> {
        let value =
            |line: Option<&str>, key: &str| Some(line?.strip_prefix(key)?.trim_matches('"').to_owned());
        let parts = text.split("[[package]]\n").skip(1).map(str::lines);
        parts
            .filter_map(|mut l| Some((value(l.next(), "name = ")?, value(l.next(), "version = ")?)))
            .collect()
    };
    let known = packages(program);
    let other = packages(fuzzed).into_iter().filter(|one| !known.contains(one));
    let other = other.filter(|(name, _)| known.iter().any(|(other, _)| other == name));
    other.map(|(name, version)| format!("{name} {version}")).collect()
}

fn build(tool: &PathBuf, one: Option<&str>) -> Result<bool, String> {
    let mut command = Command::new(tool);
    command.args(["fuzz", "build", "--sanitizer", "none", "--fuzz-dir"]).arg(source());
    command.arg("--target-dir").arg(home().join("build")).args(one);
    let status = command.current_dir(workspace::root()).status().map_err(|e| format!("cargo fuzz: {e}"))?;
    Ok(status.success())
}

/// One target. What it says is shown when it found something.
fn fuzz(name: &str, seconds: u32) -> Result<bool, String> {
    let failed = |e: std::io::Error| format!("fuzz target {name}: {e}");
    let (corpus, artifacts) = (home().join("corpus").join(name), home().join("artifacts").join(name));
    for folder in [&corpus, &artifacts] {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let program = home().join("build").join(host()?).join("release").join(name);
    let mut command = Command::new(&program);
    let length = match seconds {
        SEEDS_ALONE => "-runs=0".to_owned(),
        seconds => format!("-max_total_time={seconds}"),
    };
    // What was found before is no part of the project, and new inputs are written to the first folder.
    command.args((seconds != SEEDS_ALONE).then_some(&corpus)).arg(source().join("seeds").join(name));
    command.arg(length).arg(format!("-artifact_prefix={}/", artifacts.display()));
    command.arg(format!("-rss_limit_mb={MAX_MEGABYTES}"));
    command.arg(format!("-timeout={MAX_SECONDS}")).arg(format!("-max_len={MAX_INPUT_BYTES}"));
    let words = source().join("words").join(name);
    if words.exists() {
        command.arg(format!("-dict={}", words.display()));
    }
    let out = command.output().map_err(failed)?;
    let said = String::from_utf8_lossy(&out.stderr);
    if out.status.success() {
        let last = said.lines().rev().find(|line| line.contains(" cov: ")).unwrap_or_default();
        console::say(&format!("fuzz target {name}: nothing found; {}", last.trim_start_matches(['#', ' '])));
    } else {
        console::say(&format!(
            "{said}\nfuzz target {name} found something: run {} with the file named above",
            program.display()
        ));
    }
    Ok(out.status.success())
}

/// The machine's own target, which cargo-fuzz builds for.
fn host() -> Result<String, String> {
    let out = Command::new("rustc").arg("-vV").output().map_err(|e| format!("rustc: {e}"))?;
    let text = String::from_utf8_lossy(&out.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc -vV names no host".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_fuzzed_is_what_ships() {
        let lock = |packages: &[(&str, &str)]| -> String {
            let one = |(name, version): &(&str, &str)| {
                format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n\n")
            };
            packages.iter().map(one).collect()
        };
        let program = lock(&[("a", "1.0.0"), ("b", "1.0.0"), ("b", "2.0.0")]);
        assert_eq!(others(&program, &lock(&[("a", "1.0.0"), ("b", "2.0.0"), ("fuzzer", "1.0.0")])), [""; 0]);
        assert_eq!(others(&program, &lock(&[("a", "1.0.1")])), ["a 1.0.1"]);
    }
}
