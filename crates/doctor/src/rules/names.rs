//! Names as a report tells them: as they are, or one pseudonym for one name wherever it stands.
//!
//! Invariant: with pseudonyms on, nothing that came from a log, a cluster, a command line or a file of the user's own
//! leaves this module unchanged, but for words that every cluster has. Pseudonyms are numbers and no digests: a digest of
//! a name that can be guessed hides nothing.

use crate::collect::cluster::gap::SUBJECTS;
use crate::knowledge::Knowledge;
use std::collections::BTreeMap;

/// What a name names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Namespace.
    Namespace,
    /// Service account.
    Account,
    /// `kind/name` of what owns pods.
    Owner,
    /// Pod.
    Pod,
    /// Container.
    Container,
    /// Secret.
    Secret,
    /// `kind/name`, perhaps `in namespace …`.
    Role,
    /// File, context or bundle.
    Source,
    /// API server.
    Replica,
    /// Network address.
    Address,
    /// User-Agent.
    Agent,
    /// Library or program.
    Program,
    /// Version of a library or add-on.
    Version,
    /// Add-on.
    Addon,
    /// Audit id.
    Request,
    /// `jti`.
    Credential,
    /// Value of a label.
    Team,
    /// `YYYY-MM-DD`, from a label.
    Date,
}

/// A value that stands in words or ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A number, a time or a word of ours.
    Plain(String),
    /// One name.
    Name(Kind, String),
    /// Several names.
    List(Kind, Vec<String>),
}

/// Owners that Kubernetes itself makes, and the word for those whose kind is not known.
const OWNERS: [&str; 9] = [
    "Pod",
    "Deployment",
    "ReplicaSet",
    "StatefulSet",
    "DaemonSet",
    "Job",
    "CronJob",
    "ReplicationController",
    "Workload",
];
/// Names that every cluster has.
const SPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];
const ROLES: [&str; 4] = ["cluster-admin", "admin", "edit", "view"];

/// Names and, with pseudonyms on, what stands in their place.
#[derive(Debug, Default)]
pub struct Names {
    hide: bool,
    clusters: bool,
    given: BTreeMap<(Kind, String), usize>,
    counts: BTreeMap<Kind, usize>,
    public: std::collections::BTreeSet<String>,
}

impl Names {
    /// Tells names as they are, or hides them.
    pub fn new(hide: bool, knowledge: &Knowledge) -> Self {
        Self { hide, public: knowledge.public_names(), ..Self::default() }
    }

    /// With more than one cluster, names of objects begin with theirs.
    pub fn with_clusters(self, clusters: bool) -> Self {
        Self { clusters, ..self }
    }

    /// What stands before the name of an object.
    pub fn prefix(&mut self, cluster: Option<&str>) -> String {
        match cluster.filter(|_| self.clusters) {
            Some(cluster) => format!("{}/", self.of(Kind::Source, cluster)),
            None => String::new(),
        }
    }

    /// One name.
    pub fn of(&mut self, kind: Kind, name: &str) -> String {
        if !self.hide || name.is_empty() || name == "-" {
            return name.to_owned();
        }
        match kind {
            Kind::Owner => match name.split_once('/') {
                Some((owner, own)) => {
                    let known = if OWNERS.contains(&owner) { owner } else { "Workload" };
                    format!("{known}/{}", self.number(kind, own))
                }
                None => self.number(kind, name),
            },
            Kind::Role => self.role(name),
            Kind::Namespace | Kind::Account if SPACES.contains(&name) => name.to_owned(),
            Kind::Program | Kind::Addon if self.public.contains(name) => name.to_owned(),
            Kind::Version => numbers(name),
            Kind::Date => {
                let date = name.len() == 10 && name.bytes().all(|b| b.is_ascii_digit() || b == b'-');
                if date { name.to_owned() } else { "?".to_owned() }
            }
            _ => self.number(kind, name),
        }
    }

    /// Whether a library, program or add-on may be told by its name.
    pub fn shows(&self, name: &str) -> bool {
        !self.hide || self.public.contains(name)
    }

