//! `jeton up`: an authority in a directory of its own, and what to type next.

use crate::args::Up;
use crate::cmd::serve;
use crate::process::{self, Failure};
use jeton_authority::config::Config;
use jeton_authority::server::Server;
use jeton_core::legacy::CLEAN_UP_PERIOD_SECONDS;
use std::process::ExitCode;

/// Serves until the process is asked to end.
pub(crate) fn run(args: &Up) -> Result<ExitCode, Failure> {
    let config = Config {
        data_dir: args.data_dir.clone(),
        listen: args.common.listen,
        signing_key_file: None,
        key_files: Vec::new(),
        issuers: vec!["https://kubernetes.default.svc".to_owned()],
        api_audiences: Vec::new(),
        max_token_seconds: 0,
        extend: None,
        release: args.emulation.release()?,
        token_uses: args.emulation.token_uses,
        audit: args.audit.settings_or(args.data_dir.join("audit.log"))?,
        clean_up_seconds: CLEAN_UP_PERIOD_SECONDS,
        lifetimes: process::test_lifetimes()?,
    };
    serve::serve(&args.common, &config, announce)
}

fn announce(server: &Server) -> Result<(), Failure> {
    serve::ready(server)?;
    let kubeconfig = server.kubeconfig().display();
    process::say(&format!(
        "\nIn another terminal:\n  export KUBECONFIG={kubeconfig}\n  kubectl create serviceaccount builder\n  kubectl create token builder\n\nCtrl-C ends it; what it stored stays."
    ))
}
