//! `jeton doctor` as it is typed: exit codes, misuse, outputs, tickets. No cluster is asked.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output};

fn doctor(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jeton"));
    command.arg("doctor").args(args).current_dir(dir).env_remove("KUBECONFIG").output().unwrap()
}

fn code(dir: &Path, args: &[&str]) -> (i32, String, String) {
    let out = doctor(dir, args);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (out.status.code().unwrap(), text(&out.stdout), text(&out.stderr))
}

/// Two requests of one account, two hours apart, with these annotations.
fn log(dir: &Path, name: &str, annotations: &str) {
    let event = |hour: u32| {
        format!(
            "{{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",\"level\":\"Metadata\",\"auditID\":\"{name}-{hour}\",\
             \"stage\":\"ResponseComplete\",\"requestURI\":\"/api/v1/pods\",\"verb\":\"list\",\"user\":{{\"username\":\"system:serviceaccount:shop:web\",\
             \"extra\":{{\"authentication.kubernetes.io/pod-name\":[\"web-0\"],\"authentication.kubernetes.io/pod-uid\":[\"u\"],\
             \"authentication.kubernetes.io/credential-id\":[\"JTI=one\"]}}}},\"sourceIPs\":[\"10.0.0.9\"],\
             \"userAgent\":\"app/1\",\"responseStatus\":{{\"code\":200}},\"requestReceivedTimestamp\":\"2026-11-24T{hour:02}:00:00.000000Z\",\
             \"stageTimestamp\":\"2026-11-24T{hour:02}:00:00.000000Z\",\"annotations\":{{{annotations}}}}}\n"
        )
    };
    std::fs::write(dir.join(name), format!("{}{}", event(3), event(5))).unwrap();
}

/// Logs with a critical finding, a warning, a hint and nothing; and one that is not there.
fn logs(dir: &Path) {
    let stale = "\"authentication.k8s.io/stale-token\":\"subject: system:serviceaccount:shop:web, seconds after warning threshold: 100\"";
    log(dir, "critical", stale);
    log(dir, "warning", "\"authentication.k8s.io/legacy-token-manual-secret\":\"forever\"");
    log(dir, "info", "");
    std::fs::write(
        dir.join("none"),
        std::fs::read_to_string(dir.join("info")).unwrap().replace("T05:", "T03:"),
    )
    .unwrap();
}

#[test]
fn exit_codes() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    logs(dir);
    let levels = ["critical", "warning", "info", "never"];
    for (file, codes) in [
        ("critical", [1, 1, 1, 0]),
        ("warning", [0, 1, 1, 0]),
        ("info", [0, 0, 1, 0]),
        ("none", [0, 0, 0, 0]),
    ] {
        for (level, want) in levels.iter().zip(codes) {
            let (got, out, err) = code(dir, &["audit", file, "--fail-on", level]);
            assert_eq!(got, want, "{file} {level}: {out}{err}");
        }
    }
    for (args, want) in [
        // The default is critical.
        (vec!["audit", "critical"], 1),
        (vec!["audit", "warning"], 0),
        // What cannot be read matters only when it is required.
        (vec!["audit", "none", "gone"], 0),
        (vec!["audit", "none", "gone", "--require", "all"], 2),
        (vec!["audit", "none", "gone", "--require", "gone"], 2),
        (vec!["audit", "none", "gone", "--require", "none"], 0),
        (vec!["audit", "none", "gone", "--require", "none", "--require", "gone"], 2),
        (vec!["audit", "none", "gone", "--require", "gone", "--redact"], 2),
        // Findings win.
        (vec!["audit", "critical", "gone", "--require", "all"], 1),
        (vec!["audit", "critical", "gone", "--require", "all", "--fail-on", "never"], 2),
        (vec!["demo"], 1),
        (vec!["demo", "--fail-on", "never"], 0),
        (vec!["rbac"], 0),
    ] {
        let (got, out, err) = code(dir, &args);
        assert_eq!(got, want, "{args:?}: {out}{err}");
    }
}

#[test]
fn misuse_is_64_with_words() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    logs(dir);
    std::fs::write(dir.join("bad.tsv"), "one\ttwo\n").unwrap();
    std::fs::write(dir.join("worse.tsv"), "x\tsemver\t-\t-\tsometimes\tyes\t-\tsource\ts\td\n").unwrap();
    std::fs::write(dir.join("pods.json"), "{\"kind\":\"PodList\",\"items\":[]}").unwrap();
    for (args, words) in [
        (vec![], "Usage"),
        (vec!["audit"], "FILE>"),
        (vec!["audit", "-", "-"], "only once"),
        (vec!["audit", "none", "--threads", "0"], "at least 1"),
        (vec!["audit", "none", "--require", "other"], "no such source"),
        (vec!["audit", "none", "-o", "xml"], "possible values: table, json, markdown, sarif"),
        (vec!["audit", "none", "--lang", "fr"], "possible values: en, zh"),
        (vec!["audit", "none", "--fail-on", "error"], "critical, warning, info, never"),
        (vec!["audit", "none", "--extended-lifetime", "0s"], "longer than 0"),
        (vec!["audit", "none", "--extended-lifetime", "soon"], "--extended-lifetime"),
        (vec!["audit", "none", "--split-by", "namespace"], "--split-dir"),
        (vec!["audit", "none", "--split-dir", "d"], "--split-by"),
        (vec!["audit", "none", "--knowledge", "missing.tsv"], "missing.tsv"),
        (vec!["audit", "none", "--knowledge", "bad.tsv"], "bad.tsv, line 1: 2 cells"),
        (vec!["audit", "none", "--knowledge", "worse.tsv"], "tokenReload \"sometimes\""),
        (vec!["audit", "none", "--addons", "missing.json"], "--addons missing.json: No such file"),
        (vec!["audit", "none", "--addons", "pods.json"], "--addons pods.json: kind \"PodList\""),
        (vec!["audit", "none", "--addons", "pods.json"], "allowed are the answer of Huawei CCE"),
        (vec!["audit", "a=none", "b=none", "--addons", "pods.json"], "CLUSTER being one of: a, b"),
        (vec!["demo", "extra"], "extra"),
        (vec!["cluster", "--qps", "0"], "--qps"),
        (vec!["collect"], "--out"),
        (vec!["autopsy"], "autopsy"),
    ] {
        let (got, out, err) = code(dir, &args);
        assert_eq!(got, 64, "{args:?}: {out}{err}");
        assert!(err.contains(words) && out.is_empty(), "{args:?}: {err}");
    }
}

