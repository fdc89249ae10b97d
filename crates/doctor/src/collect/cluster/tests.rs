//! The collector against a scripted cluster: which requests it sends, and what it makes of the answers.

use super::api::{Answer, Api, Get, METADATA, NoAnswer};
use super::{Outcome, Settings, collect, extended};
use crate::facts::{SourceKind, TokenSource};
use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

/// A cluster in which time passes only when somebody waits. What is not scripted answers 404.
#[derive(Default)]
struct Fake {
    answers: BTreeMap<String, Vec<Result<Answer, NoAnswer>>>,
    asked: Vec<Get>,
    at: Vec<Duration>,
    now: Duration,
}

impl Fake {
    /// The answers of a key (path, or address and path) in turn; the last one stays.
    fn on(mut self, key: &str, code: u16, body: &Value) -> Self {
        let body = body.as_str().map_or_else(|| body.to_string(), str::to_owned).into_bytes();
        self.answers.entry(key.to_owned()).or_default().push(Ok(Answer { code, retry_after: None, body }));
        self
    }

    fn after(mut self, key: &str, code: u16, seconds: u64) -> Self {
        let answer = Answer { code, retry_after: Some(seconds), body: Vec::new() };
        self.answers.entry(key.to_owned()).or_default().push(Ok(answer));
        self
    }

    fn items(self, key: &str, items: &Value) -> Self {
        self.on(key, 200, &json!({"kind": "List", "items": items}))
    }

    /// A small cluster that grants everything and holds nothing.
    fn empty() -> Self {
        let lists = [PODS, SECRETS, ACCOUNTS, JOBS, CLUSTER_BINDINGS, BINDINGS, SLICES];
        let version = Self::default().on("/version", 200, &json!({"gitVersion": "v1.33.1"}));
        let fake = version.on("/metrics", 200, &json!(metrics(100, 0)));
        lists.into_iter().fold(fake, |fake, list| fake.items(list, &json!([])))
    }

    fn instead(mut self, key: &str) -> Self {
        self.answers.remove(key);
        self
    }

    fn run(&mut self) -> Outcome {
        let releases = vec!["cceaddon-npd".to_owned(), "cceaddon-prometheus".to_owned()];
        collect(self, &Settings { name: "lab".to_owned(), qps: 5, releases })
    }
}

impl Api for Fake {
    fn get(&mut self, get: &Get) -> Result<Answer, NoAnswer> {
        self.asked.push(get.clone());
        self.at.push(self.now);
        let key = format!("{}{}", get.direct.as_deref().unwrap_or_default(), get.path);
        let Some(answers) = self.answers.get_mut(&key) else {
            if get.direct.is_some() {
                return Err(NoAnswer::Unreachable("no route".to_owned()));
            }
            return Ok(Answer { code: 404, ..Answer::default() });
        };
        if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() }
    }

    fn elapsed(&self) -> Duration {
        self.now
    }

    fn pause(&mut self, duration: Duration) {
        self.now += duration;
    }
}

const PODS: &str = "/api/v1/pods";
const SECRETS: &str = "/api/v1/secrets";
const ACCOUNTS: &str = "/api/v1/serviceaccounts";
const JOBS: &str = "/apis/batch/v1/jobs";
const CLUSTER_BINDINGS: &str = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
const BINDINGS: &str = "/apis/rbac.authorization.k8s.io/v1/rolebindings";
const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
const PLACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

fn metrics(start: u32, stale: u32) -> String {
    format!("serviceaccount_stale_tokens_total {stale}\nprocess_start_time_seconds {start}\n")
}

/// Ids of the gaps, each with what was asked for.
fn gaps(outcome: &Outcome) -> Vec<String> {
    let subject = |detail: &str| detail.split(": ").next().unwrap_or_default().to_owned();
    outcome.cluster.unknown.iter().map(|gap| format!("{} {}", gap.id, subject(&gap.detail))).collect()
}

const EXTENSION: &str = "extension-unknown no flag is visible and no counter has moved";

fn slices(count: usize) -> Value {
    let endpoints: Vec<Value> = (1..=count).map(|n| json!({"addresses": [format!("10.0.0.{n}")]})).collect();
    json!([{"endpoints": endpoints, "ports": [{"name": "https", "port": 6443}]}])
}

#[test]
fn what_is_not_granted_is_unknown_and_never_an_error() {
    let refused = json!({"kind": "Status", "message": "pods is forbidden"});
    let mut fake = [PODS, SECRETS, SLICES, "/metrics"]
        .into_iter()
        .fold(Fake::empty(), |fake, key| fake.instead(key).on(key, 403, &refused));
    let got = fake.run();
    assert_eq!(got.source.error, None);
    let want = [
        "not-granted endpoints",
        "no-metrics metrics",
        "not-granted-secrets secrets",
        "not-granted pods",
        "not-granted releases",
        EXTENSION,
    ];
    assert_eq!(gaps(&got), want);
    assert_eq!(got.cluster.unknown[0].detail, "endpoints: 403: pods is forbidden");
    assert_eq!(extended(&got.cluster), None);
}

