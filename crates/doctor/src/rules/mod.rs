//! Facts to findings: pure.

pub mod case;
pub mod outlook;
pub mod table;
pub mod names;
pub mod hit;
mod addons;
pub mod cluster;
mod finding;
mod verdict;
mod described;
mod assemble;

use jeton_core::limits::EXTENDED_LIFETIME_SECONDS;
use jeton_core::time::UnixTime;

pub use assemble::{report, reports};

/// What a report is made with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The time.
    pub now: UnixTime,
    /// Seconds that an extended token lives. Upstream: one year; Amazon EKS: 90 days.
    pub extended_lifetime: i64,
    /// The user said so, so it is no assumption.
    pub extended_given: bool,
    /// Language of titles and remedies.
    pub lang: crate::knowledge::texts::Lang,
    /// Put pseudonyms in the place of names and ids.
    pub redact: bool,
}

impl Settings {
    /// Upstream's lifetimes, English.
    pub fn new(now: UnixTime) -> Self {
        Self {
            now,
            extended_lifetime: EXTENDED_LIFETIME_SECONDS,
            extended_given: false,
            lang: crate::knowledge::texts::Lang::En,
            redact: false,
        }
    }
}
