//! Checks of a TokenRequest that need no object.

use crate::limits::{DEFAULT_LIFETIME_SECONDS, MAX_AUDIENCES, MAX_LIFETIME_SECONDS};
use crate::policy::Policy;
use crate::release::{Gate, Release};
use crate::wire::BoundObjectRef;
use uuid::Uuid;

/// A TokenRequest as the decision sees it: what the URL says, what the body says.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// Namespace in the URL.
    pub namespace: &'a str,
    /// Account in the URL.
    pub account: &'a str,
    /// `metadata.name` of the body; empty: not given.
    pub body_name: &'a str,
    /// `metadata.uid` of the body; empty: not given.
    pub body_uid: &'a str,
    /// `spec.audiences`; empty: the API server's.
    pub audiences: &'a [String],
    /// `spec.expirationSeconds`; `None`: 3600.
    pub expiration_seconds: Option<i64>,
    /// `spec.boundObjectRef`.
    pub bound: Option<&'a BoundObjectRef<'a>>,
}

/// Why no token is issued. Each holds its evidence; the API's table gives it a code and words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// `metadata.name` of the body is another account's.
    #[error("metadata.name {given:?} is not the account {account:?}")]
    OtherName {
        /// The account in the URL.
        account: String,
        /// The name in the body.
        given: String,
    },
    /// The account does not exist.
    #[error("service account {account:?} does not exist")]
    NoAccount {
        /// The account in the URL.
        account: String,
    },
    /// `metadata.uid` of the body is another account's.
    #[error("the request's uid {given} is not the account's, {live}")]
    OtherAccountUid {
        /// The account in the URL.
        account: String,
        /// The uid in the body.
        given: String,
        /// The account's uid.
        live: Uuid,
    },
    /// A lifetime below the minimum.
    #[error("expirationSeconds {asked} is less than {min}")]
    TooShort {
        /// Seconds asked for.
        asked: i64,
        /// Seconds allowed at least.
        min: i64,
    },
    /// A lifetime above 2^32 s.
    #[error("expirationSeconds {asked} is more than 2^32")]
    TooLong {
        /// Seconds asked for.
        asked: i64,
    },
    /// More audiences than are read.
    #[error("{given} audiences, at most {MAX_AUDIENCES} are allowed")]
    TooManyAudiences {
        /// How many were asked for.
        given: usize,
    },
    /// An object tokens cannot be bound to.
    #[error("cannot bind to {group_version}, Kind={kind}")]
    UnboundKind {
        /// Group and version, as Kubernetes renders them.
        group_version: String,
        /// Kind.
        kind: String,
    },
    /// The release knows node-bound tokens, and has them switched off.
    #[error("cannot bind to a Node: the feature gate ServiceAccountTokenNodeBinding is off")]
    NodeBindingOff,
    /// The bound object has no name.
    #[error("boundObjectRef.name is required")]
    NoBoundName,
    /// The bound object's name cannot be one.
    #[error("boundObjectRef.name {name:?} is invalid: {reason}")]
    BadBoundName {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The bound object does not exist.
    #[error("{bound:?} {name:?} does not exist")]
    NoBoundObject {
        /// Kind.
        bound: Bound,
        /// Name.
        name: String,
    },
    /// The pod runs as another account.
    #[error("the pod runs as another account than {account:?}")]
    OtherPodAccount {
        /// The account in the URL.
        account: String,
    },
    /// The bound object has another uid.
    #[error("boundObjectRef.uid {given} is not the uid of {bound:?} {name:?}")]
    OtherBoundUid {
        /// Kind.
        bound: Bound,
        /// Name.
        name: String,
        /// The uid in the request.
        given: String,
    },
}

/// Kinds a token can be bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// A pod in the account's namespace.
    Pod,
    /// A secret in the account's namespace, of any type.
    Secret,
    /// A node.
    Node,
}

impl Bound {
    /// The kind as written in API objects.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Pod => "Pod",
            Self::Secret => "Secret",
            Self::Node => "Node",
        }
    }

    /// The plural resource.
    pub const fn resource(self) -> &'static str {
        match self {
            Self::Pod => "pods",
            Self::Secret => "secrets",
            Self::Node => "nodes",
        }
    }
}

/// The kind and name a request binds to. Kubernetes 1.36: only group and kind count; a version that
/// does not parse (two slashes) counts as the core group.
///
/// # Errors
/// Another kind, or no usable name.
pub fn bound(reference: &BoundObjectRef<'_>, release: Release) -> Result<Bound, IssueError> {
    let (group, version) = match reference.api_version.split_once('/') {
        None => ("", &*reference.api_version),
        Some((group, version)) if !version.contains('/') => (group, version),
        Some(_) => ("", ""),
    };
    let kind = match (group, &*reference.kind) {
        ("", "Pod") => Bound::Pod,
        ("", "Secret") => Bound::Secret,
        ("", "Node") if release.has(Gate::NodeBinding) => Bound::Node,
        ("", "Node") if Gate::NodeBinding.row().at(release.minor()).is_some() => {
            return Err(IssueError::NodeBindingOff);
        }
        _ => {
            let group_version = format!("{group}/{version}");
            return Err(IssueError::UnboundKind { group_version, kind: reference.kind.to_string() });
        }
    };
    if reference.name.is_empty() {
        return Err(IssueError::NoBoundName);
    }
    crate::ident::path_segment(&reference.name)
        .map_err(|reason| IssueError::BadBoundName { name: reference.name.to_string(), reason })?;
    Ok(kind)
}

/// The lifetime asked for, in seconds, once it is within bounds.
///
/// # Errors
/// Too short, too long, or too many audiences.
pub fn checked(ask: &Ask<'_>, policy: &Policy) -> Result<i64, IssueError> {
    let default = DEFAULT_LIFETIME_SECONDS.max(policy.lifetimes.min);
    let asked = ask.expiration_seconds.unwrap_or(default);
    let min = policy.lifetimes.min;
    if asked < min {
        return Err(IssueError::TooShort { asked, min });
    }
    if asked > MAX_LIFETIME_SECONDS {
        return Err(IssueError::TooLong { asked });
    }
    if ask.audiences.len() > MAX_AUDIENCES {
        return Err(IssueError::TooManyAudiences { given: ask.audiences.len() });
    }
    Ok(asked)
}
