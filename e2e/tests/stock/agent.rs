//! The agent with the credentials of a node, before the Node authorizer and NodeRestriction.

use crate::lab::{lab, read, until, until_within};
use e2e::agent::Agent;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const VOLUMES: &str = "volumes/kubernetes.io~projected";

fn pod(name: &str, node: &str, volumes: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": {
        "nodeName": node, "containers": [{"name": "main", "image": "none"}], "volumes": volumes,
    }})
}

/// Makes a pod and returns its directory.
fn make(space: &str, agent: &Agent, pod: &Value) -> PathBuf {
    let made = lab().made(&format!("{space}/pods"), pod);
    agent.root.join("pods").join(made["metadata"]["uid"].as_str().unwrap())
}

fn injected(home: &Path) -> PathBuf {
    let volumes = home.join(VOLUMES);
    until("the injected volume", || std::fs::read_dir(&volumes).ok()?.next()?.ok()).path()
}

#[test]
fn a_pod_gets_its_files_and_loses_them_and_its_token_with_its_end() {
    let (lab, dir) = (lab(), tempfile::tempdir().unwrap());
    let space = lab.space("agent-life");
    let agent = Agent::start(&lab.server, dir.path(), "vm1", &[]).unwrap();
    let home = make(&space, &agent, &pod("web", "vm1", &json!([])));
    let volume = injected(&home);
    let token = until("a token", || read(&volume.join("token")));
    let review = lab.review(&token, &[]);
    assert_eq!(review["authenticated"], true, "{review}");
    let extra = &review["user"]["extra"];
    assert_eq!(extra["authentication.kubernetes.io/pod-name"], json!(["web"]));
    assert_eq!(extra["authentication.kubernetes.io/node-name"], json!(["vm1"]));
    assert_eq!(read(&volume.join("namespace")).as_deref(), Some("agent-life"));
    let ca = until("the certificate", || read(&volume.join("ca.crt")));
    assert_eq!(ca, read(&lab.data.join("ca.crt")).unwrap());
    let path = format!("{space}/pods/web");
    let ready = until("the condition", || {
        let conditions = lab.get(&path)?["status"]["conditions"].as_array()?.clone();
        conditions.into_iter().find(|c| c["type"] == "jeton.dev/VolumesReady" && c["status"] == "True")
    });
    assert!(ready["message"].as_str().unwrap().contains(home.to_str().unwrap()), "{ready}");
    let node = lab.get("/api/v1/nodes/vm1").unwrap();
    let taints = node["spec"]["taints"].as_array().unwrap();
    assert!(taints.contains(&json!({"key": "jeton.dev/agent", "effect": "NoSchedule"})), "{node}");
    let lease = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/vm1";
    let renewed = || lab.get(lease).map(|lease| lease["spec"]["renewTime"].clone());
    let first = until("the lease", renewed);
    until("its renewal", || renewed().filter(|next| *next != first));
    assert_eq!(lab.ask("DELETE", &path, None).status, 200);
    until("the pod's end", || lab.get(&path).is_none().then_some(()));
    assert!(!home.exists(), "its files went before it");
    lab.refused(&token);
    assert!(!read(&agent.log).unwrap_or_default().contains("eyJ"), "no token in the log");
    let refused =
        lab.audit(|e| e["user"]["username"] == "system:node:vm1" && e["responseStatus"]["code"] == 403);
    assert_eq!(refused, Vec::<Value>::new(), "all that the agent asks is allowed");
}

#[test]
fn every_source_and_what_changes_in_it() {
    let (lab, dir) = (lab(), tempfile::tempdir().unwrap());
    let space = lab.space("agent-sources");
    let agent = Agent::start(&lab.server, dir.path(), "vm2", &[]).unwrap();
    let object = |kind: &str, name: &str, data: &Value| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "data": data});
    lab.made(&format!("{space}/configmaps"), &object("ConfigMap", "m", &json!({"k": "one"})));
    lab.made(&format!("{space}/secrets"), &object("Secret", "s", &json!({"p": "cHc="})));
    let volumes = json!([
        {"name": "all", "projected": {"sources": [
            {"serviceAccountToken": {"path": "tokens/vault", "audience": "vault"}},
            {"configMap": {"name": "m"}}, {"configMap": {"name": "none", "optional": true}},
            {"secret": {"name": "s", "items": [{"key": "p", "path": "deep/p"}]}},
            {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
            {"configMap": {"name": "missing"}},
        ]}},
        {"name": "plain", "secret": {"secretName": "s"}},
    ]);
    let home = make(&space, &agent, &pod("web", "vm2", &volumes));
    let all = home.join(VOLUMES).join("all");
    let token = until("a token for vault", || read(&all.join("tokens/vault")));
    assert_eq!(lab.review(&token, &["vault"])["authenticated"], true);
    assert_eq!(lab.review(&token, &[])["authenticated"], Value::Null, "it is for vault, not for the API");
    let plain = home.join("volumes/kubernetes.io~secret/plain");
    until("the plain volume", || read(&plain.join("p")).filter(|p| p == "pw"));
    let read_all = |name: &str| read(&all.join(name)).unwrap_or_default();
    assert_eq!([read_all("k"), read_all("deep/p"), read_all("labels")], ["one", "pw", "app=\"web\""]);
    let fault = until("the missing source's event", || {
        let list = lab.get(&format!("{space}/events"))?;
        list["items"].as_array()?.iter().find(|e| e["reason"] == "FailedMount").cloned()
    });
    assert!(fault["message"].as_str().unwrap().contains("\"missing\" not found"), "{fault}");
    lab.changed(&format!("{space}/configmaps/m"), &json!({"data": {"k": "two"}}));
    until("the change", || (read_all("k") == "two").then_some(()));
    lab.made(&format!("{space}/configmaps"), &object("ConfigMap", "missing", &json!({"late": "yes"})));
    until("the late source", || (read_all("late") == "yes").then_some(()));
}

