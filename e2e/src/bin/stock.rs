//! `stock DIR [FLAGS…]`: a stock control plane to try Jeton against, by tests and by hand.
//!
//! Prints the same ready line as `jeton serve`, and ends all it started when it ends. FLAGS go to kube-apiserver.

use clap::{Parser, Subcommand};
use e2e::{server, stock};
use std::error::Error;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Start etcd, kube-apiserver and kube-controller-manager, which `cargo xtask test stock` builds.
#[derive(Debug, Parser)]
#[command(name = "stock", args_conflicts_with_subcommands = true, arg_required_else_help = true)]
struct Args {
    /// Where its files go; what is there is removed.
    dir: Option<PathBuf>,
    /// More flags of kube-apiserver.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    flags: Vec<OsString>,
    #[command(subcommand)]
    hidden: Option<Hidden>,
}

#[derive(Debug, Subcommand)]
enum Hidden {
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
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when standard error is closed.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    if let Some(Hidden::Keep { program, arguments }) = &args.hidden {
        return Err(server::keep(program, arguments).into());
    }
    let dir = args.dir.as_ref().ok_or("name a directory")?;
    let mut stock = stock::start(&std::env::current_exe()?, dir, &args.flags)?;
    writeln!(std::io::stdout(), "ready https://{} kubeconfig={}", stock.address, stock.kubeconfig.display())?;
    // From its first program's end on, it is no control plane.
    let Some((name, first)) = stock.children.first_mut() else { return Ok(()) };
    Err(format!("{name} ended with {}", first.wait()?).into())
}
