//! `jeton tour`: what it says happened, in order, and nothing is left of it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::server::program;
use rustix::process::{Pid, Signal};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn the_tour_goes_through_the_life_of_a_token_and_leaves_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    let output = Command::new(program())
        .args(["tour", "-o", "json"])
        .env("TMPDIR", temporary.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let tour: Value = serde_json::from_slice(&output.stdout).unwrap();
    let steps: Vec<&str> =
        tour["steps"].as_array().unwrap().iter().map(|s| s["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["start", "issue", "mount", "read", "rotate", "delete", "refuse", "end", "stop"]);
    assert!(tour["seconds"].as_f64().unwrap() < 60.0, "{tour}");
    let refuse = &tour["steps"][6];
    assert!(refuse["millis"].as_f64().unwrap() < 1000.0, "{refuse}");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains("eyJ") && !told.contains("eyJ"), "a token was told");
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}

/// Processes whose arguments or environment name this directory.
fn processes(dir: &Path) -> Vec<String> {
    let of = |pid: &Path, file: &str| std::fs::read(pid.join(file)).unwrap_or_default();
    let name = dir.as_os_str().as_encoded_bytes();
    let names = |bytes: &[u8]| bytes.windows(name.len()).any(|part| part == name);
    let all = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let ours = all.filter(|pid| names(&of(pid, "cmdline")) || names(&of(pid, "environ")));
    ours.map(|pid| String::from_utf8_lossy(&of(&pid, "cmdline")).into_owned()).collect()
}

#[test]
fn an_interrupted_tour_leaves_nothing_either() {
    for (until, signal, code) in [("start", Signal::TERM, 143), ("read", Signal::INT, 130)] {
        let temporary = tempfile::tempdir().unwrap();
        let mut tour = Command::new(program())
            .arg("tour")
            .env("TMPDIR", temporary.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(tour.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().trim_start().starts_with(until)), "{until}");
        assert!(!processes(temporary.path()).is_empty());
        let pid = Pid::from_raw(i32::try_from(tour.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
        let output = tour.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert!(told.contains("interrupted"), "{told}");
        assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
        assert_eq!(processes(temporary.path()), Vec::<String>::new());
    }
}