#[test]
fn what_is_not_there_or_makes_no_sense_is_unknown() {
    let mut fake = Fake::empty().instead(SLICES).instead(PODS).on(PODS, 200, &json!("<html>"));
    let got = fake.run();
    assert_eq!(gaps(&got)[0], "unreadable endpoints");
    assert!(gaps(&got).contains(&"unreadable pods".to_owned()), "{got:?}");
    assert_eq!(got.cluster.version.as_deref(), Some("v1.33.1"));
}

#[test]
fn an_unreachable_cluster_is_given_up_soon() {
    let mut fake = Fake::default();
    let down = Err(NoAnswer::Unreachable("connection refused".to_owned()));
    fake.answers.insert("/version".to_owned(), vec![down]);
    let got = fake.run();
    assert_eq!(got.source.error.as_deref(), Some("connection refused"));
    assert_eq!(fake.asked.len(), 2);
}

#[test]
fn a_name_that_the_cluster_does_not_know_is_an_error_at_once() {
    let mut fake = Fake::empty().instead("/version").on("/version", 401, &json!({"message": "Unauthorized"}));
    let got = fake.run();
    assert_eq!(got.source.error.as_deref(), Some("401: Unauthorized"));
    assert_eq!(fake.asked.len(), 1);
    let mut fake = Fake::empty().instead("/version").on("/version", 200, &json!("<html>"));
    assert_eq!(gaps(&fake.run())[0], "unreadable version");
}

#[test]
fn the_rate_is_kept_and_the_server_is_waited_for() {
    let mut fake = Fake::empty().instead("/version");
    fake = fake.after("/version", 429, 7).after("/version", 503, 9_999).on("/version", 200, &json!({}));
    let got = fake.run();
    assert_eq!(got.requests, u64::try_from(fake.asked.len()).unwrap());
    assert_eq!(fake.at[1] - fake.at[0], Duration::from_secs(7));
    assert_eq!(fake.at[2] - fake.at[1], Duration::from_secs(30), "at most half a minute");
    for pair in fake.at.windows(2) {
        assert!(pair[1] - pair[0] >= Duration::from_millis(200), "{:?}", fake.at);
    }
}

#[test]
fn a_server_that_never_recovers_does_not_hold_the_rest() {
    let mut fake = Fake::empty().instead(PODS).on(PODS, 500, &json!({}));
    let got = fake.run();
    assert!(gaps(&got).contains(&"unreadable pods".to_owned()));
    assert_eq!(fake.asked.iter().filter(|get| get.path == PODS).count(), 4);
}

