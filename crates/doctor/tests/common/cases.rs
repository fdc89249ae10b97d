//! One case for each id of a finding: what was seen, scripted.

use super::{HOUR, Log, START, WEB, Who, facts_of};
use jeton_core::time::UnixTime;
use jeton_doctor::facts::{Cluster, Facts, Pod, Replica, Source, SourceKind, TokenSecret, TokenSource};
use jeton_doctor::knowledge::Knowledge;
use jeton_doctor::knowledge::texts::Lang;
use jeton_doctor::report::Report;
use serde_json::json;
use std::collections::BTreeMap;

pub const LANGS: [(Lang, &str); 2] = [(Lang::En, "en"), (Lang::Zh, "zh")];

pub struct Case {
    pub rule: &'static str,
    pub facts: Facts,
    /// Rows of the user's own.
    pub knowledge: &'static str,
}

impl Case {
    pub fn report(&self, lang: Lang, redact: bool) -> Report {
        let mut knowledge = Knowledge::built_in().unwrap();
        knowledge.extend("own.tsv", self.knowledge).unwrap();
        let mut settings = super::settings();
        (settings.lang, settings.redact) = (lang, redact);
        jeton_doctor::rules::report(&self.facts, &knowledge, &settings)
    }
}

fn log(make: impl FnOnce(&mut Log)) -> Facts {
    let mut log = Log::default();
    make(&mut log);
    facts_of(log.lines().as_bytes(), "audit.log", false, 1)
}

fn marked(log: &mut Log, who: Who) {
    (2 * HOUR..26 * HOUR).step_by(600).for_each(|at| drop(log.stale(at, who, "one", at - 3607).clone()));
}

fn legacy(annotations: &[(&str, &str)]) -> Facts {
    log(|log| {
        for at in (0..25 * HOUR).step_by(3600) {
            let event = log.request(at, Who { agent: "curl/8.1", ..WEB }, "x");
            event["user"]["extra"] = json!({});
            for (name, value) in annotations {
                event["annotations"][format!("authentication.k8s.io/{name}")] = json!(value);
            }
        }
    })
}

pub fn pod(kind: SourceKind, sub_path: bool, days: i64) -> Pod {
    Pod {
        namespace: "shop".to_owned(),
        name: WEB.pod.to_owned(),
        uid: format!("uid-{}", WEB.pod),
        account: "web".to_owned(),
        node: "node-1".to_owned(),
        owner: "Deployment/web".to_owned(),
        addresses: vec![WEB.address.to_owned()],
        labels: BTreeMap::from([("team".to_owned(), "checkout".to_owned())]),
        images: vec!["registry.example/web:1".to_owned()],
        started: BTreeMap::from([("app".to_owned(), UnixTime::from_seconds(START - days * 24 * HOUR))]),
        tokens: vec![TokenSource { container: "app".to_owned(), kind, sub_path }],
    }
}

pub fn cluster(make: impl FnOnce(&mut Cluster)) -> Facts {
    let mut cluster =
        Cluster { name: "prod".to_owned(), version: Some("v1.28.3".to_owned()), ..Cluster::default() };
    make(&mut cluster);
    let source = Source { name: "prod".to_owned(), read: 1, ..Source::default() };
    Facts { sources: vec![source], clusters: vec![cluster], ..Facts::default() }
}

fn secret(auto: bool, invalid: bool) -> Facts {
    cluster(|cluster| {
        cluster.pods = vec![pod(SourceKind::SecretVolume("forever".to_owned()), false, 3)];
        cluster.secrets = vec![TokenSecret {
            namespace: "shop".to_owned(),
            name: "forever".to_owned(),
            account: "web".to_owned(),
            auto: Some(auto),
            last_used: Some("2026-11-20".to_owned()),
            invalid_since: invalid.then(|| "2026-11-21".to_owned()),
            roles: vec!["ClusterRole/edit in namespace shop".to_owned()],
        }];
    })
}

fn addons(releases: &[(&str, Option<&str>)]) -> Facts {
    cluster(|cluster| {
        cluster.platform = Some("cce".to_owned());
        let own = |(name, version): &(&str, Option<&str>)| ((*name).to_owned(), version.map(str::to_owned));
        cluster.releases = releases.iter().map(own).collect();
    })
}

