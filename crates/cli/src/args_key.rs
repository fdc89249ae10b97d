//! What can be typed after `jeton key`.

use crate::args::{Output, duration};
use clap::{Args as ClapArgs, Subcommand};
use std::path::PathBuf;

/// What to do with signing keys.
#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Show the keys that sign and verify tokens, and how far each has come.
    #[command(after_help = "Examples:\n  jeton key list\n  jeton key list -o json")]
    List(List),
    /// Make a new signing key: it is published at once, signs after a while, and the old one verifies until its last
    /// token has expired. Nothing is restarted.
    #[command(
        after_help = "Examples:\n  jeton key rotate\n  jeton key rotate --activate-after 0   # the old key is compromised, or nobody reads the JWKS\n\nWhile a key waits, asking again with an earlier time brings it forward."
    )]
    Rotate(Rotate),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Rotate {
    /// Time between publication and first signature, such as 1h or 90s. Relying parties keep the published keys for an
    /// hour: a shorter time makes some of them refuse new tokens until they look again.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    pub(crate) activate_after: i64,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Common {
    /// The kubeconfig. Default: KUBECONFIG, then ./jeton-data/admin.kubeconfig, then ~/.kube/config.
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// For people or for programs.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
}
