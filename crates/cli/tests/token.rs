//! `jeton token inspect` as it is typed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write;
use std::process::{Command, Stdio};

/// `{"alg":"RS256"}`, then `{"iss":"\u001b]0;x\u0007"}`.
const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJcdTAwMWJdMDt4XHUwMDA3In0.c2ln";

#[test]
fn a_claim_cannot_drive_the_terminal() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jeton"));
    command.args(["token", "inspect"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(TOKEN.as_bytes()).unwrap();
    let out = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    assert!(out.contains("\u{fffd}]0;x\u{fffd}") && !out.contains('\u{1b}'), "{out:?}");
}
