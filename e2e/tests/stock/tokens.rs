//! Tokens by hand: made, explained and reviewed.

use crate::lab::{lab, until, words};
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Output, Stdio};

/// Runs one of our commands with a token on its standard input.
fn with_token(token: &str, arguments: &[&str]) -> Output {
    let mut command = lab().jeton(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(token.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn made(arguments: &[&str]) -> String {
    let all = [&["token", "create"][..], arguments].concat();
    let output = lab().jeton(&all).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Accepted or not, and the check that refused.
fn reviewed(token: &str, more: &[&str]) -> (bool, Value) {
    let output = with_token(token, &[&["token", "review", "-o", "json"][..], more].concat());
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", words(&output)));
    assert_eq!(output.status.code(), Some(i32::from(told["accepted"] != true)), "{told}");
    (told["accepted"] == true, told)
}

#[test]
fn tokens_are_made_and_reviewed_and_refusals_are_explained() {
    let lab = lab();
    let space = lab.space("tokens");
    let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "none"}]}});
    lab.made(&format!("{space}/pods"), &pod);
    lab.made(&format!("{space}/serviceaccounts"), &json!({"metadata": {"name": "app"}}));
    let plain = made(&["app", "-n", "tokens", "--duration", "10m"]);
    assert!(reviewed(&plain, &[]).0);
    let vault = made(&["app", "-n", "tokens", "--audience", "vault"]);
    assert!(reviewed(&vault, &["--audience", "vault"]).0);
    let (accepted, told) = reviewed(&vault, &[]);
    assert_eq!((accepted, &told["refusedBy"]["check"]), (false, &json!("audience")), "{told}");
    let (head, signature) = plain.rsplit_once('.').unwrap();
    let turned: String = signature.chars().rev().collect();
    let (accepted, told) = reviewed(&format!("{head}.{turned}"), &[]);
    assert_eq!((accepted, &told["refusedBy"]["check"]), (false, &json!("signature")), "{told}");
    let bound = made(&["default", "-n", "tokens", "--bound-object-kind", "Pod", "--bound-object-name", "p"]);
    assert!(reviewed(&bound, &[]).0);
    let gone = format!("{space}/pods/p?gracePeriodSeconds=0");
    assert_eq!(lab.ask("DELETE", &gone, None).status, 200);
    let told = until("the refusal", || Some(reviewed(&bound, &[])).filter(|r| !r.0)).1;
    assert_eq!(told["refusedBy"]["check"], "bound object", "{told}");
    assert_eq!(lab.ask("DELETE", &format!("{space}/serviceaccounts/app"), None).status, 200);
    let told = until("the refusal", || Some(reviewed(&plain, &[])).filter(|r| !r.0)).1;
    assert_eq!(told["refusedBy"]["check"], "account", "{told}");
    let output = lab.jeton(&["token", "create", "nobody", "-n", "tokens"]).output().unwrap();
    assert!(words(&output).contains("not found") && output.status.code() == Some(1), "{}", words(&output));
}
