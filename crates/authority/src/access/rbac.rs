//! Role based access control: roles and bindings, compiled once per change.
//!
//! Invariant: a change of a role or binding counts from the next request on. Purely additive, as in Kubernetes: no
//! rule denies.

use crate::objects::kinds::{CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING};
use crate::objects::list::ListOptions;
use crate::objects::selector::Selector;
use crate::objects::{Kind, Registry};
use crate::request_info::RequestInfo;
use crate::status::{About, ApiError};
use arc_swap::ArcSwap;
use jeton_core::ident::account_username;
use jeton_core::wire::UserInfo;
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Members may do anything.
pub const SUPERUSERS: &str = "system:masters";

/// One rule of a role.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Rule {
    verbs: Vec<String>,
    api_groups: Vec<String>,
    resources: Vec<String>,
    resource_names: Vec<String>,
    #[serde(rename = "nonResourceURLs")]
    urls: Vec<String>,
}

type Rules = Arc<Vec<Rule>>;

/// Roles by who has them.
#[derive(Debug, Default)]
struct Granted {
    users: HashMap<String, Vec<Rules>>,
    groups: HashMap<String, Vec<Rules>>,
}

/// All roles and bindings at one moment.
#[derive(Debug, Default)]
struct Compiled {
    change: u64,
    cluster: Granted,
    namespaces: HashMap<String, Granted>,
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

    /// Whether `user` may do what `info` asks for.
    ///
    /// # Errors
    /// Forbidden in Kubernetes' words; Unavailable when roles cannot be read.
    pub fn authorize(&self, user: &UserInfo, info: &RequestInfo) -> Result<(), ApiError> {
        if user.groups.iter().any(|g| g == SUPERUSERS) {
            return Ok(());
        }
        let compiled = self.current()?;
        let namespace = info.resource.as_ref().map_or("", |r| r.namespace.as_str());
        let local = compiled.namespaces.get(namespace).filter(|_| !namespace.is_empty());
        let allowed = [Some(&compiled.cluster), local].into_iter().flatten().any(|g| g.allows(user, info));
        if allowed { Ok(()) } else { Err(forbidden(user, info)) }
    }

    fn current(&self) -> Result<Arc<Compiled>, ApiError> {
        let change = self.registry.rbac_changes();
        let compiled = self.compiled.load_full();
        if compiled.change >= change {
            return Ok(compiled);
        }
        let _alone = self.compiling.lock().unwrap_or_else(PoisonError::into_inner);
        let compiled = self.compiled.load_full();
        let change = self.registry.rbac_changes();
        if compiled.change >= change {
            return Ok(compiled);
        }
        let fresh = Arc::new(compile(&self.registry, change)?);
        self.compiled.store(fresh.clone());
        Ok(fresh)
    }
}

impl std::fmt::Debug for Rbac {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rbac(change {})", self.compiled.load().change)
    }
}

impl Granted {
    fn allows(&self, user: &UserInfo, info: &RequestInfo) -> bool {
        let own = self.users.get(&user.username);
        let shared = user.groups.iter().filter_map(|g| self.groups.get(g));
        own.into_iter().chain(shared).flatten().any(|rules| rules.iter().any(|rule| rule.allows(info)))
    }

    fn grant(&mut self, subject: &Value, namespace: &str, rules: &Rules) {
        let name = subject["name"].as_str().unwrap_or("");
        let of = match subject["kind"].as_str() {
            Some("User") => self.users.entry(name.to_owned()),
            Some("Group") => self.groups.entry(name.to_owned()),
            Some("ServiceAccount") => {
                let own = subject["namespace"].as_str().filter(|n| !n.is_empty()).unwrap_or(namespace);
                self.users.entry(account_username(own, name))
            }
            _ => return,
        };
        of.or_default().push(rules.clone());
    }
}

impl Rule {
    fn allows(&self, info: &RequestInfo) -> bool {
        let has = |list: &[String], wanted: &str| list.iter().any(|v| v == "*" || v == wanted);
        if !has(&self.verbs, info.verb) {
            return false;
        }
        let Some(resource) = &info.resource else {
            return self.urls.iter().any(|url| match url.strip_suffix('*') {
                Some(start) => info.path.starts_with(start),
                None => *url == info.path,
            });
        };
        has(&self.api_groups, &resource.group)
            && self.resources.iter().any(|r| covers(r, &resource.plural, &resource.subresource))
            && (self.resource_names.is_empty() || self.resource_names.contains(&resource.name))
    }
}

/// Whether a rule's resource (`pods`, `pods/log`, `*/scale`, `*`) covers a request's.
fn covers(rule: &str, plural: &str, subresource: &str) -> bool {
    match rule.split_once('/') {
        _ if rule == "*" => true,
        None => subresource.is_empty() && rule == plural,
        Some((own, sub)) => !subresource.is_empty() && sub == subresource && (own == "*" || own == plural),
    }
}

