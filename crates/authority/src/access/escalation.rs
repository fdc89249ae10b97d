//! Nobody hands out rights that they do not have.
//!
//! Kubernetes 1.36 (pkg/registry/rbac/{role,rolebinding,…}/policybased): who writes a role or a binding must hold all its
//! rules, unless they may `escalate` that role, or `bind` the role that the binding names.

use super::attributes::{Attributes, Resource};
use super::rbac::Rbac;
use super::rule::{Rule, missing};
use crate::objects::Kind;
use crate::objects::kind::text;
use crate::status::{About, ApiError};
use jeton_core::wire::UserInfo;
use serde_json::Value;

const GROUP: &str = "rbac.authorization.k8s.io";

/// Checks a role or binding that `user` wants to write; `old`: as it was. Other kinds pass.
///
/// # Errors
/// Forbidden lists the rules that `user` lacks; NotFound for the role of a binding.
pub fn check(
    rbac: &Rbac,
    user: &UserInfo,
    kind: &Kind,
    namespace: &str,
    new: &Value,
    old: Option<&Value>,
) -> Result<(), ApiError> {
    if kind.group != GROUP {
        return Ok(());
    }
    let unchanged = |keys: &[&str]| old.is_some_and(|old| keys.iter().all(|key| old[*key] == new[*key]));
    let allowed = |verb: &str, plural: &str, name: &str| {
        let resource = Resource { group: GROUP, plural, namespace, name, ..Resource::default() };
        rbac.decide(user, &Attributes::resource(verb, resource)).map(|decision| decision.allowed)
    };
    let name = text(new, "/metadata/name");
    let wanted = match kind.kind {
        "Role" | "ClusterRole" => {
            if unchanged(&["rules", "aggregationRule"]) || allowed("escalate", kind.plural, name)? {
                return Ok(());
            }
            // Nobody knows what a role will gather, so its writer must hold everything.
            let gathers = new["aggregationRule"].is_object();
            if gathers { Rule::everything().to_vec() } else { Rule::of_role(new) }
        }
        _ => {
            let (role_kind, role) = (text(new, "/roleRef/kind"), text(new, "/roleRef/name"));
            let plural = if role_kind == "ClusterRole" { "clusterroles" } else { "roles" };
            if unchanged(&["roleRef", "subjects"]) || allowed("bind", plural, role)? {
                return Ok(());
            }
            let found = rbac.rules_of(role_kind, namespace, role)?;
            found.ok_or_else(|| ApiError::NotFound(About::new(GROUP, plural, role)))?
        }
    };
    let owned = rbac.rules(user, namespace)?;
    let lacking = missing(&owned.iter().collect::<Vec<_>>(), &wanted);
    if lacking.is_empty() {
        return Ok(());
    }
    let rules: Vec<String> = lacking.iter().map(shown).collect();
    let groups = format!("{:?}", user.groups).replace("\", \"", "\" \"");
    let why = format!(
        "user {:?} (groups={groups}) is attempting to grant RBAC permissions not currently held:\n{}",
        user.username,
        rules.join("\n")
    );
    Err(ApiError::Forbidden(About::new(GROUP, kind.plural, name), why))
}

/// A rule as Kubernetes shows it in this refusal.
fn shown(rule: &Rule) -> String {
    let parts = [
        ("APIGroups", &rule.api_groups),
        ("Resources", &rule.resources),
        ("ResourceNames", &rule.resource_names),
        ("NonResourceURLs", &rule.urls),
        ("Verbs", &rule.verbs),
    ];
    let filled = parts.into_iter().filter(|(_, list)| !list.is_empty());
    let texts: Vec<String> = filled.map(|(name, list)| format!("{name}:{list:?}")).collect();
    format!("{{{}}}", texts.join(", "))
}
