//! Which Kubernetes version a server behaves as, and whether it remembers uses of tokens.

use crate::process::Failure;
use clap::Args as ClapArgs;
use jeton_core::release::Release;

#[derive(Debug, ClapArgs)]
pub(crate) struct Emulation {
    /// The Kubernetes version whose behaviour accounts, tokens and pods get: 1.15 to 1.36. The API itself stays that of
    /// the newest. Default: 1.36.
    #[arg(long, value_name = "VERSION")]
    pub(crate) emulated_version: Option<String>,
    /// Feature gates of that version to switch, such as LegacyServiceAccountTokenNoAutoGeneration=false. May be repeated,
    /// or separated by commas.
    #[arg(long, value_name = "NAME=BOOL,…")]
    pub(crate) feature_gates: Vec<String>,
    /// Remember who uses which kind of token: kubectl get tokenuses, and the metric jeton_token_uses_total.
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub(crate) token_uses: bool,
}

impl Emulation {
    /// The release, or why it cannot be.
    pub(crate) fn release(&self) -> Result<Release, Failure> {
        let version = self.emulated_version.as_deref();
        Release::parse(version, &self.feature_gates.join(",")).map_err(|e| Failure::misuse(e.to_string()))
    }
}
