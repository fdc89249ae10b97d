//! Everything this server counts, under Kubernetes' names and labels (Kubernetes 1.36) where it has them.
//!
//! Invariant: label values come from fixed lists or from resources this server serves, never straight from a client,
//! so no client can make the process hold more and more series. Left out on purpose: where `/metrics` is, and what
//! happened; that comes in as values.

use crate::store::Figures;
use crate::token_uses::{Seen, TokenUses};
use jeton_core::observe::{Counter, Event, counters};
use jeton_core::time::UnixTime;
use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Error, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry,
    TextEncoder, exponential_buckets,
};
use std::collections::HashMap;
use std::time::Duration;

/// Content type of the classic text format, as Prometheus' own libraries spell it.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper bounds of `apiserver_request_duration_seconds`. Kubernetes 1.36: these.
const REQUEST_SECONDS: [f64; 23] = [
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0,
    20.0, 30.0, 45.0, 60.0,
];

/// Counters whose Kubernetes name lacks `_total`. Their type is left open, because a counter of such a name is what
/// `promtool check metrics` complains about; queries do not look at types.
const WITHOUT_SUFFIX: [&str; 2] = ["authentication_attempts", "authenticated_user_requests"];

/// How establishing who calls ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// Somebody, or nobody in particular.
    Success,
    /// Credentials that do not hold.
    Error,
}

/// The labels of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestLabels<'a> {
    /// `GET`, `LIST`, `WATCH`, `POST` …
    pub verb: &'a str,
    /// API group; empty: core, or no resource.
    pub group: &'a str,
    /// API version.
    pub version: &'a str,
    /// Plural.
    pub resource: &'a str,
    /// Subresource, or the path of a known endpoint that is no resource.
    pub subresource: &'a str,
    /// `resource`, `namespace`, `cluster`; empty: no resource.
    pub scope: &'a str,
    /// Whether nothing was to be changed.
    pub dry_run: bool,
}

/// The counters of a server.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    tokens: Vec<IntCounter>,
    requests: IntCounterVec,
    request_seconds: HistogramVec,
    attempts: [(IntCounter, Histogram); 2],
    users: IntCounterVec,
    audit_lines: IntCounter,
    audit_lost: IntCounter,
    /// Who uses which kind of token, where that is wanted.
    pub uses: Option<TokenUses>,
}

impl Metrics {
    /// Counters at zero, beside those of the store and of the process.
    ///
    /// # Errors
    /// Only when two metrics of this file have the same name, or one has no valid name.
    pub fn new(store: &Figures) -> Result<Self, Error> {
        let registry = Registry::new();
        let tokens = Counter::ALL.map(|c| IntCounter::new(c.name(), c.help()));
        let tokens: Vec<IntCounter> = tokens.into_iter().collect::<Result<_, _>>()?;
        let requests = IntCounterVec::new(
            Opts::new(
                "apiserver_request_total",
                "[STABLE] Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, scope, component, and HTTP response code.",
            ),
            &["code", "component", "dry_run", "group", "resource", "scope", "subresource", "verb", "version"],
        )?;
        let request_seconds = HistogramVec::new(
            HistogramOpts::new(
                "apiserver_request_duration_seconds",
                "[STABLE] Response latency distribution in seconds for each verb, dry run value, group, version, resource, subresource, scope and component.",
            )
            .buckets(REQUEST_SECONDS.to_vec()),
            &["component", "dry_run", "group", "resource", "scope", "subresource", "verb", "version"],
        )?;
        let (attempts, attempt_seconds) = authentication()?;
        let users = IntCounterVec::new(
            Opts::new(
                "authenticated_user_requests",
                "[ALPHA] Counter of authenticated requests broken out by username.",
            ),
            &["username"],
        )?;
        let audit_lines = IntCounter::new(
            "apiserver_audit_event_total",
            "[ALPHA] Counter of audit events generated and sent to the audit backend.",
        )?;
        let audit_errors = IntCounterVec::new(
            Opts::new(
                "apiserver_audit_error_total",
                "[ALPHA] Counter of audit events that failed to be audited properly. Plugin identifies the plugin affected by the error.",
            ),
            &["plugin"],
        )?;
        let uses = TokenUses::new()?;
        let mut all: Vec<Box<dyn Collector>> = vec![
            Box::new(uses.collector()),
            Box::new(requests.clone()),
            Box::new(request_seconds.clone()),
            Box::new(attempts.clone()),
            Box::new(attempt_seconds.clone()),
            Box::new(users.clone()),
            Box::new(audit_lines.clone()),
            Box::new(audit_errors.clone()),
            Box::new(ProcessCollector::for_self()),
            Box::new(build_info()?),
        ];
        all.extend(tokens.iter().cloned().map(|c| Box::new(c) as Box<dyn Collector>));
        all.extend(store.collectors());
        all.into_iter().try_for_each(|collector| registry.register(collector))?;
        let of =
            |result| (attempts.with_label_values(&[result]), attempt_seconds.with_label_values(&[result]));
        Ok(Self {
            registry,
            tokens,
            requests,
            request_seconds,
            attempts: [of("success"), of("error")],
            users,
            audit_lines,
            audit_lost: audit_errors.with_label_values(&["log"]),
            uses: Some(uses),
        })
    }

