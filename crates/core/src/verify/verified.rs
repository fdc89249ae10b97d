//! The good end of verification: a token that holds.

use super::claimed::ProvenClaims;
use crate::claims::{PackedClaims, RefView};
use crate::ident::{ALL_ACCOUNTS_GROUP, AUTHENTICATED_GROUP, account_username};
use crate::release::{Gate, Release};
use crate::wire::UserInfo;

/// What kind of token was presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// From a TokenRequest.
    Bound,
    /// From a Secret.
    Legacy,
}

/// How an extended token stands to its warning time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Staleness {
    /// Not extended: nothing is counted.
    NotExtended,
    /// Extended and before its warning time.
    Fresh,
    /// Extended and used after its warning time, by so many whole seconds.
    Stale(i64),
}

/// How a legacy token was made, and when its use was last written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyUse {
    /// Namespace of the Secret.
    pub namespace: String,
    /// Name of the Secret.
    pub secret: String,
    /// Whether the account's `secrets[]` names it.
    pub auto_generated: bool,
    /// Whether its last-used label must be set to today.
    pub label_is_old: bool,
}

/// A token that holds. Only [`super::decide`] makes one.
#[derive(Clone, Debug)]
pub struct Verified {
    pub(super) claims: ProvenClaims,
    pub(super) audiences: Vec<String>,
    pub(super) staleness: Staleness,
    pub(super) legacy: Option<LegacyUse>,
    pub(super) release: Release,
}

/// The service account that a token speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its uid.
    pub uid: &'a str,
}

/// A fact beside the name (Kubernetes 1.36: `authentication.kubernetes.io/…`, one value each).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extra<'a> {
    /// Its key.
    pub key: &'static str,
    /// What stands before the value.
    pub prefix: &'static str,
    /// Its value.
    pub value: &'a str,
}

/// The pod of a token that says both its name and its uid.
fn known_pod(claims: &PackedClaims) -> Option<RefView<'_>> {
    claims.pod().filter(|pod| !pod.name.is_empty() && !pod.uid.is_empty())
}

impl Verified {
    /// Whose token it is.
    pub fn account(&self) -> Account<'_> {
        match &self.claims {
            ProvenClaims::Bound(c) => {
                let RefView { name, uid } = c.account();
                Account { namespace: c.namespace(), name, uid }
            }
            ProvenClaims::Legacy(c) => {
                Account { namespace: &c.namespace, name: &c.account, uid: &c.account_uid }
            }
        }
    }

    /// The facts beside the name, by key.
    pub fn extra(&self) -> impl Iterator<Item = Extra<'_>> {
        let fact = |key, value| Some(Extra { key, prefix: "", value });
        let mut facts = [None; 5];
        if let ProvenClaims::Bound(c) = &self.claims {
            let id = Some(c.id()).filter(|id| !id.is_empty() && self.release.has(Gate::Jti));
            let told = if c.pod().is_some() { Gate::PodNodeInfo } else { Gate::NodeBindingValidation };
            let node = c.node().filter(|n| !n.name.is_empty() && self.release.has(told));
            let pod = known_pod(c);
            facts = [
                id.map(|id| Extra {
                    key: "authentication.kubernetes.io/credential-id",
                    prefix: "JTI=",
                    value: id,
                }),
                node.and_then(|n| fact("authentication.kubernetes.io/node-name", n.name)),
                node.filter(|n| !n.uid.is_empty())
                    .and_then(|n| fact("authentication.kubernetes.io/node-uid", n.uid)),
                pod.and_then(|p| fact("authentication.kubernetes.io/pod-name", p.name)),
                pod.and_then(|p| fact("authentication.kubernetes.io/pod-uid", p.uid)),
            ];
        }
        facts.into_iter().flatten()
    }

    /// Name of the pod it is bound to, where its uid is known too.
    pub fn pod(&self) -> Option<&str> {
        match &self.claims {
            ProvenClaims::Bound(c) => known_pod(c).map(|pod| pod.name),
            ProvenClaims::Legacy(_) => None,
        }
    }

    /// Whether nothing it says of its account needs an escape in JSON; `false`: it is not known.
    pub fn is_plain(&self) -> bool {
        matches!(&self.claims, ProvenClaims::Bound(c) if c.is_plain())
    }

    /// Whose token it is, `system:authenticated` included.
    pub fn user(&self) -> UserInfo {
        let Account { namespace, name, uid } = self.account();
        UserInfo {
            username: account_username(namespace, name),
            uid: uid.to_owned(),
            groups: vec![
                ALL_ACCOUNTS_GROUP.to_owned(),
                [ALL_ACCOUNTS_GROUP, ":", namespace].concat(),
                AUTHENTICATED_GROUP.to_owned(),
            ],
            extra: self
                .extra()
                .map(|fact| (fact.key.to_owned(), vec![[fact.prefix, fact.value].concat()]))
                .collect(),
        }
    }
    /// The audiences that were asked for and that the token has.
    pub fn audiences(&self) -> &[String] {
        &self.audiences
    }
    /// `sub`, for the audit log.
    pub fn subject(&self) -> &str {
        self.claims.subject()
    }
    /// How it stands to its warning time.
    pub fn staleness(&self) -> Staleness {
        self.staleness
    }
    /// Whether it has no audience of its own (Kubernetes counts it as legacy).
    pub fn without_audience(&self) -> bool {
        self.claims.is_audienceless()
    }
    /// The Secret it came from, for a legacy token.
    pub fn legacy(&self) -> Option<&LegacyUse> {
        self.legacy.as_ref()
    }
    /// What kind of token it is.
    pub fn kind(&self) -> Kind {
        match &self.claims {
            ProvenClaims::Bound(_) => Kind::Bound,
            ProvenClaims::Legacy(_) => Kind::Legacy,
        }
    }
    /// `iat`, seconds.
    pub fn issued_at(&self) -> Option<i64> {
        match &self.claims {
            ProvenClaims::Bound(c) => c.issued_at,
            ProvenClaims::Legacy(_) => None,
        }
    }
    /// `exp`, seconds; `None`: it has no end.
    pub fn expires(&self) -> Option<i64> {
        match &self.claims {
            ProvenClaims::Bound(c) => c.expires,
            ProvenClaims::Legacy(_) => None,
        }
    }
}
