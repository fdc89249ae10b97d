//! One public key: its id, the algorithms it verifies, its parts for a JWKS.
//!
//! Invariant: the key id is base64url(SHA-256(SubjectPublicKeyInfo)), 43 characters, stable for ever
//! (Kubernetes 1.36: not the RFC 7638 thumbprint). An RSA key verifies RS256/384/512, an EC key only
//! the algorithm of its curve.

use super::{Algorithm, Message};
use aws_lc_rs::{digest, signature as sig, signature::ParsedPublicKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls_pki_types::pem::{PemObject, SectionKind};
use std::fmt;
use x509_parser::prelude::{FromDer, SubjectPublicKeyInfo, X509Certificate};
use x509_parser::public_key::PublicKey as Parsed;

/// Why bytes are no key that can verify tokens.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    /// Not a DER SubjectPublicKeyInfo.
    #[error("not a DER SubjectPublicKeyInfo")]
    Malformed,
    /// Neither RSA nor an EC key.
    #[error("unknown public key type, must be RSA or ECDSA")]
    UnknownType,
    /// An EC key on another curve.
    #[error("unknown public key curve, must be 256, 384, or 521")]
    UnknownCurve,
    /// An RSA key that the crypto library refuses.
    #[error("RSA key refused: its modulus must have 2048 to 8192 bits")]
    RsaSize,
    /// No usable key in a PEM file. Kubernetes 1.36: the same words.
    #[error("data does not contain any valid RSA or ECDSA public keys")]
    NoneInPem,
}

/// What a JWKS shows of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Parts {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Ec { curve: &'static str, x: Vec<u8>, y: Vec<u8> },
}

/// A key that verifies tokens.
pub struct PublicKey {
    id: String,
    header: String,
    spki: Vec<u8>,
    pub(super) parts: Parts,
    verifiers: Vec<(Algorithm, ParsedPublicKey)>,
}

impl PublicKey {
    /// Reads a DER SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// When it is malformed, of another type or curve, or an RSA key outside 2048 … 8192 bits.
    pub fn from_spki(spki: &[u8]) -> Result<Self, KeyError> {
        let (rest, info) = SubjectPublicKeyInfo::from_der(spki).map_err(|_| KeyError::Malformed)?;
        if !rest.is_empty() {
            return Err(KeyError::Malformed);
        }
        let parts = match info.parsed().map_err(|_| KeyError::Malformed)? {
            Parsed::RSA(rsa) => Parts::Rsa { n: minimal(rsa.modulus), e: minimal(rsa.exponent) },
            Parsed::EC(point) => ec_parts(point.data())?,
            _ => return Err(KeyError::UnknownType),
        };
        let verifiers = verifiers(&parts, spki)?;
        let id = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, spki));
        let header = format!(r#"{{"alg":"{}","kid":"{id}"}}"#, signing_algorithm(&parts).name());
        Ok(Self { id, header: URL_SAFE_NO_PAD.encode(header), spki: spki.to_vec(), parts, verifiers })
    }

    /// The key id (`kid`).
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The DER SubjectPublicKeyInfo.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The algorithm its private half signs with.
    pub fn signing_algorithm(&self) -> Algorithm {
        signing_algorithm(&self.parts)
    }

    /// The base64url header of tokens signed with its private half: exactly `alg` and `kid` (Kubernetes 1.36: no `typ`).
    pub fn header_segment(&self) -> &str {
        &self.header
    }

    /// Whether `signature` over `message` was made with this key's private half and `algorithm`.
    pub fn verifies(&self, algorithm: Algorithm, message: &Message<'_>, signature: &[u8]) -> bool {
        let found = self.verifiers.iter().find(|(a, _)| *a == algorithm);
        found.is_some_and(|(_, key)| {
            let verified = if algorithm.is_over_sha256() {
                key.verify_digest_sig(message.sha256(), signature)
            } else {
                key.verify_sig(message.text().as_bytes(), signature)
            };
            verified.is_ok()
        })
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({} {})", self.signing_algorithm().name(), self.id)
    }
}

fn signing_algorithm(parts: &Parts) -> Algorithm {
    match parts {
        Parts::Rsa { .. } => Algorithm::Rs256,
        Parts::Ec { curve: "P-256", .. } => Algorithm::Es256,
        Parts::Ec { curve: "P-384", .. } => Algorithm::Es384,
        Parts::Ec { .. } => Algorithm::Es512,
    }
}

fn minimal(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().skip_while(|b| *b == 0).collect()
}

