//! What ends by itself is made anew before it does.
//!
//! Invariant: the clock counts, not the time that this process ran: a machine that slept renews when it wakes. What fails is
//! tried again an hour later, for which a third of a certificate's life is left.

use crate::pki::RENEW_AFTER_SECONDS;
use jeton_core::clock::Clock;
use jeton_core::time::UnixTime;
use std::time::Duration;

/// Seconds between two looks at the clock.
const LOOK_SECONDS: u64 = 3600;

/// Calls `renew` whenever what was made just now is through two thirds of its life, for ever. `what` is for the log.
pub async fn certificates(
    what: &'static str,
    clock: Clock,
    mut renew: impl FnMut(UnixTime) -> Result<(), String>,
) {
    let after = i64::try_from(RENEW_AFTER_SECONDS).unwrap_or(i64::MAX);
    let mut made = clock.now();
    loop {
        tokio::time::sleep(Duration::from_secs(LOOK_SECONDS)).await;
        let now = clock.now();
        if now < made.plus_seconds(after) {
            continue;
        }
        match renew(now) {
            Ok(()) => {
                made = now;
                tracing::info!(what, "certificates were renewed");
            }
            Err(why) => tracing::error!(what, why, "certificates were not renewed; tried again in an hour"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn at_two_thirds_of_their_life_and_again_when_it_fails() {
        let start = Instant::now();
        let begun = UnixTime::from_seconds(1_784_973_600);
        let clock = Clock::new(move || begun.plus_seconds(i64::try_from(start.elapsed().as_secs()).unwrap()));
        let tried = Arc::new(Mutex::new(Vec::new()));
        let told = tried.clone();
        tokio::spawn(certificates("test", clock, move |now| {
            let mut tried = told.lock().unwrap();
            tried.push((now.seconds() - begun.seconds()) / 3600);
            if tried.len() < 3 { Err("the disk is full".to_owned()) } else { Ok(()) }
        }));
        tokio::time::sleep(Duration::from_secs(500 * 24 * 3600)).await;
        // 243 days and 8 hours.
        assert_eq!(*tried.lock().unwrap(), [5840, 5841, 5842, 5842 + 5840]);
    }
}
