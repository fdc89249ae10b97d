//! Readiness by doing the job: within the last seconds this server signed a token to itself and verified it.

use crate::flow::Tokens;
use crate::request_info::Query;
use jeton_core::claims::{Claims, Private, payload, to_segment};
use jeton_core::issue::seal;
use jeton_core::time::UnixTime;
use jeton_core::verify::{Seen, open};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Milliseconds that a proof of health counts.
pub const FRESH_MILLIS: i64 = 5_000;
/// Milliseconds between two proofs.
const EVERY_MILLIS: u64 = 2_000;

/// The check that a token was signed and verified.
const ROUND_TRIP: &str = "token-round-trip";

/// When the server last proved itself.
#[derive(Debug)]
pub struct Health(AtomicI64);

impl Default for Health {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }
}

impl Health {
    /// Whether the last proof is recent.
    pub fn ready(&self, now: UnixTime) -> bool {
        let last = self.0.load(Ordering::SeqCst);
        last != i64::MIN && now.millis().saturating_sub(last).abs() <= FRESH_MILLIS
    }

    /// Signs and verifies once.
    pub fn prove(&self, tokens: &Tokens) -> bool {
        let now = tokens.clock.now();
        let good = round_trip(tokens, now);
        if good {
            self.0.store(now.millis(), Ordering::SeqCst);
        } else {
            tracing::error!("a token signed by this server does not verify");
        }
        good
    }
}

/// Proves health for ever.
pub async fn run(health: Arc<Health>, tokens: Arc<Tokens>) {
    loop {
        health.prove(&tokens);
        tokio::time::sleep(Duration::from_millis(EVERY_MILLIS)).await;
    }
}

/// What `/healthz`, `/livez` and `/readyz` say, as an error where they fail.
///
/// Kubernetes 1.36: `ok` alone, each check in a line where `verbose` is asked for or one fails; `exclude=NAME` leaves a
/// check out. A server that cannot prove a token is alive, and not ready.
///
/// # Errors
/// The lines, when a check fails.
pub fn report(path: &str, query: &Query, ready: bool) -> Result<String, String> {
    let round_trip = (path == "/readyz").then_some((ROUND_TRIP, ready));
    let mut good = true;
    let mut lines = String::new();
    for (name, holds) in std::iter::once(("ping", true)).chain(round_trip) {
        if query.all("exclude").any(|excluded| excluded == name) {
            lines.push_str(&format!("[+]{name} excluded: ok\n"));
        } else if holds {
            lines.push_str(&format!("[+]{name} ok\n"));
        } else {
            good = false;
            lines.push_str(&format!("[-]{name} failed: no token was signed and verified in the last 5 s\n"));
        }
    }
    let name = path.trim_start_matches('/');
    match good {
        false => Err(format!("{lines}{name} check failed\n")),
        true if query.flag("verbose") => Ok(format!("{lines}{name} check passed\n")),
        true => Ok("ok".to_owned()),
    }
}

/// The token names no account, so it would be refused everywhere even if it got out.
fn round_trip(tokens: &Tokens, now: UnixTime) -> bool {
    let claims = Claims {
        issuer: tokens.policy.issuer().to_owned(),
        audiences: vec!["readyz".to_owned()],
        expires: Some(now.plus_seconds(1).seconds()),
        issued_at: Some(now.seconds()),
        not_before: Some(now.seconds()),
        private: Private::default(),
        ..Claims::default()
    };
    let ring = tokens.ring.load();
    let Ok(signed) = ring.signer.sign(&to_segment(&payload(&claims))) else { return false };
    let Ok(token) = seal(&claims, signed.message, &signed.signature, &ring.keys, false) else {
        return false;
    };
    let seen = Seen::default();
    open(token.expose(), &tokens.policy, &ring.keys, &seen)
        .is_some_and(|candidate| candidate.prove(&tokens.policy).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports() {
        let failed = "[+]ping ok\n[-]token-round-trip failed: no token was signed and verified in the last 5 s\nreadyz check failed\n";
        let excluded = "[+]ping ok\n[+]token-round-trip excluded: ok\nreadyz check passed\n";
        for (path, query, ready, want) in [
            ("/readyz", None, true, Ok("ok")),
            (
                "/readyz",
                Some("verbose"),
                true,
                Ok("[+]ping ok\n[+]token-round-trip ok\nreadyz check passed\n"),
            ),
            ("/readyz", None, false, Err(failed)),
            ("/readyz", Some("verbose&exclude=token-round-trip"), false, Ok(excluded)),
            ("/livez", None, false, Ok("ok")),
            ("/livez", Some("verbose"), false, Ok("[+]ping ok\nlivez check passed\n")),
        ] {
            let got = report(path, &Query::parse(query), ready);
            assert_eq!(got.as_deref().map_err(String::as_str), want, "{path} {query:?}");
        }
    }
}
