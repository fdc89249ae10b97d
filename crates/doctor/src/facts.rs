//! What was seen; nothing here is judged.

use jeton_core::time::UnixTime;
use std::collections::BTreeMap;

/// Everything that collectors gathered. What is judged together is of one cluster: see [`Facts::apart`].
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Which cluster all of it is of, where that was told or asked.
    pub cluster: Option<String>,
    /// What was read, and what could not be.
    pub sources: Vec<Source>,
    /// Uses of tokens, one for each (credential, client).
    pub uses: Vec<Use>,
    /// Tokens that were handed out.
    pub issues: Vec<Issue>,
    /// Requests refused without a name.
    pub refusals: Vec<Refusal>,
    /// Pods that were deleted: (namespace, name) → when.
    pub deleted: BTreeMap<(String, String), UnixTime>,
    /// Clusters that were asked.
    pub clusters: Vec<Cluster>,
}

/// A file or cluster.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// First and last moment it tells of.
    pub window: Option<(UnixTime, UnixTime)>,
    /// Records that were understood.
    pub read: u64,
    /// Records that were not.
    pub skipped: u64,
    /// What it cannot tell.
    pub missing: Vec<Missing>,
    /// Why it could not be read at all.
    pub error: Option<String>,
}

/// A gap: its id in the texts, and the detail that belongs to this source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Such as `no-credential-ids`.
    pub id: &'static str,
    /// Number, name or place.
    pub detail: String,
}

/// A service account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Account {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// Uses of one credential by one client.
#[derive(Clone, Debug, Default)]
pub struct Use {
    /// Whose token it is.
    pub account: Account,
    /// Pod the token is bound to: name and uid.
    pub pod: Option<(String, String)>,
    /// Node of that pod.
    pub node: Option<String>,
    /// The client.
    pub user_agent: String,
    /// `jti` of the token.
    pub credential: Option<String>,
    /// First use.
    pub first: Option<UnixTime>,
    /// Last use.
    pub last: Option<UnixTime>,
    /// Requests.
    pub uses: u64,
    /// The latest spans of ten minutes with a use in them (seconds since the epoch / 600), in order; at most eight.
    pub spans: Vec<i64>,
    /// Uses that kube-apiserver marked as stale.
    pub stale: Option<Stale>,
    /// Use of a token from a Secret.
    pub legacy: Option<Legacy>,
    /// Where it came from.
    pub addresses: Vec<String>,
    /// Some requests, earliest first.
    pub audit_ids: Vec<String>,
}

/// Annotation `authentication.k8s.io/stale-token`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale {
    /// First marked use.
    pub first: UnixTime,
    /// Last marked use.
    pub last: UnixTime,
    /// When kube-apiserver began to warn: `iat` + 3607 s.
    pub warn_after: UnixTime,
}

/// Annotations `authentication.k8s.io/legacy-token…`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Legacy {
    /// Name of the Secret, when it was told.
    pub secret: Option<String>,
    /// Made by a controller of Kubernetes before 1.24.
    pub auto: bool,
    /// Refused, because the Secret is marked invalid.
    pub invalidated: bool,
}

/// A TokenRequest that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// `jti` of the token.
    pub credential: String,
    /// Account.
    pub account: Account,
    /// Node that asked for it.
    pub node: Option<String>,
    /// When.
    pub at: UnixTime,
    /// Requested seconds, where the log has the body.
    pub lifetime: Option<i64>,
    /// Uid of the pod, where the log has the body.
    pub pod_uid: Option<String>,
}

/// Requests with a bad token, which have no name in the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Source address.
    pub address: String,
    /// The client.
    pub user_agent: String,
    /// First refusal.
    pub first: UnixTime,
    /// Last refusal.
    pub last: UnixTime,
    /// How many.
    pub count: u64,
    /// Some requests.
    pub audit_ids: Vec<String>,
}

/// A cluster, as far as it could be asked.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// Context or bundle.
    pub name: String,
    /// `gitVersion`.
    pub version: Option<String>,
    /// cce, eks or none.
    pub platform: Option<String>,
    /// Counters of each API server that could be told apart.
    pub replicas: Vec<Replica>,
    /// Pods.
    pub pods: Vec<Pod>,
    /// Secrets that hold tokens.
    pub secrets: Vec<TokenSecret>,
    /// Add-ons: (release, chart version or none).
    pub releases: Vec<(String, Option<String>)>,
    /// Add-ons as the vendor's own list tells them.
    pub listed: Vec<ListedAddon>,
    /// What was not granted or not there.
    pub unknown: Vec<Missing>,
}

