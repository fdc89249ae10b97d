//! `jeton up`: an authority in a directory of its own, an agent for this machine, and what to type next.

use crate::args::Up;
use crate::cmd::{self, node, serve};
use crate::process::{self, Failure};
use jeton_authority::config::Config;
use jeton_authority::pki;
use jeton_authority::renew;
use jeton_authority::server::Server;
use jeton_core::legacy::CLEAN_UP_PERIOD_SECONDS;
use jeton_core::time::UnixTime;
use jeton_node::agent::{CONDITION, MAX_PODS, Memory, Metrics, Settings};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// The node of this machine.
const NODE: &str = "local";

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
    serve::serve(&args.common, &config, |server| announce(server, &args.data_dir))
}

fn announce(server: &Server, data_dir: &Path) -> Result<(), Failure> {
    let root = agent(server, data_dir)?;
    serve::ready(server)?;
    let (kubeconfig, root) = (server.kubeconfig().display(), root.display());
    // A script that has read the first line may have closed the pipe: no reason not to serve.
    process::write_out(&format!(
        "\nIn another terminal:\n  export KUBECONFIG={kubeconfig}\n  kubectl create serviceaccount builder\n  kubectl create token builder\n  kubectl apply -f examples/pod.yaml   # spec.nodeName: {NODE}; its rotating tokens appear below {root}/pods\n  kubectl wait --for=condition={CONDITION} pod/demo\n\nCtrl-C ends it; what it stored stays.\n"
    ))
}

/// Starts the agent of node `local` with credentials of its own: it reaches the server as any other machine's does.
fn agent(server: &Server, data_dir: &Path) -> Result<PathBuf, Failure> {
    let clock = process::clock();
    let kubeconfig = credentials(data_dir, server.address(), clock.now())?;
    let (dir, address) = (data_dir.to_owned(), server.address());
    // The agent reads the file anew when it changes.
    tokio::spawn(renew::certificates("the node", clock, move |now| {
        credentials(&dir, address, now).map(drop).map_err(|failure| failure.message)
    }));
    let root = data_dir.join("node");
    // Not mounted: the signing key lies on the same disk, and a directory that was tried can be removed as it is.
    let settings =
        Settings { node: NODE.to_owned(), root: root.clone(), memory: Memory::Never, max_pods: MAX_PODS };
    let metrics = Arc::new(Metrics::new().map_err(|e| Failure::of(&e))?);
    tokio::spawn(async move {
        if let Err(failure) = cmd::agent::work(&kubeconfig, &settings, metrics, |_, _| {}).await {
            tracing::error!(node = NODE, error = failure.message, "no agent; the authority goes on");
        }
    });
    Ok(root)
}

/// Writes the node's kubeconfig, with a certificate that begins now.
fn credentials(data_dir: &Path, server: SocketAddr, now: UnixTime) -> Result<PathBuf, Failure> {
    let text = node::kubeconfig(data_dir, NODE, &format!("https://{server}"), now)?;
    let kubeconfig = data_dir.join("node.kubeconfig");
    pki::write(&kubeconfig, text.as_bytes()).map_err(|e| Failure::of(&e))?;
    Ok(kubeconfig)
}
