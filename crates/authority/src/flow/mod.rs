//! What happens to a token: each flow is a short list of read → core decides → act.
//!
//! Invariant: objects are looked up in the index at the moment of the decision, never before, so an answer can only
//! be as old as the request. Left out on purpose: HTTP, and counting.

mod ids;
mod keyring;
pub mod issue;
pub mod review;
pub mod journal;
pub mod rotate;
pub mod key_figures;
mod in_use;
#[cfg(test)]
mod rotate_tests;
mod uses;

pub use keyring::Keyring;
pub use rotate::Source;
pub use uses::{Used, Uses};

use crate::store::Store;
use arc_swap::ArcSwap;
use jeton_core::clock::Clock;
use jeton_core::policy::Policy;
use std::sync::Arc;

/// Everything the flows need.
pub struct Tokens {
    /// Issuers, audiences, lifetimes.
    pub policy: Policy,
    /// What signs and verifies at the moment.
    pub ring: ArcSwap<Keyring>,
    /// Where the signing key comes from, and what becomes of it.
    pub source: Source,
    /// Uses of legacy tokens that are still to be written down.
    pub uses: Uses,
    /// Where the objects are.
    pub store: Arc<dyn Store>,
    /// What time it is.
    pub clock: Clock,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokens({:?}, {:?})", self.policy.issuers, self.ring.load())
    }
}
