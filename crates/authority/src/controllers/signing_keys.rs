//! Signing keys come and go in time: does what is due, then sleeps until something is.

use crate::flow::Tokens;
use crate::flow::rotate::{self, Source};
use std::sync::Arc;
use std::time::Duration;

/// Milliseconds between two looks at least.
const MIN_MILLIS: i64 = 500;
/// Milliseconds between two looks at most: a clock may be set, and a Secret that holds a key up may go.
const MAX_MILLIS: i64 = 60_000;

/// Works for ever, or ends at once where keys are not managed.
pub async fn run(tokens: Arc<Tokens>) {
    let Source::Managed(rotation) = &tokens.source else { return };
    loop {
        let next = match rotate::advance(&tokens).await {
            Ok(next) => next,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "signing keys");
                None
            }
        };
        let millis = wait_millis(next, tokens.clock.now().millis());
        let pause = tokio::time::sleep(Duration::from_millis(millis));
        tokio::select! {
            () = pause => {}
            () = rotation.wake.notified() => {}
        }
    }
}

/// How long to sleep until a moment in seconds. One that is past and still not done waits for a Secret.
fn wait_millis(next: Option<i64>, now: i64) -> u64 {
    let wait = match next.map(|at| at.saturating_mul(1000).saturating_sub(now)) {
        Some(left) if left > 0 => left.clamp(MIN_MILLIS, MAX_MILLIS),
        _ => MAX_MILLIS,
    };
    wait.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses() {
        for (next, now, want) in [
            (None, 0, 60_000),
            (Some(10), 5_000, 5_000),
            (Some(10), 9_999, 500),
            (Some(1000), 0, 60_000),
            (Some(10), 10_000, 60_000),
            (Some(i64::MIN), 0, 60_000),
            (Some(i64::MAX), i64::MIN, 60_000),
        ] {
            assert_eq!(wait_millis(next, now), want, "{next:?} {now}");
        }
    }
}
