//! What is to be rehearsed.

use crate::args::Output;
use clap::{Args as ClapArgs, ValueEnum};
use std::path::PathBuf;

/// Which versions lie between two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Steps {
    /// Every minor version.
    Kubernetes,
    /// Those of Huawei's CCE: 1.19, 1.21, 1.23, 1.25.
    Cce,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Rehearse {
    /// The version the workloads run on now, such as 1.19.
    #[arg(long, value_name = "VERSION")]
    pub(crate) from: String,
    /// The version they are to run on, such as 1.25.
    #[arg(long, value_name = "VERSION")]
    pub(crate) to: String,
    /// Which versions lie between.
    #[arg(long, value_enum, default_value_t = Steps::Kubernetes)]
    pub(crate) profile: Steps,
    /// File or directory of manifests, YAML or JSON; - is standard input. May be repeated. Pods, apps/v1 and batch/v1 are
    /// played, with the ServiceAccounts and Secrets beside them; other kinds are left out and named.
    #[arg(short, long, value_name = "PATH", required = true)]
    pub(crate) filename: Vec<PathBuf>,
    /// Read directories below as well.
    #[arg(short = 'R', long)]
    pub(crate) recursive: bool,
    /// Namespace of manifests that name none.
    #[arg(short, long, value_name = "NAME", default_value = "default")]
    pub(crate) namespace: String,
    /// For people or for programs.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
}
