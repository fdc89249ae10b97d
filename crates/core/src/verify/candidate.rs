//! Is it ours, and what does its signature prove?

use super::seen::{Digest, Seen};
use super::verdict::{Kind, Rejected};
use crate::claims::{self, Claims, Header, LegacyClaims};
use crate::keys::{Algorithm, KeySet};
use crate::limits::MAX_TOKEN_BYTES;
use crate::lookup::Wanted;
use crate::policy::Policy;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use memchr::memchr_iter;

/// Issuer of tokens out of Secrets.
pub(super) const LEGACY_ISSUER: &str = claims::LEGACY_ISSUER;

/// A token that claims to be ours. Nothing is proven.
#[derive(Clone)]
pub struct Candidate<'a> {
    kind: Kind,
    payload: Vec<u8>,
    /// The claims, when they could be read in one pass.
    claims: Option<Claims>,
    /// What must be verified; `None`: it held before, under the same keys.
    proof: Option<Proof<'a>>,
    digest: &'a Digest,
    keys: &'a KeySet,
    seen: &'a Seen,
}

/// A signature, and what it is about.
#[derive(Clone)]
struct Proof<'a> {
    header: Header,
    signing_input: &'a str,
    signature: Vec<u8>,
}

impl std::fmt::Debug for Candidate<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Candidate({:?}, key {:?})", self.kind, self.proof.as_ref().map(|p| &p.header.kid))
    }
}

/// What a signature proved: claims that one of our keys signed. It proves nothing about now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven(pub(super) ProvenClaims);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ProvenClaims {
    Bound(Box<Claims>),
    Legacy(LegacyClaims),
}

/// Takes a token apart, for these keys. `None`: not ours, which is no error: another authenticator may know it.
/// Kubernetes 1.36: JSON serialization is never ours, nor is a token whose issuer we do not accept.
///
/// `digest` is the token's SHA-256, and `seen` belongs to `keys`: header and signature of a token whose signature held
/// under them before are not read again.
pub fn open<'a>(
    token: &'a str,
    digest: &'a Digest,
    policy: &Policy,
    keys: &'a KeySet,
    seen: &'a Seen,
) -> Option<Candidate<'a>> {
    if token.len() > MAX_TOKEN_BYTES || token.trim_start().starts_with('{') {
        return None;
    }
    let mut dots = memchr_iter(b'.', token.as_bytes());
    let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else { return None };
    let payload = URL_SAFE_NO_PAD.decode(&token[first + 1..second]).ok()?;
    let claims = claims::plain_claims(&payload);
    let kind = match &claims {
        Some(claims) => kind(&claims.issuer, policy)?,
        None => kind(&claims::issuer(&payload)?, policy)?,
    };
    let proof = match seen.contains(digest) {
        true => None,
        false => Some(Proof {
            header: claims::header(&URL_SAFE_NO_PAD.decode(&token[..first]).ok()?)?,
            signing_input: &token[..second],
            signature: URL_SAFE_NO_PAD.decode(&token[second + 1..]).ok()?,
        }),
    };
    Some(Candidate { kind, payload, claims, proof, digest, keys, seen })
}

fn kind(issuer: &str, policy: &Policy) -> Option<Kind> {
    if issuer == LEGACY_ISSUER {
        Some(Kind::Legacy)
    } else {
        policy.issuers.iter().any(|known| known == issuer).then_some(Kind::Bound)
    }
}

impl Candidate<'_> {
    /// What kind it claims to be.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Verifies the signature, unless the same token's signature held before under the same keys, and
    /// reads the claims strictly.
    ///
    /// # Errors
    /// Unknown key id, a signature that does not verify, or claims that cannot be read.
    pub fn prove(self, policy: &Policy) -> Result<Proven, Rejected> {
        if let Some(proof) = &self.proof {
            proof.verify(self.keys)?;
            self.seen.insert(self.digest);
        }
        self.read(policy)
    }

    fn read(self, policy: &Policy) -> Result<Proven, Rejected> {
        let malformed = |reason| Rejected::Malformed { reason };
        match self.kind {
            Kind::Bound => {
                let claims = match self.claims {
                    Some(claims) => claims,
                    None => claims::claims(&self.payload).map_err(malformed)?,
                };
                if !policy.issuers.contains(&claims.issuer) {
                    return Err(Rejected::Issuer { issuer: claims.issuer });
                }
                Ok(Proven(ProvenClaims::Bound(Box::new(claims))))
            }
            Kind::Legacy => {
                let issuer = claims::claims(&self.payload).map_err(malformed)?.issuer;
                if issuer != LEGACY_ISSUER {
                    return Err(Rejected::Issuer { issuer });
                }
                Ok(Proven(ProvenClaims::Legacy(claims::legacy_claims(&self.payload).map_err(malformed)?)))
            }
        }
    }
}

impl Proof<'_> {
    fn verify(&self, keys: &KeySet) -> Result<(), Rejected> {
        let Header { alg, kid, crit } = &self.header;
        let key_id = (!kid.is_empty()).then_some(kid.as_str());
        if keys.candidates(key_id).next().is_none() {
            return Err(Rejected::UnknownKey { key_id: kid.clone() });
        }
        let input = self.signing_input.as_bytes();
        let verified = crit.is_none()
            && Algorithm::from_name(alg).is_some_and(|algorithm| {
                keys.candidates(key_id).any(|k| k.verifies(algorithm, input, &self.signature))
            });
        if verified {
            Ok(())
        } else {
            Err(Rejected::Signature { algorithm: alg.clone(), key_id: kid.clone() })
        }
    }
}

impl Proven {
    /// What kind of token it is.
    pub fn kind(&self) -> Kind {
        match &self.0 {
            ProvenClaims::Bound(_) => Kind::Bound,
            ProvenClaims::Legacy(_) => Kind::Legacy,
        }
    }

    /// The subject of a token that has no audience of its own, for the audit log.
    pub fn audienceless(&self) -> Option<&str> {
        let (audiences, subject) = match &self.0 {
            ProvenClaims::Bound(c) => (&c.audiences, &c.subject),
            ProvenClaims::Legacy(c) => (&c.audiences, &c.subject),
        };
        audiences.is_empty().then_some(subject.as_str())
    }

    /// The objects the decision needs.
    pub fn wanted(&self) -> Wanted<'_> {
        match &self.0 {
            ProvenClaims::Bound(c) => Wanted {
                id: &c.id,
                namespace: &c.private.namespace,
                account: &c.private.account.name,
                secret: c.private.secret.as_ref().map(|r| r.name.as_str()),
                pod: c.private.pod.as_ref().map(|r| r.name.as_str()),
                node: c.private.node.as_ref().filter(|_| c.private.pod.is_none()).map(|r| r.name.as_str()),
            },
            ProvenClaims::Legacy(c) => Wanted {
                namespace: &c.namespace,
                account: &c.account,
                secret: Some(&c.secret),
                ..Wanted::default()
            },
        }
    }
}
