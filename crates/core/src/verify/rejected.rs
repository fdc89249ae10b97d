//! The other end of verification: a token of ours that does not hold, with the evidence.

use uuid::Uuid;

/// Why a token of ours is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// The key id is not known. Kubernetes 1.36: other keys are not tried.
    #[error("invalid signature, no keys found")]
    UnknownKey {
        /// The key id.
        key_id: String,
    },
    /// No key verifies the signature with that algorithm.
    #[error("the signature does not verify: error in cryptographic primitive")]
    Signature {
        /// The algorithm in the header.
        algorithm: String,
        /// The key id in the header.
        key_id: String,
    },
    /// The signature holds, the claims cannot be read.
    #[error("{reason}")]
    Malformed {
        /// Which member, and what is wrong with it.
        reason: String,
    },
    /// The signed issuer is not the one the token was let in for.
    #[error("token issuer {issuer:?} is invalid")]
    Issuer {
        /// The signed issuer.
        issuer: String,
    },
    /// None of the audiences asked for.
    #[error("token audiences {} is invalid for the target audiences {}", go_list(.token), go_list(.asked))]
    Audience {
        /// The token's audiences.
        token: Vec<String>,
        /// The audiences asked for.
        asked: Vec<String>,
    },
    /// Not yet valid.
    #[error("service account token is not valid yet")]
    NotYet {
        /// `nbf`, seconds.
        not_before: i64,
        /// The moment of the decision, seconds.
        now: i64,
        /// Seconds forgiven.
        leeway: i64,
    },
    /// Expired.
    #[error("service account token has expired")]
    Expired {
        /// `exp`, seconds.
        expired: i64,
        /// The moment of the decision, seconds.
        now: i64,
        /// Seconds forgiven.
        leeway: i64,
    },
    /// Issued in the future.
    #[error("service account token is issued in the future")]
    FromTheFuture {
        /// `iat`, seconds.
        issued_at: i64,
        /// The moment of the decision, seconds.
        now: i64,
        /// Seconds forgiven.
        leeway: i64,
    },
    /// This one token was revoked.
    #[error("service account token {id:?} has been revoked")]
    Revoked {
        /// Its `jti`.
        id: String,
    },
    /// No account is named.
    #[error("resource name may not be empty")]
    NoAccountName,
    /// The account does not exist.
    #[error("serviceaccounts {account:?} not found")]
    NoAccount {
        /// Namespace claimed.
        namespace: String,
        /// Account claimed.
        account: String,
    },
    /// Another account of the same name.
    #[error("service account UID ({live}) does not match claim ({claimed})")]
    AccountUid {
        /// The live uid.
        live: Uuid,
        /// The uid claimed.
        claimed: String,
    },
    /// The account is gone but for its finalizers.
    #[error("service account {namespace}/{account} has been deleted")]
    AccountDeleted {
        /// Namespace.
        namespace: String,
        /// Account.
        account: String,
        /// Its deletionTimestamp, seconds.
        deleted: i64,
    },
    /// The bound object does not exist, or is past its deletion.
    #[error("service account token has been invalidated")]
    Invalidated {
        /// `pod`, `secret` or `node`.
        object: &'static str,
        /// Its name.
        name: String,
        /// Its deletionTimestamp in seconds; `None`: it does not exist.
        deleted: Option<i64>,
    },
    /// Another object of the same name.
    #[error("{object} UID ({live}) does not match service account {object} ref claim ({claimed})")]
    ObjectUid {
        /// `pod`, `secret` or `node`.
        object: &'static str,
        /// Its name.
        name: String,
        /// The live uid.
        live: Uuid,
        /// The uid claimed.
        claimed: String,
    },
    /// A legacy token lacks a claim.
    #[error("{claim} claim is missing")]
    LegacyClaimMissing {
        /// Which one.
        claim: &'static str,
    },
    /// A legacy token's subject contradicts its claims.
    #[error("sub claim is invalid")]
    LegacySubject {
        /// The subject.
        subject: String,
    },
    /// A legacy token's Secret is gone.
    #[error("Token has been invalidated")]
    LegacySecretGone {
        /// Namespace.
        namespace: String,
        /// Secret.
        secret: String,
    },
    /// A legacy token that is not the one in its Secret.
    #[error("Token does not match server's copy")]
    LegacyOtherToken {
        /// Namespace.
        namespace: String,
        /// Secret.
        secret: String,
    },
    /// A legacy token's account is another one of that name.
    #[error("ServiceAccount UID ({live}) does not match claim ({claimed})")]
    LegacyAccountUid {
        /// The live uid.
        live: Uuid,
        /// The uid claimed.
        claimed: String,
    },
    /// A legacy token's account is being deleted.
    #[error("ServiceAccount {namespace}/{account} has been deleted")]
    LegacyAccountDeleted {
        /// Namespace.
        namespace: String,
        /// Account.
        account: String,
    },
    /// A legacy token that was marked invalid.
    #[error(
        "the token in secret {namespace}/{secret} for service account {namespace}/{account} has been marked invalid. Use tokens from the TokenRequest API or manually created secret-based tokens, or remove the 'kubernetes.io/legacy-token-invalid-since' label from the secret to temporarily allow use of this token"
    )]
    LegacyMarkedInvalid {
        /// Namespace.
        namespace: String,
        /// Secret.
        secret: String,
        /// Account.
        account: String,
        /// Since when.
        since: String,
        /// Whether the last-used label must be set to today: this use counts too.
        label_is_old: bool,
    },
}

/// Go's `%q` of a list: `["a" "b"]`.
fn go_list(items: &[String]) -> String {
    let quoted: Vec<String> = items.iter().map(|i| format!("{i:?}")).collect();
    format!("[{}]", quoted.join(" "))
}