    /// A value of any sort.
    pub fn said(&mut self, value: &Said) -> String {
        match value {
            Said::Plain(text) => text.clone(),
            Said::Name(kind, name) => self.of(*kind, name),
            Said::List(kind, names) => {
                names.iter().map(|name| self.of(*kind, name)).collect::<Vec<_>>().join(", ")
            }
        }
    }

    /// The detail of a gap: numbers and what was asked for stay.
    pub fn detail(&self, detail: &str) -> String {
        let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let count = number(detail) || detail.strip_suffix(" s").is_some_and(number);
        if !self.hide || count {
            return detail.to_owned();
        }
        let subject = detail.split(':').next().unwrap_or_default();
        SUBJECTS.iter().map(|s| s.name()).find(|name| *name == subject).unwrap_or_default().to_owned()
    }

    /// Why a source could not be read.
    pub fn error(&self, error: &str) -> String {
        if self.hide { "-".to_owned() } else { error.to_owned() }
    }

    fn role(&mut self, name: &str) -> String {
        let (role, place) = match name.split_once(" in namespace ") {
            Some((role, place)) => (role, Some(place)),
            None => (name, None),
        };
        let (kind, own) = role.split_once('/').unwrap_or(("Role", role));
        let kind = if kind == "ClusterRole" { kind } else { "Role" };
        let known = kind == "ClusterRole" && ROLES.contains(&own);
        let own = if known { own.to_owned() } else { self.number(Kind::Role, own) };
        match place {
            Some(place) => format!("{kind}/{own} in namespace {}", self.of(Kind::Namespace, place)),
            None => format!("{kind}/{own}"),
        }
    }

    fn number(&mut self, kind: Kind, name: &str) -> String {
        let count = self.counts.entry(kind).or_default();
        let number = *self.given.entry((kind, name.to_owned())).or_insert_with(|| {
            *count += 1;
            *count
        });
        let word = match kind {
            Kind::Namespace => "namespace",
            Kind::Account => "account",
            Kind::Owner => "owner",
            Kind::Pod => "pod",
            Kind::Container => "container",
            Kind::Secret => "secret",
            Kind::Role => "role",
            Kind::Source => "source",
            Kind::Replica => "server",
            Kind::Address => "address",
            Kind::Agent => "agent",
            Kind::Program => "program",
            Kind::Addon => "addon",
            Kind::Request => "request",
            Kind::Credential => "credential",
            Kind::Team => "team",
            Kind::Version | Kind::Date => "value",
        };
        format!("{word}-{number}")
    }
}

/// The numbers that a version begins with; what follows may be anything.
fn numbers(version: &str) -> String {
    let number = version.trim_start_matches(['v', 'V']);
    let end = number.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(number.len());
    number[..end].trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_has_one_pseudonym_and_common_words_stay() {
        let knowledge = Knowledge::built_in().unwrap();
        let mut names = Names::new(true, &knowledge);
        for (kind, name, want) in [
            (Kind::Namespace, "shop", "namespace-1"),
            (Kind::Namespace, "bank", "namespace-2"),
            (Kind::Namespace, "shop", "namespace-1"),
            (Kind::Namespace, "kube-system", "kube-system"),
            (Kind::Owner, "Deployment/shop", "Deployment/owner-1"),
            (Kind::Owner, "AcmeThing/shop", "Workload/owner-1"),
            (Kind::Program, "client-go", "client-go"),
            (Kind::Program, "acme", "program-1"),
            (Kind::Version, "v1.2.3-acme", "1.2.3"),
            (Kind::Version, "acme", ""),
            (Kind::Role, "ClusterRole/edit in namespace bank", "ClusterRole/edit in namespace namespace-2"),
            (Kind::Role, "ClusterRole/acme", "ClusterRole/role-1"),
            (Kind::Date, "2026-11-24", "2026-11-24"),
            (Kind::Date, "acme-acme1", "?"),
        ] {
            assert_eq!(names.of(kind, name), want, "{name}");
        }
        for (detail, want) in [
            ("12", "12"),
            ("50 s", "50 s"),
            ("pods: 403: user acme", "pods"),
            ("acme: cut off", ""),
            ("line 3 of acme", ""),
        ] {
            assert_eq!(names.detail(detail), want, "{detail}");
        }
        assert_eq!(Names::new(false, &knowledge).of(Kind::Pod, "a"), "a");
    }
}
