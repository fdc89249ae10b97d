//! Add-ons: where their versions come from, and that each counts once.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::cases::{cluster, pod};
use common::{HOUR, Log, WEB, Who, judge};
use jeton_doctor::facts::{Facts, ListedAddon, Pod, SourceKind};
use jeton_doctor::report::{Report, Verdict};
use std::collections::BTreeMap;

fn listed(platform: &'static str, name: &str, version: Option<&str>) -> ListedAddon {
    ListedAddon { platform, name: name.to_owned(), version: version.map(str::to_owned) }
}

fn of_list(all: Vec<ListedAddon>) -> Report {
    judge(&cluster(|cluster| cluster.listed = all))
}

/// Rules of the findings about add-ons.
fn rules(report: &Report) -> Vec<&str> {
    report.findings.iter().map(|finding| finding.rule).filter(|rule| rule.starts_with("addon-")).collect()
}

#[test]
fn a_vendors_list_tells_versions_at_their_boundaries() {
    for (platform, name, version, want) in [
        ("cce", "prometheus", Some("2.23.34"), Some("addon-outdated")),
        ("cce", "prometheus", Some("2.23.35"), None),
        ("cce", "npd", Some("1.15.0"), Some("addon-outdated")),
        ("cce", "npd", Some("1.15.1"), None),
        ("cce", "npd", Some("latest"), Some("addon-version-unknown")),
        ("cce", "npd", None, Some("addon-version-unknown")),
        ("eks", "vpc-cni", Some("v1.7.10-eksbuild.1"), Some("addon-outdated")),
        ("eks", "vpc-cni", Some("v1.8.0-eksbuild.1"), None),
        ("eks", "coredns", Some("v1.8.3-eksbuild.1"), Some("addon-outdated")),
        ("eks", "coredns", Some("v1.8.4-eksbuild.1"), None),
        ("eks", "vpc-cni", None, Some("addon-version-unknown")),
        // Not the vendor's.
        ("eks", "npd", Some("1.15.0"), None),
        ("cce", "coredns", Some("1.8.0"), None),
    ] {
        let report = of_list(vec![listed(platform, name, version)]);
        assert_eq!(rules(&report), Vec::from_iter(want), "{platform} {name} {version:?}");
    }
}

#[test]
fn an_add_on_is_one_finding_however_many_sources_tell_it() {
    let release = |version: Option<&str>, list: Option<&str>| {
        judge(&cluster(|cluster| {
            cluster.releases = vec![("cceaddon-npd".to_owned(), version.map(str::to_owned))];
            cluster.listed = vec![listed("cce", "npd", list)];
        }))
    };
    for (version, list, want) in [
        (Some("1.15.0"), Some("1.15.0"), Some("addon-outdated")),
        (Some("1.15.1"), Some("1.15.0"), Some("addon-outdated")),
        (None, Some("1.15.1"), None),
        (None, Some("1.15.0"), Some("addon-outdated")),
        (Some("1.15.1"), None, None),
        (Some("1.15.0"), None, Some("addon-outdated")),
        (None, None, Some("addon-version-unknown")),
    ] {
        let report = release(version, list);
        assert_eq!(rules(&report), Vec::from_iter(want), "{version:?} {list:?}");
        assert_eq!(report.verdict.will_fail, usize::from(want == Some("addon-outdated")));
    }
}

const NPD: Who = Who {
    namespace: "kube-system",
    account: "npd",
    pod: "cceaddon-npd-njh8f",
    agent: "node-problem-detector/v0.0.0 (linux/amd64) kubernetes/$Format",
    address: "10.1.0.7",
};

/// A stale workload and an outdated npd of one cluster.
fn stale(who: Who, pods: Vec<Pod>) -> Verdict {
    let mut log = Log::default();
    (2 * HOUR..26 * HOUR).step_by(600).for_each(|at| drop(log.stale(at, who, "one", at - 3607).clone()));
    let mut facts: Facts = log.facts();
    let mut more = cluster(|cluster| {
        cluster.releases = vec![("cceaddon-npd".to_owned(), Some("1.15.0".to_owned()))];
        cluster.pods = pods;
    });
    facts.clusters.append(&mut more.clusters);
    let report = judge(&facts);
    assert_eq!(rules(&report), ["addon-outdated"], "told all the same");
    report.verdict
}

