//! What can be typed after `jeton legacy`.

use crate::args::{Output, duration};
use clap::{Args as ClapArgs, Subcommand};
use std::path::PathBuf;

/// What to do about tokens out of Secrets.
#[derive(Debug, Subcommand)]
pub(crate) enum Legacy {
    /// Say what the cleaner of legacy tokens would do with every token Secret, why, and when: a dry run. Reads Secrets (only
    /// their metadata), ServiceAccounts and Pods of any Kubernetes API, and changes nothing. Exit 0: the next round does
    /// nothing; 1: it marks or deletes a Secret; 2: the cluster could not be read.
    #[command(
        after_help = "Examples:\n  jeton legacy plan\n  jeton legacy plan --clean-up-period 2160h   # what a shorter period would do\n  jeton legacy plan -n shop -o json"
    )]
    Plan(Plan),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Plan {
    /// The period to plan with. What a server was started with cannot be asked: this is the default of
    /// --legacy-service-account-token-clean-up-period.
    #[arg(long, value_name = "DURATION", default_value = "8760h", value_parser = duration)]
    pub(crate) clean_up_period: i64,
    /// Only this namespace. Default: all of them.
    #[arg(short, long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// Context of the kubeconfig. Default: the current one.
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// The kubeconfig. Default: KUBECONFIG, then ./jeton-data/admin.kubeconfig, then ~/.kube/config.
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// For people or for programs.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
}
