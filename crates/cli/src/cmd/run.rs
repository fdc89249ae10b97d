//! `jeton run`, and the two hidden commands its processes start as.

use crate::args_run::{Run, RunExec, RunKeep};
use crate::process::{self, Failure, client};
use jeton_node::run::{self, Identity, Keep, RunError, Settings};
use std::process::ExitCode;
use std::sync::Arc;

/// Jeton's own failure, so that it is not taken for the program's. As `env`, `timeout` and `docker run` have it.
const OWN_FAILURE: u8 = 125;

/// Runs a program to its end.
pub(crate) fn run(args: &Run) -> Result<ExitCode, Failure> {
    process::log_to_stderr(tracing::Level::ERROR);
    let (namespace, account) = args.service_account.clone();
    let grace = u32::try_from(args.grace_period);
    let settings = Settings {
        kubeconfig: client::find(args.kubeconfig.as_ref())?,
        identity: Identity {
            namespace,
            account,
            pod: args.pod_name.clone(),
            seconds: args.duration,
            audiences: args.audience.clone(),
            grace_seconds: grace.map_err(|_| Failure::misuse("--grace-period is too long"))?,
            host: process::host_name(),
        },
        command: args.command.clone(),
        mount: !args.no_mount,
        clock: process::clock(),
    };
    let note = Arc::new(|line: &str| process::note(&format!("jeton run: {line}")));
    run::run(&settings, &(note as run::Note)).map(ExitCode::from).map_err(|error| own(&error))
}

/// The keeper of a program.
pub(crate) fn keep(args: &RunKeep) -> Result<ExitCode, Failure> {
    let allocator = args.allocator.as_deref();
    let keep =
        Keep { door: &args.door, mount: args.mount, allocator, group: args.group, command: &args.command };
    run::keep(&keep).map(|()| ExitCode::SUCCESS).map_err(|error| own(&error))
}

/// Becomes the program.
pub(crate) fn exec(args: &RunExec) -> Result<ExitCode, Failure> {
    let (code, message) = run::exec(&args.command);
    Err(Failure { code, message })
}

fn own(error: &RunError) -> Failure {
    Failure { code: OWN_FAILURE, message: run::chain(error) }
}
