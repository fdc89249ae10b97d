//! Private keys in this process: read from PEM, made on a first start, used to sign.
//!
//! Invariant: nothing here prints or returns private bytes, but for [`new_key_pem`], whose result goes into a file of
//! mode 0600.

use super::{SignError, Signed};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self as sig, EcdsaKeyPair, KeyPair, RsaKeyPair};
use base64::{Engine, engine::general_purpose::STANDARD};
use jeton_core::keys::{KeyError, Message, PublicKey, read_public_pem};
use rustls_pki_types::pem::{PemObject, SectionKind};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Room for a signature of 4096 bits in base64url, with its dot.
const SIGNATURE_CHARACTERS: usize = 700;

/// Why a file holds no key that can sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrivateKeyError {
    /// No PEM block of a private key.
    #[error(
        "no private key found: expected PEM with PKCS#1, PKCS#8 or SEC1 (RSA, or EC on P-256, P-384 or P-521)"
    )]
    None,
    /// A block that cannot be used.
    #[error(
        "the private key cannot be used: it must be RSA of 2048 to 8192 bits, or EC on P-256, P-384 or P-521"
    )]
    Unusable,
    /// Its public half cannot verify.
    #[error("the public half of the private key cannot be used")]
    Public(#[source] KeyError),
}

enum Pair {
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
}

/// A signing key.
pub struct LocalSigner {
    pair: Pair,
    public: Arc<PublicKey>,
    random: SystemRandom,
}

impl LocalSigner {
    /// Reads the first private key of a PEM file.
    ///
    /// # Errors
    /// [`PrivateKeyError`] names what is missing; key bytes never stand in it.
    pub fn from_pem(pem: &[u8]) -> Result<Self, PrivateKeyError> {
        let pair = pairs(pem).next().ok_or(PrivateKeyError::None)??;
        let public = Arc::new(public_half(&pair)?);
        Ok(Self { pair, public, random: SystemRandom::new() })
    }

    /// Its public half.
    pub fn public(&self) -> &Arc<PublicKey> {
        &self.public
    }

    /// Signs a base64url payload.
    ///
    /// # Errors
    /// [`SignError::Crypto`] when the library refuses.
    pub fn sign(&self, payload: &str) -> Result<Signed, SignError> {
        let header = self.public.header_segment();
        let mut text = String::with_capacity(header.len() + payload.len() + SIGNATURE_CHARACTERS);
        text.push_str(header);
        text.push('.');
        text.push_str(payload);
        let message = Message::new(text);
        let over_sha256 = self.public.signing_algorithm().is_over_sha256();
        let signature = match &self.pair {
            Pair::Rsa(key) => {
                let mut out = vec![0; key.public_modulus_len()];
                key.sign_digest(&sig::RSA_PKCS1_SHA256, message.sha256(), &mut out).map(|()| out)
            }
            Pair::Ecdsa(key) if over_sha256 => {
                key.sign_digest(message.sha256()).map(|signature| signature.as_ref().to_vec())
            }
            Pair::Ecdsa(key) => {
                key.sign(&self.random, message.text().as_bytes()).map(|signature| signature.as_ref().to_vec())
            }
        };
        Ok(Signed { message, signature: signature.map_err(|_| SignError::Crypto)? })
    }
}

impl std::fmt::Debug for LocalSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LocalSigner({:?})", self.public)
    }
}

/// A fresh RSA key of 2048 bits as PKCS#8 PEM.
///
/// # Errors
/// [`PrivateKeyError::Unusable`] when the library cannot make one.
pub fn new_key_pem() -> Result<Zeroizing<String>, PrivateKeyError> {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| PrivateKeyError::Unusable)?;
    let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| PrivateKeyError::Unusable)?;
    let body = Zeroizing::new(STANDARD.encode(der.as_ref()));
    let mut pem = Zeroizing::new(String::with_capacity(body.len() + 128));
    pem.push_str("-----BEGIN PRIVATE KEY-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = tail;
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    Ok(pem)
}

/// The keys of a verification file: public keys and certificates, and the public halves of private keys
/// (Kubernetes 1.36: `--service-account-key-file` takes either).
///
/// # Errors
/// Kubernetes' words when there is none.
pub fn verification_keys(pem: &[u8]) -> Result<Vec<PublicKey>, KeyError> {
    let mut keys = read_public_pem(pem);
    keys.extend(pairs(pem).filter_map(Result::ok).filter_map(|pair| public_half(&pair).ok()));
    if keys.is_empty() { Err(KeyError::NoneInPem) } else { Ok(keys) }
}

