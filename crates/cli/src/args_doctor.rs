//! What can be typed after `jeton doctor`.

use crate::args_doctor_cluster::{ClusterArgs, CollectArgs, RbacArgs};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// What to look at.
#[derive(Debug, Subcommand)]
pub(crate) enum Doctor {
    /// Read audit logs: who uses stale, expired or permanent tokens, with which client, and until when it works.
    ///
    /// Exit 0: nothing at or above --fail-on; 1: findings; 2: a file could not be read and --require asks for it.
    #[command(
        after_help = "Examples:\n  jeton doctor audit /var/log/kubernetes/audit.log\n  jeton doctor audit audit-*.log.gz -o json\n  aws logs filter-log-events --log-group-name /aws/eks/prod/cluster --log-stream-name-prefix kube-apiserver-audit | jeton doctor audit -\n  jeton doctor audit --quick audit.log\n  jeton doctor audit prod-a=a.log prod-b=b.log\n  jeton doctor audit audit.log --addons addons.json\n  jeton doctor audit audit.log -o markdown --split-by namespace --split-dir tickets"
    )]
    Audit(Audit),
    /// Report on a small log that comes with the program. No cluster is needed.
    #[command(after_help = "Examples:\n  jeton doctor demo\n  jeton doctor demo --lang zh -o markdown")]
    Demo(Demo),
    /// Ask clusters who gets tokens how, and what their API servers counted. Reads only.
    ///
    /// Exit 0: nothing at or above --fail-on; 1: findings; 2: a cluster could not be read and --require asks for it.
    #[command(
        after_help = "Examples:\n  jeton doctor cluster\n  jeton doctor cluster --context prod-a --context prod-b -o json\n  jeton doctor cluster --from bundle.json\n  jeton doctor cluster --from bundle.json --audit-log audit.log.gz\n  jeton doctor cluster --addons addons.json   # versions from the cloud's own list"
    )]
    Cluster(ClusterArgs),
    /// Write what `cluster` would look at into a bundle that holds no value of a token or Secret. Exit 2: no cluster could
    /// be read.
    #[command(
        after_help = "Examples:\n  jeton doctor collect --out bundle.json\n  jeton doctor collect --out ./bundles/ --context prod-a"
    )]
    Collect(CollectArgs),
    /// Print the rights that `cluster` and `collect` use, as manifests.
    #[command(
        after_help = "Examples:\n  jeton doctor rbac | kubectl apply -f -\n  jeton doctor rbac --with-secrets | kubectl apply -f -"
    )]
    Rbac(RbacArgs),
}

#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// Audit logs, plain, .gz or .zst; - is standard input. Logs of several clusters: each with the name of its cluster before it,
    /// so that workloads of the same name stay apart.
    #[arg(required = true, value_name = "[CLUSTER=]FILE")]
    pub(crate) files: Vec<String>,
    /// Read annotations only: fast, and blind where the extension is off.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Threads that parse. Default: one for each core.
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Add-ons of the cluster as its cloud lists them, to know their versions: on Huawei CCE the answer to GET
    /// /api/v3/addons?cluster_id=…, on Amazon EKS what `aws eks describe-addon`, `aws eks list-addons` or `eksctl get addon -o json`
    /// prints. May be repeated.
    #[arg(long, value_name = "[CLUSTER=]FILE")]
    pub(crate) addons: Vec<String>,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    #[command(flatten)]
    pub(crate) common: Common,
}

/// What every report has.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// How the report looks.
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
    /// Language of the report and its remedies.
    #[arg(long, value_enum, default_value_t = Language::En)]
    pub(crate) lang: Language,
    /// Exit with 1 when there is a finding at least this bad.
    #[arg(long, value_enum, default_value_t = FailOn::Critical)]
    pub(crate) fail_on: FailOn,
    /// Exit with 2 when a source cannot be read: `all`, or the name of a file or context. May be repeated.
    #[arg(long, value_name = "SOURCE")]
    pub(crate) require: Vec<String>,
    /// How long an extended token lives here, such as 2160h on Amazon EKS. Default: one year, as upstream, and then
    /// deadlines are marked as estimated.
    #[arg(long, value_name = "DURATION", value_parser = crate::args::duration)]
    pub(crate) extended_lifetime: Option<i64>,
    /// Rows of your own, separated by tabs, which come before those that ship: libraries (10 columns), User-Agents (6),
    /// add-ons (12), version rules (5). May be repeated.
    #[arg(long, value_name = "FILE")]
    pub(crate) knowledge: Vec<PathBuf>,
    /// Write one Markdown ticket for each `namespace`, or for each value of this pod label (known to `doctor cluster`).
    #[arg(long, value_name = "namespace|LABEL", requires = "split_dir")]
    pub(crate) split_by: Option<String>,
    /// Directory for the tickets; made where it is missing.
    #[arg(long, value_name = "DIR", requires = "split_by")]
    pub(crate) split_dir: Option<PathBuf>,
    /// Put a pseudonym in the place of each name and id: the same one for the same name, in every output.
    #[arg(long)]
    pub(crate) redact: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For a terminal.
    Table,
    /// Stable JSON.
    Json,
    /// For a ticket.
    Markdown,
    /// SARIF 2.1.0.
    Sarif,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// English.
    En,
    /// Chinese.
    Zh,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// Fails, or will.
    Critical,
    /// Needs a decision.
    Warning,
    /// Anything at all.
    Info,
    /// Never.
    Never,
}
