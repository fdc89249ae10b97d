//! What looks stale and is not, and what is stale and does not look so: one test for each.

mod common;

use common::{HOUR, Log, WEB, Who, facts_of, judge, only, row};
use jeton_doctor::report::{Confidence, DeadlineKind, State};
use serde_json::json;

const OTHER: Who = Who { pod: "web-7c9f8d6b5d-vq8tn", address: "10.1.0.9", ..WEB };

#[test]
fn false_positive_one_late_request_after_a_pause() {
    let mut log = Log::default();
    log.steady(0, HOUR / 2, WEB, "one");
    log.stale(3 * HOUR, WEB, "one", 7000);
    log.steady(3 * HOUR + 60, 4 * HOUR, WEB, "two");
    assert_eq!(row(&log.report()), (State::Fresh, "rotated", vec![]));
}

#[test]
fn false_positive_one_mark_and_no_more() {
    let mut log = Log::default();
    log.stale(2 * HOUR, WEB, "one", 100);
    assert_eq!(row(&log.report()), (State::Unknown, "once", vec!["stale-once"]));
}

#[test]
fn false_positive_client_that_rereads_after_401() {
    let mut log = Log::default();
    let who = Who { agent: "fabric8-kubernetes-client/5.12.2", ..WEB };
    (2 * HOUR..6 * HOUR).step_by(600).for_each(|at| drop(log.stale(at, who, "one", at - 3607).clone()));
    let report = log.report();
    assert_eq!(row(&report), (State::Stale, "client-likely", vec!["stale-self-heals"]));
    assert_eq!((report.verdict.will_fail, report.verdict.self_healing), (0, 1));
}

#[test]
fn false_positive_stages_of_one_request_count_once() {
    let mut log = Log::default();
    log.request(0, WEB, "one");
    let mut earlier = log.events[0].clone();
    earlier["stage"] = json!("RequestReceived");
    log.events.insert(0, earlier);
    assert_eq!(only(&log.report()).uses, 1);
}

#[test]
fn false_positive_a_watch_opened_with_a_fresh_token() {
    let mut log = Log::default();
    log.issue(0, WEB, "one", Some(3607));
    let watch = log.request(60, WEB, "one");
    watch["verb"] = json!("watch");
    watch["stageTimestamp"] = json!(common::time(5 * HOUR));
    log.issue(2900, WEB, "two", Some(3607));
    assert_eq!(row(&log.report()).0, State::Unknown);
}

#[test]
fn false_positive_a_lifetime_longer_than_the_injected_one() {
    let mut log = Log::default();
    log.issue(0, WEB, "one", Some(24 * HOUR));
    log.steady(30, 18 * HOUR, WEB, "one");
    assert_eq!(row(&log.report()).0, State::Unknown);
    // Without the body: accepted for hours and unmarked, so the lifetime is not the injected one.
    let mut log = Log::default();
    log.steady(30, 18 * HOUR, WEB, "one");
    assert_eq!(row(&log.report()), (State::Unknown, "lifetime", vec!["lifetime-unknown"]));
}

#[test]
fn false_positive_impersonation_is_the_impersonators_token() {
    let mut log = Log::default();
    log.request(0, WEB, "one")["impersonatedUser"] = json!({"username": "system:serviceaccount:a:b"});
    assert_eq!(only(&log.report()).service_account, "web");
}

#[test]
fn false_positive_two_pods_of_one_account_on_one_node() {
    let mut log = Log::default();
    // The other pod's refresh must not make this pod's token look old.
    log.steady(0, 2000, WEB, "one");
    log.issue(500, OTHER, "other", None);
    log.steady(600, 2000, OTHER, "other");
    assert!(log.report().workloads.iter().all(|row| row.state == State::Unknown));
}

#[test]
fn false_positive_a_deleted_pod_will_not_fail() {
    let mut log = Log::default();
    (2 * HOUR..6 * HOUR).step_by(600).for_each(|at| drop(log.stale(at, WEB, "one", at - 3607).clone()));
    let delete = log.request(6 * HOUR, WEB, "admin");
    delete["user"] = json!({"username": "admin"});
    delete["verb"] = json!("delete");
    delete["objectRef"] = json!({"resource": "pods", "namespace": WEB.namespace, "name": WEB.pod});
    log.refused(6 * HOUR + 90, WEB);
    let report = log.report();
    assert_eq!((report.verdict.will_fail, report.verdict.blockers), (0, 1), "its successor does the same");
    assert_eq!(only(&report).state, State::Stale, "a refusal after the deletion is as it should be");
}

#[test]
fn false_positive_old_names_of_client_go() {
    let knowledge = jeton_doctor::knowledge::Knowledge::built_in().unwrap();
    let reload =
        |v| jeton_doctor::knowledge::library::find(&knowledge.libraries, "client-go", Some(v)).unwrap();
    assert!(reload("v11.0.0+incompatible").token_reload.is_good());
    assert!(!reload("v8.0.0+incompatible").token_reload.is_good());
}

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
