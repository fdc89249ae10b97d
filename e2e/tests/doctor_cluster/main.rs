//! `jeton doctor cluster`, `collect` and `rbac` against a full server and against scripted ones.
//!
//! 10,000 pods; by hand with another number: `JETON_DOCTOR_PODS=100000 cargo test -p e2e --test doctor_cluster -- --nocapture`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and tells its counts"
)]

mod fakes;
mod lab;
mod report;
mod scripted;

use lab::{Lab, SPACE, doctor, gaps, load_pods, release, token_secret, told, use_injected, use_token};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

/// Each add-on at its last affected version in one namespace and its first good one in another.
fn addons(lab: &Lab) -> Vec<(&'static str, &'static str)> {
    let all = [
        ("old", "cceaddon-npd", "1.15.0"),
        ("old", "cceaddon-prometheus", "2.23.34"),
        ("new", "cceaddon-npd", "1.15.1"),
        ("new", "cceaddon-prometheus", "2.23.35"),
    ];
    for namespace in ["old", "new"] {
        lab.made("/api/v1/namespaces", &json!({"metadata": {"name": namespace}}));
    }
    for (namespace, name, chart) in all {
        let path = format!("/api/v1/namespaces/{namespace}/secrets");
        lab.made(&path, &release(name, 1, "0.0.1"));
        lab.made(&path, &release(name, 2, chart));
    }
    let broken = json!({"metadata": {"name": "sh.helm.release.v1.x.v1", "labels": {"owner": "helm",
        "name": "cceaddon-npd", "version": "1", "status": "deployed"}}, "data": {"release": "AAAA"}});
    lab.made(&format!("{SPACE}/secrets"), &broken);
    all.map(|(_, name, chart)| (name, chart)).to_vec()
}

#[test]
fn a_full_cluster_is_seen_and_only_read() {
    let pods: usize = std::env::var("JETON_DOCTOR_PODS").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000);
    let lab = Lab::new();
    let token = token_secret(&lab);
    let mut want: Vec<(&str, Option<&str>)> = addons(&lab).into_iter().map(|(n, v)| (n, Some(v))).collect();
    want.push(("cceaddon-npd", None));
    load_pods(&lab, pods);
    use_token(&lab, &token);
    use_injected(&lab);
    lab.grant(&["--with-secrets"]);
    let bundle = lab.dir.path().join("bundles/");
    let out = doctor(&[
        "collect",
        "--kubeconfig",
        lab.kubeconfig().to_str().unwrap(),
        "--out",
        &format!("{}/", bundle.display()),
    ]);
    println!("{}", String::from_utf8_lossy(&out.stderr).trim());
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
    let path = bundle.join("bundle.json");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    for secret in [token.as_str(), "eyJ", "hunter2"] {
        assert!(!text.contains(secret), "the bundle holds a secret");
    }
    let (facts, _) = told(&doctor(&["cluster", "--facts", "--from", bundle.to_str().unwrap()]));
    let (twice, _) = told(&doctor(&[
        "cluster",
        "--facts",
        "--from",
        path.to_str().unwrap(),
        "--from",
        bundle.to_str().unwrap(),
    ]));
    assert_eq!(twice["clusters"][1]["name"], format!("jeton ({})", path.display()));
    let cluster = &facts["clusters"][0];
    let no_gaps: [&str; 0] = [];
    assert_eq!(gaps(cluster), no_gaps, "a counter that moved tells that lifetimes are extended");
    assert_eq!(cluster["replicas"][0]["validTokens"], 1);
    assert_eq!(cluster["replicas"][0]["legacyTokens"], 1);
    assert_eq!(cluster["pods"].as_array().unwrap().len(), pods);
    assert_eq!(cluster["platform"], "cce");
    let one = cluster["pods"].as_array().unwrap().iter().find(|p| p["name"] == "web-10").unwrap();
    assert_eq!(one["owner"], "Deployment/web");
    let injected = json!({"container": "c", "source": "injected", "subPath": false});
    let secret = json!({"container": "c", "source": {"secretVolume": "forever"}, "subPath": true});
    let tokens = one["tokens"].as_array().unwrap();
    assert!(tokens.contains(&injected) && tokens.contains(&secret) && tokens.len() == 2, "{tokens:?}");
    let today = jiff::Timestamp::now().to_string()[..10].to_owned();
    let secret = json!({"namespace": "default", "name": "forever", "serviceAccount": "default", "auto": true,
        "lastUsed": today, "invalidSince": null, "roles": ["ClusterRole/edit in namespace default"]});
    assert_eq!(cluster["tokenSecrets"], json!([secret]));
    let mut seen: Vec<(&str, Option<&str>)> = cluster["releases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["release"].as_str().unwrap(), r["chartVersion"].as_str()))
        .collect();
    seen.sort_unstable();
    want.sort_unstable();
    assert_eq!(seen, want);
    only_read(&lab, &out);
    judged(&bundle);
}

