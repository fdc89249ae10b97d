//! From a kubeconfig to a client.

use super::failure::chain;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Seconds for a connection to come about.
const CONNECT_SECONDS: u64 = 10;

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
    config.connect_timeout = Some(Duration::from_secs(CONNECT_SECONDS));
    Client::try_from(config).map_err(|e| failed(&e))
}
