//! What can be typed to examine a cluster.

use crate::args_doctor::Common;
use clap::Args as ClapArgs;
use std::path::PathBuf;

/// Clusters of a kubeconfig.
#[derive(Debug, ClapArgs)]
pub(crate) struct Clusters {
    /// Context of the kubeconfig. May be repeated. Default: the current one.
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Vec<String>,
    /// The kubeconfig. Default: KUBECONFIG, then ./jeton-data/admin.kubeconfig, then ~/.kube/config.
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Most requests a second to one cluster.
    #[arg(long, value_name = "N", default_value_t = jeton_doctor::limits::REQUESTS_PER_SECOND, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) qps: u32,
}

/// Clusters or bundles.
#[derive(Debug, ClapArgs)]
pub(crate) struct Sources {
    #[command(flatten)]
    pub(crate) clusters: Clusters,
    /// A bundle of `doctor collect`, or the directory that holds it, instead of a cluster. May be repeated.
    #[arg(long, value_name = "BUNDLE", conflicts_with_all = ["context", "kubeconfig"])]
    pub(crate) from: Vec<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ClusterArgs {
    #[command(flatten)]
    pub(crate) sources: Sources,
    /// Audit log of the cluster, plain, .gz or .zst: what it tells and what the cluster tells become one row for each
    /// workload. With several clusters say of which it is. May be repeated.
    #[arg(long, value_name = "[CONTEXT=]FILE", conflicts_with = "facts")]
    pub(crate) audit_log: Vec<String>,
    /// Add-ons of the cluster as its cloud lists them, beside Helm releases: on Huawei CCE the answer to GET
    /// /api/v3/addons?cluster_id=…, on Amazon EKS what `aws eks describe-addon`, `aws eks list-addons` or `eksctl get addon -o json`
    /// prints. With several clusters say of which it is. May be repeated.
    #[arg(long, value_name = "[CONTEXT=]FILE", conflicts_with = "facts")]
    pub(crate) addons: Vec<String>,
    /// Print the facts, as in a bundle, and judge nothing. Exit 2: no cluster could be read.
    #[arg(long)]
    pub(crate) facts: bool,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CollectArgs {
    #[command(flatten)]
    pub(crate) clusters: Clusters,
    /// Where the bundle goes: a file, or a directory, in which it is named bundle.json. Mode 0600.
    #[arg(long, value_name = "DIR|FILE")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RbacArgs {
    /// Print the role for Secrets too. What it adds stands in its comments.
    #[arg(long)]
    pub(crate) with_secrets: bool,
}
