//! Events to counters.
//!
//! Kubernetes 1.36, pkg/serviceaccount/metrics.go: six counters without labels. A token without audiences counts as
//! legacy once its signature holds, whatever becomes of it.

use super::Event;
use crate::verify::{Rejected, Staleness};

/// A counter of token uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Tokens without audiences.
    Legacy,
    /// Extended tokens used after their warning time.
    Stale,
    /// Extended tokens used before their warning time.
    Valid,
    /// Tokens out of Secrets that somebody made by hand.
    LegacyManual,
    /// Tokens out of Secrets that a controller made.
    LegacyAuto,
    /// Tokens out of Secrets that were marked invalid.
    InvalidLegacy,
}

impl Counter {
    /// Every counter, in the order of its discriminant.
    pub const ALL: [Self; 6] =
        [Self::Legacy, Self::Stale, Self::Valid, Self::LegacyManual, Self::LegacyAuto, Self::InvalidLegacy];

    /// Kubernetes' name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Legacy => "serviceaccount_legacy_tokens_total",
            Self::Stale => "serviceaccount_stale_tokens_total",
            Self::Valid => "serviceaccount_valid_tokens_total",
            Self::LegacyManual => "serviceaccount_legacy_manual_token_uses_total",
            Self::LegacyAuto => "serviceaccount_legacy_auto_token_uses_total",
            Self::InvalidLegacy => "serviceaccount_invalid_legacy_auto_token_uses_total",
        }
    }

    /// Kubernetes' help, with its stability.
    pub const fn help(self) -> &'static str {
        match self {
            Self::Legacy => "[ALPHA] Cumulative legacy service account tokens used",
            Self::Stale => "[ALPHA] Cumulative stale projected service account tokens used",
            Self::Valid => "[ALPHA] Cumulative valid projected service account tokens used",
            Self::LegacyManual => "[ALPHA] Cumulative manually created legacy tokens used",
            Self::LegacyAuto => "[ALPHA] Cumulative auto-generated legacy tokens used",
            Self::InvalidLegacy => "[ALPHA] Cumulative invalid auto-generated legacy tokens used",
        }
    }
}

/// The counters that an event adds one to.
pub fn counters(event: &Event<'_>) -> impl Iterator<Item = Counter> + use<> {
    let found = match event {
        Event::Accepted(verified) => {
            let age = match verified.staleness() {
                Staleness::NotExtended => None,
                Staleness::Fresh => Some(Counter::Valid),
                Staleness::Stale(_) => Some(Counter::Stale),
            };
            let source = verified
                .legacy()
                .map(|used| if used.auto_generated { Counter::LegacyAuto } else { Counter::LegacyManual });
            [verified.without_audience().then_some(Counter::Legacy), age, source]
        }
        Event::Refused { why, audienceless } => {
            let invalid = matches!(why, Rejected::LegacyMarkedInvalid { .. });
            [audienceless.map(|_| Counter::Legacy), invalid.then_some(Counter::InvalidLegacy), None]
        }
        Event::Issued { .. } => [None; 3],
    };
    found.into_iter().flatten()
}