fn all(registry: &Registry, kind: &Kind) -> Result<Vec<Value>, ApiError> {
    Ok(registry.list(kind, "", &ListOptions::default())?.items)
}

fn rules_of(role: &Value) -> Vec<Rule> {
    let rules = role["rules"].as_array().into_iter().flatten();
    rules.filter_map(|rule| Rule::deserialize(rule).ok()).collect()
}

/// Roles that gather the rules of others by label.
fn aggregated(role: &Value, roles: &[Value]) -> Vec<Rule> {
    let mut rules = rules_of(role);
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
        rules.extend(chosen.flat_map(rules_of));
    }
    rules
}

fn compile(registry: &Registry, change: u64) -> Result<Compiled, ApiError> {
    let name = |o: &Value| o["metadata"]["name"].as_str().unwrap_or("").to_owned();
    let namespace = |o: &Value| o["metadata"]["namespace"].as_str().unwrap_or("").to_owned();
    let cluster_roles = all(registry, &CLUSTER_ROLE)?;
    let shared: HashMap<String, Rules> =
        cluster_roles.iter().map(|r| (name(r), Arc::new(aggregated(r, &cluster_roles)))).collect();
    let own: HashMap<(String, String), Rules> =
        all(registry, &ROLE)?.iter().map(|r| ((namespace(r), name(r)), Arc::new(rules_of(r)))).collect();
    let mut compiled = Compiled { change, ..Compiled::default() };
    for binding in all(registry, &CLUSTER_ROLE_BINDING)? {
        let Some(rules) = shared.get(binding["roleRef"]["name"].as_str().unwrap_or("")) else { continue };
        for subject in binding["subjects"].as_array().into_iter().flatten() {
            compiled.cluster.grant(subject, "", rules);
        }
    }
    for binding in all(registry, &ROLE_BINDING)? {
        let space = namespace(&binding);
        let role = binding["roleRef"]["name"].as_str().unwrap_or("").to_owned();
        let rules = match binding["roleRef"]["kind"].as_str() {
            Some("ClusterRole") => shared.get(&role),
            _ => own.get(&(space.clone(), role)),
        };
        let Some(rules) = rules else { continue };
        let granted = compiled.namespaces.entry(space.clone()).or_default();
        for subject in binding["subjects"].as_array().into_iter().flatten() {
            granted.grant(subject, &space, rules);
        }
    }
    Ok(compiled)
}

fn forbidden(user: &UserInfo, info: &RequestInfo) -> ApiError {
    let who = format!("User {:?} cannot", user.username);
    let Some(r) = &info.resource else {
        return ApiError::ForbiddenPath(format!("{who} {} path {:?}", info.verb, info.path));
    };
    let resource = match r.subresource.as_str() {
        "" => r.plural.clone(),
        sub => format!("{}/{sub}", r.plural),
    };
    let scope = match r.namespace.as_str() {
        "" => "at the cluster scope".to_owned(),
        namespace => format!("in the namespace {namespace:?}"),
    };
    let why = format!("{who} {} resource {resource:?} in API group {:?} {scope}", info.verb, r.group);
    ApiError::Forbidden(About::new(&r.group, &r.plural, &r.name), why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request_info::ResourcePath;
    use serde_json::json;

    fn info(verb: &'static str, group: &str, plural: &str, subresource: &str, name: &str) -> RequestInfo {
        let resource = ResourcePath {
            group: group.to_owned(),
            plural: plural.to_owned(),
            subresource: subresource.to_owned(),
            name: name.to_owned(),
            ..ResourcePath::default()
        };
        RequestInfo { path: String::new(), verb, resource: Some(resource) }
    }

    #[test]
    fn rules_cover_what_they_say() {
        let rule = |value: Value| Rule::deserialize(value).unwrap();
        let token = rule(
            json!({"verbs": ["create"], "apiGroups": [""], "resources": ["serviceaccounts/token"], "resourceNames": ["a"]}),
        );
        let scale = rule(json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*/scale"]}));
        for (rule, info, want) in [
            (&token, info("create", "", "serviceaccounts", "token", "a"), true),
            (&token, info("create", "", "serviceaccounts", "token", "b"), false),
            (&token, info("create", "", "serviceaccounts", "", "a"), false),
            (&token, info("get", "", "serviceaccounts", "token", "a"), false),
            (&token, info("create", "x", "serviceaccounts", "token", "a"), false),
            (&scale, info("get", "apps", "deployments", "scale", "a"), true),
            (&scale, info("get", "apps", "deployments", "", "a"), false),
        ] {
            assert_eq!(rule.allows(&info), want, "{info:?}");
        }
        let paths = rule(json!({"verbs": ["get"], "nonResourceURLs": ["/healthz", "/api/*"]}));
        for (path, want) in [("/healthz", true), ("/healthz/x", false), ("/api/v1", true), ("/api", false)] {
            let info = RequestInfo { path: path.to_owned(), verb: "get", resource: None };
            assert_eq!(paths.allows(&info), want, "{path}");
        }
    }
}