#[test]
fn pages_are_followed_through_an_expired_token() {
    let page = |name: &str, next: &str| json!({"metadata": {"continue": next}, "items": [{"metadata": {"name": name, "uid": name}}, {"metadata": 7}]});
    let gone = json!({"message": "too old", "metadata": {"continue": "c3"}});
    let mut fake = Fake::empty().instead(PODS);
    fake = fake.on(PODS, 200, &page("a", "c1")).on(PODS, 200, &page("b", "c2"));
    fake = fake.on(PODS, 410, &gone).on(PODS, 200, &page("c", ""));
    let got = fake.run();
    let names: Vec<&str> = got.cluster.pods.iter().map(|pod| pod.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!((got.source.read, got.source.skipped), (3, 3));
    let asked: Vec<_> =
        fake.asked.iter().filter(|get| get.path == PODS).map(|get| get.query.clone()).collect();
    let limit = || ("limit", "500".to_owned());
    let next = |token: &str| vec![limit(), ("continue", token.to_owned())];
    assert_eq!(asked, [vec![limit()], next("c1"), next("c2"), next("c3")]);
}

#[test]
fn a_list_that_breaks_off_is_incomplete() {
    let page = json!({"metadata": {"continue": "c1"}, "items": [{"metadata": {"name": "a"}}]});
    let mut fake = Fake::empty().instead(PODS).on(PODS, 200, &page).on(PODS, 403, &json!({}));
    let got = fake.run();
    assert_eq!(got.cluster.pods.len(), 1);
    assert!(gaps(&got).contains(&"broken-off pods".to_owned()));
}

#[test]
fn every_api_server_is_asked_at_its_own_address() {
    let mut fake = Fake::empty().instead(SLICES).items(SLICES, &slices(3));
    for n in 1..=3 {
        fake = fake.on(&format!("10.0.0.{n}:6443/metrics"), 200, &json!(metrics(n, n * 10)));
    }
    let got = fake.run();
    let seen: Vec<_> = got.cluster.replicas.iter().map(|r| (r.name.as_str(), r.stale)).collect();
    assert_eq!(seen, [("10.0.0.1:6443", Some(10)), ("10.0.0.2:6443", Some(20)), ("10.0.0.3:6443", Some(30))]);
    assert!(gaps(&got).is_empty(), "counters that moved tell that the extension is on: {:?}", gaps(&got));
    assert_eq!(extended(&got.cluster), Some(true));
}

#[test]
fn api_servers_behind_one_address_are_told_apart_by_their_start() {
    let mut fake = Fake::empty().instead(SLICES).items(SLICES, &slices(3)).instead("/metrics");
    for (start, stale) in [(100, 1), (200, 5), (100, 2), (100, 2), (300, 9), (1, 1)] {
        fake = fake.on("/metrics", 200, &json!(metrics(start, stale)));
    }
    let got = fake.run();
    let seen: Vec<_> = got.cluster.replicas.iter().map(|r| (r.name.as_str(), r.stale)).collect();
    let want = [
        ("1970-01-01T00:01:40Z", Some(2)),
        ("1970-01-01T00:03:20Z", Some(5)),
        ("1970-01-01T00:05:00Z", Some(9)),
    ];
    assert_eq!(seen, want);
    assert!(gaps(&got).is_empty(), "{:?}", gaps(&got));
    let direct = fake.asked.iter().filter(|get| get.direct.is_some()).count();
    assert_eq!(direct, 2, "two addresses without an answer are enough");
}

#[test]
fn api_servers_of_the_same_second_have_names_of_their_own() {
    let mut fake = Fake::empty().instead("/metrics");
    for start in ["1.25", "1.5"] {
        fake = fake.on("/metrics", 200, &json!(format!("process_start_time_seconds {start}\n")));
    }
    let names: Vec<String> = fake.run().cluster.replicas.into_iter().map(|r| r.name).collect();
    assert_eq!(names, ["1970-01-01T00:00:01Z", "1970-01-01T00:00:01.500000Z"]);
}

#[test]
fn one_address_may_hide_several_api_servers() {
    let mut fake = Fake::empty().instead(SLICES).items(SLICES, &slices(1)).instead("/metrics");
    fake = fake.on("/metrics", 200, &json!(metrics(100, 1))).on("/metrics", 200, &json!(metrics(200, 5)));
    let got = fake.run();
    assert_eq!(got.cluster.replicas.len(), 2);
    assert_eq!(got.cluster.unknown[0].detail, "2; how many there are is not known");
}

#[test]
fn an_api_server_that_was_not_met_is_told() {
    let fake = Fake::empty().instead(SLICES).items(SLICES, &slices(2));
    let mut fake = fake.on("10.0.0.2:6443/metrics", 200, &json!(metrics(2, 0)));
    let got = fake.run();
    assert_eq!(got.cluster.replicas.len(), 1);
    assert_eq!(got.cluster.unknown[0].id, "replicas-unseen");
    assert_eq!(got.cluster.unknown[0].detail, "1 of 2; no direct answer of 10.0.0.1:6443");
}

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

/// What Helm writes: gzip, base64, and base64 again by the API.
fn release(version: &str, padding: usize) -> String {
    let values: String = std::iter::repeat_n('x', padding).collect();
    let text = json!({"name": "r", "config": {"password": "hunter2", "pad": values},
        "chart": {"metadata": {"name": "c", "version": version}, "files": []}});
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.to_string().as_bytes()).unwrap();
    STANDARD.encode(STANDARD.encode(gzip.finish().unwrap()))
}

#[test]
fn the_chart_of_the_release_in_use_is_read() {
    let stored = |name: &str, release: &str, version: &str, status: &str| {
        json!({"metadata": {"namespace": "kube-system", "name": name,
            "labels": {"owner": "helm", "name": release, "version": version, "status": status}}})
    };
    let npd = "cceaddon-npd";
    let list = json!([
        stored("npd.v9", npd, "9", "superseded"),
        stored("npd.v10", npd, "10", "deployed"),
        stored("npd.v11", npd, "11", "pending-upgrade"),
        stored("gone.v1", "cceaddon-prometheus", "1", "uninstalled"),
        stored("../../x", "cceaddon-prometheus", "2", "deployed"),
        stored("other.v1", "other", "1", "deployed")
    ]);
    let mut fake = Fake::empty().instead(SECRETS).items(SECRETS, &json!([])).items(SECRETS, &list);
    let body = json!({"data": {"release": release("1.15.0", 10)}});
    fake = fake.on("/api/v1/namespaces/kube-system/secrets/npd.v10", 200, &body);
    let got = fake.run();
    assert_eq!(got.cluster.releases, [("cceaddon-npd".to_owned(), Some("1.15.0".to_owned()))]);
    assert_eq!(got.cluster.platform.as_deref(), Some("cce"));
    assert!(!format!("{got:?}").contains("hunter2"));
}

