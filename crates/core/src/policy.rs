//! What a server was told about tokens: issuers, audiences, lifetimes.
//!
//! Purpose: the settings both issuing and verifying decide by, as one value.

use crate::limits;
use crate::release::Release;

/// Settings of issuing and verifying.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Accepted issuers; the first one issues.
    pub issuers: Vec<String>,
    /// The API server's own audiences; the default when none is asked for.
    pub api_audiences: Vec<String>,
    /// Longest lifetime granted, in seconds; `None`: no limit but the API's.
    pub max_lifetime: Option<i64>,
    /// Whether injected tokens are stretched (`--service-account-extend-token-expiration`).
    pub extend: bool,
    /// Whether legacy tokens are held against the live objects (`--service-account-lookup`).
    pub lookup: bool,
    /// Lifetimes; other than Kubernetes' only in a laboratory.
    pub lifetimes: Lifetimes,
    /// The Kubernetes version whose behaviours are had.
    pub release: Release,
}

impl Policy {
    /// Kubernetes' defaults for one issuer that is also the API's audience.
    pub fn for_issuer(issuer: &str) -> Self {
        Self {
            issuers: vec![issuer.to_owned()],
            api_audiences: vec![issuer.to_owned()],
            max_lifetime: None,
            extend: true,
            lookup: true,
            lifetimes: Lifetimes::default(),
            release: Release::default(),
        }
    }

    /// The issuer written into new tokens.
    pub fn issuer(&self) -> &str {
        self.issuers.first().map_or("", String::as_str)
    }
}

/// Lifetimes in seconds. [`Lifetimes::default`] is Kubernetes 1.36.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// Shortest that may be asked for.
    pub min: i64,
    /// What injected volumes ask for, and what asks for an extension.
    pub injected: i64,
    /// What an extended token gets.
    pub extended: i64,
    /// Clock difference forgiven.
    pub leeway: i64,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            min: limits::MIN_LIFETIME_SECONDS,
            injected: limits::INJECTED_LIFETIME_SECONDS,
            extended: limits::EXTENDED_LIFETIME_SECONDS,
            leeway: limits::LEEWAY_SECONDS,
        }
    }
}
