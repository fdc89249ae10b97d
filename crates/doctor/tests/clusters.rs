//! Several clusters in one report: names of one are never taken for those of another.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::cases::{cluster, pod};
use common::{HOUR, Log, START, WEB, settings};
use jeton_core::time::UnixTime;
use jeton_doctor::facts::{Facts, Replica, Source, SourceKind, TokenSecret};
use jeton_doctor::knowledge::Knowledge;
use jeton_doctor::knowledge::texts::Lang;
use jeton_doctor::render::{json, markdown, split, table};
use jeton_doctor::report::{Report, State};
use jeton_doctor::rules::reports;
use std::collections::BTreeSet;

fn report(parts: &[Facts]) -> Report {
    reports(parts, &Knowledge::built_in().unwrap(), &settings())
}

/// The same workload of the same name in a cluster: fresh, or stale.
fn part(name: &str, fresh: bool) -> Facts {
    let mut log = Log::default();
    if fresh {
        log.rotating(25, WEB);
    } else {
        (2 * HOUR..26 * HOUR).step_by(600).for_each(|at| drop(log.stale(at, WEB, "one", at - 3607).clone()));
    }
    Facts { cluster: Some(name.to_owned()), ..log.facts() }
}

#[test]
fn the_same_names_in_two_clusters_are_two_workloads() {
    let report = report(&[part("a", true), part("b", false)]);
    let rows: Vec<(Option<&str>, State)> =
        report.workloads.iter().map(|row| (row.cluster.as_deref(), row.state)).collect();
    assert_eq!(rows, [(Some("b"), State::Stale), (Some("a"), State::Fresh)]);
    assert_eq!((report.verdict.will_fail, report.verdict.fine), (1, 1));
    assert_eq!(report.verdict.first_workload.as_deref(), Some("b/shop/web/Deployment/web"));
    let finding = &report.findings[0];
    assert_eq!(finding.cluster.as_deref(), Some("b"));
    assert!(finding.id.starts_with("stale-token:b/shop/web/Deployment/web:"), "{}", finding.id);
}

#[test]
fn two_that_fail_are_two_with_ids_of_their_own() {
    let report = report(&[part("a", false), part("b", false)]);
    assert_eq!((report.verdict.will_fail, report.verdict.blockers, report.workloads.len()), (2, 2, 2));
    let ids: BTreeSet<&String> = report.findings.iter().map(|finding| &finding.id).collect();
    assert_eq!(ids.len(), report.findings.len());
}

#[test]
fn objects_of_the_same_name_have_ids_of_their_own() {
    let full = |name: &str| {
        let secret = TokenSecret {
            namespace: "shop".to_owned(),
            name: "forever".to_owned(),
            account: "web".to_owned(),
            auto: Some(false),
            ..TokenSecret::default()
        };
        let mut facts = cluster(|cluster| {
            cluster.name = name.to_owned();
            cluster.secrets = vec![secret];
            cluster.releases = vec![("cceaddon-npd".to_owned(), Some("1.15.0".to_owned()))];
            cluster.replicas =
                vec![Replica { name: "10.0.0.1:6443".to_owned(), stale: Some(1), ..Replica::default() }];
        });
        let mut log = Log::default();
        log.refused(4000, WEB);
        facts.refusals = log.facts().refusals;
        facts
    };
    let report = report(&[full("a"), full("b")]);
    let mut ids: Vec<&str> = report.findings.iter().map(|finding| finding.id.as_str()).collect();
    ids.sort_unstable();
    let agent = WEB.agent;
    let refused = |cluster: &str| format!("refused-unmapped:{cluster}/{} {agent}", WEB.address);
    let want = [
        "addon-outdated:a/npd",
        "addon-outdated:b/npd",
        "counter-stale:a/10.0.0.1:6443",
        "counter-stale:b/10.0.0.1:6443",
        "legacy-secret-manual:a/shop/forever",
        "legacy-secret-manual:b/shop/forever",
        &refused("a"),
        &refused("b"),
    ];
    assert_eq!(ids, want);
}

