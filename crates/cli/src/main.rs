//! `jeton`: the command line.
//!
//! Purpose: arguments, environment, clock, exit codes and wiring. Left out on purpose: decisions.

mod args;
mod args_audit;
mod args_key;
mod args_legacy;
mod args_node;
mod args_rehearse;
mod args_release;
mod args_revoke;
mod args_run;
mod args_doctor;
mod args_doctor_cluster;
mod complete;
mod plugin;
mod cmd;
mod process;
mod reference;
mod reference_releases;
mod reference_doctor;

use args::{Args, Command};
use clap::{CommandFactory, FromArgMatches, error::ErrorKind};
use plugin::Name;
use std::process::ExitCode;

/// Memory of a burst goes back to the system, which the default allocator does not do.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Misuse of the command line.
const MISUSE: u8 = 64;

fn main() -> ExitCode {
    let name = Name::of(std::env::args_os().next().as_deref());
    if name == Name::Completer {
        let words: Vec<String> =
            std::env::args_os().skip(1).map(|w| w.to_string_lossy().into_owned()).collect();
        return finished(
            process::write_out(&format!("{}\n", plugin::candidates(&words))).map(|()| ExitCode::SUCCESS),
        );
    }
    let parsed = name.command().try_get_matches().and_then(|matches| Args::from_arg_matches(&matches));
    let args = match parsed {
        Ok(args) => args,
        Err(error) => {
            let help = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            // A closed pipe is no reason to fail differently.
            let _ = error.print();
            return if help { ExitCode::SUCCESS } else { ExitCode::from(MISUSE) };
        }
    };
    finished(run(args.command))
}

fn run(command: Command) -> Result<ExitCode, process::Failure> {
    match command {
        Command::Serve(serve) => cmd::serve::run(&serve),
        Command::Up(up) => cmd::up::run(&up),
        Command::Run(run) => cmd::run::run(&run),
        Command::Tour(tour) => cmd::tour::run(&tour),
        Command::RunKeep(keep) => cmd::run::keep(&keep),
        Command::RunExec(exec) => cmd::run::exec(&exec),
        Command::Token(token) => cmd::token::run(&token),
        Command::Key(key) => cmd::key::run(&key),
        Command::Legacy(legacy) => cmd::legacy::run(&legacy),
        Command::Agent(agent) => cmd::agent::run(&agent),
        Command::Node(node) => cmd::node::run(&node),
        Command::Doctor(doctor) => cmd::doctor::run(&doctor),
        Command::Rehearse(args) => cmd::rehearse::run(&args),
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "jeton", &mut script);
            // A reader that has seen enough closes the pipe.
            process::write_out(&String::from_utf8_lossy(&script)).map(|()| ExitCode::SUCCESS)
        }
        Command::Reference { page } => reference::run(page),
    }
}

fn finished(outcome: Result<ExitCode, process::Failure>) -> ExitCode {
    outcome.unwrap_or_else(|failure| {
        process::complain(&failure);
        ExitCode::from(failure.code)
    })
}
