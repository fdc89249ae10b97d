//! Is it ours, and what does its signature prove?

use super::claimed::ProvenClaims;
use super::rejected::Rejected;
use super::seen::Seen;
use super::verified::Kind;
use crate::claims::{self, Header, PackedClaims, RefView};
use crate::keys::{Algorithm, KeySet, Mark, Message};
use crate::limits::MAX_TOKEN_BYTES;
use crate::lookup::Wanted;
use crate::policy::Policy;
use memchr::{memchr, memchr_iter};

/// Issuer of tokens out of Secrets.
pub(super) const LEGACY_ISSUER: &str = claims::LEGACY_ISSUER;

/// A token that claims to be ours. Nothing is proven.
#[derive(Clone)]
pub struct Candidate<'a> {
    kind: Kind,
    said: Said,
    /// What must be verified; `None`: it held before, under the same keys.
    proof: Option<Proof<'a>>,
    mark: Mark,
    keys: &'a KeySet,
    seen: &'a Seen,
}

/// What a payload says.
#[expect(clippy::large_enum_variant, reason = "lives as long as one review; a box would cost an allocation")]
#[derive(Clone)]
enum Said {
    /// It could be read in one pass.
    Plain(PackedClaims),
    /// It is still to be read strictly.
    Payload(Vec<u8>),
}

/// A signature, and what it is about.
#[derive(Clone)]
struct Proof<'a> {
    header: Header,
    message: Message<'a>,
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

/// The token in a text as a bearer header would carry it: trimmed, up to the first space (Kubernetes 1.36).
pub fn presented(text: &str) -> &str {
    let text = text.trim();
    memchr(b' ', text.as_bytes()).map_or(text, |end| &text[..end])
}

/// Takes a token apart, for these keys. `None`: not ours, which is no error: another authenticator may know it.
/// Kubernetes 1.36: JSON serialization is never ours, nor is a token whose issuer we do not accept.
///
/// `seen` belongs to `keys`: the header of a token whose signature held under them before is not read again.
pub fn open<'a>(token: &'a str, policy: &Policy, keys: &'a KeySet, seen: &'a Seen) -> Option<Candidate<'a>> {
    if token.len() > MAX_TOKEN_BYTES || token.trim_start().starts_with('{') {
        return None;
    }
    let mut dots = memchr_iter(b'.', token.as_bytes());
    let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else { return None };
    let payload = claims::segment(&token[first + 1..second])?;
    let (kind, said) = match PackedClaims::read(payload) {
        Ok(claims) => (kind(claims.issuer(), policy)?, Said::Plain(claims)),
        Err(payload) => (kind(&claims::issuer(&payload)?, policy)?, Said::Payload(payload)),
    };
    let signature = claims::segment(&token[second + 1..])?;
    let message = Message::new(&token[..second]);
    let mark = message.mark(&signature);
    let proof = match seen.contains(&mark) {
        true => None,
        false => {
            let header = claims::header(&claims::segment(&token[..first])?)?;
            Some(Proof { header, message, signature })
        }
    };
    Some(Candidate { kind, said, proof, mark, keys, seen })
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
            self.seen.insert(&self.mark);
        }
        self.read(policy)
    }

    fn read(self, policy: &Policy) -> Result<Proven, Rejected> {
        let malformed = |reason| Rejected::Malformed { reason };
        let claims = match (self.kind, self.said) {
            // Its issuer was looked at, and what was read in one pass has no second one.
            (Kind::Bound, Said::Plain(claims)) => claims,
            (Kind::Bound, Said::Payload(payload)) => {
                let claims = claims::claims(&payload).map_err(malformed)?;
                if !policy.issuers.contains(&claims.issuer) {
                    return Err(Rejected::Issuer { issuer: claims.issuer });
                }
                PackedClaims::of(&claims)
            }
            (Kind::Legacy, said) => {
                let payload = match said {
                    Said::Plain(claims) => claims.into_payload(),
                    Said::Payload(payload) => payload,
                };
                let issuer = claims::claims(&payload).map_err(malformed)?.issuer;
                if issuer != LEGACY_ISSUER {
                    return Err(Rejected::Issuer { issuer });
                }
                return Ok(Proven(ProvenClaims::Legacy(claims::legacy_claims(&payload).map_err(malformed)?)));
            }
        };
        Ok(Proven(ProvenClaims::Bound(claims)))
    }
}

impl Proof<'_> {
    fn verify(&self, keys: &KeySet) -> Result<(), Rejected> {
        let Header { alg, kid, crit } = &self.header;
        let key_id = (!kid.is_empty()).then_some(kid.as_str());
        if keys.candidates(key_id).next().is_none() {
            return Err(Rejected::UnknownKey { key_id: kid.clone() });
        }
        let verified = crit.is_none()
            && Algorithm::from_name(alg).is_some_and(|algorithm| {
                keys.candidates(key_id).any(|k| k.verifies(algorithm, &self.message, &self.signature))
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
        self.0.is_audienceless().then_some(self.0.subject())
    }

    /// The objects the decision needs.
    pub fn wanted(&self) -> Wanted<'_> {
        fn name(of: Option<RefView<'_>>) -> Option<&str> {
            of.map(|object| object.name)
        }
        match &self.0 {
            ProvenClaims::Bound(c) => Wanted {
                id: c.id(),
                namespace: c.namespace(),
                account: c.account().name,
                secret: name(c.secret()),
                pod: name(c.pod()),
                node: name(c.node().filter(|_| c.pod().is_none())),
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
