//! Everything this server counts, under Kubernetes' names and labels (Kubernetes 1.36) where it has them.
//!
//! Invariant: label values come from fixed lists or from resources this server serves, never straight from a client,
//! so no client can make the process hold more and more series. Left out on purpose: where `/metrics` is, and what
//! happened; that comes in as values.

mod tally;
mod requests;
mod callers;
mod tokens;

pub use callers::Attempt;
pub use requests::{RequestLabels, Series};

use crate::store::Figures;
use crate::token_uses::{Seen, TokenUses};
use callers::Callers;
use jeton_core::observe::Event;
use jeton_core::time::UnixTime;
use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{Error, Gauge, IntCounter, IntCounterVec, Opts, Registry, TextEncoder};
use requests::Requests;
use std::sync::Arc;
use std::time::Duration;
use tokens::Tokens;

/// Content type of the classic text format, as Prometheus' own libraries spell it.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Counters whose Kubernetes name lacks `_total`. Their type is left open, because a counter of such a name is what
/// `promtool check metrics` complains about; queries do not look at types.
const WITHOUT_SUFFIX: [&str; 2] = ["authentication_attempts", "authenticated_user_requests"];

/// The counters of a server.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    tokens: Tokens,
    requests: Requests,
    callers: Callers,
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
        let (tokens, requests, callers) = (Tokens::new()?, Requests::new()?, Callers::new()?);
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
            Box::new(tokens.clone()),
            Box::new(requests.clone()),
            Box::new(callers.clone()),
            Box::new(audit_lines.clone()),
            Box::new(audit_errors.clone()),
            Box::new(ProcessCollector::for_self()),
            Box::new(build_info()?),
        ];
        all.extend(store.collectors());
        all.into_iter().try_for_each(|collector| registry.register(collector))?;
        Ok(Self {
            registry,
            tokens,
            requests,
            callers,
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
        self.tokens.count(event);
    }

    /// What counts the requests of these labels that are answered with a code; code 0: nobody waited for the answer.
    pub fn series(&self, labels: &RequestLabels<'_>, code: u16) -> Arc<Series> {
        self.requests.series(labels, code)
    }

    /// Counts how it went to establish who calls, and which of Kubernetes' few names the caller has.
    pub fn authentication(&self, attempt: Attempt, took: Duration, username: Option<&str>) {
        self.callers.count(attempt, took, username);
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
        self.requests.keep(served);
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

fn build_info() -> Result<Gauge, Error> {
    let about = "Always 1; its labels say which build of Jeton this is.";
    let gauge = Gauge::with_opts(
        Opts::new("jeton_build_info", about).const_label("version", env!("CARGO_PKG_VERSION")),
    )?;
    gauge.set(1.0);
    Ok(gauge)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jeton_core::observe::Counter;

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
        metrics.series(&labels, 201).count(Duration::from_millis(30));
        metrics.series(&labels, 0).count(Duration::ZERO);
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
            metrics.series(&labels, 200).count(Duration::ZERO);
        }
        let told = || {
            let text = metrics.text().unwrap();
            let count =
                |what: &str| text.lines().filter(|l| l.contains(what) && !l.contains("_bucket")).count();
            [count(",resource=\"pods\""), count(",resource=\"widgets\""), count(",resource=\"\"")]
        };
        // The counter, and sum and count of the histogram.
        assert_eq!(told(), [3, 3, 3]);
        let (kept, gone) =
            (metrics.series(&of("", "pods"), 200), metrics.series(&of("example.com", "widgets"), 200));
        metrics.keep(|group, _, _| group.is_empty());
        assert_eq!(told(), [3, 0, 3]);
        assert!(kept.is_shown() && !gone.is_shown(), "who kept it asks for it again");
        metrics.series(&of("example.com", "widgets"), 200).count(Duration::ZERO);
        assert_eq!(told(), [3, 3, 3]);
    }
}
