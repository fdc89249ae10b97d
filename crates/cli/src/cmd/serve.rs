//! `jeton serve`.

use crate::args::{Common, Serve};
use crate::process::{self, Failure};
use jeton_authority::config::Config;
use jeton_authority::server::{self, Server};
use std::process::ExitCode;

/// Serves until the process is asked to end.
pub(crate) fn run(args: &Serve) -> Result<ExitCode, Failure> {
    let config = Config {
        data_dir: args.data_dir.clone(),
        listen: args.common.listen,
        signing_key_file: args.service_account_signing_key_file.clone(),
        key_files: args.service_account_key_file.clone(),
        issuers: args.service_account_issuer.clone(),
        api_audiences: args.api_audiences.clone(),
        max_token_seconds: args.service_account_max_token_expiration,
        extend: args.service_account_extend_token_expiration,
        release: args.emulation.release()?,
        token_uses: args.emulation.token_uses,
        audit: args.audit.settings()?,
        clean_up_seconds: args.legacy_service_account_token_clean_up_period,
        lifetimes: process::test_lifetimes()?,
    };
    serve(&args.common, &config, ready)
}

/// Starts a server, lets `announce` say so, and serves.
pub(crate) fn serve(
    common: &Common,
    config: &Config,
    announce: impl FnOnce(&Server) -> Result<(), Failure>,
) -> Result<ExitCode, Failure> {
    process::log(&common.logging);
    process::raise_file_limit();
    if let Some(lifetimes) = &config.lifetimes {
        tracing::warn!(
            ?lifetimes,
            "JETON_TEST_LIFETIMES is set: this is a laboratory, its tokens live too short"
        );
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| Failure::of(&e))?;
    runtime.block_on(async {
        let server = server::start(config, process::clock()).await.map_err(|e| Failure::of(&e))?;
        announce(&server)?;
        server.run(process::asked_to_stop()).await;
        Ok(ExitCode::SUCCESS)
    })
}

/// The one line that scripts wait for.
pub(crate) fn ready(server: &Server) -> Result<(), Failure> {
    process::say(&format!("ready https://{} kubeconfig={}", server.address(), server.kubeconfig().display()))
}
