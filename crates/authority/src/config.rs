//! Validated settings of a server. Names and rules are kube-apiserver's (Kubernetes 1.36) where it has them.

use crate::audit;
use jeton_core::limits::MIN_MAX_TOKEN_EXPIRATION_SECONDS;
use jeton_core::policy::{Lifetimes, Policy};
use jeton_core::release::Release;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Longest `--service-account-max-token-expiration`, in seconds. Kubernetes 1.36: 2^32.
const MAX_MAX_SECONDS: i64 = 1 << 32;

/// Settings of a server.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where everything lies.
    pub data_dir: PathBuf,
    /// Where to listen.
    pub listen: SocketAddr,
    /// `--service-account-signing-key-file`; `None`: `sa.key` in the data directory, made on a first start.
    pub signing_key_file: Option<PathBuf>,
    /// `--service-account-key-file`.
    pub key_files: Vec<PathBuf>,
    /// `--service-account-issuer`; the first one signs.
    pub issuers: Vec<String>,
    /// `--api-audiences`; empty: the issuers.
    pub api_audiences: Vec<String>,
    /// `--service-account-max-token-expiration` in seconds; 0: none.
    pub max_token_seconds: i64,
    /// `--service-account-extend-token-expiration`; `None`: as the release has it.
    pub extend: Option<bool>,
    /// `--emulated-version` and `--feature-gates`.
    pub release: Release,
    /// `--token-uses`: whether it is remembered who uses which kind of token.
    pub token_uses: bool,
    /// `--audit-log-…`; `None`: no audit log.
    pub audit: Option<audit::Settings>,
    /// `--legacy-service-account-token-clean-up-period` in seconds.
    pub clean_up_seconds: i64,
    /// Lifetimes of a laboratory.
    pub lifetimes: Option<Lifetimes>,
}

/// A setting that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// An issuer is an empty text.
    #[error("service-account-issuer should not be an empty string")]
    EmptyIssuer,
    /// No issuer.
    #[error("service-account-issuer is a required flag")]
    NoIssuer,
    /// An issuer stands twice.
    #[error("service-account-issuer {0:?} is already specified")]
    DuplicateIssuer(String),
    /// An issuer looks like a URL and is none.
    #[error("service-account-issuer {0:?} contained a ':' but was not a valid URL")]
    IssuerUrl(String),
    /// The maximum is out of bounds.
    #[error("the service-account-max-token-expiration must be between 1 hour and 2^32 seconds")]
    MaxExpiration,
    /// A laboratory's lifetimes outside a laboratory.
    #[error(
        "JETON_TEST_LIFETIMES is for laboratories: it needs a loopback --listen address and a fresh --data-dir"
    )]
    Laboratory,
    /// A laboratory's lifetimes contradict each other.
    #[error("JETON_TEST_LIFETIMES: 0 < min <= injected < extended and 0 <= leeway must hold")]
    Lifetimes,
}

impl Config {
    /// The policy of these settings. `fresh`: whether the data directory holds no store yet.
    ///
    /// # Errors
    /// [`ConfigError`] in kube-apiserver's words.
    pub fn policy(&self, fresh: bool) -> Result<Policy, ConfigError> {
        if self.issuers.is_empty() {
            return Err(ConfigError::NoIssuer);
        }
        for (at, issuer) in self.issuers.iter().enumerate() {
            if issuer.is_empty() {
                return Err(ConfigError::EmptyIssuer);
            }
            if self.issuers[..at].contains(issuer) {
                return Err(ConfigError::DuplicateIssuer(issuer.clone()));
            }
            if issuer.contains(':') && issuer.parse::<http::Uri>().is_err() {
                return Err(ConfigError::IssuerUrl(issuer.clone()));
            }
        }
        let max = self.max_token_seconds;
        if max != 0 && !(MIN_MAX_TOKEN_EXPIRATION_SECONDS..=MAX_MAX_SECONDS).contains(&max) {
            return Err(ConfigError::MaxExpiration);
        }
        if let Some(l) = self.lifetimes {
            if !self.listen.ip().is_loopback() || !fresh {
                return Err(ConfigError::Laboratory);
            }
            if l.min <= 0 || l.injected < l.min || l.extended <= l.injected || l.leeway < 0 {
                return Err(ConfigError::Lifetimes);
            }
        }
        let audiences = if self.api_audiences.is_empty() { &self.issuers } else { &self.api_audiences };
        Ok(Policy {
            issuers: self.issuers.clone(),
            api_audiences: audiences.clone(),
            max_lifetime: (max > 0).then_some(max),
            extend: self.extend.unwrap_or(self.release.extends_by_default()),
            release: self.release,
            lookup: true,
            lifetimes: self.lifetimes.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config {
            data_dir: PathBuf::new(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            signing_key_file: None,
            key_files: Vec::new(),
            issuers: vec!["https://a".to_owned()],
            api_audiences: Vec::new(),
            max_token_seconds: 0,
            extend: None,
            release: Release::default(),
            token_uses: true,
            audit: None,
            clean_up_seconds: jeton_core::legacy::CLEAN_UP_PERIOD_SECONDS,
            lifetimes: None,
        }
    }

    #[test]
    fn settings_that_cannot_be_are_named() {
        let issuers =
            |list: &[&str]| Config { issuers: list.iter().map(|s| (*s).to_owned()).collect(), ..config() };
        let lab = Lifetimes { min: 1, injected: 20, extended: 90, leeway: 0 };
        for (config, fresh, want) in [
            (config(), false, None),
            (issuers(&[]), true, Some(ConfigError::NoIssuer)),
            (issuers(&[""]), true, Some(ConfigError::EmptyIssuer)),
            (issuers(&["a", "a"]), true, Some(ConfigError::DuplicateIssuer("a".to_owned()))),
            (issuers(&["a: b"]), true, Some(ConfigError::IssuerUrl("a: b".to_owned()))),
            (Config { max_token_seconds: 600, ..config() }, true, Some(ConfigError::MaxExpiration)),
            (Config { max_token_seconds: 3600, ..config() }, true, None),
            (Config { lifetimes: Some(lab), ..config() }, true, None),
            (Config { lifetimes: Some(lab), ..config() }, false, Some(ConfigError::Laboratory)),
            (
                Config { lifetimes: Some(lab), listen: SocketAddr::from(([0, 0, 0, 0], 0)), ..config() },
                true,
                Some(ConfigError::Laboratory),
            ),
            (
                Config { lifetimes: Some(Lifetimes { extended: 20, ..lab }), ..config() },
                true,
                Some(ConfigError::Lifetimes),
            ),
        ] {
            assert_eq!(config.policy(fresh).err(), want);
        }
    }
}
