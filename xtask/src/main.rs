//! The project's chores, in Rust so that a newcomer needs cargo alone.
//!
//! `cargo xtask test` is the one command that proves a change; the others are its parts and the long
//! measurements. Nothing here ships. Heavy work that needs the server (crash and load tests) lives in
//! the `e2e` package and is only started from here, so that this crate builds in seconds.

mod console;
mod workspace;
mod source;
mod tidy;
mod tools;
mod clients;
mod generate;
mod fuzz;
mod check;
mod dist;
mod bench;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Chores of this workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Run every check and test; the last line counts them. Exit 1: something failed; 3: something could not be run.
    Test {
        /// Only those whose name holds one of these words, such as `kubectl` or `libraries`.
        #[arg(value_name = "WORD")]
        words: Vec<String>,
    },
    /// The same as `test`, under the name that CI scripts expect.
    Ci,
    /// Build static binaries for x86-64 and arm64 with their checksums in target/dist.
    Dist {
        /// Only this target, such as x86_64-unknown-linux-musl.
        #[arg(long, value_name = "TARGET")]
        target: Option<String>,
    },
    /// Check the rules that no compiler checks: module order, file length, crate walls, leftovers.
    Tidy,
    /// Write the pages of the reference that come from code.
    Generate {
        /// Write nothing; exit 1 when a page is out of date.
        #[arg(long)]
        check: bool,
    },
    /// Run fuzz targets: all of them, or those named. What they find is kept under target/fuzz.
    Fuzz {
        /// Such as `audit_log`; each is a file of fuzz/targets.
        #[arg(value_name = "TARGET")]
        targets: Vec<String>,
        /// Seconds for each.
        #[arg(long, value_name = "N", default_value_t = fuzz::SHORT_SECONDS)]
        seconds: u32,
    },
    /// Measure speed and size and print ratios: `bench`, or some of its parts, `bench issue review scale delete agent doctor`;
    /// `-o json` for programs. Exit 1: a target was missed.
    Bench {
        /// What the laboratory gets: parts and `-o`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().chore {
        Chore::Test { words } => check::chores(&words),
        Chore::Ci => check::chores(&[]),
        Chore::Dist { target } => dist::chore(target.as_deref()),
        Chore::Tidy => tidy::chore(),
        Chore::Generate { check } => generate::chore(check),
        Chore::Fuzz { targets, seconds } => check::fuzz(&targets, seconds),
        Chore::Bench { arguments } => bench::chore(&arguments),
    };
    outcome.unwrap_or_else(|message| {
        console::say(&format!("error: {message}"));
        ExitCode::FAILURE
    })
}
