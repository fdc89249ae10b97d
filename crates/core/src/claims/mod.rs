//! What a token says.
//!
//! Purpose: claims as values, to and from the bytes of a JWS payload, exactly as Kubernetes 1.36 writes
//! and reads them. Nothing here says whether a claim is true.

mod encode;
mod decode;
mod packed;
mod segment;

pub use decode::{Header, LegacyClaims, claims, header, issuer, legacy_claims};
pub use encode::{legacy_payload, payload};
pub use packed::{PackedClaims, RefView};
pub use segment::{segment, to_segment};

/// Issuer of tokens out of Secrets.
pub const LEGACY_ISSUER: &str = "kubernetes/serviceaccount";

/// A named object in a token: the name, and the uid when it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ref {
    /// Name of the object.
    pub name: String,
    /// Uid of the object; empty when unknown.
    pub uid: String,
}

/// The `kubernetes.io` claim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Private {
    /// Namespace of the account.
    pub namespace: String,
    /// The account.
    pub account: Ref,
    /// The Secret it is bound to.
    pub secret: Option<Ref>,
    /// The Pod it is bound to.
    pub pod: Option<Ref>,
    /// The Node it is bound to, or the node of its pod when it was issued.
    pub node: Option<Ref>,
    /// Seconds since the epoch after which an extended token counts as stale.
    pub warn_after: Option<i64>,
}

/// All claims of a bound token. Times are seconds since the epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// `iss`.
    pub issuer: String,
    /// `sub`; never an identity, only a text for the audit log.
    pub subject: String,
    /// `aud`.
    pub audiences: Vec<String>,
    /// `exp`.
    pub expires: Option<i64>,
    /// `iat`.
    pub issued_at: Option<i64>,
    /// `nbf`.
    pub not_before: Option<i64>,
    /// `jti`; empty when absent.
    pub id: String,
    /// `kubernetes.io`.
    pub private: Private,
}
