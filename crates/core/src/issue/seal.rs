//! The only way out: a signature becomes a token after it was held against the published keys.

use crate::claims::{Claims, header, segment, to_segment};
use crate::keys::{KeySet, Mark, Message, PublicKey};
use crate::secret::TokenText;
use std::sync::Arc;

/// Why a signature does not become a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The header is not base64url JSON.
    #[error("the signer's header is not a JWS header")]
    Header,
    /// The key id is not published: nobody could verify the token.
    #[error("key {key_id:?} is not among the published keys")]
    UnknownKey {
        /// The key id in the header.
        key_id: String,
    },
    /// The key signs with another algorithm.
    #[error("algorithm {algorithm:?} is not the one of key {key_id:?}")]
    Algorithm {
        /// The algorithm in the header.
        algorithm: String,
        /// The key id in the header.
        key_id: String,
    },
    /// No signature.
    #[error("empty signature returned")]
    Empty,
    /// The times contradict each other.
    #[error("the claims expire before they begin")]
    Times,
    /// The signature does not verify.
    #[error("the signature does not verify with key {key_id:?}")]
    Signature {
        /// The key id in the header.
        key_id: String,
    },
}

/// A token that was held against the published keys before it left. Only [`seal`] and [`seal_legacy`] make one.
#[derive(Debug)]
pub struct Sealed {
    token: TokenText,
    mark: Mark,
}

impl Sealed {
    /// The token, to hand out.
    pub fn into_token(self) -> TokenText {
        self.token
    }

    /// What it is remembered by.
    pub fn mark(&self) -> &Mark {
        &self.mark
    }
}

impl std::ops::Deref for Sealed {
    type Target = TokenText;
    fn deref(&self) -> &TokenText {
        &self.token
    }
}

/// Joins a message and its signature to a token. The signature itself is checked when `verify` says so: whenever the signer
/// is outside the process.
///
/// # Errors
/// When the token could not be verified with the published keys, or its times make no sense.
pub fn seal(
    claims: &Claims,
    message: Message<'_>,
    signature: &[u8],
    published: &KeySet,
    verify: bool,
) -> Result<Sealed, SealError> {
    let token = seal_legacy(message, signature, published, verify)?;
    if claims.expires <= claims.not_before || claims.expires <= claims.issued_at {
        return Err(SealError::Times);
    }
    Ok(token)
}

/// [`seal`] for a token that has no times: one that goes into a Secret.
///
/// # Errors
/// When the token could not be verified with the published keys.
pub fn seal_legacy(
    message: Message<'_>,
    signature: &[u8],
    published: &KeySet,
    verify: bool,
) -> Result<Sealed, SealError> {
    let spelled = message.text().split('.').next().unwrap_or_default();
    let usual = published.iter().find(|key| key.header_segment() == spelled);
    let key = usual.map_or_else(|| named(spelled, published), Ok)?;
    if signature.is_empty() {
        return Err(SealError::Empty);
    }
    if verify && !key.verifies(key.signing_algorithm(), &message, signature) {
        return Err(SealError::Signature { key_id: key.id().to_owned() });
    }
    let mark = message.mark(signature);
    let mut token = message.into_text();
    token.push('.');
    token.push_str(&to_segment(signature));
    Ok(Sealed { token: TokenText::new(token), mark })
}

/// The key that a header names which is not spelled as usual: a signer outside may write its members in another order.
fn named<'a>(spelled: &str, published: &'a KeySet) -> Result<&'a Arc<PublicKey>, SealError> {
    let bytes = segment(spelled).ok_or(SealError::Header)?;
    let head = header(&bytes).ok_or(SealError::Header)?;
    let Some(key) = published.iter().find(|key| key.id() == head.kid) else {
        return Err(SealError::UnknownKey { key_id: head.kid });
    };
    if key.signing_algorithm().name() != head.alg {
        return Err(SealError::Algorithm { algorithm: head.alg, key_id: head.kid });
    }
    Ok(key)
}
