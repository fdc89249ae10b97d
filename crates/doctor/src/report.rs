//! What is told: verdict, coverage, workloads, findings. Its JSON is stable (`-o json`).

use serde::{Serialize, Serializer};

/// A whole report.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// `jeton.dev/v1`.
    pub api_version: &'static str,
    /// `DoctorReport`.
    pub kind: &'static str,
    /// When it was made, RFC 3339.
    pub generated: String,
    /// The first line.
    pub verdict: Verdict,
    /// What could be seen.
    pub coverage: Vec<Coverage>,
    /// Clusters that answered.
    pub clusters: Vec<ClusterFacts>,
    /// One row for each workload, account and client, by deadline.
    pub workloads: Vec<Workload>,
    /// What was found, the worst first.
    pub findings: Vec<Finding>,
    /// What there was no room for; the verdict counts it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub omitted: Option<Omitted>,
}

/// What a very long report does not list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Omitted {
    /// Workloads.
    pub workloads: usize,
    /// Findings.
    pub findings: usize,
}

/// The answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Workloads and add-ons that will fail or fail already.
    pub will_fail: usize,
    /// When the first of them does, RFC 3339.
    pub first_deadline: Option<String>,
    /// How that is known.
    pub first_deadline_kind: DeadlineKind,
    /// Which one that is.
    pub first_workload: Option<String>,
    /// yes, no, unknown.
    pub safe_to_disable_extension: &'static str,
    /// Workloads that fail within an hour without the extension, and add-ons that never re-read.
    pub blockers: usize,
    /// Workloads that look stale and recover by themselves after a refusal.
    pub self_healing: usize,
    /// Workloads that were seen to re-read.
    pub fine: usize,
    /// Workloads that were not seen long or well enough.
    pub unknown: usize,
    /// Workloads on tokens from Secrets, which the extension does not touch.
    pub legacy: usize,
}

impl Report {
    /// Whether its workloads and findings are of more than one cluster, so that names alone do not tell them apart.
    pub fn has_clusters(&self) -> bool {
        let rows = self.workloads.iter().map(|row| &row.cluster);
        let mut all = rows.chain(self.findings.iter().map(|finding| &finding.cluster));
        let first = all.next();
        all.any(|one| Some(one) != first)
    }
}

/// One source.
#[derive(Clone, Debug, Serialize)]
pub struct Coverage {
    /// File or cluster.
    pub source: String,
    /// Cluster, where it was told or asked.
    pub cluster: Option<String>,
    /// From and to, RFC 3339.
    pub window: Option<Window>,
    /// Records understood.
    pub read: u64,
    /// Records passed over.
    pub skipped: u64,
    /// What it cannot tell: ids of gaps with their detail.
    pub missing: Vec<Gap>,
    /// Why it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What a cluster said of itself.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterFacts {
    /// Context or bundle.
    pub name: String,
    /// `gitVersion`.
    pub version: Option<String>,
    /// cce, eks or none.
    pub platform: Option<String>,
    /// Whether token lifetimes are extended: on, off, unknown.
    pub extension: &'static str,
    /// Its API servers, as far as they could be told apart.
    pub api_servers: Vec<ApiServer>,
}

/// Counters of one process of kube-apiserver; none: not told.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiServer {
    /// Address, or its start.
    pub name: String,
    /// When it started, RFC 3339.
    pub started: Option<String>,
    /// serviceaccount_stale_tokens_total.
    pub stale_tokens: Option<u64>,
    /// serviceaccount_valid_tokens_total.
    pub valid_tokens: Option<u64>,
    /// serviceaccount_legacy_tokens_total.
    pub legacy_tokens: Option<u64>,
}

/// From and to.
#[derive(Clone, Debug, Serialize)]
pub struct Window {
    /// First moment.
    pub from: String,
    /// Last moment.
    pub to: String,
}

/// A gap.
#[derive(Clone, Debug, Serialize)]
pub struct Gap {
    /// Its id.
    pub id: &'static str,
    /// Its detail.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// What a workload is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Refused already.
    Expired,
    /// Uses a token that it should have replaced.
    Stale,
    /// Not seen long or well enough.
    Unknown,
    /// Uses a token from a Secret.
    Legacy,
    /// Was seen to replace its token.
    Fresh,
}

/// How a deadline is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DeadlineKind {
    /// From the issue time and a lifetime that is known.
    Exact,
    /// With an assumption in it.
    Estimated,
    /// There is none.
    None,
}

/// How sure a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// A guess.
    Low,
    /// One assumption in it.
    Medium,
    /// Seen.
    High,
}

/// One row.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Workload {
    /// Cluster, where it was told or asked.
    pub cluster: Option<String>,
    /// Namespace.
    pub namespace: String,
    /// Account.
    pub service_account: String,
    /// Owner as `kind/name`; empty when no pod is known.
    pub owner: String,
    /// Pods.
    pub pods: Vec<String>,
    /// Container, where only one can be meant.
    pub container: Option<String>,
    /// Whether it belongs to whoever provides the cluster.
    pub provider: bool,
    /// State.
    pub state: State,
    /// Client.
    pub client: ClientRow,
    /// RFC 3339.
    pub deadline: Option<String>,
    /// How it is known.
    pub deadline_kind: DeadlineKind,
    /// Why, as an id of the texts.
    pub cause: &'static str,
    /// How sure.
    pub confidence: Confidence,
    /// Requests.
    pub uses: u64,
    /// RFC 3339.
    pub first_seen: Option<String>,
    /// RFC 3339.
    pub last_seen: Option<String>,
    /// Ids of its findings.
    pub findings: Vec<String>,
    /// Labels of its pods, to split reports by.
    #[serde(skip)]
    pub labels: std::collections::BTreeMap<String, String>,
}

/// The client of a row.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientRow {
    /// Library or program.
    pub name: String,
    /// Its version.
    pub version: Option<String>,
    /// As it was sent.
    pub user_agent: String,
    /// When it reads its token again.
    #[serde(serialize_with = "shown")]
    pub token_reload: crate::knowledge::reload::Reload,
    /// When it reads its CA bundle again.
    pub ca_reload: String,
    /// user-agent, or none.
    pub found_by: &'static str,
}

fn shown<S: Serializer>(value: &crate::knowledge::reload::Reload, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// How bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Fails, or will.
    Critical,
    /// Needs a decision.
    Warning,
    /// Good to know.
    Info,
}

/// One finding.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The same for the same thing in every run.
    pub id: String,
    /// Its rule.
    pub rule: &'static str,
    /// How bad.
    pub severity: Severity,
    /// Cluster, where it was told or asked.
    pub cluster: Option<String>,
    /// What was found, in the language of the report.
    pub title: String,
    /// Namespace, account and owner, or the object; before it the cluster, where there are several.
    pub workload: String,
    /// What it rests on.
    pub evidence: Evidence,
    /// What to do, in the language of the report.
    pub remedy: String,
    /// Official pages.
    pub links: Vec<String>,
}

/// What a finding rests on.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Evidence {
    /// Requests.
    #[serde(rename = "auditIDs")]
    pub audit_ids: Vec<String>,
    /// Tokens by `jti`.
    #[serde(rename = "credentialIDs")]
    pub credential_ids: Vec<String>,
    /// Objects.
    pub objects: Vec<String>,
}