fn own_pod(label: (&str, &str)) -> Pod {
    Pod {
        namespace: "kube-system".to_owned(),
        name: "problems-x2k4z".to_owned(),
        uid: "uid-problems-x2k4z".to_owned(),
        account: "problems".to_owned(),
        owner: "DaemonSet/problems".to_owned(),
        labels: BTreeMap::from([(label.0.to_owned(), label.1.to_owned())]),
        ..pod(SourceKind::Injected, false, 3)
    }
}

#[test]
fn an_add_on_whose_workload_is_stale_counts_once() {
    let known_by_name = [
        NPD,
        Who { pod: "cceaddon-npd-exporter-7c9f8d6b5d-x2k4z", ..NPD },
        Who { pod: "node-problem-detector-x2k4z", ..NPD },
        Who { pod: "problems-x2k4z", account: "cceaddon-npd", ..NPD },
    ];
    for who in known_by_name {
        let told = stale(who, Vec::new());
        assert_eq!((told.will_fail, told.blockers), (1, 1), "{}", who.pod);
    }
    let other = Who { pod: "problems-x2k4z", account: "problems", ..NPD };
    for label in [("app.kubernetes.io/instance", "cceaddon-npd"), ("release", "cceaddon-npd")] {
        let told = stale(other, vec![own_pod(label)]);
        assert_eq!((told.will_fail, told.blockers, told.unknown), (1, 1, 0), "{label:?}");
    }
    for (who, pods) in [
        // Another workload, and the add-on: two.
        (WEB, Vec::new()),
        (other, vec![own_pod(("release", "cceaddon-npdx"))]),
        (Who { pod: "cceaddon-npdx-njh8f", ..NPD }, Vec::new()),
        // A name is the add-on's in its own namespace alone.
        (Who { pod: "node-problem-detector-x2k4z", namespace: "shop", ..NPD }, Vec::new()),
    ] {
        let told = stale(who, pods);
        assert_eq!((told.will_fail, told.blockers), (2, 2), "{}", who.pod);
    }
}

#[test]
fn an_add_on_whose_workload_was_not_seen_counts_once() {
    let of = |label| {
        judge(&cluster(|cluster| {
            cluster.releases = vec![("cceaddon-npd".to_owned(), Some("1.15.0".to_owned()))];
            cluster.pods = vec![own_pod(label)];
        }))
    };
    let told = of(("release", "cceaddon-npd")).verdict;
    assert_eq!((told.will_fail, told.blockers, told.unknown), (1, 1, 0));
    let told = of(("release", "other")).verdict;
    assert_eq!((told.will_fail, told.blockers, told.unknown), (1, 1, 1));
}

#[test]
fn an_image_tells_the_workload_of_an_eks_add_on() {
    let image = "602401143452.dkr.ecr.us-west-2.amazonaws.com/amazon-k8s-cni:v1.7.10";
    let mut log = Log::default();
    let who = Who { pod: "cni-x2k4z", account: "cni", namespace: "net", ..WEB };
    (2 * HOUR..26 * HOUR).step_by(600).for_each(|at| drop(log.stale(at, who, "one", at - 3607).clone()));
    let mut facts = log.facts();
    let pod = Pod {
        namespace: "net".to_owned(),
        name: who.pod.to_owned(),
        uid: format!("uid-{}", who.pod),
        account: "cni".to_owned(),
        owner: "DaemonSet/cni".to_owned(),
        images: vec![image.to_owned()],
        ..own_pod(("a", "b"))
    };
    facts.clusters.append(&mut cluster(|cluster| cluster.pods = vec![pod]).clusters);
    let report = judge(&facts);
    assert_eq!(rules(&report), ["addon-outdated"]);
    assert_eq!((report.verdict.will_fail, report.verdict.blockers), (1, 1));
}
