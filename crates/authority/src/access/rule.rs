//! One rule of a role: what it allows, and whether it holds all that another allows.
//!
//! Kubernetes 1.36 (pkg/apis/rbac/v1/evaluation_helpers.go, pkg/registry/rbac/validation/policy_comparator.go).

use super::attributes::{Attributes, Resource, Target};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Rule {
    /// What may be done; `*`: anything.
    pub verbs: Vec<String>,
    /// In which groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub api_groups: Vec<String>,
    /// With which resources, such as `pods`, `pods/log`, `*/scale` or `*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// Of which names; none: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Vec<String>,
    /// On which paths; a `*` at the end stands for any rest.
    #[serde(rename = "nonResourceURLs", skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
}

fn has(list: &[String], wanted: &str) -> bool {
    list.iter().any(|v| v == "*" || v == wanted)
}

impl Rule {
    /// Everything.
    pub fn everything() -> [Self; 2] {
        let star = || vec!["*".to_owned()];
        [
            Self { verbs: star(), api_groups: star(), resources: star(), ..Self::default() },
            Self { verbs: star(), urls: star(), ..Self::default() },
        ]
    }

    /// The rules of a role; those that make no sense are left out.
    pub fn of_role(role: &Value) -> Vec<Self> {
        let rules = role["rules"].as_array().into_iter().flatten();
        rules.filter_map(|rule| Self::deserialize(rule).ok()).collect()
    }

    /// Whether this rule allows it.
    pub fn allows(&self, wanted: &Attributes<'_>) -> bool {
        has(&self.verbs, wanted.verb)
            && match &wanted.target {
                Target::Path(path) => self.urls.iter().any(|url| covers_url(url, path)),
                Target::Resource(resource) => self.allows_resource(resource),
            }
    }

    fn allows_resource(&self, r: &Resource<'_>) -> bool {
        has(&self.api_groups, r.group)
            && self.resources.iter().any(|own| covers(own, r.plural, r.subresource))
            && (self.resource_names.is_empty() || self.resource_names.iter().any(|n| n == r.name))
    }

    /// This rule as rules of one verb, one group, one resource and one name each.
    pub fn atoms(&self) -> Vec<Self> {
        let one = |text: &String| vec![text.clone()];
        let mut atoms = Vec::new();
        for verb in &self.verbs {
            for group in &self.api_groups {
                for resource in &self.resources {
                    let base = Self {
                        verbs: one(verb),
                        api_groups: one(group),
                        resources: one(resource),
                        ..Self::default()
                    };
                    match &self.resource_names[..] {
                        [] => atoms.push(base),
                        names => {
                            atoms.extend(
                                names.iter().map(|n| Self { resource_names: one(n), ..base.clone() }),
                            );
                        }
                    }
                }
            }
            atoms.extend(self.urls.iter().map(|url| Self {
                verbs: one(verb),
                urls: one(url),
                ..Self::default()
            }));
        }
        atoms
    }

    /// Whether this rule holds all that an atom allows.
    pub fn holds(&self, atom: &Self) -> bool {
        let all = |own: &[String], wanted: &[String]| wanted.iter().all(|w| has(own, w));
        let resources = atom.resources.iter().all(|wanted| {
            let (plural, sub) = wanted.split_once('/').unwrap_or((wanted, ""));
            self.resources.iter().any(|own| own == wanted || covers(own, plural, sub))
        });
        let names = self.resource_names.is_empty()
            || (!atom.resource_names.is_empty()
                && atom.resource_names.iter().all(|n| self.resource_names.contains(n)));
        let urls = atom.urls.iter().all(|wanted| self.urls.iter().any(|own| covers_url(own, wanted)));
        all(&self.verbs, &atom.verbs) && all(&self.api_groups, &atom.api_groups) && resources && names && urls
    }
}

/// Whether a rule's path covers a request's.
fn covers_url(rule: &str, path: &str) -> bool {
    match rule.strip_suffix('*') {
        Some(start) => path.starts_with(start),
        None => rule == path,
    }
}

/// Whether a rule's resource covers a request's.
fn covers(rule: &str, plural: &str, subresource: &str) -> bool {
    match rule.split_once('/') {
        _ if rule == "*" => true,
        None => subresource.is_empty() && rule == plural,
        Some((own, sub)) => !subresource.is_empty() && sub == subresource && (own == "*" || own == plural),
    }
}

/// The atoms of `wanted` that no rule of `owned` holds.
pub fn missing(owned: &[&Rule], wanted: &[Rule]) -> Vec<Rule> {
    let atoms = wanted.iter().flat_map(Rule::atoms);
    atoms.filter(|atom| !owned.iter().any(|rule| rule.holds(atom))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rule(value: Value) -> Rule {
        Rule::deserialize(value).unwrap()
    }

    #[test]
    fn rules_cover_what_they_say() {
        let token = rule(
            json!({"verbs": ["create"], "apiGroups": [""], "resources": ["serviceaccounts/token"], "resourceNames": ["a"]}),
        );
        let scale = rule(json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*/scale"]}));
        for (rule, verb, (group, plural, subresource, name), want) in [
            (&token, "create", ("", "serviceaccounts", "token", "a"), true),
            (&token, "create", ("", "serviceaccounts", "token", "b"), false),
            (&token, "create", ("", "serviceaccounts", "", "a"), false),
            (&token, "get", ("", "serviceaccounts", "token", "a"), false),
            (&token, "create", ("x", "serviceaccounts", "token", "a"), false),
            (&scale, "get", ("apps", "deployments", "scale", "a"), true),
            (&scale, "get", ("apps", "deployments", "", "a"), false),
        ] {
            let resource = Resource { group, plural, subresource, name, ..Resource::default() };
            let wanted = Attributes::resource(verb, resource);
            assert_eq!(rule.allows(&wanted), want, "{wanted:?}");
        }
        let paths = rule(json!({"verbs": ["get"], "nonResourceURLs": ["/healthz", "/api/*"]}));
        for (path, want) in [("/healthz", true), ("/healthz/x", false), ("/api/v1", true), ("/api", false)] {
            let wanted = Attributes { verb: "get", target: Target::Path(path) };
            assert_eq!(paths.allows(&wanted), want, "{path}");
        }
    }

    #[test]
    fn nobody_grants_more_than_they_have() {
        let pods = rule(json!({"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]}));
        let named = rule(
            json!({"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a"]}),
        );
        let all = rule(json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}));
        let urls = rule(json!({"verbs": ["get"], "nonResourceURLs": ["/metrics/*"]}));
        for (owned, wanted, lacking) in [
            (
                &pods,
                json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["x"]}),
                0,
            ),
            (
                &pods,
                json!({"verbs": ["get", "delete"], "apiGroups": [""], "resources": ["pods", "secrets"]}),
                3,
            ),
            (&pods, json!({"verbs": ["*"], "apiGroups": [""], "resources": ["pods"]}), 1),
            (&named, json!({"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]}), 1),
            (
                &named,
                json!({"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a"]}),
                0,
            ),
            (&all, json!({"verbs": ["*"], "apiGroups": ["x"], "resources": ["y/z"]}), 0),
            (&all, json!({"verbs": ["get"], "nonResourceURLs": ["/metrics"]}), 1),
            (&urls, json!({"verbs": ["get"], "nonResourceURLs": ["/metrics/cadvisor"]}), 0),
        ] {
            let found = missing(&[owned], &[rule(wanted.clone())]);
            assert_eq!(found.len(), lacking, "{owned:?} {wanted}: {found:?}");
        }
    }
}
