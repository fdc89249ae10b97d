//! What roles and bindings have in common.

use crate::objects::kind::{default_to, text};
use crate::objects::table::{AGE, Cell, Column, NAME, column, joined, wide};
use crate::status::{Cause, Fault};
use serde_json::{Value, json};

const GROUP: &str = "rbac.authorization.k8s.io";

/// What a table shows of a binding.
pub(super) const BINDING_COLUMNS: &[Column] = &[
    NAME,
    column(
        "Role",
        Cell::Of(|o, _| json!(format!("{}/{}", text(o, "/roleRef/kind"), text(o, "/roleRef/name")))),
    ),
    AGE,
    wide("Users", Cell::Of(|o, _| subjects(o, "User"))),
    wide("Groups", Cell::Of(|o, _| subjects(o, "Group"))),
    wide("ServiceAccounts", Cell::Of(|o, _| subjects(o, "ServiceAccount"))),
];

/// The names of the subjects of a kind; those of accounts with their namespace.
fn subjects(binding: &Value, kind: &str) -> Value {
    let all = binding["subjects"].as_array().into_iter().flatten().filter(|s| s["kind"] == kind);
    let names: Vec<String> = all
        .map(|s| match text(s, "/namespace") {
            "" => text(s, "/name").to_owned(),
            namespace => format!("{namespace}/{}", text(s, "/name")),
        })
        .collect();
    joined(names.iter().map(String::as_str))
}

/// Rules need verbs, and either resources with groups, or paths; paths only where the role is for the cluster.
pub(super) fn check_rules(new: &Value, namespaced: bool, causes: &mut Vec<Cause>) {
    let filled = |rule: &Value, key: &str| rule[key].as_array().is_some_and(|a| !a.is_empty());
    for (at, rule) in new["rules"].as_array().into_iter().flatten().enumerate() {
        let path = format!("rules[{at}]");
        if !filled(rule, "verbs") {
            causes.push(Cause::required(format!("{path}.verbs"), "verbs must contain at least one value"));
        }
        if filled(rule, "nonResourceURLs") {
            if namespaced {
                let why = "namespaced rules cannot apply to non-resource URLs";
                causes.push(Cause::invalid(format!("{path}.nonResourceURLs"), "", why));
            }
            if filled(rule, "apiGroups") || filled(rule, "resources") || filled(rule, "resourceNames") {
                let why = "rules cannot apply to both regular resources and non-resource URLs";
                causes.push(Cause::invalid(format!("{path}.nonResourceURLs"), "", why));
            }
            continue;
        }
        if !filled(rule, "apiGroups") {
            let why = "resource rules must supply at least one api group";
            causes.push(Cause::required(format!("{path}.apiGroups"), why));
        }
        if !filled(rule, "resources") {
            let why = "resource rules must supply at least one resource";
            causes.push(Cause::required(format!("{path}.resources"), why));
        }
    }
}

/// Users and groups stand in the RBAC group unless they say otherwise; so does the role.
pub(super) fn default_subjects(object: &mut Value) {
    if let Some(role) = object.get_mut("roleRef") {
        default_to(role, "apiGroup", GROUP);
    }
    for subject in object.get_mut("subjects").and_then(Value::as_array_mut).into_iter().flatten() {
        if matches!(text(subject, "/kind"), "User" | "Group") {
            default_to(subject, "apiGroup", GROUP);
        }
    }
}

/// A binding names one role, for good, and subjects of a known kind.
pub(super) fn check_binding(new: &Value, old: Option<&Value>, namespaced: bool, causes: &mut Vec<Cause>) {
    let kinds: &[&str] = if namespaced { &["ClusterRole", "Role"] } else { &["ClusterRole"] };
    let kind = text(new, "/roleRef/kind");
    if !kinds.contains(&kind) {
        let list = kinds.iter().map(|k| format!("{k:?}")).collect::<Vec<_>>().join(", ");
        let fault = Fault::NotSupported(format!("{kind:?}"), list);
        causes.push(Cause { field: "roleRef.kind".to_owned(), fault });
    }
    let group = text(new, "/roleRef/apiGroup");
    if group != GROUP {
        let fault = Fault::NotSupported(format!("{group:?}"), format!("{GROUP:?}"));
        causes.push(Cause { field: "roleRef.apiGroup".to_owned(), fault });
    }
    if text(new, "/roleRef/name").is_empty() {
        causes.push(Cause::required("roleRef.name", ""));
    }
    if let Some(old) = old
        && old["roleRef"] != new["roleRef"]
    {
        causes.push(Cause::invalid_value("roleRef", &new["roleRef"], "cannot change roleRef"));
    }
    for (at, subject) in new["subjects"].as_array().into_iter().flatten().enumerate() {
        check_subject(subject, at, namespaced, causes);
    }
}

fn check_subject(subject: &Value, at: usize, namespaced: bool, causes: &mut Vec<Cause>) {
    let path = format!("subjects[{at}]");
    if text(subject, "/name").is_empty() {
        causes.push(Cause::required(format!("{path}.name"), ""));
    }
    let group = text(subject, "/apiGroup");
    let wanted = match text(subject, "/kind") {
        "ServiceAccount" => {
            if !namespaced && text(subject, "/namespace").is_empty() {
                causes.push(Cause::required(format!("{path}.namespace"), ""));
            }
            ""
        }
        "User" | "Group" => GROUP,
        kind => {
            let list = r#""ServiceAccount", "User", "Group""#.to_owned();
            let fault = Fault::NotSupported(format!("{kind:?}"), list);
            causes.push(Cause { field: format!("{path}.kind"), fault });
            return;
        }
    };
    if group != wanted {
        let fault = Fault::NotSupported(format!("{group:?}"), format!("{wanted:?}"));
        causes.push(Cause { field: format!("{path}.apiGroup"), fault });
    }
}
