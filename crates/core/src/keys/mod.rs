//! Public keys: what they are called, what they verify, how they are published.
//!
//! Left out on purpose: private keys. They live in the authority's signer.

mod algorithm;
mod message;
mod public;
mod set;
mod jwks;
pub mod rotation;

#[cfg(test)]
mod rotation_tests;

pub use algorithm::Algorithm;
pub use jwks::{Discovery, discovery, jwks};
pub use message::{Mark, Message};
pub use public::{KeyError, PublicKey, read_public_pem};
pub use set::KeySet;
