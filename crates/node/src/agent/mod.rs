//! `jeton agent`: a kubelet's work for tokens, and nothing else of a kubelet.
//!
//! Invariant: node credentials are enough, against any API server with the Node authorizer and NodeRestriction: pods are
//! watched by `spec.nodeName`, ConfigMaps and Secrets by name, tokens are bound to pods of this node. No answer ends the
//! agent; it says what is wrong and tries again.

mod home;
mod metrics;
mod report;
mod node;
mod status;
mod pods;
mod serve;

pub use home::{Home, HomeError, Memory};
pub use metrics::Metrics;
pub use node::{NotOurs, TAINT};
pub use pods::MAX_PODS;
pub use serve::serve;
pub use status::CONDITION;

use crate::api::Context;
use jeton_core::clock::Clock;
use kube::Client;
use std::path::PathBuf;
use std::sync::Arc;

/// What an agent is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The node whose pods are its own.
    pub node: String,
    /// Its directory.
    pub root: PathBuf,
    /// Whether files live in memory.
    pub memory: Memory,
    /// Pods whose volumes are kept; [`MAX_PODS`] is the most.
    pub max_pods: usize,
}

/// Why an agent does not work.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Its directory.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Its node.
    #[error(transparent)]
    Node(#[from] NotOurs),
}

/// Works until it is dropped. Files stay, for the next start; `ready` is called once the directory is its own.
///
/// # Errors
/// [`AgentError`] at the start; never later.
pub async fn run(
    client: Client,
    clock: Clock,
    settings: &Settings,
    metrics: Arc<Metrics>,
    ready: impl FnOnce(&Home),
) -> Result<(), AgentError> {
    let home = Arc::new(Home::open(&settings.root, settings.memory)?);
    ready(&home);
    let own = node::Own::new(
        &client,
        clock.clone(),
        metrics.clone(),
        &settings.node,
        settings.max_pods.min(MAX_PODS),
    );
    own.register().await?;
    let (sink, notes) = report::report(metrics.clone());
    let context = Context::new(client.clone(), clock.clone(), sink);
    let told = report::tell(client, clock, metrics.clone(), settings.node.clone(), notes);
    let mut pods = pods::Pods::new(context, home, metrics, settings);
    tokio::join!(own.keep(), told, pods.follow());
    Ok(())
}
