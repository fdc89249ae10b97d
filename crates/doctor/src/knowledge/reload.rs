//! When a client reads its token again.

use std::fmt;

/// The classes, as measured against real clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reload {
    /// Every so many seconds.
    Periodic(u32),
    /// On every request.
    PerRequest,
    /// Only after the server refused the old one: looks stale for ever, survives.
    After401,
    /// Never: fails when the token expires.
    Never,
    /// A release with a defect: no token at all, or it hangs.
    Broken,
    /// Depends on how the program built the client.
    Conditional,
    /// Not known.
    Unknown,
}

impl Reload {
    /// Reads `periodic(60)`, `never` and so on.
    pub fn parse(text: &str) -> Result<Self, String> {
        let seconds = text.strip_prefix("periodic(").and_then(|rest| rest.strip_suffix(')'));
        Ok(match (text, seconds) {
            (_, Some(seconds)) => {
                Self::Periodic(seconds.parse().map_err(|_| format!("{seconds:?} is no number of seconds"))?)
            }
            ("per-request", _) => Self::PerRequest,
            ("after-401", _) => Self::After401,
            ("never", _) => Self::Never,
            ("broken", _) => Self::Broken,
            ("conditional", _) => Self::Conditional,
            ("unknown", _) => Self::Unknown,
            _ => {
                return Err(format!(
                    "tokenReload {text:?} is not periodic(SECONDS), per-request, after-401, never, broken, conditional or unknown"
                ));
            }
        })
    }

    /// Re-reads by itself, before anything fails.
    pub const fn is_good(self) -> bool {
        matches!(self, Self::Periodic(_) | Self::PerRequest)
    }

    /// Fails for certain when the token it started with expires.
    pub const fn is_bad(self) -> bool {
        matches!(self, Self::Never | Self::Broken)
    }
}

impl fmt::Display for Reload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Periodic(seconds) => write!(f, "periodic({seconds}s)"),
            Self::PerRequest => f.write_str("per-request"),
            Self::After401 => f.write_str("after-401"),
            Self::Never => f.write_str("never"),
            Self::Broken => f.write_str("broken"),
            Self::Conditional => f.write_str("conditional"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}
