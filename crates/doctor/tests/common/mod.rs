//! Audit logs of scripted workloads, written as kube-apiserver 1.36 writes them.
#![allow(dead_code, unreachable_pub, missing_debug_implementations, clippy::unwrap_used)] // each test file uses a part

pub mod cases;

use jeton_core::time::UnixTime;
use jeton_doctor::collect::audit::{Options, read};
use jeton_doctor::facts::Facts;
use jeton_doctor::knowledge::Knowledge;
use jeton_doctor::report::{Report, State, Workload};
use jeton_doctor::rules::{Settings, report};
use serde_json::{Value, json};

/// 2026-11-24T00:00:00Z.
pub const START: i64 = 1_795_478_400;
pub const HOUR: i64 = 3600;

/// A client in a pod.
#[derive(Clone, Copy)]
pub struct Who {
    pub namespace: &'static str,
    pub account: &'static str,
    pub pod: &'static str,
    pub agent: &'static str,
    pub address: &'static str,
}

pub const WEB: Who = Who {
    namespace: "shop",
    account: "web",
    pod: "web-7c9f8d6b5d-x2k4z",
    agent: "web/v0.0.0 (linux/amd64) kubernetes/$Format",
    address: "10.1.0.5",
};

#[derive(Default)]
pub struct Log {
    pub events: Vec<Value>,
}

pub fn time(at: i64) -> String {
    UnixTime::from_seconds(START + at).rfc3339()
}

impl Log {
    /// A request; change what is special about it in the value that comes back.
    pub fn request(&mut self, at: i64, who: Who, credential: &str) -> &mut Value {
        let id = format!("id-{:06}", self.events.len());
        let user = format!("system:serviceaccount:{}:{}", who.namespace, who.account);
        self.events.push(json!({
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": id,
            "stage": "ResponseComplete", "requestURI": "/api/v1/pods", "verb": "list",
            "user": {"username": user, "extra": {
                "authentication.kubernetes.io/credential-id": [format!("JTI={credential}")],
                "authentication.kubernetes.io/node-name": ["node-1"],
                "authentication.kubernetes.io/pod-name": [who.pod],
                "authentication.kubernetes.io/pod-uid": [format!("uid-{}", who.pod)],
            }},
            "sourceIPs": [who.address], "userAgent": who.agent, "responseStatus": {"metadata": {}, "code": 200},
            "requestReceivedTimestamp": time(at), "stageTimestamp": time(at), "annotations": {},
        }));
        self.events.last_mut().unwrap()
    }

    /// A request with a token that should have been replaced `late` seconds ago.
    pub fn stale(&mut self, at: i64, who: Who, credential: &str, late: i64) -> &mut Value {
        let user = format!("system:serviceaccount:{}:{}", who.namespace, who.account);
        let event = self.request(at, who, credential);
        event["annotations"]["authentication.k8s.io/stale-token"] =
            json!(format!("subject: {user}, seconds after warning threshold: {late}"));
        event
    }

    /// The kubelet is handed a token; with a lifetime the log holds the body of the request.
    pub fn issue(&mut self, at: i64, who: Who, credential: &str, lifetime: Option<i64>) {
        let event = self.request(at, who, "kubelet");
        event["user"] = json!({"username": "system:node:node-1"});
        event["verb"] = json!("create");
        event["objectRef"] = json!({"resource": "serviceaccounts", "subresource": "token",
            "namespace": who.namespace, "name": who.account});
        event["annotations"] =
            json!({"authentication.kubernetes.io/issued-credential-id": format!("JTI={credential}")});
        if let Some(seconds) = lifetime {
            event["requestObject"] = json!({"spec": {"expirationSeconds": seconds,
                "boundObjectRef": {"kind": "Pod", "uid": format!("uid-{}", who.pod)}}});
        }
    }

    /// Refused: no name.
    pub fn refused(&mut self, at: i64, who: Who) {
        let event = self.request(at, who, "x");
        event["user"] = json!({});
        event["responseStatus"]["code"] = json!(401);
    }

    /// Requests every ten minutes with one credential.
    pub fn steady(&mut self, from: i64, to: i64, who: Who, credential: &str) {
        (from..to).step_by(600).for_each(|at| drop(self.request(at, who, credential).clone()));
    }

    /// A client that re-reads, for hours, with the kubelet's requests for tokens.
    pub fn rotating(&mut self, hours: i64, who: Who) {
        for (number, at) in (0..hours * HOUR).step_by(2886).enumerate() {
            let credential = format!("{}-{number}", who.pod);
            self.issue(at, who, &credential, None);
            self.steady(at + 30, at + 2886, who, &credential);
        }
    }

    pub fn lines(&self) -> String {
        self.events.iter().map(|event| format!("{event}\n")).collect()
    }

    pub fn facts(&self) -> Facts {
        facts_of(self.lines().as_bytes(), "audit.log", false, 1)
    }

    pub fn report(&self) -> Report {
        judge(&self.facts())
    }
}

pub fn facts_of(bytes: &[u8], name: &str, quick: bool, workers: usize) -> Facts {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let mut facts = Facts::default();
    read(&[path.display().to_string()], Options { quick, workers }, &mut facts, &mut |_, _| {});
    facts.sources[0].name = name.to_owned();
    facts
}

pub fn settings() -> Settings {
    Settings::new(UnixTime::from_seconds(START + 48 * HOUR))
}

pub fn judge(facts: &Facts) -> Report {
    report(facts, &Knowledge::built_in().unwrap(), &settings())
}

/// The only row of a report.
pub fn only(report: &Report) -> &Workload {
    assert_eq!(report.workloads.len(), 1, "{:#?}", report.workloads);
    &report.workloads[0]
}

/// State, cause and rules of the only row.
pub fn row(report: &Report) -> (State, &'static str, Vec<&str>) {
    let row = only(report);
    (row.state, row.cause, row.findings.iter().map(|id| id.split(':').next().unwrap()).collect())
}
