//! What could not be seen: an id that has words in both languages, and a detail that begins with what was asked for.

use super::limits::MAX_REASON_BYTES;
use super::text::clean;
use crate::facts::Missing;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// `/version`.
    Version,
    /// Addresses of the API servers.
    Endpoints,
    /// `/metrics`.
    Metrics,
    /// Pods.
    Pods,
    /// Jobs, to find the CronJob of a pod.
    Jobs,
    /// Token Secrets.
    Secrets,
    /// Accounts, to tell Secrets that a controller made.
    Accounts,
    /// Role bindings.
    Bindings,
    /// Helm releases.
    Releases,
}

impl Subject {
    /// As details begin.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Endpoints => "endpoints",
            Self::Metrics => "metrics",
            Self::Pods => "pods",
            Self::Jobs => "jobs",
            Self::Secrets => "secrets",
            Self::Accounts => "accounts",
            Self::Bindings => "bindings",
            Self::Releases => "releases",
        }
    }
}

/// Every subject.
pub const SUBJECTS: [Subject; 9] = [
    Subject::Version,
    Subject::Endpoints,
    Subject::Metrics,
    Subject::Pods,
    Subject::Jobs,
    Subject::Secrets,
    Subject::Accounts,
    Subject::Bindings,
    Subject::Releases,
];

/// 401 or 403.
pub const NOT_GRANTED: &str = "not-granted";
/// 401 or 403 for token Secrets.
pub const NOT_GRANTED_SECRETS: &str = "not-granted-secrets";
/// No counters, whatever the reason.
pub const NO_METRICS: &str = "no-metrics";
/// Not there, no answer, or no sense in it.
pub const UNREADABLE: &str = "unreadable";
/// The beginning of a list was read.
pub const BROKEN_OFF: &str = "broken-off";
/// Fewer API servers answered than there are.
pub const REPLICAS_UNSEEN: &str = "replicas-unseen";
/// The extension of lifetimes is off, so counters and annotations of stale tokens stay silent.
pub const EXTENSION_OFF: &str = "extension-off";
/// Nothing tells whether lifetimes are extended.
pub const EXTENSION_UNKNOWN: &str = "extension-unknown";
/// A bundle names a gap that this version does not know.
pub const OTHER: &str = "other";

/// Why something is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// HTTP status; none: no answer.
    pub code: Option<u16>,
    /// In words.
    pub why: String,
    /// Whether a beginning was read.
    pub partial: bool,
    /// Where a list can be taken up again.
    pub resume: Option<String>,
}

impl Refused {
    /// An answer that makes no sense.
    pub fn nonsense(why: impl Into<String>) -> Self {
        Self { code: None, why: why.into(), partial: false, resume: None }
    }

    /// As a gap of a subject.
    pub fn missing(&self, subject: Subject) -> Missing {
        let id = match (self.partial, self.code, subject) {
            (true, ..) => BROKEN_OFF,
            (_, _, Subject::Metrics) => NO_METRICS,
            (_, Some(401 | 403), Subject::Secrets) => NOT_GRANTED_SECRETS,
            (_, Some(401 | 403), _) => NOT_GRANTED,
            _ => UNREADABLE,
        };
        Missing { id, detail: clean(&format!("{}: {self}", subject.name()), MAX_REASON_BYTES) }
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.code {
            Some(code) => write!(f, "{code}: {}", self.why),
            None => f.write_str(&self.why),
        }
    }
}

/// Every id there is.
pub const IDS: [&str; 9] = [
    NOT_GRANTED,
    NOT_GRANTED_SECRETS,
    NO_METRICS,
    UNREADABLE,
    BROKEN_OFF,
    REPLICAS_UNSEEN,
    EXTENSION_OFF,
    EXTENSION_UNKNOWN,
    OTHER,
];