#[test]
fn the_demo_speaks_both_languages_in_every_output() {
    let dir = tempfile::tempdir().unwrap();
    for (lang, word) in [("en", "does not read its token again"), ("zh", "不会重新读取令牌")] {
        for format in ["table", "json", "markdown", "sarif"] {
            let (got, out, err) = code(dir.path(), &["demo", "--lang", lang, "-o", format]);
            assert_eq!((got, err.as_str()), (1, ""), "{lang} {format}");
            assert!(out.contains(word), "{lang} {format}: {out}");
        }
    }
}

#[test]
fn tickets_go_to_a_directory_one_for_each_team() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let (got, _, err) =
        code(dir, &["demo", "--split-by", "namespace", "--split-dir", "out/tickets", "--fail-on", "never"]);
    assert_eq!(got, 0, "{err}");
    let names = |path: &str| {
        let mut names: Vec<String> = std::fs::read_dir(dir.join(path))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("out/tickets"), ["ci.md", "kiali.md", "shop.md", "web.md"]);
    let text = std::fs::read_to_string(dir.join("out/tickets/shop.md")).unwrap();
    assert!(text.contains("orders") && !text.contains("kiali"), "{text}");
    let args = ["demo", "--split-by", "namespace", "--split-dir", "hidden", "--redact", "--fail-on", "never"];
    assert_eq!(code(dir, &args).0, 0);
    assert_eq!(names("hidden"), ["namespace-1.md", "namespace-2.md", "namespace-3.md", "namespace-4.md"]);
}

#[test]
fn a_log_and_a_bundle_make_one_row() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    logs(dir);
    let bundle = r#"{"apiVersion":"jeton.dev/v1","kind":"DoctorBundle","created":"2026-11-24T00:00:00Z","clusters":[{"name":"prod",
        "version":"v1.30.0","platform":null,"read":1,"skipped":0,"error":null,"replicas":[],"tokenSecrets":[],"releases":[],"unknown":[],
        "pods":[{"namespace":"shop","name":"web-0","uid":"u","serviceAccount":"web","node":"n","owner":"StatefulSet/web","addresses":[],
        "labels":{"team":"checkout"},"images":[],"started":{},"tokens":[{"container":"app","subPath":false,"source":"injected"}]}]}]}"#;
    std::fs::write(dir.join("bundle.json"), bundle).unwrap();
    let args = ["cluster", "--from", "bundle.json", "--audit-log", "critical", "-o", "json"];
    let more = ["--split-by", "team", "--split-dir", "teams"];
    let (got, out, err) = code(dir, &[&args[..], &more].concat());
    assert_eq!(got, 1, "{err}");
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    let rows = report["workloads"].as_array().unwrap();
    assert_eq!(rows.len(), 1, "{out}");
    assert_eq!((&rows[0]["container"], &rows[0]["state"]), (&"app".into(), &"stale".into()));
    assert_eq!(report["coverage"].as_array().unwrap().len(), 2);
    assert!(dir.join("teams/checkout.md").is_file());
}

#[test]
fn logs_of_two_clusters_stay_apart_and_a_list_of_add_ons_stands_beside_them() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    logs(dir);
    let list =
        r#"{"addon": {"addonName": "vpc-cni", "clusterName": "x", "addonVersion": "v1.7.5-eksbuild.1"}}"#;
    std::fs::write(dir.join("addons.json"), list).unwrap();
    let report = |args: &[&str]| -> serde_json::Value {
        let (got, out, err) = code(dir, &[&["audit", "-o", "json"], args].concat());
        assert_eq!(got, 1, "{args:?}: {err}");
        serde_json::from_str(&out).unwrap()
    };
    let ids = |report: &serde_json::Value| -> Vec<String> {
        let all = report["findings"].as_array().unwrap().iter();
        all.map(|finding| finding["id"].as_str().unwrap().to_owned()).collect()
    };
    let two = report(&["a=critical", "b=critical", "--addons", "b=addons.json"]);
    let clusters: Vec<&str> =
        two["workloads"].as_array().unwrap().iter().map(|row| row["cluster"].as_str().unwrap()).collect();
    assert_eq!(clusters, ["a", "b"]);
    let want =
        ["stale-token:a/shop/web/StatefulSet/web:app/1", "stale-token:b/shop/web/StatefulSet/web:app/1"];
    assert_eq!(ids(&two), [want[0], want[1], "addon-outdated:b/vpc-cni"]);
    assert_eq!(two["verdict"]["willFail"], 3);
    let one = report(&["none", "--addons", "addons.json"]);
    assert_eq!(ids(&one), ["addon-outdated:x/vpc-cni"]);
    // The same log twice is one workload, as long as nobody says that it is of two clusters.
    let same = report(&["critical", "critical"]);
    assert_eq!(same["workloads"].as_array().unwrap().len(), 1);
}
