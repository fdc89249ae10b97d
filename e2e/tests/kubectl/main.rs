//! Real kubectl, the newest and 1.30, built from their Go module, against a real server.
//!
//! What it must answer stands in `cases/*.md`, one session each; both programs play each session, on a server of its own.
//! `JETON_BLESS=1` writes what was printed into the sessions instead of failing; read the diff before you keep it.
//!
//! Needs the feature `kubectl`, which `cargo xtask test` turns on once it has built the programs.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and tells its counts"
)]

mod lab;
mod plugin;
mod worlds;

use e2e::client::As;
use e2e::transcript::{Outcome, Step, blessed, judge, parse};
use lab::{KUBECTLS, Lab};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// One test for each session.
macro_rules! sessions {
    ($($name:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            play(stringify!($name));
        })*

        #[test]
        fn every_session_is_played() {
            let mut names = vec![$(concat!(stringify!($name), ".md")),*];
            names.sort_unstable();
            let mut files: Vec<String> = std::fs::read_dir(cases()).unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            files.sort_unstable();
            assert_eq!(files, names);
        }
    };
}

sessions!(
    access, apply, basics, change, create, custom, debug, delete, look, namespaces, own, owners, wait, watch
);

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kubectl/cases")
}

/// Plays a session with each program, and holds each step against what is written.
fn play(name: &str) {
    let path = cases().join(name).with_extension("md");
    let text = std::fs::read_to_string(&path).unwrap();
    let steps = parse(&text).unwrap();
    let outcomes: Vec<(&str, Vec<Option<Outcome>>)> = std::thread::scope(|scope| {
        let steps = &steps;
        let each = KUBECTLS.map(|program| (program, scope.spawn(move || session(program, steps))));
        each.map(|(program, thread)| (program, thread.join().unwrap())).into()
    });
    let wrong: Vec<String> = outcomes
        .iter()
        .flat_map(|(program, all)| steps.iter().zip(all).map(move |(step, outcome)| (program, step, outcome)))
        .filter_map(|(program, step, outcome)| judge(step, program, outcome.as_ref()?))
        .collect();
    if !wrong.is_empty() && std::env::var_os("JETON_BLESS").is_some() {
        std::fs::write(&path, blessed(&text, &steps, &outcomes)).unwrap();
    }
    assert!(wrong.is_empty(), "{}: {} steps differ\n{}", path.display(), wrong.len(), wrong.join("\n"));
}

fn session(program: &'static str, steps: &[Step]) -> Vec<Option<Outcome>> {
    let lab = Lab::new(program);
    let outcomes = steps.iter().map(|step| step.is_for(program).then(|| lab.shell(&step.command))).collect();
    let log = std::fs::read_to_string(&lab.server.log).unwrap();
    for word in ["eyJ", "panicked"] {
        assert!(!log.contains(word), "{word} in the log:\n{log}");
    }
    outcomes
}

fn review(lab: &Lab, token: &str) -> Value {
    let body =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}});
    let path = "/apis/authentication.k8s.io/v1/tokenreviews";
    lab.server.access.ask(&As::Admin, "POST", path, Some(&body)).unwrap().value()["status"].clone()
}

fn claims(token: &str) -> Value {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

/// An account, and a pod that runs as it.
fn with_pod(program: &'static str) -> Lab {
    let lab = Lab::new(program);
    lab.run("kubectl create serviceaccount builder");
    lab.run(r#"kubectl run web --image=i --overrides='{"spec":{"serviceAccountName":"builder"}}'"#);
    lab
}

#[test]
fn a_token_lives_and_dies_with_its_pod() {
    for program in KUBECTLS {
        let lab = with_pod(program);
        let token = lab.run("kubectl create token builder --bound-object-kind Pod --bound-object-name web");
        assert_eq!(review(&lab, &token)["authenticated"], true);
        lab.run("kubectl delete pod web --grace-period=0 --force --wait=false");
        let refused = review(&lab, &token);
        assert_eq!(refused["authenticated"], Value::Null);
        assert_eq!(refused["error"], "[invalid bearer token, service account token has been invalidated]");
    }
}

#[test]
fn create_token_with_each_flag() {
    for program in KUBECTLS {
        let lab = with_pod(program);
        lab.run("kubectl create secret generic lease");
        let uid = lab.run("kubectl get pod web -o jsonpath={.metadata.uid}");
        let create = |more: &str| claims(&lab.run(&format!("kubectl create token builder {more}")));
        let lifetime = |c: &Value| c["exp"].as_i64().unwrap() - c["iat"].as_i64().unwrap();
        let plain = create("");
        assert_eq!(
            (lifetime(&plain), plain["sub"].as_str()),
            (3600, Some("system:serviceaccount:default:builder"))
        );
        assert_eq!(lifetime(&create("--duration 10m")), 600);
        assert_eq!(create("--audience vault --audience other")["aud"], json!(["vault", "other"]));
        let bound = "--bound-object-kind Pod --bound-object-name web --bound-object-uid";
        let pod = create(&format!("{bound} {uid}"));
        assert_eq!(pod["kubernetes.io"]["pod"], json!({"name": "web", "uid": uid}));
        let secret = create("--bound-object-kind Secret --bound-object-name lease");
        assert_eq!(secret["kubernetes.io"]["secret"]["name"], "lease");
        let whole: Value = serde_json::from_str(&lab.run("kubectl create token builder -o json")).unwrap();
        assert_eq!(
            (whole["kind"].as_str(), &whole["spec"]["expirationSeconds"]),
            (Some("TokenRequest"), &json!(3600))
        );
    }
}
