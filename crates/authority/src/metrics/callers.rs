//! Who calls, as far as Kubernetes counts it: attempts to establish it, and few names of users.

use super::requests::{family, pair};
use super::tally::{Durations, Tally};
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter, Metric, MetricFamily, MetricType};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// How establishing who calls ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// Somebody, or nobody in particular.
    Success,
    /// Credentials that do not hold.
    Error,
}

/// Labels of [`Attempt`], in its order.
const RESULTS: [&str; 2] = ["success", "error"];

/// Labels of users. Kubernetes 1.36: few names stand for themselves.
const USERS: [&str; 7] = [
    "other",
    "email_id",
    "admin",
    "client",
    "kube_proxy",
    "kubelet",
    "system:serviceaccount:kube-system:default",
];
const OTHER: usize = 0;
const EMAIL: usize = 1;

/// `authentication_attempts`, `authentication_duration_seconds` and `authenticated_user_requests`. Clones are the same
/// counters.
#[derive(Clone, Debug)]
pub(super) struct Callers {
    descs: [Desc; 3],
    bounds: [f64; 15],
    attempts: Arc<[Durations; 2]>,
    users: Arc<Tally<{ USERS.len() }>>,
}

impl Callers {
    pub(super) fn new() -> Result<Self, prometheus::Error> {
        let desc = |name: &str, help: &str, label: &str| {
            Desc::new(name.to_owned(), help.to_owned(), vec![label.to_owned()], HashMap::new())
        };
        let seconds = "[ALPHA] Authentication duration in seconds broken out by result.";
        let users = "[ALPHA] Counter of authenticated requests broken out by username.";
        Ok(Self {
            descs: [
                desc("authentication_attempts", "[ALPHA] Counter of authenticated attempts.", "result")?,
                desc("authentication_duration_seconds", seconds, "result")?,
                desc("authenticated_user_requests", users, "username")?,
            ],
            // Kubernetes 1.36: a millisecond, doubled fourteen times.
            bounds: std::array::from_fn(|n| 0.001 * f64::from(1_u16 << n)),
            attempts: Arc::default(),
            users: Arc::default(),
        })
    }

    /// Counts an attempt, and whose it was.
    pub(super) fn count(&self, attempt: Attempt, took: Duration, username: Option<&str>) {
        self.attempts[attempt as usize].observe(&self.bounds, took);
        if let Some(name) = username {
            self.users.count(label(name));
        }
    }
}

/// The label of a user.
fn label(username: &str) -> usize {
    let own = USERS.iter().skip(EMAIL + 1).position(|known| *known == username);
    match own {
        Some(at) => at + EMAIL + 1,
        None if username.contains('@') => EMAIL,
        None => OTHER,
    }
}

impl Collector for Callers {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let count = |name: &str, value: &str, count: u64| {
            let mut counter = Counter::default();
            counter.set_value(count as f64);
            let mut metric = Metric::from_label(vec![pair(name, value)]);
            metric.set_counter(counter);
            metric
        };
        let observed = self.attempts.each_ref().map(Durations::observed);
        let results = || RESULTS.iter().zip(&observed);
        let attempts = results().map(|(result, seen)| count("result", result, seen.count())).collect();
        let seconds = results().map(|(result, seen)| {
            let mut metric = Metric::from_label(vec![pair("result", result)]);
            metric.set_histogram(seen.histogram(&self.bounds));
            metric
        });
        let users = USERS.iter().zip(self.users.sums()).filter(|(_, uses)| *uses > 0);
        let users = users.map(|(name, uses)| count("username", name, uses)).collect();
        let [of_attempts, of_seconds, of_users] = &self.descs;
        vec![
            family(of_attempts, MetricType::COUNTER, attempts),
            family(of_seconds, MetricType::HISTOGRAM, seconds.collect()),
            family(of_users, MetricType::COUNTER, users),
        ]
    }
}
