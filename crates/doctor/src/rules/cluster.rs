//! The rules on a whole cluster: counters, Secrets, add-ons, versions, and refusals that belong to nobody.

use crate::facts::{Cluster, Facts, Refusal, TokenSecret};
use crate::knowledge::Knowledge;
use crate::knowledge::addon::minor;
use crate::knowledge::version::{Order, Version};
use crate::report::Severity;

/// What a rule found.
#[derive(Clone, Debug, Default)]
pub struct Hit {
    /// The object, as it stands in the id of the finding.
    pub object: String,
    /// Values for the words.
    pub values: Vec<(&'static str, String)>,
    /// Requests.
    pub audit_ids: Vec<String>,
    /// A page of its own.
    pub link: Option<String>,
}

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
        needs: "Helm releases, an exported list of add-ons, or images of the vendor",
        check: |facts, _, knowledge| addons(facts, knowledge, Some(true)),
    },
    ClusterRule {
        id: "addon-version-unknown",
        severity: Severity::Info,
        needs: "Helm releases or an exported list of add-ons",
        check: |facts, _, knowledge| addons(facts, knowledge, None),
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
        object: format!("{} {}", refusal.address, refusal.user_agent),
        values: vec![("count", refusal.count.to_string()), ("since", refusal.first.rfc3339())],
        audit_ids: refusal.audit_ids.clone(),
        link: None,
    }
}

fn counters(facts: &Facts) -> Vec<Hit> {
    let all = facts.clusters.iter().flat_map(|c| c.replicas.iter().map(move |replica| (c, replica)));
    let moving = all.filter(|(_, replica)| replica.stale.is_some_and(|n| n > 0));
    moving
        .map(|(cluster, replica)| Hit {
            object: format!("{}/{}", cluster.name, replica.name),
            values: vec![("count", replica.stale.unwrap_or(0).to_string())],
            ..Hit::default()
        })
        .collect()
}

fn secrets(facts: &Facts, wanted: fn(&TokenSecret) -> bool) -> Vec<Hit> {
    let all = facts.clusters.iter().flat_map(|c| &c.secrets).filter(|secret| wanted(secret));
    all.map(|secret| {
        let users = facts.clusters.iter().flat_map(|c| &c.pods).filter(|pod| {
            pod.namespace == secret.namespace
                && pod.tokens.iter().any(|t| t.kind.secret() == Some(&secret.name))
        });
        let mut users: Vec<&str> = users.map(|pod| pod.owner.as_str()).collect();
        users.sort_unstable();
        users.dedup();
        let or = |list: String| if list.is_empty() { "-".to_owned() } else { list };
        Hit {
            object: format!("{}/{}", secret.namespace, secret.name),
            values: vec![
                ("account", secret.account.clone()),
                ("used", secret.last_used.clone().unwrap_or_else(|| "?".to_owned())),
                ("mounted", or(users.join(", "))),
                ("roles", or(secret.roles.join(", "))),
                ("since", secret.invalid_since.clone().unwrap_or_default()),
            ],
            ..Hit::default()
        }
    })
    .collect()
}

/// Add-ons that are affected (`Some(true)`), or whose version cannot be read (`None`).
fn addons(facts: &Facts, knowledge: &Knowledge, wanted: Option<bool>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for cluster in &facts.clusters {
        for addon in &knowledge.addons {
            let by_release = cluster.releases.iter().filter(|(name, _)| Some(name) == addon.release.as_ref());
            let by_release = by_release.map(|(_, version)| version.clone());
            let by_image = images(cluster, addon.image.as_deref()).map(Some);
            for version in by_release.chain(by_image) {
                let affected = version.as_deref().and_then(|v| addon.affects(v));
                if affected == wanted {
                    hits.push(Hit {
                        object: format!("{}/{}/{}", cluster.name, addon.platform, addon.name),
                        values: vec![
                            ("addon", addon.name.clone()),
                            ("version", version.unwrap_or_else(|| "?".to_owned())),
                            ("through", addon.through.clone()),
                            ("fixed", addon.fixed.clone()),
                            ("successor", addon.successor.clone().unwrap_or_else(|| "-".to_owned())),
                        ],
                        link: Some(addon.link.clone()),
                        ..Hit::default()
                    });
                }
            }
        }
    }
    hits.sort_by(|a, b| a.object.cmp(&b.object));
    hits.dedup_by(|a, b| a.object == b.object && a.values == b.values);
    hits
}

/// Tags of the images whose repository ends so. Only vendors' own repositories carry the add-on's number.
fn images<'a>(cluster: &'a Cluster, end: Option<&'a str>) -> impl Iterator<Item = String> + 'a {
    let all = cluster.pods.iter().flat_map(|pod| &pod.images);
    all.filter_map(move |image| {
        let (repository, tag) = image.split('@').next()?.rsplit_once(':')?;
        let vendor = repository.contains(".amazonaws.com/") || repository.starts_with("public.ecr.aws/");
        (vendor && repository.ends_with(end?)).then(|| tag.trim_start_matches('v').to_owned())
    })
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
                    object: format!("{}/{} {}", one.account.namespace, one.account.name, one.user_agent),
                    values: vec![
                        ("client", format!("1.{version}")),
                        ("oldest", format!("1.{}", rule.client)),
                        ("cluster", format!("1.{own}")),
                    ],
                    ..Hit::default()
                });
            }
        }
    }
    hits.sort_by(|a, b| a.object.cmp(&b.object));
    hits.dedup_by(|a, b| a.object == b.object);
    hits
}

/// `kubelet/v1.18.2 (linux/amd64) kubernetes/abc` is built from Kubernetes 1.18.
fn kubernetes_version(library: &str, user_agent: &str) -> Option<u64> {
    let built = library == "kubernetes" || library == "kubectl";
    built.then(|| minor(user_agent.split_once('/')?.1.split(' ').next()?)).flatten()
}
