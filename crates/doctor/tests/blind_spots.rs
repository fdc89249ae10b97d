//! What is stale and does not look so: at least one test for each. What looks stale and is not is in `traps.rs`.
//!
//! | stale and does not look so | test, here unless another file is named |
//! |---|---|
//! | the extension is off | `…_extension_off` |
//! | a policy that drops reads, or service accounts altogether | `…_policy_that_drops_reads_is_told`, `…_no_account_in_the_log_is_told` |
//! | Google's LogEntry: reads not logged, marks among labels | `…_google_without_reads` |
//! | a client that calls once a day | `…_client_that_calls_once_a_day` |
//! | one long watch opened with a fresh token | `…_a_watch_opened_with_a_fresh_token` in `traps.rs`, `…_one_long_watch_is_not_called_fine` |
//! | use in TokenReviews alone | `…_token_reviews_leave_the_answer_open` |
//! | tokens of other audiences and lifetimes | `…_another_audience`, `…_another_lifetime`, `…_lifetime_not_in_the_log_…` |
//! | a copy of the token on a host | `…_a_copy_on_the_host`, `…_token_bound_to_no_pod` |
//! | logs that are rotated away between two calls | `…_a_log_shorter_than_a_day` |
//! | expired already, and therefore nameless | `…_expired_already_and_without_a_name`, `…_refusals_that_fit_two_workloads_…` |

mod common;

use common::cases::with_counters;
use common::{HOUR, Log, WEB, Who, facts_of, judge, only, row};
use jeton_doctor::report::{Confidence, DeadlineKind, State};
use serde_json::json;

#[test]
fn false_negative_extension_off() {
    let mut log = Log::default();
    log.issue(0, WEB, "one", Some(3607));
    log.issue(2886, WEB, "two", Some(3607));
    log.steady(30, 3667, WEB, "one");
    let report = log.report();
    assert_eq!(row(&report), (State::Stale, "client", vec!["stale-token"]));
    assert_eq!(only(&report).deadline.as_deref(), Some("2026-11-24T01:00:07Z"));
}

#[test]
fn false_negative_another_lifetime() {
    let mut log = Log::default();
    log.issue(0, WEB, "one", Some(7200));
    log.issue(5760, WEB, "two", Some(7200));
    log.steady(30, 7150, WEB, "one");
    let report = log.report();
    assert_eq!(row(&report), (State::Stale, "client", vec!["stale-token"]));
    assert_eq!(only(&report).deadline_kind, DeadlineKind::Exact);
}

#[test]
fn false_negative_lifetime_not_in_the_log_but_a_newer_token_unused() {
    let mut log = Log::default();
    log.issue(0, WEB, "one", None);
    log.issue(20_000, WEB, "two", None);
    log.steady(30, 24_000, WEB, "one");
    assert_eq!(row(&log.report()), (State::Stale, "client", vec!["stale-token"]));
}

#[test]
fn false_negative_file_that_the_kubelet_did_not_refresh() {
    let mut log = Log::default();
    log.issue(0, WEB, "one", Some(7200));
    log.steady(30, 7150, WEB, "one");
    assert_eq!(row(&log.report()), (State::Stale, "kubelet", vec!["stale-file"]));
}

#[test]
fn false_negative_second_container_of_a_healthy_pod() {
    let mut log = Log::default();
    log.rotating(4, WEB);
    let side = Who { agent: "sidecar/1.0", ..WEB };
    log.steady(40, 4 * HOUR, side, &format!("{}-0", WEB.pod));
    let report = log.report();
    let states: Vec<_> = report.workloads.iter().map(|row| (row.client.name.as_str(), row.state)).collect();
    assert_eq!(states, [("sidecar", State::Stale), ("client-go", State::Fresh)]);
}

#[test]
fn false_negative_policy_that_drops_reads_is_told() {
    let mut log = Log::default();
    log.request(0, WEB, "one")["verb"] = json!("create");
    assert!(log.report().coverage[0].missing.iter().any(|gap| gap.id == "no-reads"));
}

#[test]
fn false_negative_no_account_in_the_log_is_told() {
    let mut log = Log::default();
    log.request(0, WEB, "one")["user"] = json!({"username": "admin"});
    let report = log.report();
    assert!(report.coverage[0].missing.iter().any(|gap| gap.id == "no-service-accounts"));
    assert_eq!(report.verdict.safe_to_disable_extension, "unknown");
}

#[test]
fn false_negative_client_that_calls_once_a_day() {
    let mut log = Log::default();
    log.stale(10 * HOUR, WEB, "one", 30_000);
    log.stale(34 * HOUR, WEB, "one", 116_400);
    assert_eq!(row(&log.report()).0, State::Stale);
}

#[test]
fn false_negative_short_log_of_a_library_that_never_rereads() {
    let mut log = Log::default();
    log.steady(0, 1200, Who { agent: "OpenAPI-Generator/11.0.0/python", ..WEB }, "one");
    let report = log.report();
    assert_eq!(row(&report), (State::Unknown, "too-short", vec!["library-never-reloads"]));
    assert_eq!(report.verdict.will_fail, 1);
}

#[test]
fn false_negative_expired_already_and_without_a_name() {
    let mut log = Log::default();
    log.steady(0, 3600, WEB, "one");
    (3670..7200).step_by(600).for_each(|at| log.refused(at, WEB));
    let report = log.report();
    assert_eq!(row(&report), (State::Expired, "expired", vec!["expired-token"]));
    assert_eq!(only(&report).confidence, Confidence::High);
}

