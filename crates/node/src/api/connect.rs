//! From a kubeconfig to a client.

use super::failure::chain;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Seconds for a connection to come about.
const CONNECT_SECONDS: u64 = 10;

/// Who asks, in the server's audit log and `managedFields`.
const USER_AGENT: &str = concat!("jeton-agent/", env!("CARGO_PKG_VERSION"));

/// Why there is no client.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct ConnectError {
    /// The kubeconfig.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

/// A client with the credentials of a kubeconfig's current context. Nothing is sent yet.
///
/// # Errors
/// The file cannot be read, or says something that cannot be.
pub async fn connect(kubeconfig: &Path) -> Result<Client, ConnectError> {
    let failed =
        |error: &dyn std::error::Error| ConnectError { path: kubeconfig.to_owned(), why: chain(error) };
    let read = Kubeconfig::read_from(kubeconfig).map_err(|e| failed(&e))?;
    let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await;
    let mut config = config.map_err(|e| failed(&e))?;
    named(&mut config, USER_AGENT);
    config.connect_timeout = Some(Duration::from_secs(CONNECT_SECONDS));
    Client::try_from(config).map_err(|e| failed(&e))
}

/// Has every request say who asks.
pub(crate) fn named(config: &mut Config, user_agent: &'static str) {
    config.headers.push((http::header::USER_AGENT, http::HeaderValue::from_static(user_agent)));
}