    /// Counts what happened to a token.
    pub fn token(&self, event: &Event<'_>, seen: Seen<'_>, now: UnixTime) {
        if let Some(uses) = &self.uses {
            uses.note(event, seen, now);
        }
        for counter in counters(event) {
            if let Some(counter) = self.tokens.get(counter as usize) {
                counter.inc();
            }
        }
    }

    /// Counts a request that was answered; code 0: nobody waited for the answer.
    pub fn request(&self, labels: &RequestLabels<'_>, code: u16, took: Duration) {
        let RequestLabels { verb, group, version, resource, subresource, scope, dry_run } = *labels;
        let dry_run = if dry_run { "All" } else { "" };
        let mut digits = [0; 3];
        let shared = ["apiserver", dry_run, group, resource, scope, subresource, verb, version];
        let [component, ..] = shared;
        let counted = [
            code_label(code, &mut digits),
            component,
            dry_run,
            group,
            resource,
            scope,
            subresource,
            verb,
            version,
        ];
        self.requests.with_label_values(&counted).inc();
        self.request_seconds.with_label_values(&shared).observe(took.as_secs_f64());
    }

    /// Counts how it went to establish who calls, and which of Kubernetes' few names the caller has.
    pub fn authentication(&self, attempt: Attempt, took: Duration, username: Option<&str>) {
        let [success, error] = &self.attempts;
        let (count, seconds) = match attempt {
            Attempt::Success => success,
            Attempt::Error => error,
        };
        count.inc();
        seconds.observe(took.as_secs_f64());
        if let Some(name) = username {
            self.users.with_label_values(&[compressed(name)]).inc();
        }
    }

    /// Counts one line for the audit log.
    pub fn audited(&self) {
        self.audit_lines.inc();
    }

    /// Counts lines that the audit log lost.
    pub fn audit_lost(&self, lines: u64) {
        self.audit_lost.inc_by(lines);
    }

    /// Forgets the series of resources that are served no more (group, version, plural), so that definitions which come
    /// and go leave nothing behind.
    pub fn keep(&self, served: impl Fn(&str, &str, &str) -> bool) {
        let gone = |labels: &HashMap<&str, &str>| {
            let [group, version, resource] =
                ["group", "version", "resource"].map(|name| labels.get(name).copied().unwrap_or(""));
            !resource.is_empty() && !served(group, version, resource)
        };
        // Few requests go to what is gone, so the histograms with their buckets are seldom looked at.
        let removed = each(&self.requests, |labels| gone(labels) && self.requests.remove(labels).is_ok());
        if removed {
            each(&self.request_seconds, |labels| gone(labels) && self.request_seconds.remove(labels).is_ok());
        }
    }

    /// Everything, in the classic text format.
    ///
    /// # Errors
    /// When a metric cannot be shown.
    pub fn text(&self) -> Result<String, Error> {
        let mut text = String::new();
        for family in self.registry.gather() {
            let name = family.name().to_owned();
            let one = TextEncoder::new().encode_to_string(&[family])?;
            if WITHOUT_SUFFIX.contains(&name.as_str()) {
                let (typed, open) = (format!("# TYPE {name} counter"), format!("# TYPE {name} untyped"));
                text.push_str(&one.replacen(&typed, &open, 1));
            } else {
                text.push_str(&one);
            }
        }
        Ok(text)
    }
}

/// Shows the labels of every series; whether one of them was removed.
fn each(of: &impl Collector, mut remove: impl FnMut(&HashMap<&str, &str>) -> bool) -> bool {
    let mut any = false;
    for family in of.collect() {
        for metric in family.get_metric() {
            let labels = metric.get_label().iter().map(|pair| (pair.name(), pair.value())).collect();
            any |= remove(&labels);
        }
    }
    any
}

fn authentication() -> Result<(IntCounterVec, HistogramVec), Error> {
    let attempts = Opts::new("authentication_attempts", "[ALPHA] Counter of authenticated attempts.");
    let seconds = HistogramOpts::new(
        "authentication_duration_seconds",
        "[ALPHA] Authentication duration in seconds broken out by result.",
    );
    let seconds = seconds.buckets(exponential_buckets(0.001, 2.0, 15)?);
    Ok((IntCounterVec::new(attempts, &["result"])?, HistogramVec::new(seconds, &["result"])?))
}

