//! Clusters of scripted servers: several API servers behind one address or each at its own, servers that are gone or
//! somebody else.

use crate::lab::{doctor, gaps, told};
use crate::report::report_of;
use crate::scripted::{Identity, Script};
use serde_json::{Value, json};
use std::path::Path;

/// A kubeconfig with one context for each (name, server).
fn config(dir: &Path, identity: &Identity, servers: &[(&str, String)], more: &Value) -> String {
    let mut clusters = Vec::new();
    for (name, server) in servers {
        clusters.push(json!({"name": name, "cluster": {"server": server, "certificate-authority-data": identity.data()}}));
    }
    clusters.push(json!({"name": "unsafe", "cluster": more}));
    let contexts: Vec<Value> = clusters
        .iter()
        .map(|c| json!({"name": c["name"], "context": {"cluster": c["name"], "user": "u"}}))
        .collect();
    let text =
        json!({"clusters": clusters, "contexts": contexts, "users": [{"name": "u", "user": {"token": "t"}}]});
    let path = dir.join("kubeconfig");
    std::fs::write(&path, text.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

fn counters(start: usize, stale: usize) -> String {
    format!("serviceaccount_stale_tokens_total {stale}\nprocess_start_time_seconds {start}\n")
}

fn slice(addresses: &[&str], port: u16) -> String {
    let endpoints: Vec<Value> = addresses.iter().map(|a| json!({"addresses": [a]})).collect();
    json!({"items": [{"endpoints": endpoints, "ports": [{"port": port}]}]}).to_string()
}

/// Three API servers behind one address, in turn, and slices that lead nowhere; the first page of pods asks for patience.
fn balanced() -> Script {
    let (mut turn, mut refused) = (0, false);
    Box::new(move |path| match path.split('?').next().unwrap_or_default() {
        "/version" => (200, "", r#"{"gitVersion":"v1.30.1-eks-1a2b3c"}"#.to_owned()),
        "/metrics" => {
            turn += 1;
            (200, "", counters(1000 + turn % 3, turn))
        }
        path if path.ends_with("/endpointslices") => {
            (200, "", slice(&["127.0.0.2", "127.0.0.3", "127.0.0.4"], 1))
        }
        "/api/v1/pods" if !std::mem::replace(&mut refused, true) => {
            (429, "Retry-After: 1\r\n", String::new())
        }
        _ => (200, "", r#"{"items":[]}"#.to_owned()),
    })
}

#[test]
fn replicas_behind_one_address_are_told_apart_and_lost_clusters_hide_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let identity = Identity::new();
    let good = identity.serve("127.0.0.1:0", balanced());
    let stranger = Identity::new().serve("127.0.0.1:0", Box::new(|_| (200, "", "{}".to_owned())));
    let servers = [
        ("gone", "https://127.0.0.1:1".to_owned()),
        ("stranger", format!("https://{stranger}")),
        ("good", format!("https://{good}")),
    ];
    let unsafe_one = json!({"server": format!("https://{good}"), "insecure-skip-tls-verify": true});
    let config = config(dir.path(), &identity, &servers, &unsafe_one);
    let context = |name| ["--context", name];
    let args = ["cluster", "--facts", "--kubeconfig", config.as_str(), "--qps", "100"];
    let contexts = ["gone", "stranger", "unsafe", "good"].map(context).concat();
    let out = doctor(&[&args[..], &contexts].concat());
    let (facts, notes) = told(&out);
    assert_eq!(out.status.code(), Some(0), "one of four could be read");
    let clusters = facts["clusters"].as_array().unwrap();
    let error = |n: usize| clusters[n]["error"].as_str().unwrap_or_default();
    assert!(error(0).contains("127.0.0.1:1"), "{notes}");
    assert!(error(1).contains("certificate"), "{notes}");
    assert!(error(2).contains("insecure-skip-tls-verify"), "{notes}");
    let replicas = clusters[3]["replicas"].as_array().unwrap();
    let starts: Vec<&str> = replicas.iter().map(|r| r["name"].as_str().unwrap()).collect();
    assert_eq!(starts, ["1970-01-01T00:16:40Z", "1970-01-01T00:16:41Z", "1970-01-01T00:16:42Z"]);
    assert_eq!((gaps(&clusters[3]), &clusters[3]["platform"]), (vec![], &json!("eks")));
    let out = doctor(&[&args[..], &context("gone")].concat());
    assert_eq!(out.status.code(), Some(2), "nothing could be read");
}

#[test]
fn each_replica_is_asked_at_its_own_address_under_the_name_of_the_cluster() {
    let dir = tempfile::tempdir().unwrap();
    let identity = Identity::new();
    let port = std::sync::Arc::new(std::sync::atomic::AtomicU16::new(0));
    let server = |n: usize| -> Script {
        let port = port.clone();
        Box::new(move |path| match path.split('?').next().unwrap_or_default() {
            "/metrics" => (200, "", counters(1000 + n, n * 10)),
            path if path.ends_with("/endpointslices") => {
                let port = port.load(std::sync::atomic::Ordering::SeqCst);
                (200, "", slice(&["127.0.0.1", "127.0.0.2", "127.0.0.3"], port))
            }
            _ => (200, "", r#"{"gitVersion":"v1.33.1","items":[]}"#.to_owned()),
        })
    };
    let first = identity.serve("127.0.0.1:0", server(1));
    port.store(first.port(), std::sync::atomic::Ordering::SeqCst);
    identity.serve(&format!("127.0.0.2:{}", first.port()), server(2));
    // The third is somebody else, who must learn nothing and be believed nothing.
    let betrayed = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let heard = betrayed.clone();
    let stranger: Script = Box::new(move |_| {
        heard.store(true, std::sync::atomic::Ordering::SeqCst);
        (200, "", counters(1003, 30))
    });
    Identity::new().serve(&format!("127.0.0.3:{}", first.port()), stranger);
    let config = config(dir.path(), &identity, &[("c", format!("https://{first}"))], &json!({}));
    let (facts, notes) =
        told(&doctor(&["cluster", "--facts", "--kubeconfig", &config, "--context", "c", "--qps", "100"]));
    let cluster = &facts["clusters"][0];
    let replicas = cluster["replicas"].as_array().unwrap().iter();
    let seen: Vec<(String, Value)> =
        replicas.map(|r| (r["name"].as_str().unwrap().to_owned(), r["staleTokens"].clone())).collect();
    let at = |n: u8| format!("127.0.0.{n}:{}", first.port());
    assert_eq!(seen, [(at(1), json!(10)), (at(2), json!(20))], "{notes}");
    assert!(!betrayed.load(std::sync::atomic::Ordering::SeqCst));
    assert_eq!(cluster["unknown"][0]["detail"], format!("2/3; {}", at(3)));
}

/// A cluster whose only API server starts anew between samples, so that its counters begin at zero again.
fn restarted() -> Script {
    let mut samples = [(1000, 7), (1000, 9), (2000, 0), (2000, 2)].into_iter().cycle();
    Box::new(move |path| match path.split('?').next().unwrap_or_default() {
        "/version" => (200, "", r#"{"gitVersion":"v1.30.1"}"#.to_owned()),
        "/metrics" => {
            let (start, stale) = samples.next().unwrap_or_default();
            (200, "", counters(start, stale))
        }
        path if path.ends_with("/endpointslices") => (200, "", slice(&["127.0.0.2"], 1)),
        _ => (200, "", r#"{"items":[]}"#.to_owned()),
    })
}

#[test]
fn a_restart_loses_no_count_and_invents_none() {
    let dir = tempfile::tempdir().unwrap();
    let identity = Identity::new();
    let server = identity.serve("127.0.0.1:0", restarted());
    let config = config(dir.path(), &identity, &[("c", format!("https://{server}"))], &json!({}));
    let args = ["cluster", "--kubeconfig", config.as_str(), "--context", "c", "--qps", "100", "-o", "json"];
    let out = doctor(&args);
    assert_eq!(out.status.code(), Some(0), "a counter is a warning");
    let report = report_of(&out);
    let titles: Vec<&str> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["title"].as_str().unwrap())
        .collect();
    let want = [
        "API server c/1970-01-01T00:16:40Z counted 9 stale uses since it started",
        "API server c/1970-01-01T00:33:20Z counted 2 stale uses since it started",
    ];
    assert_eq!(titles, want);
    let servers = |stale: u64, start: &str| json!({"name": start, "started": start, "staleTokens": stale, "validTokens": null, "legacyTokens": null});
    let both = [servers(9, "1970-01-01T00:16:40Z"), servers(2, "1970-01-01T00:33:20Z")];
    let cluster =
        json!({"name": "c", "version": "v1.30.1", "platform": null, "extension": "on", "apiServers": both});
    assert_eq!(report["clusters"], json!([cluster]));
    let table = String::from_utf8(doctor(&args[..args.len() - 2]).stdout).unwrap();
    assert!(table.contains("- Kubernetes v1.30.1; extension of token lifetimes: on\n"), "{table}");
    assert!(
        table.contains("- API server 1970-01-01T00:16:40Z: uses of stale tokens 9, valid ?, of Secrets ?\n")
    );
}

/// A cluster with one pod, whose name every cluster has.
fn one_pod(uid: &'static str) -> Script {
    let volume = json!({"name": "kube-api-access-x", "projected": {"sources": [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}]}});
    let mount =
        json!({"name": "kube-api-access-x", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"});
    let pod = json!({"metadata": {"namespace": "shop", "name": "web-0", "uid": uid},
        "spec": {"serviceAccountName": "web", "containers": [{"name": "app", "volumeMounts": [mount]}], "volumes": [volume]}});
    let pods = json!({"items": [pod]}).to_string();
    Box::new(move |path| match path.split('?').next().unwrap_or_default() {
        "/version" => (200, "", r#"{"gitVersion":"v1.30.1"}"#.to_owned()),
        "/api/v1/pods" => (200, "", pods.clone()),
        "/metrics" => (200, "", counters(1000, 0)),
        _ => (200, "", r#"{"items":[]}"#.to_owned()),
    })
}

#[test]
fn clusters_stay_apart_in_one_report_and_a_lost_one_hides_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let identity = Identity::new();
    let (a, b) =
        (identity.serve("127.0.0.1:0", one_pod("u-a")), identity.serve("127.0.0.1:0", one_pod("u-b")));
    let servers = [
        ("gone", "https://127.0.0.1:1".to_owned()),
        ("a", format!("https://{a}")),
        ("b", format!("https://{b}")),
    ];
    let config = config(dir.path(), &identity, &servers, &json!({}));
    let base = ["cluster", "--kubeconfig", config.as_str(), "--qps", "100"];
    let contexts = ["--context", "gone", "--context", "a", "--context", "b"];
    let ask = |more: &[&str]| doctor(&[&base[..], &contexts, more].concat());
    let out = ask(&["-o", "json"]);
    assert_eq!(out.status.code(), Some(0));
    let report = report_of(&out);
    let rows: Vec<(&str, &str)> = report["workloads"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["cluster"].as_str().unwrap(), row["owner"].as_str().unwrap()))
        .collect();
    assert_eq!(rows, [("a", "Pod/web-0"), ("b", "Pod/web-0")]);
    let names: Vec<&Value> =
        report["clusters"].as_array().unwrap().iter().map(|cluster| &cluster["name"]).collect();
    assert_eq!(names, ["a", "b"], "one that is gone said nothing of itself");
    assert!(report["coverage"][0]["error"].as_str().unwrap().contains("127.0.0.1:1"));
    assert_eq!(report["verdict"]["safeToDisableExtension"], "unknown");
    assert_eq!(ask(&["--require", "gone"]).status.code(), Some(2));
    assert_eq!(ask(&["--require", "a"]).status.code(), Some(0));
    let table = String::from_utf8(ask(&[]).stdout).unwrap();
    assert!(table.contains("CLUSTER") && table.contains("gone: "), "{table}");
    // A log or a list that could be of either is not guessed at.
    let file = dir.path().join("x");
    std::fs::write(&file, r#"{"addons": ["vpc-cni"]}"#).unwrap();
    let file = file.to_str().unwrap();
    for flag in ["--audit-log", "--addons"] {
        let out = ask(&[flag, file]);
        let words = String::from_utf8(out.stderr).unwrap();
        assert!(out.status.code() == Some(64) && words.contains("one of: gone, a, b"), "{words}");
    }
    let out = ask(&["-o", "json", "--addons", &format!("b={file}")]);
    assert_eq!(report_of(&out)["findings"][0]["id"], "addon-version-unknown:b/vpc-cni");
}
