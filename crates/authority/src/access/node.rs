//! What a node may do: read what its pods need, get their tokens, and tell about itself and them.
//!
//! Kubernetes 1.36 (plugin/pkg/auth/authorizer/node): an opinion only about users of the group `system:nodes` named
//! `system:node:<name>`; what it does not allow, RBAC still may. A pod counts from the moment it has the node until it
//! is removed, whatever its phase. Unlike Kubernetes' graph, this reads the pods of the moment.

use super::attributes::{Attributes, Decision, Resource, Target};
use super::rule::Rule;
use crate::objects::Registry;
use crate::objects::admission::references;
use crate::objects::kinds::POD;
use crate::objects::registry::{key, prefix};
use jeton_core::wire::UserInfo;
use serde_json::Value;

const GROUP: &str = "system:nodes";
const PREFIX: &str = "system:node:";
/// Where nodes say that they live.
pub const LEASE_NAMESPACE: &str = "kube-node-lease";

/// The node that a user is; `Some("")` for one without a name.
pub fn name_of(user: &UserInfo) -> Option<&str> {
    user.username.strip_prefix(PREFIX).filter(|_| user.groups.iter().any(|g| g == GROUP))
}

/// Whether a node may; `None`: the user is no node. `rules`: what every node may.
pub fn decide(
    registry: &Registry,
    user: &UserInfo,
    wanted: &Attributes<'_>,
    rules: &[Rule],
) -> Option<Decision> {
    let node = name_of(user)?;
    if node.is_empty() {
        return Some(Decision::no_opinion(format!("unknown node for user {:?}", user.username)));
    }
    let question = Question { registry, node, verb: wanted.verb };
    let answer = match &wanted.target {
        Target::Resource(r) => match (r.group, r.plural) {
            ("", "secrets" | "configmaps") => question.namespaced(r),
            ("", "serviceaccounts") => question.account(r),
            ("", "nodes") => question.own_node(r),
            ("", "pods") => question.pod(r),
            ("coordination.k8s.io", "leases") => question.lease(r),
            _ => Err(String::new()),
        },
        Target::Path(_) => Err(String::new()),
    };
    Some(match answer {
        Ok(()) => Decision::allow(""),
        Err(reason) if reason.is_empty() && rules.iter().any(|rule| rule.allows(wanted)) => {
            Decision::allow("")
        }
        Err(reason) => Decision::no_opinion(reason),
    })
}

struct Question<'a> {
    registry: &'a Registry,
    node: &'a str,
    verb: &'a str,
}

/// Allowed, or why not; an empty text leaves it to the rules of every node.
type Answer = Result<(), String>;

impl Question<'_> {
    fn unrelated(&self) -> String {
        format!("no relationship found between node '{}' and this object", self.node)
    }

    fn namespaced(&self, r: &Resource<'_>) -> Answer {
        if !matches!(self.verb, "get" | "list" | "watch") || r.namespace.is_empty() {
            return Err("can only read namespaced object of this type".to_owned());
        }
        if !r.subresource.is_empty() {
            return Err("cannot read subresource".to_owned());
        }
        if r.name.is_empty() {
            return Err("No Object name found".to_owned());
        }
        let named = |pod: &Value| match r.plural {
            "secrets" => references::secrets(pod).any(|name| name == r.name),
            _ => references::config_maps(pod).any(|name| name == r.name),
        };
        if self.some_pod(r.namespace, named) { Ok(()) } else { Err(self.unrelated()) }
    }

    /// Whether a pod of this node in a namespace is like that.
    fn some_pod(&self, namespace: &str, like: impl Fn(&Value) -> bool) -> bool {
        let prefix = prefix(&POD, namespace);
        let keys: Vec<_> = self
            .registry
            .store()
            .index()
            .read(|view| view.on_node(&prefix, self.node).map(|(key, _)| key).collect());
        keys.iter().any(|key| {
            let (_, namespace, name) = key.parts();
            self.registry.get(&POD, namespace, name).is_ok_and(|pod| like(&pod))
        })
    }

    fn account(&self, r: &Resource<'_>) -> Answer {
        match (self.verb, r.subresource) {
            ("get", "") if !r.name.is_empty() => {}
            ("create", "token") if !r.name.is_empty() => {}
            ("create", _) if !r.name.is_empty() => {
                return Err("can only create token subresource of serviceaccount".to_owned());
            }
            _ => return Err("can only create tokens for individual service accounts".to_owned()),
        }
        let prefix = prefix(&POD, r.namespace);
        let related = self.registry.store().index().read(|view| {
            view.on_node(&prefix, self.node).any(|(_, row)| row.account.as_deref() == Some(r.name))
        });
        if related { Ok(()) } else { Err(self.unrelated()) }
    }

    fn own_node(&self, r: &Resource<'_>) -> Answer {
        match (self.verb, r.subresource) {
            ("get" | "list" | "watch", "") if r.name != self.node => {
                Err(format!("node '{}' cannot read '{}', only its own Node object", self.node, r.name))
            }
            // What it writes is looked at by NodeRestriction.
            _ => Err(String::new()),
        }
    }

    fn pod(&self, r: &Resource<'_>) -> Answer {
        match (self.verb, r.subresource) {
            ("get", "") => {
                let row = key(&POD, r.namespace, r.name)
                    .ok()
                    .and_then(|key| self.registry.store().index().row(&key));
                let own = row.is_some_and(|row| row.node.as_deref() == Some(self.node));
                if own { Ok(()) } else { Err(self.unrelated()) }
            }
            ("list" | "watch", "") => {
                let chosen = r.selector.and_then(|s| s.field_is("spec.nodeName"));
                if chosen == Some(self.node) {
                    return Ok(());
                }
                Err("can only list/watch pods with spec.nodeName field selector".to_owned())
            }
            _ => Err(String::new()),
        }
    }

    fn lease(&self, r: &Resource<'_>) -> Answer {
        if !matches!(self.verb, "get" | "create" | "update" | "patch" | "delete") {
            return Err("can only get, create, update, patch, or delete a node lease".to_owned());
        }
        if r.namespace != LEASE_NAMESPACE {
            return Err(format!("can only access leases in the {LEASE_NAMESPACE:?} system namespace"));
        }
        if self.verb != "create" && r.name != self.node {
            return Err("can only access node lease with the same name as the requesting node".to_owned());
        }
        Ok(())
    }
}
