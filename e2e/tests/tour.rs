//! `jeton tour`: what it says happened, in order, and nothing is left of it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::server::program;
use serde_json::Value;
use std::process::Command;

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