/// The bundle of the full cluster as a report: fast, and each add-on once, with its bad versions alone.
fn judged(bundle: &Path) {
    let begun = std::time::Instant::now();
    let out = doctor(&["cluster", "--from", bundle.to_str().unwrap(), "-o", "json"]);
    println!("judged in {:.1} s", begun.elapsed().as_secs_f64());
    assert_eq!(out.status.code(), Some(1));
    let report = report::report_of(&out);
    let critical = report["findings"].as_array().unwrap().iter().filter(|f| f["severity"] == "critical");
    let titles: Vec<&str> = critical.map(|finding| finding["title"].as_str().unwrap()).collect();
    let want = [
        "Add-on prometheus 2.23.34 does not read its token again",
        "Add-on npd 1.15.0 does not read its token again",
    ];
    assert_eq!(titles, want);
    assert_eq!((&report["verdict"]["willFail"], &report["verdict"]["blockers"]), (&json!(2), &json!(2)));
}

/// The server's own log: as many requests as were told, all of them get or list.
fn only_read(lab: &Lab, out: &Output) {
    let notes = String::from_utf8_lossy(&out.stderr).into_owned();
    let told: usize = notes.split(": ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    let asked = lab.asked_in_all(told);
    assert_eq!(asked.len(), told, "{notes}");
    for (verb, path) in &asked {
        assert!(matches!(verb.as_str(), "get" | "list"), "{verb} {path}");
    }
    let pages = asked.iter().filter(|(_, path)| path.starts_with("/api/v1/pods?")).count();
    println!("{told} requests, {pages} pages of pods, all of them get or list");
}

#[test]
fn without_rights_everything_is_unknown_and_without_secrets_the_rest_is_seen() {
    let lab = Lab::new();
    token_secret(&lab);
    load_pods(&lab, 11);
    let config = lab.kubeconfig();
    through_a_program(&config);
    let args = ["cluster", "--facts", "--kubeconfig", config.to_str().unwrap(), "--qps", "100"];
    let out = doctor(&args);
    let (facts, _) = told(&out);
    let want = [
        "not-granted",
        "no-metrics",
        "not-granted-secrets",
        "not-granted",
        "not-granted",
        "extension-unknown",
    ];
    assert_eq!(gaps(&facts["clusters"][0]), want);
    assert_eq!(out.status.code(), Some(0));
    let judged = doctor(&["cluster", "--kubeconfig", config.to_str().unwrap(), "--qps", "100", "-o", "json"]);
    let report = report::report_of(&judged);
    assert_eq!(
        (judged.status.code(), &report["verdict"]["safeToDisableExtension"]),
        (Some(0), &json!("unknown"))
    );
    assert!(report["coverage"][0].get("error").is_none(), "what is denied is unknown, and no error");
    assert_eq!(report["coverage"][0]["missing"].as_array().unwrap().len(), want.len());
    lab.grant(&[]);
    let (facts, _) = told(&doctor(&args));
    let cluster = &facts["clusters"][0];
    assert_eq!(gaps(cluster), ["not-granted-secrets", "not-granted", "extension-unknown"]);
    assert_eq!(cluster["pods"].as_array().unwrap().len(), 11);
    assert_eq!(cluster["replicas"].as_array().unwrap().len(), 1);
}

/// Has the token come from a program, as managed clusters do.
fn through_a_program(kubeconfig: &Path) {
    let mut config: Value = serde_json::from_str(&std::fs::read_to_string(kubeconfig).unwrap()).unwrap();
    let file = kubeconfig.with_file_name("token");
    let script = format!(r#"printf '{{"status":{{"token":"%s"}}}}' "$(cat {})""#, file.display());
    config["users"][0]["user"] = json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1",
        "command": "sh", "args": ["-c", script], "interactiveMode": "IfAvailable"}});
    std::fs::write(kubeconfig, config.to_string()).unwrap();
}

#[test]
fn a_bundle_that_is_none_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.json");
    std::fs::write(&path, "{}").unwrap();
    let out = doctor(&["cluster", "--facts", "--from", path.to_str().unwrap()]);
    let error = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(1));
    assert!(error.contains("x.json") && error.contains("no bundle"), "{error}");
}
