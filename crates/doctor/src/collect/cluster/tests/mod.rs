//! The collector against a scripted cluster: which requests it sends, and what it makes of the answers.

mod manners;
mod replicas;
mod tokens;
mod charts;
mod hostile;

use super::api::{Answer, Api, Get, NoAnswer};
use super::{Outcome, Settings, collect};
use serde_json::{Value, json};
use std::collections::BTreeMap;
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
