//! Role based access control: roles and bindings, compiled once per change.
//!
//! Invariant: a change of a role or binding counts from the next request on. Purely additive, as in Kubernetes: no
//! rule denies.

use super::attributes::{Attributes, Decision, Target};
use super::rule::Rule;
use crate::objects::kind::text;
use crate::objects::kinds::{CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING};
use crate::objects::list::ListOptions;
use crate::objects::selector::Selector;
use crate::objects::{Kind, Registry};
use crate::status::ApiError;
use arc_swap::{ArcSwap, Guard};
use jeton_core::ident::account_username;
use jeton_core::wire::UserInfo;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Members may do anything.
pub const SUPERUSERS: &str = "system:masters";

type Rules = Arc<Vec<Rule>>;

/// The rules of a role, and the binding by which somebody has them.
#[derive(Clone, Debug)]
struct Grant {
    rules: Rules,
    why: Arc<str>,
}

/// Roles by who has them.
#[derive(Debug, Default)]
struct Granted {
    users: HashMap<String, Vec<Grant>>,
    groups: HashMap<String, Vec<Grant>>,
}

/// All roles and bindings at one moment.
#[derive(Debug, Default)]
struct Compiled {
    change: u64,
    cluster: Granted,
    namespaces: HashMap<String, Granted>,
    cluster_roles: HashMap<String, Rules>,
    roles: HashMap<(String, String), Rules>,
}

impl Compiled {
    fn grants<'a>(&'a self, user: &'a UserInfo, namespace: &str) -> impl Iterator<Item = &'a Grant> {
        let local = self.namespaces.get(namespace).filter(|_| !namespace.is_empty());
        [Some(&self.cluster), local].into_iter().flatten().flat_map(move |granted| granted.to(user))
    }
}

/// Whether somebody may do anything, whatever the roles say.
pub fn is_superuser(user: &UserInfo) -> bool {
    user.groups.iter().any(|g| g == SUPERUSERS)
}

/// Decides who may do what.
pub struct Rbac {
    registry: Arc<Registry>,
    compiled: ArcSwap<Compiled>,
    compiling: Mutex<()>,
}

impl Rbac {
    /// Decides by the roles and bindings in `registry`.
    pub fn new(registry: Arc<Registry>) -> Self {
        Self { registry, compiled: ArcSwap::from_pointee(Compiled::default()), compiling: Mutex::new(()) }
    }

    /// Whether `user` may.
    ///
    /// # Errors
    /// Unavailable when roles cannot be read.
    pub fn decide(&self, user: &UserInfo, wanted: &Attributes<'_>) -> Result<Decision, ApiError> {
        if is_superuser(user) {
            return Ok(Decision::allow(""));
        }
        let namespace = match &wanted.target {
            Target::Path(_) => "",
            Target::Resource(resource) => resource.namespace,
        };
        let compiled = self.current()?;
        let grant = compiled.grants(user, namespace).find(|g| g.rules.iter().any(|rule| rule.allows(wanted)));
        Ok(grant.map_or(Decision::no_opinion(""), |grant| Decision::allow(grant.why.clone())))
    }

    /// Every rule that `user` has in a namespace; those for the whole cluster come first.
    ///
    /// # Errors
    /// Unavailable when roles cannot be read.
    pub fn rules(&self, user: &UserInfo, namespace: &str) -> Result<Vec<Rule>, ApiError> {
        let compiled = self.current()?;
        let all = compiled.grants(user, namespace).flat_map(|grant| grant.rules.iter().cloned());
        let own = if is_superuser(user) { Rule::everything().to_vec() } else { Vec::new() };
        Ok(own.into_iter().chain(all).collect())
    }

    /// The rules of a role, as bindings give them. A role that is not there has none.
    ///
    /// # Errors
    /// Unavailable when roles cannot be read.
    pub fn rules_of(&self, kind: &str, namespace: &str, name: &str) -> Result<Option<Vec<Rule>>, ApiError> {
        let compiled = self.current()?;
        let found = match kind {
            "ClusterRole" => compiled.cluster_roles.get(name),
            _ => compiled.roles.get(&(namespace.to_owned(), name.to_owned())),
        };
        Ok(found.map(|rules| rules.to_vec()))
    }

    fn current(&self) -> Result<Guard<Arc<Compiled>>, ApiError> {
        let change = self.registry.rbac_changes();
        let compiled = self.compiled.load();
        if compiled.change >= change {
            return Ok(compiled);
        }
        let _alone = self.compiling.lock().unwrap_or_else(PoisonError::into_inner);
        let compiled = self.compiled.load();
        let change = self.registry.rbac_changes();
        if compiled.change >= change {
            return Ok(compiled);
        }
        let fresh = Arc::new(compile(&self.registry, change)?);
        self.compiled.store(fresh.clone());
        Ok(Guard::from_inner(fresh))
    }
}

