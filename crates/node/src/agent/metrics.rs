//! What the agent counts.
//!
//! Invariant: label values come from fixed lists, so that no server makes the process hold more and more series.

use crate::happening::Happening;
use prometheus::process_collector::ProcessCollector;
use prometheus::{Error, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};

/// Counters of one agent.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    late: IntCounter,
    expired: IntCounter,
    replaced: IntCounter,
    writes: IntCounter,
    failures: IntCounterVec,
    refused: IntCounter,
    /// Events that were not told, because too much happened at once.
    pub(super) events_lost: IntCounter,
    /// Answers of the API server to everything but TokenRequests that were failures.
    api: IntCounterVec,
    /// Pods whose volumes are kept.
    pub(super) pods: IntGauge,
    followed: IntGauge,
}

/// The codes that are told apart.
fn label(code: u16) -> &'static str {
    match code {
        0 => "none",
        201 => "201",
        400 => "400",
        401 => "401",
        403 => "403",
        404 => "404",
        409 => "409",
        429 => "429",
        500 => "500",
        503 => "503",
        _ => "other",
    }
}

impl Metrics {
    /// Counters at zero.
    ///
    /// # Errors
    /// Only when two of them have the same name.
    pub fn new() -> Result<Self, Error> {
        let registry = Registry::new();
        let of = |name: &str, help: &str| IntCounter::new(name, help);
        let by = |name: &str, help: &str, label: &str| IntCounterVec::new(Opts::new(name, help), &[label]);
        let metrics = Self {
            requests: by(
                "jeton_agent_token_requests_total",
                "TokenRequests by HTTP status; none: no answer.",
                "code",
            )?,
            late: of(
                "jeton_agent_token_late_total",
                "Tokens whose window for a refresh ended without a new one.",
            )?,
            expired: of("jeton_agent_token_expired_total", "Tokens on disk that expired without a new one.")?,
            replaced: of(
                "jeton_agent_account_replaced_total",
                "Service accounts that were made anew under a pod that runs.",
            )?,
            writes: of("jeton_agent_volume_writes_total", "Times that a volume got new content.")?,
            failures: by(
                "jeton_agent_volume_failures_total",
                "Faults of volumes: of a source, of the disk, a name that something else occupies, or an owner that only root can set.",
                "cause",
            )?,
            refused: of(
                "jeton_agent_pods_refused_total",
                "Pods that failed because the node has as many as it may.",
            )?,
            events_lost: of(
                "jeton_agent_events_lost_total",
                "Events that were not told, because too many were waiting.",
            )?,
            api: by(
                "jeton_agent_api_failures_total",
                "Failed requests other than TokenRequests, by HTTP status; none: no answer.",
                "code",
            )?,
            pods: IntGauge::new("jeton_agent_pods", "Pods whose volumes are kept.")?,
            followed: IntGauge::new(
                "jeton_agent_pods_followed",
                "1: the last look at the node's pods succeeded; 0: it failed, or there was none yet.",
            )?,
            registry,
        };
        for code in [201, 401, 403, 0] {
            metrics.requests.with_label_values(&[label(code)]);
        }
        for cause in ["source", "disk", "blocked", "owner"] {
            metrics.failures.with_label_values(&[cause]);
        }
        let m = &metrics;
        let all: [Box<dyn prometheus::core::Collector>; 11] = [
            Box::new(m.requests.clone()),
            Box::new(m.late.clone()),
            Box::new(m.expired.clone()),
            Box::new(m.replaced.clone()),
            Box::new(m.writes.clone()),
            Box::new(m.failures.clone()),
            Box::new(m.refused.clone()),
            Box::new(m.events_lost.clone()),
            Box::new(m.api.clone()),
            Box::new(m.pods.clone()),
            Box::new(m.followed.clone()),
        ];
        all.into_iter().try_for_each(|c| m.registry.register(c))?;
        m.registry.register(Box::new(ProcessCollector::for_self()))?;
        Ok(metrics)
    }

    /// Counts what happened to a pod.
    pub(super) fn count(&self, what: &Happening) {
        let failed = |cause: &str| self.failures.with_label_values(&[cause]).inc();
        match what {
            Happening::TokenRefreshed { .. } => self.requests.with_label_values(&[label(201)]).inc(),
            Happening::TokenFailed { code, .. } => self.requests.with_label_values(&[label(*code)]).inc(),
            Happening::TokenLate { .. } => self.late.inc(),
            Happening::TokenExpired { .. } => self.expired.inc(),
            Happening::AccountReplaced => self.replaced.inc(),
            Happening::SourceFailed { .. } => failed("source"),
            Happening::DiskFailed { .. } => failed("disk"),
            Happening::Blocked { .. } => failed("blocked"),
            Happening::NotGiven { .. } => failed("owner"),
            Happening::NoRoom { .. } => self.refused.inc(),
            Happening::Written { .. } => self.writes.inc(),
        }
    }

    /// Counts a request that failed.
    pub(super) fn failed(&self, code: u16) {
        self.api.with_label_values(&[label(code)]).inc();
    }

    /// Whether the node's pods could be looked at.
    pub(super) fn follow(&self, succeeds: bool) {
        self.followed.set(i64::from(succeeds));
    }

    /// Whether the last look at the node's pods succeeded.
    pub(super) fn follows(&self) -> bool {
        self.followed.get() == 1
    }

    /// Everything, in Prometheus' classic text format.
    pub fn text(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }
}
