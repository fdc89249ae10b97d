//! Where the time comes from, so that tests can bring their own.

use jeton_core::time::UnixTime;
use std::sync::Arc;
use std::time::Duration;

/// A source of moments.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> UnixTime + Send + Sync>);

impl Clock {
    /// A clock that asks `now`.
    pub fn new(now: impl Fn() -> UnixTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// This moment.
    pub fn now(&self) -> UnixTime {
        (self.0)()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

/// How long it is from one moment to another; nothing when that has passed.
pub fn until(at: UnixTime, now: UnixTime) -> Duration {
    let millis = at.millis().saturating_sub(now.millis()).max(0);
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}
