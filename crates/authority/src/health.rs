//! Readiness by doing the job: within the last seconds this server signed a token to itself and verified it.

use crate::flow::Tokens;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jeton_core::claims::{Claims, Private, payload};
use jeton_core::issue::seal;
use jeton_core::time::UnixTime;
use jeton_core::verify::{Digest, Seen, open};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Milliseconds that a proof of health counts.
pub const FRESH_MILLIS: i64 = 5_000;
/// Milliseconds between two proofs.
const EVERY_MILLIS: u64 = 2_000;

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
    let Ok(signed) = ring.signer.sign(&URL_SAFE_NO_PAD.encode(payload(&claims))) else { return false };
    let Ok(token) = seal(&claims, signed.signing_input, &signed.signature, &ring.keys, false) else {
        return false;
    };
    open(token.expose(), &tokens.policy).is_some_and(|candidate| {
        candidate.prove(&ring.keys, &tokens.policy, &Digest::default(), &Seen::default()).is_ok()
    })
}
