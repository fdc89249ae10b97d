//! What keeps a program from being run.

use rustix::io::Errno;
use std::io;
use std::path::PathBuf;

/// Why a program was not run, or not to its end. Never holds a token.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The kubeconfig.
    #[error("the kubeconfig cannot be used")]
    Kubeconfig(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Its server is none that in-cluster configuration can name.
    #[error("kubeconfig: server {0:?} must be https://HOST:PORT, as programs in pods reach it")]
    Server(String),
    /// The pod could not be put together.
    #[error("the pod cannot be put together")]
    Pod(#[source] serde_json::Error),
    /// The server does not take it, or does not answer.
    #[error("the server gives no pod: {0}")]
    Refused(String),
    /// Another runner has the name.
    #[error("the pod {0} belongs to a runner on {1} that lives; take another --pod-name")]
    Taken(String, String),
    /// The name belongs to something else.
    #[error("the pod {0} exists and is none of jeton run; take another --pod-name")]
    Foreign(String),
    /// The pod has no volume at the usual path.
    #[error("the server gave the pod no volume at {path}", path = super::MOUNT_PATH)]
    NoVolume,
    /// No token came in time.
    #[error("no token came within {0} s: {1}")]
    NoToken(u64, String),
    /// No namespace.
    #[error("no private mount namespace is to be had here")]
    Namespace(#[source] io::Error),
    /// A step on disk.
    #[error("cannot {doing} {}", path.display())]
    Disk {
        /// The step.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Too much to bind back.
    #[error("{0} has too many entries to be covered: more than {1}")]
    Crowded(String, usize),
    /// Nowhere.
    #[error("no directory takes the volume")]
    NoPlace,
    /// The keeper said why not.
    #[error("{0}")]
    Keeper(String),
    /// The keeper is gone.
    #[error("the keeper of the program was killed; what it kept is ended")]
    KeeperGone,
    /// Supervisor and keeper do not reach each other.
    #[error("supervisor and keeper cannot talk")]
    Link(#[source] io::Error),
    /// Started by hand.
    #[error("this command is for jeton run itself")]
    Stranger,
    /// The program's process.
    #[error("no process for the program")]
    Start(#[source] io::Error),
    /// Signals.
    #[error("signals cannot be received")]
    Signals(#[source] io::Error),
    /// Anything else that the system refused.
    #[error("the system refused what a runner needs")]
    System(#[source] io::Error),
}

impl RunError {
    pub(super) fn disk(doing: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Disk { doing, path: path.into(), source }
    }

    pub(super) fn system(errno: Errno) -> Self {
        Self::System(errno.into())
    }
}

/// An error with everything that led to it.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