/// The rule, what was seen, and rows of the user's own.
pub fn all() -> Vec<Case> {
    let python = |v| Who { agent: v, ..WEB };
    let (old, new) = (python("OpenAPI-Generator/11.0.0/python"), python("OpenAPI-Generator/26.1.0/python"));
    let table: Vec<Row> = vec![
        (
            "expired-token",
            log(|log| {
                log.steady(0, HOUR, WEB, "one");
                (3670..26 * HOUR).step_by(600).for_each(|at| log.refused(at, WEB));
            }),
            "",
        ),
        ("stale-token", log(|log| marked(log, old)), ""),
        ("stale-token-copied", log(|log| marked(log, new)), ""),
        (
            "stale-file",
            log(|log| {
                log.issue(0, WEB, "one", Some(7200));
                log.steady(30, 7150, WEB, "one");
            }),
            "",
        ),
        ("stale-sub-path", cluster(|c| c.pods = vec![pod(SourceKind::Injected, true, 400)]), ""),
        ("library-never-reloads", log(|log| log.steady(0, 1200, old, "one")), ""),
        (
            "stale-self-heals",
            log(|log| marked(log, Who { agent: "fabric8-kubernetes-client/5.12.2", ..WEB })),
            "",
        ),
        ("stale-once", log(|log| drop(log.stale(2 * HOUR, WEB, "one", 100).clone())), ""),
        ("lifetime-unknown", log(|log| log.steady(30, 18 * HOUR, WEB, "one")), ""),
        (
            "unbound-token",
            log(|log| {
                log.request(0, WEB, "one")["user"]["extra"] =
                    json!({"authentication.kubernetes.io/credential-id": ["JTI=one"]});
            }),
            "",
        ),
        ("legacy-token-invalidated", legacy(&[("legacy-token-invalidated", "forever/shop")]), ""),
        ("legacy-token-auto", legacy(&[("legacy-token-autogenerated-secret", "forever")]), ""),
        ("legacy-token-manual", legacy(&[("legacy-token-manual-secret", "forever")]), ""),
    ];
    table
        .into_iter()
        .chain(of_clusters())
        .map(|(rule, facts, knowledge)| Case { rule, facts, knowledge })
        .collect()
}

type Row = (&'static str, Facts, &'static str);

fn of_clusters() -> Vec<Row> {
    let own = "rust-app/{v}\trust-kube\texact\tour program says so\tour program\t2026-11-24\n";
    vec![
        (
            "pod-uses-token-secret",
            cluster(|c| c.pods = vec![pod(SourceKind::SecretEnv("forever".to_owned()), false, 3)]),
            "",
        ),
        ("ca-never-reloaded", log(|log| log.rotating(25, Who { agent: "rust-app/1.0.0", ..WEB })), own),
        (
            "addon-outdated",
            addons(&[("cceaddon-npd", Some("1.15.0")), ("cceaddon-prometheus", Some("2.23.34"))]),
            "",
        ),
        ("addon-version-unknown", addons(&[("cceaddon-npd", None)]), ""),
        (
            "counter-stale",
            cluster(|c| {
                let stale = |name: &str, stale| Replica {
                    name: name.to_owned(),
                    stale: Some(stale),
                    ..Replica::default()
                };
                c.replicas = vec![stale("10.0.0.1:6443", 17), stale("10.0.0.2:6443", 0)];
            }),
            "",
        ),
        ("legacy-secret-auto", secret(true, false), ""),
        ("legacy-secret-manual", secret(false, false), ""),
        ("legacy-secret-invalid", secret(true, true), ""),
        ("client-older-than-cluster", older(), ""),
        ("refused-unmapped", log(|log| log.refused(4000, WEB)), ""),
    ]
}

/// A component of Kubernetes 1.18 on a cluster of 1.23.
fn older() -> Facts {
    let agent = "metrics/v1.18.2 (linux/amd64) kubernetes/52c56ce";
    let mut facts = log(|log| log.rotating(25, Who { agent, ..WEB }));
    let cluster = Cluster {
        name: "prod".to_owned(),
        version: Some("v1.23.9-r0-23.2.27".to_owned()),
        platform: Some("cce".to_owned()),
        ..Cluster::default()
    };
    facts.clusters.push(cluster);
    facts
}

/// A healthy day, and counters of stale uses.
pub fn with_counters(log: &Log, counts: &[u64]) -> Report {
    let mut facts = log.facts();
    let replica = |(n, stale): (usize, &u64)| Replica {
        name: format!("10.0.0.{n}:6443"),
        stale: Some(*stale),
        ..Replica::default()
    };
    let mut more = cluster(|cluster| cluster.replicas = counts.iter().enumerate().map(replica).collect());
    facts.clusters.append(&mut more.clusters);
    super::judge(&facts)
}