fn pairs(pem: &[u8]) -> impl Iterator<Item = Result<Pair, PrivateKeyError>> {
    <(SectionKind, Vec<u8>)>::pem_slice_iter(pem).filter_map(Result::ok).filter_map(|(kind, der)| {
        let der = Zeroizing::new(der);
        match kind {
            SectionKind::RsaPrivateKey => {
                Some(RsaKeyPair::from_der(&der).map(Pair::Rsa).map_err(|_| PrivateKeyError::Unusable))
            }
            SectionKind::PrivateKey => Some(match RsaKeyPair::from_pkcs8(&der) {
                Ok(pair) => Ok(Pair::Rsa(pair)),
                Err(_) => ecdsa(&der),
            }),
            SectionKind::EcPrivateKey => Some(ecdsa(&der)),
            _ => None,
        }
    })
}

fn ecdsa(der: &[u8]) -> Result<Pair, PrivateKeyError> {
    [
        &sig::ECDSA_P256_SHA256_FIXED_SIGNING,
        &sig::ECDSA_P384_SHA384_FIXED_SIGNING,
        &sig::ECDSA_P521_SHA512_FIXED_SIGNING,
    ]
    .into_iter()
    .find_map(|algorithm| EcdsaKeyPair::from_private_key_der(algorithm, der).ok())
    .map(Pair::Ecdsa)
    .ok_or(PrivateKeyError::Unusable)
}

fn public_half(pair: &Pair) -> Result<PublicKey, PrivateKeyError> {
    let der: Result<PublicKeyX509Der<'_>, _> = match pair {
        Pair::Rsa(key) => key.public_key().as_der(),
        Pair::Ecdsa(key) => key.public_key().as_der(),
    };
    let der = der.map_err(|_| PrivateKeyError::Unusable)?;
    PublicKey::from_spki(der.as_ref()).map_err(PrivateKeyError::Public)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jeton_core::keys::Algorithm;

    fn openssl(args: &[&str]) -> Vec<u8> {
        let out = std::process::Command::new("openssl").args(args).output().expect("openssl is installed");
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        out.stdout
    }

    #[test]
    fn every_form_of_key_signs_what_its_public_half_verifies() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let mut files = vec![(openssl(&["genrsa", "-traditional", "2048"]), Algorithm::Rs256)];
        files.push((openssl(&["genrsa", "2048"]), Algorithm::Rs256));
        for (curve, algorithm) in [
            ("prime256v1", Algorithm::Es256),
            ("secp384r1", Algorithm::Es384),
            ("secp521r1", Algorithm::Es512),
        ] {
            let sec1 = openssl(&["ecparam", "-name", curve, "-genkey"]);
            std::fs::write(path("ec"), &sec1).unwrap();
            files.push((openssl(&["pkcs8", "-topk8", "-nocrypt", "-in", &path("ec")]), algorithm));
            files.push((sec1, algorithm));
        }
        for (pem, algorithm) in files {
            let key = LocalSigner::from_pem(&pem).unwrap();
            assert_eq!(key.public().signing_algorithm(), algorithm);
            let signed = key.sign("e30").unwrap();
            let (header, payload) = signed.message.text().split_once('.').unwrap();
            assert_eq!(payload, "e30");
            let header: serde_json::Value =
                serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
            assert_eq!(header, serde_json::json!({"alg": algorithm.name(), "kid": key.public().id()}));
            assert!(key.public().verifies(algorithm, &signed.message, &signed.signature));
            // The private file verifies too.
            assert_eq!(verification_keys(&pem).unwrap()[0].id(), key.public().id());
        }
    }

    #[test]
    fn what_is_no_key_is_named_without_its_bytes() {
        assert_eq!(LocalSigner::from_pem(b"hello").unwrap_err(), PrivateKeyError::None);
        let bad = b"-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----\n";
        assert_eq!(LocalSigner::from_pem(bad).unwrap_err(), PrivateKeyError::Unusable);
        assert_eq!(verification_keys(b"").unwrap_err(), KeyError::NoneInPem);
    }

    #[test]
    fn a_fresh_key_can_be_read_back() {
        assert!(LocalSigner::from_pem(new_key_pem().unwrap().as_bytes()).is_ok());
    }
}
