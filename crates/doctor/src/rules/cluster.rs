//! The rules on a whole cluster: counters, Secrets, add-ons, versions, and refusals that belong to nobody.

use super::addons;
use super::hit::{Hit, named, plain};
use super::names::{Kind, Said};
use crate::facts::{Facts, Refusal, TokenSecret};
use crate::knowledge::Knowledge;
use crate::knowledge::addon::minor;
use crate::knowledge::version::{Order, Version};
use crate::report::Severity;
use std::collections::BTreeSet;

/// A rule on a cluster.
#[derive(Clone, Copy, Debug)]
pub struct ClusterRule {
    /// Stable id.
    pub id: &'static str,
    /// How bad.
    pub severity: Severity,
    /// Facts it needs.
    pub needs: &'static str,
    /// What it finds.
    pub check: fn(&Facts, &[&Refusal], &Knowledge) -> Vec<Hit>,
}

/// All of them.
pub const RULES: &[ClusterRule] = &[
    ClusterRule {
        id: "addon-outdated",
        severity: Severity::Critical,
        needs: "Helm releases, an exported list of add-ons (--addons), or images of the vendor",
        check: |facts, _, knowledge| addons::hits(facts, knowledge, Some(true)),
    },
    ClusterRule {
        id: "addon-version-unknown",
        severity: Severity::Info,
        needs: "Helm releases, or an exported list of add-ons (--addons)",
        check: |facts, _, knowledge| addons::hits(facts, knowledge, None),
    },
    ClusterRule {
        id: "counter-stale",
        severity: Severity::Warning,
        needs: "metrics of the API servers",
        check: |facts, _, _| counters(facts),
    },
    ClusterRule {
        id: "legacy-secret-auto",
        severity: Severity::Warning,
        needs: "Secrets and accounts of the cluster",
        check: |facts, _, _| secrets(facts, |s| s.auto == Some(true) && s.invalid_since.is_none()),
    },
    ClusterRule {
        id: "legacy-secret-manual",
        severity: Severity::Warning,
        needs: "Secrets and accounts of the cluster",
        check: |facts, _, _| secrets(facts, |s| s.auto != Some(true) && s.invalid_since.is_none()),
    },
    ClusterRule {
        id: "legacy-secret-invalid",
        severity: Severity::Info,
        needs: "Secrets of the cluster",
        check: |facts, _, _| secrets(facts, |s| s.invalid_since.is_some()),
    },
    ClusterRule {
        id: "client-older-than-cluster",
        severity: Severity::Info,
        needs: "version of the cluster; a User-Agent that names a version of client-go",
        check: |facts, _, knowledge| skew(facts, knowledge),
    },
    ClusterRule {
        id: "refused-unmapped",
        severity: Severity::Info,
        needs: "audit log with refusals",
        check: |_, lost, _| lost.iter().map(|refusal| refused(refusal)).collect(),
    },
];

fn refused(refusal: &Refusal) -> Hit {
    Hit {
        object: vec![
            named(Kind::Address, &refusal.address),
            plain(" "),
            named(Kind::Agent, &refusal.user_agent),
        ],
        values: vec![("count", plain(refusal.count.to_string())), ("since", plain(refusal.first.rfc3339()))],
        audit_ids: refusal.audit_ids.clone(),
        link: None,
    }
}

fn counters(facts: &Facts) -> Vec<Hit> {
    let all = facts.clusters.iter().flat_map(|c| c.replicas.iter().map(move |replica| (c, replica)));
    let moving = all.filter_map(|(c, replica)| Some((c, replica, replica.stale.filter(|n| *n > 0)?)));
    moving
        .map(|(cluster, replica, count)| Hit {
            object: vec![named(Kind::Source, &cluster.name), plain("/"), named(Kind::Replica, &replica.name)],
            values: vec![("count", plain(count.to_string()))],
            ..Hit::default()
        })
        .collect()
}

fn secrets(facts: &Facts, wanted: fn(&TokenSecret) -> bool) -> Vec<Hit> {
    let mut hits = Vec::new();
    for cluster in &facts.clusters {
        for secret in cluster.secrets.iter().filter(|secret| wanted(secret)) {
            let users = cluster.pods.iter().filter(|pod| {
                pod.namespace == secret.namespace
                    && pod.tokens.iter().any(|t| t.kind.secret() == Some(&secret.name))
            });
            let mut users: Vec<String> = users.map(|pod| pod.owner.clone()).collect();
            users.sort_unstable();
            users.dedup();
            let date = |label: &Option<String>| named(Kind::Date, label.as_deref().unwrap_or_default());
            hits.push(Hit {
                object: vec![
                    named(Kind::Namespace, &secret.namespace),
                    plain("/"),
                    named(Kind::Secret, &secret.name),
                ],
                values: vec![
                    ("account", named(Kind::Account, &secret.account)),
                    ("namespace", named(Kind::Namespace, &secret.namespace)),
                    ("used", date(&secret.last_used)),
                    ("mounted", Said::List(Kind::Owner, users)),
                    ("roles", Said::List(Kind::Role, secret.roles.clone())),
                    ("since", date(&secret.invalid_since)),
                ],
                ..Hit::default()
            });
        }
    }
    hits
}

/// Each once, however many sources, pods or uses tell it.
fn distinct(hits: Vec<Hit>) -> Vec<Hit> {
    let mut seen = BTreeSet::new();
    let fresh = |hit: &Hit| seen.insert(format!("{:?} {:?}", hit.object, hit.values));
    hits.into_iter().filter(fresh).collect()
}

/// Clients that are older than a managed cluster supports.
fn skew(facts: &Facts, knowledge: &Knowledge) -> Vec<Hit> {
    let mut hits = Vec::new();
    for cluster in &facts.clusters {
        let Some(own) = cluster.version.as_deref().and_then(minor) else { continue };
        // A cluster between two rows keeps the rule of the older one. Outside CCE it is for information only.
        let Some(rule) = knowledge.skew.iter().filter(|s| s.cluster <= own).max_by_key(|s| s.cluster) else {
            continue;
        };
        for one in &facts.uses {
            let client = knowledge.client(&one.user_agent);
            let go = client.version.as_deref().filter(|_| client.library == "client-go");
            let version = go.and_then(|v| Version::parse(Order::Go, v)).and_then(|v| v.kubernetes_minor());
            let version = version.or_else(|| kubernetes_version(&client.library, &one.user_agent));
            if let Some(version) = version.filter(|v| *v < rule.client) {
                hits.push(Hit {
                    object: vec![
                        named(Kind::Namespace, &one.account.namespace),
                        plain("/"),
                        named(Kind::Account, &one.account.name),
                        plain(" "),
                        named(Kind::Agent, &one.user_agent),
                    ],
                    values: vec![
                        ("client", plain(format!("1.{version}"))),
                        ("oldest", plain(format!("1.{}", rule.client))),
                        ("cluster", plain(format!("1.{own}"))),
                    ],
                    ..Hit::default()
                });
            }
        }
    }
    distinct(hits)
}

/// `kubelet/v1.18.2 (linux/amd64) kubernetes/abc` is built from Kubernetes 1.18.
fn kubernetes_version(library: &str, user_agent: &str) -> Option<u64> {
    let built = library == "kubernetes" || library == "kubectl";
    built.then(|| minor(user_agent.split_once('/')?.1.split(' ').next()?)).flatten()
}