#[test]
fn a_release_that_cannot_be_read_has_no_version() {
    let good = release("2.23.34", 0);
    assert_eq!(super::chart_version(&good).as_deref(), Some("2.23.34"));
    let bomb = release("1.0.0", 40 * 1024 * 1024);
    let encoded = |text: &str| STANDARD.encode(STANDARD.encode(text));
    for bad in [
        "",
        "=",
        "AAAA",
        &good[..good.len() / 2],
        &bomb,
        &encoded("{}"),
        &encoded("{\"chart\":{\"metadata\":{\"version\":7}}}"),
    ] {
        assert_eq!(super::chart_version(bad), None, "{}", &bad[..bad.len().min(40)]);
    }
    let plain = encoded("{\"chart\":{\"metadata\":{\"version\":\"1.2\"}}}");
    assert_eq!(
        super::chart_version(&plain).as_deref(),
        Some("1.2"),
        "Helm also reads what is not compressed"
    );
}

#[test]
fn platforms_and_the_flag_of_the_api_server() {
    for (version, want) in [
        ("v1.29.1-eks-508b6b3", Some("eks")),
        ("v1.25.5-r0-25.1.18", Some("cce")),
        ("v1.17.9-r0-CCE21.1.1.3.B001-17.36.8", Some("cce")),
        ("v1.33.1", None),
        ("v1.33.0-rc.1", None),
        ("v1.28.4-gke.1", None),
    ] {
        let mut fake = Fake::empty().instead("/version").on("/version", 200, &json!({"gitVersion": version}));
        assert_eq!(fake.run().cluster.platform.as_deref(), want, "{version}");
    }
    for (words, want) in [
        (json!(["kube-apiserver", "--service-account-extend-token-expiration=false"]), Some(false)),
        (json!(["kube-apiserver", "--v=2"]), Some(true)),
    ] {
        let pod = json!([{"metadata": {"namespace": "kube-system", "name": "a", "labels": {"component": "kube-apiserver"}},
            "spec": {"containers": [{"name": "kube-apiserver", "command": words}]}}]);
        let got = Fake::empty().instead(PODS).items(PODS, &pod).run();
        assert_eq!(extended(&got.cluster), want);
    }
}

#[test]
fn the_reference_lists_every_gap() {
    let page = include_str!("../../../../../docs/reference/doctor-cluster.md");
    let subjects = super::gap::SUBJECTS.map(super::gap::Subject::name);
    for word in super::gap::IDS.into_iter().chain(subjects) {
        assert!(page.contains(&format!("\n| `{word}` |")), "{word}");
    }
}

/// Something that looks like an answer, with anything in it.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(json!("kubernetes")),
        Just(json!("2026-07-25T10:00:00Z")),
    ];
    let key = prop_oneof![
        prop::sample::select(vec![
            "items",
            "metadata",
            "spec",
            "status",
            "name",
            "namespace",
            "labels",
            "annotations",
            "containers",
            "volumes",
            "volumeMounts",
            "projected",
            "sources",
            "serviceAccountToken",
            "secret",
            "items",
            "key",
            "path",
            "subPath",
            "endpoints",
            "addresses",
            "ports",
            "port",
            "data",
            "release",
            "ownerReferences",
            "kind",
            "continue",
        ]),
        Just("other"),
    ];
    leaf.prop_recursive(6, 60, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|pairs| pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_answer_makes_it_panic(
        items in prop::collection::vec(anything(), 0..6),
        page in prop::collection::vec(any::<u8>(), 0..200),
        whole in anything(),
    ) {
        let mut fake = Fake::empty();
        for key in [PODS, SECRETS, ACCOUNTS, JOBS, CLUSTER_BINDINGS, BINDINGS, SLICES] {
            fake = fake.instead(key).items(key, &json!(items)).on(key, 200, &whole);
        }
        fake = fake.instead("/metrics").on("/metrics", 200, &json!(String::from_utf8_lossy(&page)));
        let got = fake.run();
        prop_assert!(got.requests < 10_000);
    }

    #[test]
    fn no_text_is_taken_for_a_bundle_or_release(text in ".{0,200}") {
        prop_assert!(crate::collect::bundle::read(text.as_bytes()).is_err());
        prop_assert_eq!(super::chart_version(&STANDARD.encode(STANDARD.encode(&text))), None);
    }
}
