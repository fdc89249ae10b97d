//! When a token is due for a refresh.
//!
//! Invariant: the instant is drawn once per token, uniform over 70–80 % of the requested lifetime (at most 24 h), so that
//! tokens which were issued together are not refreshed together. Kubernetes 1.36 is due at 80 % or 24 h, minus up to
//! 9 s drawn at every check, and acts at the next pod sync 60–90 s apart.
//!
//! Times are the node's own: the lifetime counts from the moment the request was sent, so that a node whose clock is
//! wrong refreshes neither late nor all the time.

use crate::limits::{DEFAULT_LIFETIME_SECONDS, MAX_REFRESH_LIFETIME_SECONDS, MAX_RETRY_SECONDS};
use crate::time::UnixTime;

/// Where the window begins and ends, in thousandths of the lifetime.
const WINDOW: (i64, i64) = (700, 800);
/// First pause after a failure, in milliseconds.
const FIRST_RETRY_MILLIS: i64 = 1000;
/// Doublings after which a pause cannot grow any more.
const MAX_DOUBLINGS: u32 = 16;

/// A number drawn by the caller, uniform over all of `u32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw(pub u32);

impl Draw {
    /// `low` to `high`, both possible.
    fn between(self, low: i64, high: i64) -> i64 {
        let span = i128::from(high.saturating_sub(low).max(0));
        let part = span * i128::from(self.0) / i128::from(u32::MAX);
        low.saturating_add(i64::try_from(part).unwrap_or(0))
    }
}

/// How fresh the token of a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Not due yet.
    Fresh,
    /// Due since its drawn instant.
    Due,
    /// The window is over, and there is no new one: somebody should know.
    Late,
    /// Past its lifetime: whoever reads the file is refused.
    Expired,
}

/// The times of one issued token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    due: UnixTime,
    late: UnixTime,
    expires: UnixTime,
}

impl Lease {
    /// The lease of a token that was asked for at `asked` and got `lifetime_seconds`, as the answer's
    /// `spec.expirationSeconds` says. A lifetime below one second counts as the API's default.
    pub fn new(asked: UnixTime, lifetime_seconds: i64, draw: Draw) -> Self {
        let lifetime = if lifetime_seconds < 1 { DEFAULT_LIFETIME_SECONDS } else { lifetime_seconds };
        // Seconds times a part of a thousand are milliseconds.
        let counted = lifetime.min(MAX_REFRESH_LIFETIME_SECONDS);
        let (low, high) = (counted * WINDOW.0, counted * WINDOW.1);
        let after = |millis: i64| UnixTime::from_millis(asked.millis().saturating_add(millis));
        Self { due: after(draw.between(low, high)), late: after(high), expires: asked.plus_seconds(lifetime) }
    }

    /// When the next token should be asked for.
    pub fn due(&self) -> UnixTime {
        self.due
    }

    /// When the window for the next token is over.
    pub fn late(&self) -> UnixTime {
        self.late
    }

    /// When the token ends.
    pub fn expires(&self) -> UnixTime {
        self.expires
    }

    /// How fresh it is.
    pub fn freshness(&self, now: UnixTime) -> Freshness {
        match now {
            now if now > self.expires => Freshness::Expired,
            now if now > self.late => Freshness::Late,
            now if now >= self.due => Freshness::Due,
            _ => Freshness::Fresh,
        }
    }
}

/// Milliseconds until the next attempt after `failures` failures in a row: doubling from one second to
/// [`MAX_RETRY_SECONDS`], drawn from the upper half, and never more than a tenth of what is left of the old token,
/// so that short-lived tokens get their attempts too.
pub fn retry_after_millis(failures: u32, left_seconds: i64, draw: Draw) -> i64 {
    let doublings = failures.saturating_sub(1).min(MAX_DOUBLINGS);
    let full = (FIRST_RETRY_MILLIS << doublings).min(MAX_RETRY_SECONDS * 1000);
    let pause = draw.between(full / 2, full);
    let tenth = left_seconds.saturating_mul(100);
    if tenth > 0 { pause.min(tenth.max(FIRST_RETRY_MILLIS / 2)) } else { pause }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: UnixTime = UnixTime::from_seconds(1_000_000);

    fn due_after(lifetime: i64, draw: u32) -> i64 {
        Lease::new(ASKED, lifetime, Draw(draw)).due().millis() - ASKED.millis()
    }

    #[test]
    fn the_window_is_seven_to_eight_tenths_and_at_most_a_day() {
        for (lifetime, first, last) in [
            (600, 420_000, 480_000),
            (3607, 2_524_900, 2_885_600),
            (86_400, 60_480_000, 69_120_000),
            (30 * 3600, 75_600_000, 86_400_000),
            (1 << 32, 75_600_000, 86_400_000),
            (i64::MAX, 75_600_000, 86_400_000),
            (0, 2_520_000, 2_880_000),
            (-5, 2_520_000, 2_880_000),
            (1, 700, 800),
        ] {
            assert_eq!((due_after(lifetime, 0), due_after(lifetime, u32::MAX)), (first, last), "{lifetime}");
        }
    }

    #[test]
    fn draws_spread_evenly() {
        let mut tenths = [0; 10];
        for n in 0..10_000_u32 {
            let after = due_after(600, n * (u32::MAX / 10_000));
            tenths[usize::try_from((after - 420_000) * 10 / 60_001).unwrap()] += 1;
        }
        assert!(tenths.iter().all(|&n| (950..=1050).contains(&n)), "{tenths:?}");
    }

    #[test]
    fn a_token_goes_from_fresh_to_expired() {
        let lease = Lease::new(ASKED, 600, Draw(0));
        for (after, want) in [
            (0, Freshness::Fresh),
            (419, Freshness::Fresh),
            (420, Freshness::Due),
            (480, Freshness::Due),
            (481, Freshness::Late),
            (600, Freshness::Late),
            (601, Freshness::Expired),
        ] {
            assert_eq!(lease.freshness(ASKED.plus_seconds(after)), want, "{after}");
        }
    }

    #[test]
    fn pauses_double_and_leave_time_for_another_attempt() {
        for (failures, left, low, high) in [
            (0, 3600, 500, 1000),
            (1, 3600, 500, 1000),
            (2, 3600, 1000, 2000),
            (7, 3600, 30_000, 60_000),
            (100, 3600, 30_000, 60_000),
            (100, 60, 6000, 6000),
            (100, 1, 500, 500),
            (100, -10, 30_000, 60_000),
        ] {
            let of = |draw| retry_after_millis(failures, left, Draw(draw));
            assert_eq!((of(0), of(u32::MAX)), (low, high), "{failures} {left}");
        }
    }
}