#[test]
fn false_negative_refusals_that_fit_two_workloads_are_not_guessed() {
    let mut log = Log::default();
    log.request(0, WEB, "one");
    log.request(0, Who { account: "api", pod: "api-0", ..WEB }, "two");
    log.refused(4000, WEB);
    let report = log.report();
    assert!(report.findings.iter().any(|finding| finding.rule == "refused-unmapped"));
    assert!(report.workloads.iter().all(|row| row.state != State::Expired));
}

#[test]
fn false_negative_token_bound_to_no_pod() {
    let mut log = Log::default();
    log.request(0, WEB, "one")["user"]["extra"] =
        json!({"authentication.kubernetes.io/credential-id": ["JTI=one"]});
    assert_eq!(row(&log.report()), (State::Unknown, "unbound", vec!["unbound-token"]));
}

#[test]
fn false_negative_google_without_reads() {
    let entry = |hour: i64| {
        json!({"insertId": format!("i{hour}"), "timestamp": common::time(hour * HOUR),
            "logName": "projects/p/logs/cloudaudit.googleapis.com%2Factivity",
            "labels": {"authentication.k8s.io/stale-token":
                format!("subject: system:serviceaccount:shop:web, seconds after warning threshold: {}", hour * HOUR)},
            "protoPayload": {"@type": "type.googleapis.com/google.cloud.audit.AuditLog",
                "authenticationInfo": {"principalEmail": "system:serviceaccount:shop:web"},
                "requestMetadata": {"callerIp": "10.1.0.5", "callerSuppliedUserAgent": "app/1"},
                "methodName": "io.k8s.core.v1.pods.create", "resourceName": "core/v1/namespaces/shop/pods/x"}})
        .to_string()
            + "\n"
    };
    let text: String = (2..30).map(entry).collect();
    let report = judge(&facts_of(text.as_bytes(), "google.json", false, 1));
    assert_eq!(row(&report).0, State::Stale, "a mark among the labels is a mark");
    let gaps: Vec<&str> = report.coverage[0].missing.iter().map(|gap| gap.id).collect();
    assert!(gaps.contains(&"no-reads") && gaps.contains(&"no-credential-ids"), "{gaps:?}");
}

#[test]
fn false_negative_one_long_watch_is_not_called_fine() {
    let mut log = Log::default();
    log.rotating(25, Who { agent: "other/1", pod: "other-0", account: "other", ..WEB });
    let watch = log.request(60, WEB, "one");
    watch["verb"] = json!("watch");
    watch["stageTimestamp"] = json!(common::time(25 * HOUR));
    let report = log.report();
    assert_eq!((report.verdict.safe_to_disable_extension, report.verdict.unknown), ("unknown", 1));
}

#[test]
fn false_negative_token_reviews_leave_the_answer_open() {
    let mut log = Log::default();
    log.rotating(25, WEB);
    assert_eq!(with_counters(&log, &[0]).verdict.safe_to_disable_extension, "yes");
    // Counted, and not in the log: reviewed tokens leave no mark there.
    let report = with_counters(&log, &[0, 1]);
    assert_eq!(report.verdict.safe_to_disable_extension, "unknown");
    assert!(report.findings[0].remedy.contains("TokenReview"));
}

#[test]
fn false_negative_another_audience() {
    let mut log = Log::default();
    log.issue(0, WEB, "one", Some(7200));
    log.events[0]["requestObject"]["spec"]["audiences"] = json!(["vault"]);
    log.steady(30, 7150, WEB, "one");
    // Never marked, because it is not for the API's own audience.
    assert_eq!(row(&log.report()).0, State::Stale);
}

#[test]
fn false_negative_a_copy_on_the_host() {
    let mut log = Log::default();
    log.rotating(25, WEB);
    let host = Who { agent: "cni/1.0", address: "192.168.0.10", ..WEB };
    log.steady(40, 20 * HOUR, host, &format!("{}-0", WEB.pod));
    let report = log.report();
    let states: Vec<_> =
        report.workloads.iter().map(|row| (row.client.user_agent.as_str(), row.state)).collect();
    assert_eq!(states, [("cni/1.0", State::Stale), (WEB.agent, State::Fresh)]);
}

#[test]
fn false_negative_a_log_shorter_than_a_day() {
    let mut log = Log::default();
    log.rotating(5, WEB);
    let report = log.report();
    assert_eq!((report.verdict.fine, report.verdict.safe_to_disable_extension), (1, "unknown"));
    assert!(report.coverage[0].missing.iter().any(|gap| gap.id == "short-window"));
}

#[test]
fn quick_says_that_coverage_was_not_examined() {
    let mut log = Log::default();
    log.steady(0, 3600, WEB, "one");
    (2 * HOUR..6 * HOUR).step_by(600).for_each(|at| drop(log.stale(at, WEB, "one", at - 3607).clone()));
    let report = judge(&facts_of(log.lines().as_bytes(), "a", true, 1));
    assert_eq!(only(&report).state, State::Stale);
    assert!(report.coverage[0].missing.iter().any(|gap| gap.id == "quick"));
}

#[test]
fn a_day_of_a_healthy_client_is_safe() {
    let mut log = Log::default();
    log.rotating(25, WEB);
    let report = log.report();
    assert_eq!((report.verdict.safe_to_disable_extension, report.findings.len()), ("yes", 0));
}
