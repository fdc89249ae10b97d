//! What happens while volumes are kept, for whoever counts it or tells people.

use crate::wanted::PodRef;

/// Something that happened. Texts never hold content of files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A token came; `late_millis`: how long after the end of its window, 0 when in time.
    TokenRefreshed {
        /// Milliseconds after the window.
        late_millis: i64,
        /// Whether it is the first one.
        first: bool,
    },
    /// A token was asked for and did not come; the old one stays.
    TokenFailed {
        /// Its audience; empty: the API server's.
        audience: String,
        /// HTTP status; 0: no answer.
        code: u16,
        /// Why.
        why: String,
    },
    /// The window of a token is over, and there is no new one.
    TokenLate {
        /// Its audience.
        audience: String,
    },
    /// A token on disk is past its lifetime: whoever reads it is refused.
    TokenExpired {
        /// Its audience.
        audience: String,
    },
    /// The account was made anew: the token on disk is refused from now on, a new one is asked for at once.
    AccountReplaced,
    /// A source cannot be delivered; what was on disk of it stays.
    SourceFailed {
        /// The volume.
        volume: String,
        /// Which source.
        what: String,
        /// Why.
        why: String,
    },
    /// The disk refused; readers still find the old content.
    DiskFailed {
        /// The volume.
        volume: String,
        /// Why.
        why: String,
    },
    /// Something else has the name of a file.
    Blocked {
        /// The volume.
        volume: String,
        /// The name.
        name: String,
    },
    /// Files belong to this process's user, because only root could give them to whom the pod names.
    NotGiven {
        /// To whom not.
        why: String,
    },
    /// A pod that is not kept, because there are as many as may be.
    NoRoom {
        /// How many that is.
        most: usize,
    },
    /// Readers find something new.
    Written {
        /// The volume.
        volume: String,
        /// Whether it is the first content.
        first: bool,
    },
}

/// Takes what happened. Called from the tasks that keep volumes, so it must not wait.
pub trait Sink: Send + Sync {
    /// One thing that happened to a pod.
    fn happened(&self, pod: &PodRef, what: &Happening);
}

/// Writes everything to the log and nothing else.
#[derive(Clone, Copy, Debug, Default)]
pub struct Log;

impl Sink for Log {
    fn happened(&self, pod: &PodRef, what: &Happening) {
        match what {
            Happening::TokenRefreshed { late_millis: 0, .. } | Happening::Written { .. } => {
                tracing::debug!(%pod, ?what, "delivery");
            }
            Happening::TokenExpired { .. } => tracing::error!(%pod, ?what, "delivery"),
            _ => tracing::warn!(%pod, ?what, "delivery"),
        }
    }
}