#[test]
fn a_killed_agent_goes_on_and_a_new_account_is_noticed() {
    let (lab, dir) = (lab(), tempfile::tempdir().unwrap());
    let space = lab.space("agent-again");
    let agent = Agent::start(&lab.server, dir.path(), "vm3", &[]).unwrap();
    lab.made(&format!("{space}/serviceaccounts"), &json!({"metadata": {"name": "app"}}));
    let mut wanted = pod("web", "vm3", &json!([]));
    wanted["spec"]["serviceAccountName"] = json!("app");
    let home = make(&space, &agent, &wanted);
    let volume = injected(&home);
    let first = until("a token", || read(&volume.join("token")));
    let gone = make(&space, &agent, &pod("goes", "vm3", &json!([])));
    until("its token", || read(&injected(&gone).join("token")));
    let kubeconfig = agent.kubeconfig.clone();
    agent.kill();
    assert_eq!(lab.ask("DELETE", &format!("{space}/pods/goes?gracePeriodSeconds=0"), None).status, 200);
    let _agent = Agent::again(dir.path(), "vm3", &kubeconfig, &[]).unwrap();
    until("the end of what ended", || (!gone.exists()).then_some(()));
    assert_eq!(lab.review(&first, &[])["authenticated"], true, "a token outlives the agent");
    until("the next token", || read(&volume.join("token")).filter(|t| *t != first));
    let account = format!("{space}/serviceaccounts/app");
    assert_eq!(lab.ask("DELETE", &account, None).status, 200);
    let made = lab.made(&format!("{space}/serviceaccounts"), &json!({"metadata": {"name": "app"}}));
    until("a token of the new account", || {
        let token = read(&volume.join("token"))?;
        let review = lab.review(&token, &[]);
        (review["user"]["uid"] == made["metadata"]["uid"]).then_some(())
    });
}

#[test]
fn a_node_that_was_deleted_is_made_anew_and_a_kubelets_is_left_alone() {
    let (lab, dir) = (lab(), tempfile::tempdir().unwrap());
    let mut agent = Agent::start(&lab.server, dir.path(), "vm5", &[]).unwrap();
    let node = "/api/v1/nodes/vm5";
    let lease = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/vm5";
    let uid = |path: &str| lab.get(path).map(|object| object["metadata"]["uid"].clone());
    let first = until("the node", || uid(node));
    let owned = || lab.get(lease).map(|lease| lease["metadata"]["ownerReferences"][0]["uid"].clone());
    until("its lease", || owned().filter(|owner| *owner == first));
    assert_eq!(lab.ask("DELETE", node, None).status, 200);
    let next = until("the new node", || uid(node).filter(|uid| *uid != first));
    until("its lease", || owned().filter(|owner| *owner == next));
    assert!(agent.runs());
    lab.made("/api/v1/nodes", &json!({"metadata": {"name": "vm6"}}));
    let other = Agent::start(&lab.server, dir.path(), "vm6", &[]).unwrap();
    until("the agent's end", || (!Path::new(&format!("/proc/{}/exe", other.pid())).exists()).then_some(()));
    assert!(read(&other.log).unwrap().contains("it is another kubelet's"));
}

/// Kubernetes gives no token less than ten minutes, so this test takes eight.
#[test]
fn a_token_is_replaced_inside_its_window() {
    let (lab, dir) = (lab(), tempfile::tempdir().unwrap());
    let space = lab.space("agent-rotation");
    let agent = Agent::start(&lab.server, dir.path(), "vm4", &[]).unwrap();
    let volumes = json!([{"name": "t", "projected": {"sources": [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 600}}]}}]);
    let home = make(&space, &agent, &pod("web", "vm4", &volumes));
    let token = home.join(VOLUMES).join("t/token");
    let first = until("a token", || read(&token));
    let begun = Instant::now();
    let next =
        until_within(Duration::from_secs(540), "the next token", || read(&token).filter(|t| *t != first));
    let after = begun.elapsed().as_secs();
    assert!((415..=500).contains(&after), "70 to 80 % of 600 s, not {after} s");
    for token in [&first, &next] {
        assert_eq!(lab.review(token, &[])["authenticated"], true, "both hold");
    }
}
