//! Is it ours, and what does its signature prove?

use super::seen::{Digest, Seen};
use super::verdict::{Kind, Rejected};
use crate::claims::{self, Claims, Header, LegacyClaims};
use crate::keys::{Algorithm, KeySet};
use crate::limits::MAX_TOKEN_BYTES;
use crate::lookup::Wanted;
use crate::policy::Policy;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// Issuer of tokens out of Secrets.
pub(super) const LEGACY_ISSUER: &str = claims::LEGACY_ISSUER;

/// A token that claims to be ours. Nothing is proven.
#[derive(Clone)]
pub struct Candidate<'a> {
    kind: Kind,
    header: Header,
    signing_input: &'a str,
    payload: Vec<u8>,
    /// The claims, when they could be read in one pass.
    claims: Option<Claims>,
    signature: Vec<u8>,
}

impl std::fmt::Debug for Candidate<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Candidate({:?}, key {:?})", self.kind, self.header.kid)
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

/// Takes a token apart. `None`: not ours, which is no error: another authenticator may know it.
/// Kubernetes 1.36: JSON serialization is never ours, nor is a token whose issuer we do not accept.
pub fn open<'a>(token: &'a str, policy: &Policy) -> Option<Candidate<'a>> {
    if token.len() > MAX_TOKEN_BYTES || token.trim_start().starts_with('{') {
        return None;
    }
    let (signing_input, signature) = token.rsplit_once('.')?;
    let (head, body) = signing_input.split_once('.')?;
    if body.contains('.') {
        return None;
    }
    let payload = URL_SAFE_NO_PAD.decode(body).ok()?;
    let claims = claims::plain_claims(&payload);
    let kind = match &claims {
        Some(claims) => kind(&claims.issuer, policy)?,
        None => kind(&claims::issuer(&payload)?, policy)?,
    };
    let header = claims::header(&URL_SAFE_NO_PAD.decode(head).ok()?)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    Some(Candidate { kind, header, signing_input, payload, claims, signature })
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
    /// reads the claims strictly. `digest` is the token's SHA-256.
    ///
    /// # Errors
    /// Unknown key id, a signature that does not verify, or claims that cannot be read.
    pub fn prove(
        self,
        keys: &KeySet,
        policy: &Policy,
        digest: &Digest,
        seen: &Seen,
    ) -> Result<Proven, Rejected> {
        if !seen.contains(digest) {
            self.signature(keys)?;
            seen.insert(digest);
        }
        self.read(policy)
    }

    fn signature(&self, keys: &KeySet) -> Result<(), Rejected> {
        let key_id = (!self.header.kid.is_empty()).then_some(self.header.kid.as_str());
        if keys.candidates(key_id).next().is_none() {
            return Err(Rejected::UnknownKey { key_id: self.header.kid.clone() });
        }
        let input = self.signing_input.as_bytes();
        let verified = self.header.crit.is_none()
            && Algorithm::from_name(&self.header.alg).is_some_and(|algorithm| {
                keys.candidates(key_id).any(|k| k.verifies(algorithm, input, &self.signature))
            });
        if !verified {
            let (algorithm, key_id) = (self.header.alg.clone(), self.header.kid.clone());
            return Err(Rejected::Signature { algorithm, key_id });
        }
        Ok(())
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