fn ec_parts(point: &[u8]) -> Result<Parts, KeyError> {
    let (curve, size) = match point.len() {
        65 => ("P-256", 32),
        97 => ("P-384", 48),
        133 => ("P-521", 66),
        _ => return Err(KeyError::UnknownCurve),
    };
    if point[0] != 4 {
        return Err(KeyError::Malformed);
    }
    Ok(Parts::Ec { curve, x: point[1..=size].to_vec(), y: point[size + 1..].to_vec() })
}

fn verifiers(parts: &Parts, spki: &[u8]) -> Result<Vec<(Algorithm, ParsedPublicKey)>, KeyError> {
    let all: &[(Algorithm, &'static dyn sig::VerificationAlgorithm)] = match parts {
        Parts::Rsa { .. } => &[
            (Algorithm::Rs256, &sig::RSA_PKCS1_2048_8192_SHA256),
            (Algorithm::Rs384, &sig::RSA_PKCS1_2048_8192_SHA384),
            (Algorithm::Rs512, &sig::RSA_PKCS1_2048_8192_SHA512),
        ],
        Parts::Ec { curve: "P-256", .. } => &[(Algorithm::Es256, &sig::ECDSA_P256_SHA256_FIXED)],
        Parts::Ec { curve: "P-384", .. } => &[(Algorithm::Es384, &sig::ECDSA_P384_SHA384_FIXED)],
        Parts::Ec { .. } => &[(Algorithm::Es512, &sig::ECDSA_P521_SHA512_FIXED)],
    };
    let refused = if matches!(parts, Parts::Rsa { .. }) { KeyError::RsaSize } else { KeyError::UnknownCurve };
    let parse = |(name, algorithm): &(Algorithm, &'static dyn sig::VerificationAlgorithm)| {
        ParsedPublicKey::new(*algorithm, spki).map(|key| (*name, key)).ok()
    };
    all.iter().map(parse).collect::<Option<Vec<_>>>().ok_or(refused)
}

/// The public keys and certificates of a PEM file, in file order; private keys and unknown blocks
/// are passed over. A certificate's dates do not matter, only its key (Kubernetes 1.36).
pub fn read_public_pem(pem: &[u8]) -> Vec<PublicKey> {
    let spki_of = |kind: SectionKind, der: &[u8]| match kind {
        SectionKind::PublicKey => Some(der.to_vec()),
        SectionKind::Certificate => {
            X509Certificate::from_der(der).ok().map(|(_, c)| c.tbs_certificate.subject_pki.raw.to_vec())
        }
        _ => None,
    };
    <(SectionKind, Vec<u8>)>::pem_slice_iter(pem)
        .filter_map(Result::ok)
        .filter_map(|(kind, der)| spki_of(kind, &der))
        .filter_map(|spki| PublicKey::from_spki(&spki).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;

    const P256: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEy21VQnEJyjESKLo82TXEej5DcIudotBGqfWl8aFqmgYE/Kd1nw0H/Oy79OVMiLhOhnklarzRjtnW4U6rmi7R8w==";

    #[test]
    fn the_key_id_is_the_hash_of_the_spki() {
        let key = PublicKey::from_spki(&STANDARD.decode(P256).unwrap()).unwrap();
        assert_eq!(key.id(), "TluaQx0u4ZWajwZc2koyEQCu5Vq9Ks4Btnng4mcFFOA");
        assert_eq!(key.signing_algorithm(), Algorithm::Es256);
        assert!(!key.verifies(Algorithm::Rs256, &Message::new("x"), &[0; 64]));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let mut cut = STANDARD.decode(P256).unwrap();
        cut.pop();
        assert_eq!(PublicKey::from_spki(&cut).unwrap_err(), KeyError::Malformed);
        assert_eq!(PublicKey::from_spki(b"").unwrap_err(), KeyError::Malformed);
        // Ed25519
        let ed = STANDARD.decode("MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=").unwrap();
        assert_eq!(PublicKey::from_spki(&ed).unwrap_err(), KeyError::UnknownType);
    }

    #[test]
    fn pem_blocks_that_are_no_public_keys_are_passed_over() {
        let pem = format!(
            "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n-----BEGIN PUBLIC KEY-----\n{P256}\n-----END PUBLIC KEY-----\n"
        );
        assert_eq!(read_public_pem(pem.as_bytes()).len(), 1);
        assert!(read_public_pem(b"nothing").is_empty());
    }
}
