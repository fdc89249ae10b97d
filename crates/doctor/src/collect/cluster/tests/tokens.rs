//! How pods get tokens, whose the pods are, and Secrets that hold tokens.

use super::super::api::METADATA;
use super::*;
use crate::facts::{SourceKind, TokenSource};

fn injected(name: &str) -> Value {
    json!({"name": name, "projected": {"sources": [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt"}}]}})
}

fn source(container: &str, kind: SourceKind, sub_path: bool) -> TokenSource {
    TokenSource { container: container.to_owned(), kind, sub_path }
}

/// The sources of one pod in a cluster whose Secret `old` holds a token.
fn sources(spec: &Value, secrets_granted: bool) -> Vec<TokenSource> {
    let mut fake = Fake::empty().instead(PODS);
    fake = fake.items(PODS, &json!([{"metadata": {"namespace": "n", "name": "p"}, "spec": spec}]));
    fake = fake.instead(SECRETS);
    fake = match secrets_granted {
        true => fake.items(SECRETS, &json!([{"metadata": {"namespace": "n", "name": "old"}}])),
        false => fake.on(SECRETS, 403, &json!({})),
    };
    fake.run().cluster.pods.remove(0).tokens
}

#[test]
fn tokens_of_projected_volumes() {
    let own = json!({"name": "own", "projected": {"sources": [
        {"serviceAccountToken": {"audience": "vault", "path": "vault/token"}},
        {"serviceAccountToken": {"expirationSeconds": 7200, "path": "api"}}]}});
    let got = sources(
        &json!({
            "initContainers": [{"name": "first", "volumeMounts": [{"name": "kube-api-access-x", "mountPath": PLACE}]}],
            "containers": [
                {"name": "a", "volumeMounts": [{"name": "own", "mountPath": "/t"}]},
                {"name": "b", "volumeMounts": [{"name": "own", "mountPath": "/t", "subPath": "vault"}]},
                {"name": "c", "volumeMounts": [{"name": "own", "mountPath": "/t", "subPath": "vau"}]},
                {"name": "d", "volumeMounts": [{"name": "own", "mountPath": "/t", "subPathExpr": "$(A)"}]},
                {"name": "none"}],
            "ephemeralContainers": [{"name": "dbg", "volumeMounts": [{"name": "kube-api-access-x", "mountPath": PLACE}]}],
            "volumes": [injected("kube-api-access-x"), own, injected("unused")]}),
        true,
    );
    let vault = || SourceKind::Projected { audience: Some("vault".to_owned()), seconds: 3600 };
    let api = || SourceKind::Projected { audience: None, seconds: 7200 };
    let want = [
        source("first", SourceKind::Injected, false),
        source("a", vault(), false),
        source("a", api(), false),
        source("b", vault(), true),
        source("d", vault(), true),
        source("d", api(), true),
        source("dbg", SourceKind::Injected, false),
    ];
    assert_eq!(got, want);
}

#[test]
fn tokens_of_secrets() {
    let spec = json!({
        "containers": [
            {"name": "file", "volumeMounts": [{"name": "v", "mountPath": "/t"}, {"name": "ca", "mountPath": "/ca"}]},
            {"name": "sub", "volumeMounts": [{"name": "v", "mountPath": "/t/x", "subPath": "token"}]},
            {"name": "ca", "volumeMounts": [{"name": "v", "mountPath": "/t/x", "subPath": "ca.crt"}]},
            {"name": "mixed", "volumeMounts": [{"name": "mixed", "mountPath": "/t"}]},
            {"name": "env", "env": [
                {"name": "PASSWORD", "value": "hunter2"},
                {"name": "T", "valueFrom": {"secretKeyRef": {"name": "old", "key": "token"}}},
                {"name": "C", "valueFrom": {"secretKeyRef": {"name": "old", "key": "ca.crt"}}},
                {"name": "G", "valueFrom": {"secretKeyRef": {"name": "github", "key": "token"}}}]},
            {"name": "whole", "envFrom": [{"secretRef": {"name": "old"}}, {"configMapRef": {"name": "c"}}]}],
        "volumes": [
            {"name": "v", "secret": {"secretName": "old"}},
            {"name": "ca", "secret": {"secretName": "old", "items": [{"key": "ca.crt", "path": "token"}]}},
            {"name": "mixed", "projected": {"sources": [
                {"secret": {"name": "old", "items": [{"key": "token", "path": "t"}]}}]}}]});
    let (file, env) =
        (|| SourceKind::SecretVolume("old".to_owned()), || SourceKind::SecretEnv("old".to_owned()));
    let want = [
        source("file", file(), false),
        source("sub", file(), true),
        source("mixed", file(), false),
        source("env", env(), false),
        source("whole", env(), false),
    ];
    assert_eq!(sources(&spec, true), want);
    assert_eq!(sources(&spec, false), [], "without the list, nothing here looks like a token");
}

#[test]
fn without_the_list_of_secrets_names_and_places_tell() {
    let spec = json!({
        "containers": [{"name": "c", "volumeMounts": [
            {"name": "a", "mountPath": "/x"}, {"name": "b", "mountPath": format!("{PLACE}/")}]}],
        "volumes": [
            {"name": "a", "secret": {"secretName": "default-token-x7k2p"}},
            {"name": "b", "secret": {"secretName": "mine"}}]});
    let kinds: Vec<SourceKind> = sources(&spec, false).into_iter().map(|s| s.kind).collect();
    let volume = |name: &str| SourceKind::SecretVolume(name.to_owned());
    assert_eq!(kinds, [volume("default-token-x7k2p"), volume("mine")]);
}

#[test]
fn owners_are_those_that_people_know() {
    let pod = |name: &str, kind: &str, owner: &str, hash: &str| {
        json!({"metadata": {"namespace": "n", "name": name, "labels": {"pod-template-hash": hash},
            "ownerReferences": [{"kind": kind, "name": owner, "controller": true}]},
            "status": {"phase": "Running", "podIP": "10.1.0.1", "podIPs": [{"ip": "10.1.0.1"}, {"ip": "fd00::1"}],
                "containerStatuses": [{"name": "c", "state": {"running": {"startedAt": "2026-07-25T10:00:00Z"}}},
                    {"name": "d", "state": {"waiting": {}}}]}})
    };
    let pods = json!([
        pod("web-1", "ReplicaSet", "web-6d4cf56db6", "6d4cf56db6"),
        pod("bare-1", "ReplicaSet", "bare", "6d4cf56db6"),
        pod("ds-1", "DaemonSet", "ds", "x"),
        pod("job-1", "Job", "report-29000000", "x"),
        pod("job-2", "Job", "once-29000001", "x"),
        {"metadata": {"namespace": "n", "name": "alone"}}]);
    let jobs = json!([
        {"metadata": {"namespace": "n", "name": "report-29000000",
            "ownerReferences": [{"kind": "CronJob", "name": "report", "controller": true}]}},
        {"metadata": {"namespace": "n", "name": "once-29000001"}}]);
    let owners =
        |fake: &mut Fake| -> Vec<String> { fake.run().cluster.pods.into_iter().map(|p| p.owner).collect() };
    let mut fake = Fake::empty().instead(PODS).items(PODS, &pods).instead(JOBS).items(JOBS, &jobs);
    let sure = [
        "Deployment/web",
        "ReplicaSet/bare",
        "DaemonSet/ds",
        "CronJob/report",
        "Job/once-29000001",
        "Pod/alone",
    ];
    assert_eq!(owners(&mut fake), sure);
    let pod = fake.run().cluster.pods.remove(0);
    assert_eq!(pod.addresses, ["10.1.0.1", "fd00::1"]);
    assert_eq!(pod.started.into_keys().collect::<Vec<_>>(), ["c"]);
    let mut fake = Fake::empty().instead(PODS).items(PODS, &pods).instead(JOBS).on(JOBS, 403, &json!({}));
    let guessed =
        ["Deployment/web", "ReplicaSet/bare", "DaemonSet/ds", "CronJob/report", "CronJob/once", "Pod/alone"];
    assert_eq!(owners(&mut fake), guessed);
}

#[test]
fn a_pod_that_has_ended_uses_no_token() {
    let pod = |phase: &str| {
        json!([{"metadata": {"name": "p"}, "status": {"phase": phase}, "spec": {
            "containers": [{"name": "c", "volumeMounts": [{"name": "kube-api-access-x", "mountPath": PLACE}]}],
            "volumes": [injected("kube-api-access-x")]}}])
    };
    for (phase, count) in [("Running", 1), ("Pending", 1), ("Succeeded", 0), ("Failed", 0)] {
        let got = Fake::empty().instead(PODS).items(PODS, &pod(phase)).run();
        assert_eq!(got.cluster.pods[0].tokens.len(), count, "{phase}");
    }
}

#[test]
fn token_secrets_are_known_by_metadata_alone() {
    let secret = |name: &str, account: &str, labels: Value| {
        json!({"metadata": {"namespace": "n", "name": name, "labels": labels, "annotations": {
            "kubernetes.io/service-account.name": account,
            "kubectl.kubernetes.io/last-applied-configuration": "{\"data\":{\"token\":\"c2VjcmV0\"}}"}},
            "data": {"token": "c2VjcmV0"}})
    };
    let labels = json!({"kubernetes.io/legacy-token-last-used": "2026-07-01",
        "kubernetes.io/legacy-token-invalid-since": "2026-07-20"});
    let binding = |role: &str, subjects: Value| {
        json!({"metadata": {"name": "b"},
        "roleRef": {"kind": "ClusterRole", "name": role}, "subjects": subjects})
    };
    let user = json!([{"kind": "User", "name": "system:serviceaccount:n:ci"}]);
    let group =
        json!([{"kind": "Group", "name": "system:serviceaccounts:n"}, {"kind": "Group", "name": "other"}]);
    let everyone = json!([{"kind": "Group", "name": "system:authenticated"}]);
    let mut fake =
        Fake::empty().instead(SECRETS).instead(ACCOUNTS).instead(CLUSTER_BINDINGS).instead(BINDINGS);
    fake = fake
        .items(SECRETS, &json!([secret("ci-token-abcde", "ci", labels), secret("mine", "ci", json!(null))]));
    fake = fake.items(
        ACCOUNTS,
        &json!([{"metadata": {"namespace": "n", "name": "ci"}, "secrets": [{"name": "ci-token-abcde"}]},
            {"metadata": {"namespace": "m", "name": "ci"}, "secrets": [{"name": "mine"}]}]),
    );
    fake = fake.items(
        CLUSTER_BINDINGS,
        &json!([
            binding("cluster-admin", user),
            binding("view", group),
            binding("system:discovery", everyone)
        ]),
    );
    fake = fake.items(
        BINDINGS,
        &json!([{"metadata": {"namespace": "n"}, "roleRef": {"kind": "Role", "name": "deploy"},
                "subjects": [{"kind": "ServiceAccount", "name": "ci"}]},
            {"metadata": {"namespace": "m"}, "roleRef": {"kind": "Role", "name": "other"},
                "subjects": [{"kind": "ServiceAccount", "name": "ci", "namespace": "m"}]}]),
    );
    let got = fake.run();
    let secrets = &got.cluster.secrets;
    assert_eq!((secrets[0].auto, secrets[1].auto), (Some(true), Some(false)));
    assert_eq!(secrets[0].last_used.as_deref(), Some("2026-07-01"));
    assert_eq!(secrets[0].invalid_since.as_deref(), Some("2026-07-20"));
    assert_eq!(
        secrets[1].roles,
        ["ClusterRole/cluster-admin", "ClusterRole/view", "Role/deploy in namespace n"]
    );
    assert!(!format!("{got:?}").contains("c2VjcmV0"));
    let asked = fake.asked.iter().filter(|get| get.path == SECRETS);
    assert!(asked.into_iter().all(|get| get.accept == METADATA), "data is not even asked for");
}
