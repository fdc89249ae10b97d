//! What can be typed after `jeton agent` and `jeton node`.

use crate::args::Logging;
use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use jeton_node::agent::MAX_PODS;
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(crate) struct Agent {
    /// The node's kubeconfig: user system:node:NAME, group system:nodes.
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: PathBuf,
    /// Name of the node whose pods are kept.
    #[arg(long, value_name = "NAME")]
    pub(crate) node_name: String,
    /// Directory of the files: DIR/pods/UID/volumes/kubernetes.io~projected/VOLUME. One on a tmpfs, such as below /run,
    /// needs no right to mount.
    #[arg(long, value_name = "DIR")]
    pub(crate) root: PathBuf,
    /// Whether files live in memory. auto: mount a tmpfs where that is needed and allowed, else say that they do not.
    #[arg(long, value_enum, default_value_t = Tmpfs::Auto)]
    pub(crate) tmpfs: Tmpfs,
    /// Pods whose volumes are kept, 5000 at most; those beyond fail with reason OutOfpods.
    #[arg(long, value_name = "N", default_value_t = MAX_PODS, value_parser = max_pods)]
    pub(crate) max_pods: usize,
    /// Address and port of /metrics and /healthz, without TLS. Default: none.
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) metrics_bind_address: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) logging: Logging,
}

fn max_pods(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=MAX_PODS).contains(number));
    number.ok_or_else(|| format!("{text:?} is no number from 1 to {MAX_PODS}"))
}

/// Whether files live in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tmpfs {
    /// Where it may.
    Auto,
    /// Or the agent does not start.
    Require,
    /// As the directory is.
    Never,
}

/// What to do with nodes.
#[derive(Debug, Subcommand)]
pub(crate) enum Node {
    /// Write the kubeconfig of a node, with a client certificate that is valid for a year. Run it where the authority's
    /// data directory is, and copy the file to the node's machine over a channel that you trust: it holds a private key.
    #[command(
        after_help = "Examples:\n  jeton node add vm1 -o vm1.kubeconfig\n  jeton node add vm2 --data-dir /var/lib/jeton --server https://10.0.0.5:6443 -o vm2.kubeconfig\n  jeton node add ci | ssh ci 'umask 077; cat > jeton.kubeconfig'"
    )]
    Add(Add),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Add {
    /// Name of the node.
    pub(crate) name: String,
    /// Data directory of the authority.
    #[arg(long, value_name = "DIR", default_value = "./jeton-data")]
    pub(crate) data_dir: PathBuf,
    /// Where the node reaches the authority. Default: as in admin.kubeconfig of the data directory.
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// File to write, mode 0600. Default: standard output.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}
