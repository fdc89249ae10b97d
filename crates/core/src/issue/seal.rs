//! The only way out: a signature becomes a token after it was held against the published keys.

use crate::claims::{Claims, header};
use crate::keys::{KeySet, PublicKey};
use crate::secret::TokenText;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
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
pub struct Sealed(TokenText);

impl Sealed {
    /// The token, to hand out.
    pub fn into_token(self) -> TokenText {
        self.0
    }
}

impl std::ops::Deref for Sealed {
    type Target = TokenText;
    fn deref(&self) -> &TokenText {
        &self.0
    }
}

/// Joins `signing_input` (`header.payload`) and `signature` to a token. The signature itself is
/// checked when `verify` says so: whenever the signer is outside the process.
///
/// # Errors
/// When the token could not be verified with the published keys, or its times make no sense.
pub fn seal(
    claims: &Claims,
    signing_input: String,
    signature: &[u8],
    published: &KeySet,
    verify: bool,
) -> Result<Sealed, SealError> {
    let token = seal_legacy(signing_input, signature, published, verify)?;
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
    mut signing_input: String,
    signature: &[u8],
    published: &KeySet,
    verify: bool,
) -> Result<Sealed, SealError> {
    let segment = signing_input.split('.').next().unwrap_or_default();
    let usual = published.iter().find(|key| key.header_segment() == segment);
    let key = usual.map_or_else(|| named(segment, published), Ok)?;
    if signature.is_empty() {
        return Err(SealError::Empty);
    }
    if verify && !key.verifies(key.signing_algorithm(), signing_input.as_bytes(), signature) {
        return Err(SealError::Signature { key_id: key.id().to_owned() });
    }
    signing_input.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut signing_input);
    Ok(Sealed(TokenText::new(signing_input)))
}

/// The key that a header names which is not spelled as usual: a signer outside may write its members in another order.
fn named<'a>(segment: &str, published: &'a KeySet) -> Result<&'a Arc<PublicKey>, SealError> {
    let bytes = URL_SAFE_NO_PAD.decode(segment).map_err(|_| SealError::Header)?;
    let head = header(&bytes).ok_or(SealError::Header)?;
    let Some(key) = published.iter().find(|key| key.id() == head.kid) else {
        return Err(SealError::UnknownKey { key_id: head.kid });
    };
    if key.signing_algorithm().name() != head.alg {
        return Err(SealError::Algorithm { algorithm: head.alg, key_id: head.kid });
    }
    Ok(key)
}
