//! `jeton node`: credentials of machines whose agents keep tokens.

use crate::args_node::{Add, Node};
use crate::process::{self, Failure};
use jeton_authority::pki::{self, Authority};
use jeton_core::ident;
use jeton_core::time::UnixTime;
use serde_yaml_ng::Value;
use std::path::Path;
use std::process::ExitCode;
use zeroize::Zeroizing;

/// Runs one of them.
pub(crate) fn run(command: &Node) -> Result<ExitCode, Failure> {
    let Node::Add(args) = command;
    add(args)
}

fn add(args: &Add) -> Result<ExitCode, Failure> {
    present(&args.data_dir)?;
    let server = match &args.server {
        Some(url) if url.starts_with("https://") => url.clone(),
        Some(url) => return Err(Failure::misuse(format!("--server: {url:?} does not begin with https://"))),
        None => server(&args.data_dir)?,
    };
    let text = kubeconfig(&args.data_dir, &args.name, &server, process::clock().now())?;
    match &args.output {
        Some(path) => {
            pki::write(path, text.as_bytes()).map_err(|e| Failure::of(&e))?;
            process::note(&format!(
                "{} is node {:?}. On its machine: jeton agent --kubeconfig {} --node-name {} --root /run/jeton",
                path.display(),
                args.name,
                path.display(),
                args.name
            ));
        }
        None => process::write_out(&text)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The kubeconfig of a node of an authority whose data directory is here.
pub(crate) fn kubeconfig(
    data_dir: &Path,
    name: &str,
    server: &str,
    now: UnixTime,
) -> Result<Zeroizing<String>, Failure> {
    ident::dns_subdomain(name)
        .map_err(|why| Failure::misuse(format!("{name:?} is no name of a node: {why}")))?;
    present(data_dir)?;
    let authority = Authority::ensure(data_dir, now).map_err(|e| Failure::of(&e))?;
    authority.node(name, server, now).map_err(|e| Failure::of(&e))
}

/// Whether there is an authority: none is made by the way.
fn present(data_dir: &Path) -> Result<(), Failure> {
    if data_dir.join("ca.key").exists() {
        return Ok(());
    }
    let what = "holds no authority: name its directory with --data-dir, or start one first";
    Err(Failure::misuse(format!("{} {what}", data_dir.display())))
}

/// Where the authority listens, as its own kubeconfig says.
fn server(data_dir: &Path) -> Result<String, Failure> {
    let path = data_dir.join("admin.kubeconfig");
    let text = std::fs::read_to_string(&path).map_err(|e| Failure::of(&e).at(&path))?;
    let config: Value = serde_yaml_ng::from_str(&text).map_err(|e| Failure::of(&e).at(&path))?;
    let server = config["clusters"][0]["cluster"]["server"].as_str();
    let missing =
        || Failure { code: 1, message: format!("{}: names no server; use --server", path.display()) };
    Ok(server.ok_or_else(missing)?.to_owned())
}
