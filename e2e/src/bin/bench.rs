//! `cargo xtask bench`: measures, prints a table, and fails when a target is missed.

use clap::{Parser, Subcommand, ValueEnum};
use e2e::bench::report::table;
use e2e::bench::{PARTS, bare, quiet};
use e2e::server;
use std::error::Error;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// The allocator of the server, so that the bare handler has it too.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Measure speed and size of the server that JETON_BIN names. Exit 0: every target met; 1: one was missed or a part
/// could not be measured.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Args {
    /// Parts to run, all without any: issue, review, scale, delete, agent, doctor.
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(PARTS.map(|(name, _)| name)))]
    parts: Vec<String>,
    /// For people or for programs.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
    #[command(subcommand)]
    hidden: Option<Hidden>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A table.
    Text,
    /// JSON.
    Json,
}

#[derive(Debug, Subcommand)]
enum Hidden {
    /// The server that others are compared with.
    #[command(hide = true)]
    Bare {
        /// Where its certificates go.
        dir: PathBuf,
        /// File with the body of every answer.
        body: PathBuf,
    },
    /// Becomes a program that ends with whoever started it.
    #[command(hide = true)]
    Keep {
        /// The program.
        program: PathBuf,
        /// Its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nobody is left to tell when standard error is closed.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<bool, Box<dyn Error>> {
    match &args.hidden {
        Some(Hidden::Bare { dir, body }) => {
            bare::serve(dir, body)?;
            return Ok(true);
        }
        Some(Hidden::Keep { program, arguments }) => return Err(server::keep(program, arguments).into()),
        None => server::start_with(std::env::current_exe()?),
    }
    let mut lines = Vec::new();
    for (name, part) in PARTS {
        if !args.parts.is_empty() && !args.parts.iter().any(|p| p == name) {
            continue;
        }
        let mut measured = vec![quiet::line(name)?];
        measured.extend(part().map_err(|e| format!("{name}: {e}"))?);
        if args.output == Output::Text {
            table(&mut std::io::stdout().lock(), &measured)?;
        }
        lines.extend(measured);
    }
    if args.output == Output::Json {
        let mut out = std::io::stdout().lock();
        serde_json::to_writer_pretty(&mut out, &serde_json::json!({ "lines": lines }))?;
        writeln!(out)?;
    }
    Ok(lines.iter().all(|line| line.ok != Some(false)))
}
