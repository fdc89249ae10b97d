//! The plan of what the cleaner of legacy tokens does, held against the cleaner itself.

use crate::lab::{lab, until, words};
use e2e::stock::binary;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};

const MAP: &str =
    "/api/v1/namespaces/kube-system/configmaps/kube-apiserver-legacy-service-account-token-tracking";
const USED: &str = "kubernetes.io/legacy-token-last-used";
const SINCE: &str = "kubernetes.io/legacy-token-invalid-since";

/// A token Secret that its account lists or not, with labels.
fn secret(space: &str, name: &str, labels: &Value, listed: bool) {
    let lab = lab();
    let body = json!({"type": "kubernetes.io/service-account-token", "metadata": {"name": name,
        "labels": labels, "annotations": {"kubernetes.io/service-account.name": "default"}}});
    lab.made(&format!("{space}/secrets"), &body);
    if listed {
        let account = format!("{space}/serviceaccounts/default");
        let mut all = lab.get(&account).unwrap()["secrets"].as_array().cloned().unwrap_or_default();
        all.push(json!({"name": name}));
        lab.changed(&account, &json!({"secrets": all}));
    }
}

/// What is to be done with each Secret of a namespace: for the plan's exit code too.
fn plan(namespace: &str, period: &str) -> (Value, BTreeMap<String, String>) {
    let arguments = ["legacy", "plan", "-n", namespace, "-o", "json", "--clean-up-period", period];
    let output = lab().jeton(&arguments).output().unwrap();
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", words(&output)));
    let busy = plan["mark"].as_u64().unwrap() + plan["delete"].as_u64().unwrap() > 0;
    assert_eq!(output.status.code(), Some(i32::from(busy)), "{}", words(&output));
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let rows = plan["secrets"].as_array().unwrap();
    let actions = rows.iter().map(|row| (text(row, "name"), text(row, "action"))).collect();
    (plan, actions)
}

/// What a Secret looks like afterwards.
fn done(space: &str, name: &str, today: &str) -> &'static str {
    match lab().get(&format!("{space}/secrets/{name}")) {
        None => "delete",
        Some(secret) if secret["metadata"]["labels"][SINCE] == today => "mark",
        Some(_) => "keep",
    }
}

#[test]
fn the_plan_is_what_the_cleaner_does() {
    let lab = lab();
    let space = lab.space("legacy");
    let today = until("the tracking", || lab.get(MAP)?["data"]["since"].as_str().map(str::to_owned));
    for (name, labels, listed) in [
        ("never-used", json!({}), true),
        ("used-long-ago", json!({USED: "2020-01-01"}), true),
        ("used-today", json!({USED: today}), true),
        ("no-day", json!({USED: "yesterday"}), true),
        ("by-hand", json!({}), false),
        ("mounted", json!({}), true),
        ("marked-long-ago", json!({SINCE: "2020-01-01"}), true),
        ("marked-today", json!({SINCE: today}), true),
        ("marked-oddly", json!({SINCE: "never"}), true),
    ] {
        secret(&space, name, &labels, listed);
    }
    let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "none"}],
        "volumes": [{"name": "t", "secret": {"secretName": "mounted"}}]}});
    lab.made(&format!("{space}/pods"), &pod);
    let (waiting, actions) = plan("legacy", "8760h");
    assert_eq!(waiting["state"], "waiting", "{waiting}");
    assert!(actions.values().all(|action| action == "keep"), "{actions:?}");
    assert_eq!(waiting["serverVersion"], "v1.36.3");
    assert_eq!(waiting["trackedSince"], today);
    // As if uses had been written down for years; a second is enough for all of them not to be young any more.
    lab.changed(MAP, &json!({"data": {"since": "2020-01-01"}}));
    let expected = until("a plan that works", || {
        let (plan, actions) = plan("legacy", "1s");
        (plan["state"] == "working" && actions["never-used"] == "mark").then_some(actions)
    });
    println!("{expected:?}");
    let _cleaner = cleaner();
    let met = |(name, action): (&String, &String)| action == "keep" || done(&space, name, &today) == action;
    until("the round", || expected.iter().all(met).then_some(()));
    for (name, action) in &expected {
        // Its mark is today's, and stays.
        let wanted = if name == "marked-today" { "mark" } else { action };
        assert_eq!(done(&space, name, &today), wanted, "{name}");
    }
}

/// Ends with its test, however that ends.
struct Cleaner(Child);

impl Drop for Cleaner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The real cleaner, with a period of a second: it makes one round at once and the next a day later.
fn cleaner() -> Cleaner {
    let log = std::fs::File::create(lab().data.join("cleaner.log")).unwrap();
    let mut command = Command::new(binary("kube-controller-manager"));
    command.arg(format!("--kubeconfig={}", lab().server.kubeconfig.display()));
    command.args(["--controllers=legacy-serviceaccount-token-cleaner-controller", "--leader-elect=false"]);
    command.args(["--secure-port=0", "--legacy-service-account-token-clean-up-period=1s"]);
    Cleaner(command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
}
