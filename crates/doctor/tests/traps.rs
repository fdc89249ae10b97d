//! What looks stale and is not: at least one test for each. What is stale and does not look so is in `blind_spots.rs`.
//!
//! | looks stale and is not | test, here unless another file is named |
//! |---|---|
//! | a counter above 0 from pods long gone | `…_a_counter_from_long_ago` |
//! | several API servers, or one of them at random; resets | `…_counters_of_several_api_servers`; `replicas.rs` and `metrics.rs` of the collector; `e2e/tests/doctor_cluster/fakes.rs` |
//! | clients that re-read after a 401 | `…_client_that_rereads_after_401`, `…_unknown_client_that_recovers_after_401` |
//! | noise of the first hour, a pause, a clock | `…_one_late_request_after_a_pause`, `…_one_mark_and_no_more`, `…_marks_within_ten_minutes` |
//! | batch jobs that end soon, pods that are gone | `…_a_job_that_ends_before_its_token`, `…_a_deleted_pod_will_not_fail` |
//! | the wrong object: another hop, impersonation, a shared account | `…_the_mark_names_the_tokens_own_account`, `…_impersonation_…`, `…_two_pods_of_one_account_…` |
//! | stages and watch events counted twice | `…_stages_of_one_request_count_once`, `…_a_watch_opened_with_a_fresh_token` |
//! | version scans: old names, other lines, unused libraries, init containers | `…_old_names_of_client_go`, `…_versions_between_the_fix_and_the_published_minimum`, `…_a_library_that_makes_no_request`, `…_an_init_container` |
//! | hand-made tokens that wear the label of last use | `…_a_hand_made_token_with_a_label_of_last_use` |
//! | components of the provider | `…_components_of_the_provider_are_told_as_such`; `provider.rs` |

mod common;

use common::cases::{cluster, pod, with_counters};
use common::{HOUR, Log, WEB, Who, judge, only, row};
use jeton_doctor::facts::{Pod, SourceKind, TokenSecret};
use jeton_doctor::report::{Severity, State};
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
fn false_positive_a_counter_from_long_ago() {
    let mut log = Log::default();
    log.rotating(25, WEB);
    let report = with_counters(&log, &[17]);
    assert_eq!((report.verdict.will_fail, report.verdict.blockers, report.verdict.fine), (0, 0, 1));
    let found: Vec<_> = report.findings.iter().map(|finding| (finding.rule, finding.severity)).collect();
    assert_eq!(found, [("counter-stale", Severity::Warning)], "nobody is accused");
}

#[test]
fn false_positive_counters_of_several_api_servers() {
    let mut log = Log::default();
    log.rotating(25, WEB);
    // Each its own; they are not summed, and one that counted nothing says nothing.
    let report = with_counters(&log, &[0, 3, 4]);
    let titles: Vec<&str> = report.findings.iter().map(|finding| finding.title.as_str()).collect();
    assert_eq!(titles.len(), 2, "{titles:?}");
    assert!(titles[0].contains("10.0.0.1:6443 counted 3") && titles[1].contains("10.0.0.2:6443 counted 4"));
    assert_eq!(with_counters(&log, &[0, 0]).verdict.safe_to_disable_extension, "yes");
}

#[test]
fn false_positive_unknown_client_that_recovers_after_401() {
    let mut log = Log::default();
    (2 * HOUR..6 * HOUR).step_by(600).for_each(|at| drop(log.stale(at, WEB, "one", at - 3607).clone()));
    log.refused(6 * HOUR + 5, WEB);
    log.steady(6 * HOUR + 6, 7 * HOUR, WEB, "two");
    let report = log.report();
    assert_eq!(row(&report).2, ["stale-self-heals"]);
    assert_eq!((report.verdict.will_fail, report.verdict.self_healing), (0, 1));
}

#[test]
fn false_positive_marks_within_ten_minutes() {
    let mut log = Log::default();
    for more in [0, 120, 300] {
        log.stale(2 * HOUR + more, WEB, "one", 100 + more);
    }
    assert_eq!(row(&log.report()), (State::Unknown, "once", vec!["stale-once"]));
}

