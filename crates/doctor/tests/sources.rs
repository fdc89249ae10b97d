//! A log and a cluster together: one row for each workload, however many sources saw it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::cases::{cluster, pod};
use common::{HOUR, Log, START, WEB, Who, judge, only};
use jeton_core::time::UnixTime;
use jeton_doctor::facts::{Facts, Pod, SourceKind};
use jeton_doctor::report::{Confidence, DeadlineKind, State};
use serde_json::json;

fn with(log: &Log, pods: Vec<Pod>) -> Facts {
    let mut facts = log.facts();
    let mut more = cluster(|cluster| cluster.pods = pods);
    facts.clusters.append(&mut more.clusters);
    facts.sources.append(&mut more.sources);
    facts
}

fn stale(who: Who) -> Log {
    let mut log = Log::default();
    (2 * HOUR..26 * HOUR).step_by(600).for_each(|at| drop(log.stale(at, who, "one", at - 3607).clone()));
    log
}

fn named(name: &str, owner: &str) -> Pod {
    Pod {
        name: name.to_owned(),
        uid: format!("uid-{name}"),
        owner: owner.to_owned(),
        addresses: vec![],
        ..pod(SourceKind::Injected, false, 3)
    }
}

#[test]
fn the_pod_of_the_log_is_the_pod_of_the_cluster() {
    let report = judge(&with(&stale(WEB), vec![pod(SourceKind::Injected, false, 3)]));
    let row = only(&report);
    assert_eq!((row.state, row.container.as_deref()), (State::Stale, Some("app")));
    assert_eq!(report.coverage.len(), 2);
}

#[test]
fn a_successor_makes_no_second_row() {
    let report = judge(&with(&stale(WEB), vec![named("web-7c9f8d6b5d-zz9zz", "Deployment/web")]));
    assert_eq!(only(&report).pods, ["web-7c9f8d6b5d-x2k4z", "web-7c9f8d6b5d-zz9zz"]);
    assert_eq!((report.verdict.will_fail, report.verdict.blockers), (1, 1));
}

#[test]
fn the_cluster_knows_an_owner_better_than_a_name_tells() {
    let who = Who { pod: "agent-x2k4z", ..WEB };
    let report = judge(&with(&stale(who), vec![named("agent-bcdfg", "DaemonSet/agent")]));
    assert_eq!(only(&report).owner, "DaemonSet/agent");
}

#[test]
fn a_use_without_a_pod_is_found_by_its_address() {
    let mut log = Log::default();
    for at in (2 * HOUR..26 * HOUR).step_by(600) {
        log.stale(at, WEB, "one", at - 3607)["user"]["extra"] = json!({});
    }
    let own = || pod(SourceKind::Injected, false, 3);
    assert_eq!(only(&judge(&with(&log, vec![own()]))).owner, "Deployment/web");
    // Two pods with one address, as on the host's network: it could be either.
    let other = Pod { name: "b".to_owned(), uid: "b".to_owned(), owner: "Deployment/b".to_owned(), ..own() };
    let report = judge(&with(&log, vec![own(), other]));
    assert!(report.workloads.iter().any(|row| row.owner.is_empty() && row.state == State::Stale));
}

#[test]
fn a_secret_beside_the_projected_volume_keeps_a_row_of_its_own() {
    let mut log = Log::default();
    log.rotating(25, WEB);
    let secret = || named("web-7c9f8d6b5d-zz9zz", "Deployment/web");
    let secret =
        Pod { tokens: pod(SourceKind::SecretEnv("forever".to_owned()), false, 3).tokens, ..secret() };
    let report = judge(&with(&log, vec![secret]));
    let states: Vec<State> = report.workloads.iter().map(|row| row.state).collect();
    assert_eq!(states, [State::Legacy, State::Fresh]);
}

#[test]
fn a_file_under_sub_path_fails_and_a_secret_under_sub_path_does_not() {
    let of = |kind, sub_path, days| judge(&cluster(|c| c.pods = vec![pod(kind, sub_path, days)])).verdict;
    let fails = of(SourceKind::Injected, true, 400);
    assert_eq!((fails.will_fail, fails.blockers, fails.unknown), (1, 1, 0));
    assert_eq!((fails.safe_to_disable_extension, fails.first_deadline_kind), ("no", DeadlineKind::Estimated));
    assert_eq!(fails.first_deadline.as_deref(), Some("2026-10-20T00:00:00Z"), "passed already, and counted");
    let secret = of(SourceKind::SecretVolume("forever".to_owned()), true, 400);
    assert_eq!((secret.will_fail, secret.legacy), (0, 1));
    let unseen = of(SourceKind::Injected, false, 400);
    assert_eq!((unseen.will_fail, unseen.unknown, unseen.safe_to_disable_extension), (0, 1, "unknown"));
}

#[test]
fn who_is_refused_from_the_first_line_on_is_found_by_the_address_of_the_pod() {
    let mut log = Log::default();
    (60..26 * HOUR).step_by(600).for_each(|at| log.refused(at, WEB));
    let report = judge(&with(&log, vec![pod(SourceKind::Injected, false, 400)]));
    let row = only(&report);
    assert_eq!(
        (row.state, row.confidence, row.owner.as_str()),
        (State::Expired, Confidence::Medium, "Deployment/web")
    );
    assert_eq!((report.verdict.will_fail, report.findings[0].rule), (1, "expired-token"));
    assert_eq!(report.findings[0].evidence.objects, [format!("pod/shop/{}", WEB.pod)]);
    // An address of two pods, one of a pod that began later, and one of a pod without a token tell nothing.
    let late = Pod {
        started: [("app".to_owned(), UnixTime::from_seconds(START + 48 * HOUR))].into(),
        ..pod(SourceKind::Injected, false, 3)
    };
    let idle = Pod { tokens: vec![], ..pod(SourceKind::Injected, false, 3) };
    let other = Pod { uid: "b".to_owned(), ..pod(SourceKind::Injected, false, 3) };
    for pods in [vec![pod(SourceKind::Injected, false, 3), other], vec![late], vec![idle]] {
        let report = judge(&with(&log, pods));
        assert_eq!(report.findings[0].rule, "refused-unmapped");
        assert!(report.workloads.iter().all(|row| row.state != State::Expired));
    }
}
