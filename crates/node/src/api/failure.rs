//! Why an answer did not come, in words without anything secret.

use std::error::Error;
use std::fmt;

/// Causes of causes that are told.
const MAX_CAUSES: usize = 6;

/// A request that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// HTTP status; 0: no answer.
    pub code: u16,
    /// Why.
    pub why: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl Error for Failure {}

impl Failure {
    /// No answer in time.
    pub(crate) fn late(seconds: u64) -> Self {
        Self { code: 0, why: format!("no answer within {seconds} s") }
    }
}

impl From<&kube::Error> for Failure {
    fn from(error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => {
                let hint = match status.code {
                    401 => " (the credentials of the kubeconfig are not accepted any more)",
                    _ => "",
                };
                Self { code: status.code, why: format!("{}{hint}", status.message) }
            }
            other => Self { code: 0, why: chain(other) },
        }
    }
}

/// An error with what led to it; what repeats is said once.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    for _ in 0..MAX_CAUSES {
        let Some(error) = cause else { break };
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

impl From<&kube::runtime::watcher::Error> for Failure {
    fn from(error: &kube::runtime::watcher::Error) -> Self {
        use kube::runtime::watcher::Error as E;
        match error {
            E::InitialListFailed(e) | E::WatchStartFailed(e) | E::WatchFailed(e) => Self::from(e),
            E::WatchError(status) => Self { code: status.code, why: status.message.clone() },
            E::NoResourceVersion => Self { code: 0, why: chain(error) },
        }
    }
}
