//! Real clients under `jeton run`, through several rotations: which of them read their token again.
//!
//! Lives: 60 s are asked for, so a new token is there after 42 to 48 s; a token works for 130 s. The slowest client reads
//! every 61 s, so the oldest token in use is 109 s old. Who does not read again is refused from second 130 on.

use crate::lab::Lab;
use crate::program;
use std::process::Command;

const LIVES: &str = "min=60,injected=60,extended=130,leeway=0";
/// Three reads of a client that reads every 61 s, whatever the machine does meanwhile.
const SECONDS: u32 = 160;

fn reads_again(account: &str, client: &Command) {
    let lab = Lab::new(LIVES, &[]);
    let outcome = lab.run(account, client, SECONDS);
    assert!(outcome.got(200) > 50, "{:?}", outcome.statuses);
    assert_eq!(outcome.statuses.as_object().unwrap().len(), 1, "{:?}", outcome.statuses);
    let tokens = outcome.tokens();
    assert!(tokens.len() >= 3, "{tokens:?}");
    let mut once = tokens.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), tokens.len(), "a client went back to an older token: {tokens:?}");
}

#[test]
fn python_reads_again() {
    reads_again("python", &program::python("ask"));
}

#[test]
fn go_reads_again() {
    reads_again("go", &program::go("ask"));
}

#[test]
fn javascript_reads_again() {
    reads_again("javascript", &program::javascript("ask"));
}

#[test]
fn java_reads_again() {
    reads_again("java", &program::java("Ask"));
}