impl std::fmt::Debug for Rbac {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rbac(change {})", self.compiled.load().change)
    }
}

impl Granted {
    fn to<'a>(&'a self, user: &'a UserInfo) -> impl Iterator<Item = &'a Grant> {
        let own = self.users.get(&user.username);
        let shared = user.groups.iter().filter_map(|g| self.groups.get(g));
        own.into_iter().chain(shared).flatten()
    }

    /// Gives rules to every subject of a binding. Kubernetes 1.36: the words of the reason.
    fn grant(&mut self, binding: &Value, rules: &Rules) {
        let namespace = text(binding, "/metadata/namespace");
        let (role_kind, role) = (text(binding, "/roleRef/kind"), text(binding, "/roleRef/name"));
        let by = match (namespace, text(binding, "/metadata/name")) {
            ("", name) => format!("ClusterRoleBinding {name:?}"),
            (namespace, name) => format!("RoleBinding {:?}", format!("{name}/{namespace}")),
        };
        for subject in binding["subjects"].as_array().into_iter().flatten() {
            let name = text(subject, "/name");
            let (of, whom) = match text(subject, "/kind") {
                "User" => (self.users.entry(name.to_owned()), format!("User {name:?}")),
                "Group" => (self.groups.entry(name.to_owned()), format!("Group {name:?}")),
                "ServiceAccount" => {
                    let given = text(subject, "/namespace");
                    let own = if given.is_empty() { namespace } else { given };
                    let shown = format!("ServiceAccount {:?}", format!("{name}/{own}"));
                    (self.users.entry(account_username(own, name)), shown)
                }
                _ => continue,
            };
            let why = format!("RBAC: allowed by {by} of {role_kind} {role:?} to {whom}");
            of.or_default().push(Grant { rules: rules.clone(), why: why.into() });
        }
    }
}

fn all(registry: &Registry, kind: &Kind) -> Result<Vec<Value>, ApiError> {
    Ok(registry.list(kind, "", &ListOptions::default())?.items)
}

/// Roles that gather the rules of others by label.
fn aggregated(role: &Value, roles: &[Value]) -> Vec<Rule> {
    let mut rules = Rule::of_role(role);
    for selector in
        role.pointer("/aggregationRule/clusterRoleSelectors").and_then(Value::as_array).into_iter().flatten()
    {
        let labels = selector["matchLabels"].as_object();
        let wanted = labels
            .into_iter()
            .flatten()
            .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or("")))
            .collect::<Vec<_>>()
            .join(",");
        let Ok(selector) = Selector::parse(Some(&wanted), None) else { continue };
        let chosen =
            roles.iter().filter(|r| !selector.is_empty() && selector.matches(&CLUSTER_ROLE, r) == Ok(true));
        rules.extend(chosen.flat_map(Rule::of_role));
    }
    rules
}

fn compile(registry: &Registry, change: u64) -> Result<Compiled, ApiError> {
    let of = |object: &Value, key: &str| object["metadata"][key].as_str().unwrap_or("").to_owned();
    let all_cluster_roles = all(registry, &CLUSTER_ROLE)?;
    let mut compiled = Compiled { change, ..Compiled::default() };
    compiled.cluster_roles = all_cluster_roles
        .iter()
        .map(|role| (of(role, "name"), Arc::new(aggregated(role, &all_cluster_roles))))
        .collect();
    compiled.roles = all(registry, &ROLE)?
        .iter()
        .map(|role| ((of(role, "namespace"), of(role, "name")), Arc::new(Rule::of_role(role))))
        .collect();
    for binding in all(registry, &CLUSTER_ROLE_BINDING)? {
        if let Some(rules) = compiled.cluster_roles.get(text(&binding, "/roleRef/name")) {
            compiled.cluster.grant(&binding, rules);
        }
    }
    for binding in all(registry, &ROLE_BINDING)? {
        let space = of(&binding, "namespace");
        let role = text(&binding, "/roleRef/name").to_owned();
        let rules = match text(&binding, "/roleRef/kind") {
            "ClusterRole" => compiled.cluster_roles.get(&role),
            _ => compiled.roles.get(&(space.clone(), role)),
        };
        if let Some(rules) = rules {
            compiled.namespaces.entry(space).or_default().grant(&binding, rules);
        }
    }
    Ok(compiled)
}
