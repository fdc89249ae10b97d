//! Which token is to be revoked.

use crate::args::Output;
use clap::Args as ClapArgs;
use jeton_core::time::UnixTime;
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(crate) struct Revoke {
    /// Id of the token, where the token itself is not at hand: an audit log tells it. Default: that of the token on
    /// standard input.
    #[arg(long, value_name = "ID", requires = "until")]
    pub(crate) jti: Option<String>,
    /// When that token expires, RFC 3339; the revocation is kept until then.
    #[arg(long, value_name = "TIME", requires = "jti", value_parser = time)]
    pub(crate) until: Option<UnixTime>,
    /// Why, for whoever reads the revocation.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) reason: String,
    /// The kubeconfig. Default: KUBECONFIG, then ./jeton-data/admin.kubeconfig, then ~/.kube/config.
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// For people or for programs.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
}

fn time(text: &str) -> Result<UnixTime, String> {
    UnixTime::parse_rfc3339(text).ok_or_else(|| format!("{text:?} is no time such as 2026-07-25T10:00:00Z"))
}
