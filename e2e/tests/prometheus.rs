//! Prometheus itself reads what a server counts: its linter is content, and a real one scrapes it with a token.
//!
//! Needs the feature `prometheus`, which `cargo xtask test` turns on where the Debian package `prometheus` is.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::client::As;
use e2e::server::Server;
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that has something to count, and a token that may read it.
fn lab(dir: &Path) -> (Server, String) {
    let audit = dir.join("audit.log");
    let server = Server::start(&dir.join("data"), &["--audit-log-path", audit.to_str().unwrap()]).unwrap();
    let ask = |method: &str, path: &str, body: Value| {
        let answer = server.access.ask(&As::Admin, method, path, Some(&body)).unwrap();
        assert_eq!(answer.status, 201, "{}", answer.value());
        answer.value()
    };
    ask("POST", "/api/v1/namespaces/default/serviceaccounts", json!({"metadata": {"name": "scraper"}}));
    let binding = json!({
        "metadata": {"name": "scraper"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:monitoring"},
        "subjects": [{"kind": "ServiceAccount", "name": "scraper", "namespace": "default"}],
    });
    ask("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding);
    let token = ask("POST", "/api/v1/namespaces/default/serviceaccounts/scraper/token", json!({"spec": {}}));
    let token = token["status"]["token"].as_str().unwrap().to_owned();
    for (who, path) in
        [(As::Anonymous, "/api/v1/pods"), (As::Token("x"), "/api/v1/pods"), (As::Admin, "/apis/x/v1/y")]
    {
        server.access.ask(&who, "GET", path, None).unwrap();
    }
    (server, token)
}

#[test]
fn the_linter_is_content() {
    let dir = tempfile::tempdir().unwrap();
    let (server, token) = lab(dir.path());
    let refused = server.access.ask(&As::Anonymous, "GET", "/metrics", None).unwrap();
    assert_eq!(refused.status, 403);
    let answer = server.access.ask(&As::Token(&token), "GET", "/metrics", None).unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let mut lint = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    lint.stdin.take().unwrap().write_all(&answer.body).unwrap();
    let out = lint.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && said.is_empty(), "{}: {said}", out.status);
}

/// A Prometheus that ends with the test.
struct Scraper(Child);

impl Drop for Scraper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_real_prometheus_scrapes_it() {
    let dir = tempfile::tempdir().unwrap();
    let (server, token) = lab(dir.path());
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("token"), token).unwrap();
    let config = json!({
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{
            "job_name": "jeton", "scheme": "https",
            "authorization": {"credentials_file": path("token")},
            "tls_config": {"ca_file": path("data/ca.crt")},
            "static_configs": [{"targets": [server.access.address.to_string()]}],
        }],
    });
    std::fs::write(path("prometheus.yml"), config.to_string()).unwrap();
    let child = Command::new("prometheus")
        .arg(format!("--config.file={}", path("prometheus.yml")))
        .arg(format!("--storage.tsdb.path={}", path("tsdb")))
        .args(["--web.listen-address=127.0.0.1:0", "--log.level=info"])
        .stderr(std::fs::File::create(path("prometheus.log")).unwrap())
        .spawn()
        .unwrap();
    let _scraper = Scraper(child);
    // The audit log tells when it came by, and what it was answered.
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let events = std::fs::read_to_string(path("audit.log")).unwrap();
        let mut events = events.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok());
        let scrape = events.find(|e| e["userAgent"].as_str().is_some_and(|a| a.starts_with("Prometheus/")));
        if let Some(event) = scrape {
            assert_eq!(
                (&event["requestURI"], &event["responseStatus"]["code"]),
                (&json!("/metrics"), &json!(200))
            );
            assert_eq!(event["user"]["username"], "system:serviceaccount:default:scraper");
            return;
        }
        let said = std::fs::read_to_string(path("prometheus.log")).unwrap();
        assert!(Instant::now() < deadline, "no scrape; Prometheus said {said}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
