//! The keys of one moment: what signs, what verifies, and which signatures held under them.

use crate::signer::Signer;
use jeton_core::keys::KeySet;
use jeton_core::verify::Seen;
use std::sync::Arc;

/// Keys that belong together. It is never changed, only replaced; whoever holds one finishes with it.
#[derive(Clone)]
pub struct Keyring {
    /// What signs.
    pub signer: Signer,
    /// What verifies and is published.
    pub keys: KeySet,
    /// Signatures that held under `keys`.
    pub seen: Arc<Seen>,
    /// Tokens of the signing key that expire later must be journaled before they leave, in seconds since the epoch;
    /// `None`: the key is not managed here.
    pub covered_until: Option<i64>,
}

impl Keyring {
    /// Keys that stay as they are.
    pub fn fixed(signer: Signer, keys: KeySet) -> Self {
        Self { signer, keys, seen: Arc::default(), covered_until: None }
    }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keyring({:?}, {} keys)", self.signer, self.keys.iter().count())
    }
}
