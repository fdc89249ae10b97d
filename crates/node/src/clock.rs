//! From moments to waiting.

use jeton_core::time::UnixTime;
use std::time::Duration;

/// How long it is from one moment to another; nothing when that has passed.
pub fn until(at: UnixTime, now: UnixTime) -> Duration {
    let millis = at.millis().saturating_sub(now.millis()).max(0);
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}