#[test]
fn one_cluster_is_told_as_before() {
    let (named, bare) = (part("a", false), Facts { cluster: None, ..part("a", false) });
    let (named, bare) = (report(&[named]), report(&[bare]));
    assert_eq!(named.findings[0].id, bare.findings[0].id);
    assert_eq!((named.workloads[0].cluster.as_deref(), &bare.workloads[0].cluster), (Some("a"), &None));
    assert_eq!(table(&named, Lang::En), table(&bare, Lang::En));
    assert!(!table(&named, Lang::En).contains("CLUSTER"));
}

#[test]
fn tables_have_a_column_of_clusters_when_there_are_several() {
    let report = report(&[part("north", true), part("south", false)]);
    for (lang, title) in [(Lang::En, "CLUSTER"), (Lang::Zh, "集群")] {
        let texts = [table(&report, lang), markdown(&report, lang)];
        for text in texts.into_iter().chain(split(&report, "namespace", lang).into_values()) {
            let row =
                |cluster| text.lines().any(|line| line.contains(cluster) && line.contains("Deployment/web"));
            assert!(text.contains("audit.log (north)"), "{text}");
            assert!(text.contains(title) && row("north") && row("south"), "{text}");
        }
    }
    let settings = jeton_doctor::rules::Settings { redact: true, ..settings() };
    let hidden =
        reports(&[part("north", true), part("south", false)], &Knowledge::built_in().unwrap(), &settings);
    for text in [json(&hidden), table(&hidden, Lang::En)] {
        assert!(!text.contains("north") && !text.contains("south"), "{text}");
    }
    assert_eq!(BTreeSet::from_iter(hidden.workloads.iter().map(|row| &row.cluster)).len(), 2);
}

#[test]
fn a_cluster_that_could_not_be_seen_leaves_the_answer_open_and_hides_nothing() {
    let gone = Facts {
        cluster: Some("gone".to_owned()),
        sources: vec![Source {
            name: "gone".to_owned(),
            error: Some("connection refused".to_owned()),
            ..Source::default()
        }],
        ..Facts::default()
    };
    let one = report(&[gone.clone(), part("a", true)]);
    assert_eq!((one.verdict.safe_to_disable_extension, one.verdict.fine), ("unknown", 1));
    let two = report(&[gone, part("a", false)]);
    assert_eq!((two.verdict.safe_to_disable_extension, two.verdict.will_fail), ("no", 1));
    // A cluster without a log is not covered by the log of another.
    let idle = cluster(|cluster| cluster.name = "idle".to_owned());
    let silent = report(&[part("a", true), idle]);
    assert_eq!(silent.verdict.safe_to_disable_extension, "unknown");
    assert_eq!(report(&[part("a", true), part("b", true)]).verdict.safe_to_disable_extension, "yes");
}

#[test]
fn facts_fall_apart_by_cluster() {
    let mut facts = cluster(|cluster| cluster.pods = vec![pod(SourceKind::Injected, false, 3)]);
    let mut other = cluster(|cluster| cluster.name = "other".to_owned());
    other.sources[0].name = "other".to_owned();
    facts.clusters.append(&mut other.clusters);
    facts.sources.append(&mut other.sources);
    facts.deleted.insert(("a".to_owned(), "b".to_owned()), UnixTime::from_seconds(START));
    let parts = facts.apart();
    let told: Vec<(Option<&str>, usize, usize, usize)> = parts
        .iter()
        .map(|part| (part.name(), part.sources.len(), part.clusters[0].pods.len(), part.deleted.len()))
        .collect();
    assert_eq!(told, [(Some("prod"), 1, 1, 1), (Some("other"), 1, 0, 0)]);
    assert_eq!(Facts::default().apart().len(), 1);
}
