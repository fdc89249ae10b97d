//! `jeton agent`: keeps the volumes of one node's pods.

use crate::args_node::{Agent, Tmpfs};
use crate::process::{self, Failure};
use jeton_node::agent::{self, Home, Memory, Metrics, Settings};
use jeton_node::api;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Works until the process is asked to end. Files stay: the next start goes on with them.
pub(crate) fn run(args: &Agent) -> Result<ExitCode, Failure> {
    process::log(&args.logging);
    process::raise_file_limit();
    let settings = Settings {
        node: args.node_name.clone(),
        root: args.root.clone(),
        memory: match args.tmpfs {
            Tmpfs::Auto => Memory::Auto,
            Tmpfs::Require => Memory::Require,
            Tmpfs::Never => Memory::Never,
        },
        max_pods: args.max_pods,
    };
    for left in jeton_node::run::sweep() {
        tracing::info!(path = %left.display(), "removed what a runner left that was killed");
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| Failure::of(&e))?;
    runtime.block_on(async {
        let metrics = Arc::new(Metrics::new().map_err(|e| Failure::of(&e))?);
        if let Some(address) = args.metrics_bind_address {
            let bound = TcpListener::bind(address).await;
            let listener =
                bound.map_err(|e| Failure::misuse(format!("--metrics-bind-address {address}: {e}")))?;
            tracing::info!(address = ?listener.local_addr().ok(), "metrics");
            tokio::spawn(agent::serve(listener, metrics.clone()));
        }
        tokio::select! {
            ended = work(&args.kubeconfig, &settings, metrics, announce) => ended?,
            () = process::asked_to_stop() => {}
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Works for one node until it is dropped.
pub(crate) async fn work(
    kubeconfig: &Path,
    settings: &Settings,
    metrics: Arc<Metrics>,
    ready: impl FnOnce(&Settings, &Home),
) -> Result<(), Failure> {
    let client = api::connect(kubeconfig).await.map_err(|e| Failure::of(&e))?;
    let told = |home: &Home| ready(settings, home);
    agent::run(client, process::clock(), settings, metrics, told).await.map_err(|e| Failure::of(&e))
}

/// The one line that scripts wait for.
fn announce(settings: &Settings, home: &Home) {
    let kept = if home.in_memory() { "memory" } else { "disk" };
    // A closed standard output is no reason not to work.
    let _ =
        process::say(&format!("ready node={} root={} files={kept}", settings.node, settings.root.display()));
}