/// An add-on on a vendor's list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListedAddon {
    /// Whose list: cce, eks.
    pub platform: &'static str,
    /// As the vendor names it.
    pub name: String,
    /// Which version runs; none: the list does not tell.
    pub version: Option<String>,
}

/// Counters of one process of kube-apiserver.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Replica {
    /// Address, or its start time when the address is not known.
    pub name: String,
    /// When the process started.
    pub started: Option<UnixTime>,
    /// serviceaccount_stale_tokens_total.
    pub stale: Option<u64>,
    /// serviceaccount_valid_tokens_total.
    pub valid: Option<u64>,
    /// serviceaccount_legacy_tokens_total.
    pub legacy: Option<u64>,
}

/// A pod and how its containers get a token.
#[derive(Clone, Debug, Default)]
pub struct Pod {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Uid.
    pub uid: String,
    /// Account it runs as.
    pub account: String,
    /// Node.
    pub node: String,
    /// Owner as `kind/name`, Deployments found through the name of the ReplicaSet.
    pub owner: String,
    /// Addresses.
    pub addresses: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Images.
    pub images: Vec<String>,
    /// Container → start time.
    pub started: BTreeMap<String, UnixTime>,
    /// Sources of tokens.
    pub tokens: Vec<TokenSource>,
}

/// One way a container gets a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSource {
    /// Container.
    pub container: String,
    /// How.
    pub kind: SourceKind,
    /// Mounted with subPath, so never refreshed.
    pub sub_path: bool,
}

/// How a container gets a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// The volume that admission injects: 3607 s.
    Injected,
    /// A projected volume of the pod's own.
    Projected {
        /// None: the API's own.
        audience: Option<String>,
        /// Requested lifetime.
        seconds: i64,
    },
    /// A volume of a token Secret.
    SecretVolume(String),
    /// Environment from a token Secret.
    SecretEnv(String),
}

/// A Secret of type `kubernetes.io/service-account-token`; never its data.
#[derive(Clone, Debug, Default)]
pub struct TokenSecret {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Account.
    pub account: String,
    /// Listed in `.secrets` of the account: made by a controller. None: not known.
    pub auto: Option<bool>,
    /// Label `kubernetes.io/legacy-token-last-used`.
    pub last_used: Option<String>,
    /// Label `kubernetes.io/legacy-token-invalid-since`.
    pub invalid_since: Option<String>,
    /// Roles bound to the account, such as `ClusterRole/cluster-admin`.
    pub roles: Vec<String>,
}

impl Facts {
    /// The cluster all of it is of.
    pub fn name(&self) -> Option<&str> {
        match self.clusters.as_slice() {
            [one] if self.cluster.is_none() => Some(&one.name),
            _ => self.cluster.as_deref(),
        }
    }

    /// Facts of several clusters, each of them apart: two clusters may hold the same names. What logs tell stays with the
    /// first part, because nothing in them names their cluster; whoever knows better reads them into the part they are of.
    pub fn apart(mut self) -> Vec<Self> {
        let (clusters, sources) = (std::mem::take(&mut self.clusters), std::mem::take(&mut self.sources));
        let mut parts: Vec<Self> = clusters
            .into_iter()
            .map(|one| Self { cluster: Some(one.name.clone()), clusters: vec![one], ..Self::default() })
            .collect();
        if parts.is_empty() {
            parts.push(Self { cluster: self.cluster.take(), ..Self::default() });
        }
        for source in sources {
            let own = parts.iter().position(|part| part.cluster.as_ref() == Some(&source.name));
            parts[own.unwrap_or(0)].sources.push(source);
        }
        let first = &mut parts[0];
        (first.uses, first.issues, first.refusals, first.deleted) =
            (self.uses, self.issues, self.refusals, self.deleted);
        parts
    }
}

impl SourceKind {
    /// Whether the kubelet replaces it.
    pub const fn is_projected(&self) -> bool {
        matches!(self, Self::Injected | Self::Projected { .. })
    }

    /// The Secret it comes from.
    pub fn secret(&self) -> Option<&str> {
        match self {
            Self::SecretVolume(name) | Self::SecretEnv(name) => Some(name),
            Self::Injected | Self::Projected { .. } => None,
        }
    }
}