fn build_info() -> Result<Gauge, Error> {
    let about = "Always 1; its labels say which build of Jeton this is.";
    let gauge = Gauge::with_opts(
        Opts::new("jeton_build_info", about).const_label("version", env!("CARGO_PKG_VERSION")),
    )?;
    gauge.set(1.0);
    Ok(gauge)
}

/// An HTTP status code as text, without an allocation.
fn code_label(code: u16, digits: &mut [u8; 3]) -> &str {
    if !(100..1000).contains(&code) {
        return "0";
    }
    for (digit, unit) in digits.iter_mut().zip([100, 10, 1]) {
        *digit = b'0' + u8::try_from(code / unit % 10).unwrap_or(0);
    }
    std::str::from_utf8(digits).unwrap_or("0")
}

/// The label of a user. Kubernetes 1.36: few names stand for themselves.
fn compressed(username: &str) -> &str {
    match username {
        "admin" | "client" | "kube_proxy" | "kubelet" | "system:serviceaccount:kube-system:default" => {
            username
        }
        name if name.contains('@') => "email_id",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics() -> Metrics {
        Metrics::new(&Figures::new().unwrap()).unwrap()
    }

    #[test]
    fn a_fresh_server_shows_the_token_counters_at_zero_and_nothing_else_looks_like_one() {
        let text = metrics().text().unwrap();
        let stale: Vec<&str> = text.lines().filter(|l| l.contains("stale")).collect();
        assert_eq!(
            stale,
            [
                "# HELP serviceaccount_stale_tokens_total [ALPHA] Cumulative stale projected service account tokens used",
                "# TYPE serviceaccount_stale_tokens_total counter",
                "serviceaccount_stale_tokens_total 0",
            ]
        );
        for counter in Counter::ALL {
            assert!(text.contains(&format!("\n{} 0\n", counter.name())), "{}", counter.name());
        }
        assert!(text.contains("\napiserver_audit_error_total{plugin=\"log\"} 0\n"));
        assert!(text.contains("\nprocess_start_time_seconds "));
        assert!(text.contains("\nprocess_resident_memory_bytes "));
        assert!(text.contains("\njeton_store_commit_duration_seconds_count 0\n"));
    }

    #[test]
    fn a_request_is_counted_under_kubernetes_labels() {
        let metrics = metrics();
        let labels = RequestLabels {
            verb: "POST",
            version: "v1",
            resource: "serviceaccounts",
            subresource: "token",
            scope: "resource",
            ..RequestLabels::default()
        };
        metrics.request(&labels, 201, Duration::from_millis(30));
        metrics.request(&labels, 0, Duration::ZERO);
        let text = metrics.text().unwrap();
        let shown = "component=\"apiserver\",dry_run=\"\",group=\"\",resource=\"serviceaccounts\",scope=\"resource\",subresource=\"token\",verb=\"POST\",version=\"v1\"";
        for line in [
            format!("apiserver_request_total{{code=\"201\",{shown}}} 1"),
            format!("apiserver_request_total{{code=\"0\",{shown}}} 1"),
            format!("apiserver_request_duration_seconds_bucket{{{shown},le=\"0.025\"}} 1"),
            format!("apiserver_request_duration_seconds_bucket{{{shown},le=\"0.05\"}} 2"),
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
    }

    #[test]
    fn users_are_few_labels() {
        let metrics = metrics();
        for name in ["a@b", "kubelet", "system:anonymous", "x"] {
            metrics.authentication(Attempt::Success, Duration::ZERO, Some(name));
        }
        metrics.authentication(Attempt::Error, Duration::ZERO, None);
        let text = metrics.text().unwrap();
        for line in [
            "# TYPE authentication_attempts untyped",
            "authentication_attempts{result=\"error\"} 1",
            "authentication_attempts{result=\"success\"} 4",
            "authenticated_user_requests{username=\"email_id\"} 1",
            "authenticated_user_requests{username=\"kubelet\"} 1",
            "authenticated_user_requests{username=\"other\"} 2",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
    }

    #[test]
    fn series_of_what_is_served_no_more_are_forgotten() {
        let metrics = metrics();
        let of = |group, resource| RequestLabels {
            verb: "LIST",
            group,
            version: "v1",
            resource,
            ..RequestLabels::default()
        };
        for labels in [of("", "pods"), of("example.com", "widgets"), of("", "")] {
            metrics.request(&labels, 200, Duration::ZERO);
        }
        let told = || {
            let text = metrics.text().unwrap();
            let count =
                |what: &str| text.lines().filter(|l| l.contains(what) && !l.contains("_bucket")).count();
            [count(",resource=\"pods\""), count(",resource=\"widgets\""), count(",resource=\"\"")]
        };
        // The counter, and sum and count of the histogram.
        assert_eq!(told(), [3, 3, 3]);
        metrics.keep(|group, _, _| group.is_empty());
        assert_eq!(told(), [3, 0, 3]);
    }
}