#[test]
fn false_positive_a_job_that_ends_before_its_token() {
    let pods = ["etl-29400000-x2k4z", "etl-29400060-vq8tn", "etl-29400120-zz9zz"];
    let mut log = Log::default();
    for (hour, pod) in (0..).zip(pods) {
        let who = Who { pod, agent: "curl/8.1", ..WEB };
        log.issue(hour * HOUR, who, pod, Some(3607));
        log.steady(hour * HOUR + 30, hour * HOUR + 3000, who, pod);
    }
    let report = log.report();
    assert_eq!((row(&report).0, only(&report).owner.as_str()), (State::Unknown, "CronJob/etl"));
    assert_eq!((report.verdict.will_fail, report.findings.len()), (0, 0));
}

#[test]
fn false_positive_the_mark_names_the_tokens_own_account() {
    let mut log = Log::default();
    for at in (2 * HOUR..6 * HOUR).step_by(600) {
        log.stale(at, WEB, "one", at - 3607)["user"]["username"] = json!("system:aggregator");
    }
    let report = log.report();
    assert_eq!((only(&report).service_account.as_str(), row(&report).0), ("web", State::Stale));
}

#[test]
fn false_positive_versions_between_the_fix_and_the_published_minimum() {
    let knowledge = jeton_doctor::knowledge::Knowledge::built_in().unwrap();
    for (library, version, good) in [
        ("csharp-official", "2.0.21", false),
        ("csharp-official", "3.0.1", true),
        ("csharp-official", "7.0.4", true),
        ("client-go", "v9.0.0+incompatible", true),
        ("client-go", "v0.15.6", true),
    ] {
        let found = jeton_doctor::knowledge::library::find(&knowledge.libraries, library, Some(version));
        assert_eq!(found.unwrap().token_reload.is_good(), good, "{library} {version}");
    }
}

#[test]
fn false_positive_a_library_that_makes_no_request() {
    let image = "registry.example/python-kubernetes:11.0.0".to_owned();
    let idle = Pod { images: vec![image], ..pod(SourceKind::Injected, false, 3) };
    let report = judge(&cluster(|cluster| cluster.pods = vec![idle]));
    assert_eq!((row(&report), report.verdict.will_fail), ((State::Unknown, "unseen", vec![]), 0));
}

#[test]
fn false_positive_an_init_container() {
    let init = Who { agent: "OpenAPI-Generator/11.0.0/python", ..WEB };
    let mut log = Log::default();
    log.request(5, init, &format!("{}-0", WEB.pod));
    log.request(65, init, &format!("{}-0", WEB.pod));
    log.rotating(25, WEB);
    let report = log.report();
    assert_eq!((report.verdict.will_fail, report.findings.len()), (0, 0), "{:?}", report.findings);
    // The same library in the only container of a pod is another matter.
    let mut log = Log::default();
    log.request(5, init, "one");
    assert_eq!(row(&log.report()).2, ["library-never-reloads"]);
}

#[test]
fn false_positive_a_hand_made_token_with_a_label_of_last_use() {
    let secret = TokenSecret {
        namespace: "ci".to_owned(),
        name: "forever".to_owned(),
        account: "builder".to_owned(),
        auto: Some(false),
        last_used: Some("2026-11-20".to_owned()),
        ..TokenSecret::default()
    };
    let report = judge(&cluster(|cluster| cluster.secrets = vec![secret]));
    assert_eq!(report.findings.iter().map(|f| f.rule).collect::<Vec<_>>(), ["legacy-secret-manual"]);
    assert!(report.findings[0].remedy.contains("does not mean that it will be deleted"));
}

#[test]
fn false_positive_components_of_the_provider_are_told_as_such() {
    let who = Who { namespace: "kube-system", account: "metrics", pod: "metrics-0", ..WEB };
    let mut log = Log::default();
    (2 * HOUR..6 * HOUR).step_by(600).for_each(|at| drop(log.stale(at, who, "one", at - 3607).clone()));
    let report = log.report();
    assert!(only(&report).provider);
    assert!(report.findings[0].remedy.contains("ask the provider of the cluster"));
}
