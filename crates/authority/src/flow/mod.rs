//! What happens to a token: each flow is a short list of read → core decides → act.
//!
//! Invariant: objects are looked up in the index at the moment of the decision, never before, so an answer can only
//! be as old as the request. Left out on purpose: HTTP, and counting.

pub mod issue;
pub mod review;
mod uses;

pub use uses::{Used, Uses};

use crate::clock::Clock;
use crate::signer::Signer;
use crate::store::Store;
use jeton_core::keys::KeySet;
use jeton_core::policy::Policy;
use jeton_core::verify::Seen;
use std::sync::Arc;

/// Everything the flows need.
pub struct Tokens {
    /// Issuers, audiences, lifetimes.
    pub policy: Policy,
    /// What signs.
    pub signer: Signer,
    /// What verifies and is published.
    pub keys: KeySet,
    /// Uses of legacy tokens that are still to be written down.
    pub uses: Uses,
    /// Signatures that held under `keys`.
    pub seen: Seen,
    /// Where the objects are.
    pub store: Arc<dyn Store>,
    /// What time it is.
    pub clock: Clock,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokens({:?}, {:?})", self.policy.issuers, self.signer)
    }
}
