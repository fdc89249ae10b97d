//! Signing tokens.
//!
//! Shaped like Kubernetes' external signer: a base64url payload goes in, a base64url header and a signature come out.
//! Only [`local`] names a private key.

pub mod local;

pub use local::LocalSigner;
use std::sync::Arc;

use jeton_core::keys::{Message, PublicKey};

/// What a signer gives back.
pub struct Signed {
    /// `header.payload`, both base64url.
    pub message: Message<'static>,
    /// The raw signature.
    pub signature: Vec<u8>,
}

impl std::fmt::Debug for Signed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signed({} bytes)", self.signature.len())
    }
}

/// Why nothing was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The cryptography library refused.
    #[error("the key could not sign")]
    Crypto,
}

/// Whatever signs tokens.
#[derive(Debug, Clone)]
pub enum Signer {
    /// A key in this process.
    Local(Arc<LocalSigner>),
}

impl Signer {
    /// Signs a base64url payload.
    ///
    /// # Errors
    /// [`SignError`] when the signer fails.
    pub fn sign(&self, payload: &str) -> Result<Signed, SignError> {
        match self {
            Self::Local(key) => key.sign(payload),
        }
    }

    /// Whether its answers come from outside and must be verified before a token leaves.
    pub fn is_outside(&self) -> bool {
        match self {
            Self::Local(_) => false,
        }
    }

    /// The public half of the key that signs now.
    pub fn public(&self) -> &Arc<PublicKey> {
        match self {
            Self::Local(key) => key.public(),
        }
    }
}
