//! What must be read before a decision, and the snapshot that was found.
//!
//! Purpose: the seam between deciding and reading. The shell reads everything a decision wants at
//! one moment, and hands it over as a value.

use uuid::Uuid;

/// An object as far as tokens care: which one it is, and whether it is going away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its uid.
    pub uid: Uuid,
    /// Its deletionTimestamp, seconds since the epoch.
    pub deletion: Option<i64>,
}

impl Found {
    /// Whether the object's uid, as Kubernetes writes it, is exactly `text`.
    pub fn uid_is(&self, text: &str) -> bool {
        let mut buffer = Uuid::encode_buffer();
        self.uid.hyphenated().encode_lower(&mut buffer) == text
    }
}

/// A pod as far as tokens care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPod {
    /// Which pod it is.
    pub object: Found,
    /// `spec.serviceAccountName`.
    pub account: String,
    /// `spec.nodeName`, once it is scheduled.
    pub node: Option<String>,
}

/// A Secret of the token type as far as its legacy token cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundTokenSecret {
    /// Which Secret it is.
    pub object: Found,
    /// SHA-256 of `data.token`; `None` while it is empty.
    pub token_digest: Option<[u8; 32]>,
    /// Label `kubernetes.io/legacy-token-invalid-since`, when not empty.
    pub invalid_since: Option<String>,
    /// Label `kubernetes.io/legacy-token-last-used`.
    pub last_used: Option<String>,
    /// Whether the account's `secrets[]` names it: made by a controller, not by hand.
    pub auto_generated: bool,
}

/// The objects a bound token must be held against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// The token's `jti`; empty: it has none, and cannot be revoked by it.
    pub id: &'a str,
    /// Namespace of account, secret and pod.
    pub namespace: &'a str,
    /// Name of the account.
    pub account: &'a str,
    /// Name of the Secret it is bound to.
    pub secret: Option<&'a str>,
    /// Name of the Pod it is bound to.
    pub pod: Option<&'a str>,
    /// Name of the Node it is bound to; absent in a pod-bound token, whose node is only a remark.
    pub node: Option<&'a str>,
}

/// What was found of [`Wanted`], all at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The account.
    pub account: Option<Found>,
    /// The Secret.
    pub secret: Option<Found>,
    /// The Pod.
    pub pod: Option<Found>,
    /// The Node.
    pub node: Option<Found>,
    /// Whether this one token was revoked.
    pub revoked: bool,
    /// For a legacy token: its Secret, read whole.
    pub token_secret: Option<FoundTokenSecret>,
}
