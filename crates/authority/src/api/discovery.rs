//! What this server serves, in the words of API discovery: group by group, or all in one document.
//!
//! Kubernetes 1.36: kubelets look for `serviceaccounts/token` in core/v1; clients tell the aggregated document from the
//! plain one by its content type alone.

use crate::objects::Kind;
use jeton_core::release::Release;
use jeton_schema::{Served, openapi_v3};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// A resource that is not stored.
struct Virtual {
    group: &'static str,
    plural: &'static str,
    kind: &'static str,
    namespaced: bool,
}

const fn review(group: &'static str, plural: &'static str, kind: &'static str) -> Virtual {
    Virtual { group, plural, kind, namespaced: false }
}

const AUTHENTICATION: &str = "authentication.k8s.io";
const AUTHORIZATION: &str = "authorization.k8s.io";

const VIRTUAL: [Virtual; 6] = [
    review(AUTHENTICATION, "selfsubjectreviews", "SelfSubjectReview"),
    review(AUTHENTICATION, "tokenreviews", "TokenReview"),
    Virtual {
        namespaced: true,
        ..review(AUTHORIZATION, "localsubjectaccessreviews", "LocalSubjectAccessReview")
    },
    review(AUTHORIZATION, "selfsubjectaccessreviews", "SelfSubjectAccessReview"),
    review(AUTHORIZATION, "selfsubjectrulesreviews", "SelfSubjectRulesReview"),
    review(AUTHORIZATION, "subjectaccessreviews", "SubjectAccessReview"),
];

/// Whether a resource that is not stored lies in namespaces; `None`: it is stored, or not known.
pub(super) fn virtual_scope(group: &str, plural: &str) -> Option<bool> {
    VIRTUAL.iter().find(|v| v.group == group && v.plural == plural).map(|v| v.namespaced)
}

/// Group, version and kind.
type Gvk = (&'static str, &'static str, &'static str);

/// A subresource and the kind that is written to it.
#[derive(Clone, Copy)]
struct Subresource {
    /// Group and plural of the resource it belongs to.
    of: (&'static str, &'static str),
    name: &'static str,
    written: Gvk,
    verbs: &'static [&'static str],
}

const SUBRESOURCES: [Subresource; 4] = [
    Subresource {
        of: ("", "serviceaccounts"),
        name: "token",
        written: (AUTHENTICATION, "v1", "TokenRequest"),
        verbs: &["create"],
    },
    Subresource { of: ("", "pods"), name: "binding", written: ("", "v1", "Binding"), verbs: &["create"] },
    Subresource {
        of: ("", "pods"),
        name: "ephemeralcontainers",
        written: ("", "v1", "Pod"),
        verbs: &STATUS_VERBS,
    },
    Subresource {
        of: ("", "namespaces"),
        name: "finalize",
        written: ("", "v1", "Namespace"),
        verbs: &["update"],
    },
];

const STATUS_VERBS: [&str; 3] = ["get", "patch", "update"];

/// Discovery of a set of kinds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Discovery<'a> {
    pub(super) kinds: &'a [&'static Kind],
    /// Where clients reach this server.
    pub(super) address: &'a str,
}

impl Discovery<'_> {
    /// All groups but core, with their versions, newest first.
    fn groups(&self) -> BTreeMap<&'static str, Vec<&'static str>> {
        let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let stored = self.kinds.iter().map(|k| (k.group, k.version));
        let all = stored.chain(VIRTUAL.iter().map(|v| (v.group, "v1")));
        for (group, version) in all.filter(|(group, _)| !group.is_empty()) {
            let versions = groups.entry(group).or_default();
            if !versions.contains(&version) {
                versions.push(version);
            }
        }
        groups
    }

    fn of(&self, group: &str, version: &str) -> impl Iterator<Item = &'static Kind> {
        self.kinds.iter().copied().filter(move |k| k.group == group && k.version == version)
    }

    fn serves(&self, group: &str, version: &str) -> bool {
        self.groups().get(group).is_some_and(|versions| versions.contains(&version))
    }

    /// The document at a path.
    pub(super) fn at(&self, path: &str) -> Option<Value> {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        match parts[..] {
            ["api"] => Some(json!({
                "kind": "APIVersions", "versions": ["v1"],
                "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": self.address}],
            })),
            ["apis"] => {
                let all: Vec<Value> =
                    self.groups().iter().map(|(name, versions)| group(name, versions)).collect();
                Some(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": all}))
            }
            ["apis", name] => {
                let mut out = group(name, self.groups().get(name)?);
                out["kind"] = json!("APIGroup");
                out["apiVersion"] = json!("v1");
                Some(out)
            }
            ["api", "v1"] => Some(self.list("", "v1", "v1")),
            ["apis", name, version] if self.serves(name, version) => {
                Some(self.list(name, version, &format!("{name}/{version}")))
            }
            _ => None,
        }
    }

    fn list(&self, group: &str, version: &str, group_version: &str) -> Value {
        let mut resources: Vec<Value> = self.of(group, version).flat_map(plain).collect();
        if version == "v1" {
            resources.extend(VIRTUAL.iter().filter(|v| v.group == group).map(|v| {
                json!({
                    "name": v.plural, "singularName": v.kind.to_lowercase(), "namespaced": v.namespaced,
                    "kind": v.kind, "verbs": ["create"],
                })
            }));
        }
        resources.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
        json!({
            "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources,
        })
    }

    /// `/api` or `/apis` with everything below it.
    pub(super) fn aggregated(&self, path: &str) -> Option<Value> {
        let groups = match path.trim_matches('/') {
            "api" => BTreeMap::from([("", vec!["v1"])]),
            "apis" => self.groups(),
            _ => return None,
        };
        let items: Vec<Value> = groups
            .into_iter()
            .map(|(group, versions)| {
                let versions: Vec<Value> =
                    versions.into_iter().map(|v| self.aggregated_version(group, v)).collect();
                let metadata = if group.is_empty() { json!({}) } else { json!({"name": group}) };
                json!({"metadata": metadata, "versions": versions})
            })
            .collect();
        Some(json!({
            "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items,
        }))
    }

    fn aggregated_version(&self, group: &str, version: &str) -> Value {
        let mut resources: Vec<Value> = self.of(group, version).map(aggregated).collect();
        if version == "v1" {
            resources.extend(VIRTUAL.iter().filter(|v| v.group == group).map(|v| {
                json!({
                    "resource": v.plural, "singularResource": v.kind.to_lowercase(),
                    "responseKind": kind_of((v.group, "v1", v.kind)), "scope": scope(v.namespaced),
                    "verbs": ["create"],
                })
            }));
        }
        resources.sort_by(|a, b| a["resource"].as_str().cmp(&b["resource"].as_str()));
        json!({"version": version, "freshness": "Current", "resources": resources})
    }

    /// The index of OpenAPI documents, or one of them.
    pub(super) fn openapi(&self, path: &str) -> Option<Value> {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        match parts[..] {
            ["openapi", "v3"] => {
                let named = self.groups().into_iter().flat_map(|(group, versions)| {
                    versions
                        .into_iter()
                        .map(move |version| (group, version, format!("apis/{group}/{version}")))
                });
                let paths: serde_json::Map<String, Value> = std::iter::once(("", "v1", "api/v1".to_owned()))
                    .chain(named)
                    .map(|(group, version, at)| {
                        let url = format!("/openapi/v3/{at}?hash={}", self.hash(group, version));
                        (at, json!({"serverRelativeURL": url}))
                    })
                    .collect();
                Some(json!({"paths": paths}))
            }
            ["openapi", "v3", "api", "v1"] => Some(openapi_v3("", "v1", &self.served("", "v1"))),
            ["openapi", "v3", "apis", group, version] if self.serves(group, version) => {
                Some(openapi_v3(group, version, &self.served(group, version)))
            }
            _ => None,
        }
    }

    /// Changes with the document of a group and version, so that clients may keep what they have.
    fn hash(&self, group: &str, version: &str) -> String {
        let mut hasher = DefaultHasher::new();
        env!("CARGO_PKG_VERSION").hash(&mut hasher);
        for kind in self.of(group, version) {
            (kind.kind, kind.plural, kind.namespaced).hash(&mut hasher);
            kind.schema.map(Value::to_string).hash(&mut hasher);
        }
        format!("{:016x}", hasher.finish())
    }

    fn served(&self, group: &str, version: &str) -> Vec<Served> {
        let own = self.of(group, version);
        own.map(|k| Served { kind: k.kind, plural: k.plural, namespaced: k.namespaced, schema: k.schema })
            .collect()
    }
}

fn group(name: &str, versions: &[&str]) -> Value {
    let all: Vec<Value> =
        versions.iter().map(|v| json!({"groupVersion": format!("{name}/{v}"), "version": v})).collect();
    json!({"name": name, "versions": all, "preferredVersion": all.first()})
}

/// The verbs of stored objects.
fn verbs(kind: &Kind) -> Vec<&'static str> {
    let all = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
    if kind.computed {
        return vec!["get", "list"];
    }
    if kind.read_only {
        return vec!["create", "get", "list", "watch"];
    }
    all.into_iter().filter(|verb| *verb != "deletecollection" || kind.deletes_collections).collect()
}

fn scope(namespaced: bool) -> &'static str {
    if namespaced { "Namespaced" } else { "Cluster" }
}

fn kind_of((group, version, kind): Gvk) -> Value {
    json!({"group": group, "version": version, "kind": kind})
}

/// The subresources of a kind.
fn subresources(kind: &'static Kind) -> impl Iterator<Item = Subresource> {
    let (of, written) = ((kind.group, kind.plural), (kind.group, kind.version, kind.kind));
    let status = Subresource { of, name: "status", written, verbs: &STATUS_VERBS };
    let others = SUBRESOURCES.into_iter().filter(move |s| s.of == of);
    std::iter::once(status).filter(|_| kind.has_status).chain(others)
}

/// A kind and its subresources as plain discovery lists them.
fn plain(kind: &'static Kind) -> Vec<Value> {
    let mut own = json!({
        "name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced, "kind": kind.kind,
        "verbs": verbs(kind),
    });
    if !kind.short_names.is_empty() {
        own["shortNames"] = json!(kind.short_names);
    }
    if !kind.categories.is_empty() {
        own["categories"] = json!(kind.categories);
    }
    let below = subresources(kind).map(|below| {
        let (group, version, written) = below.written;
        let mut out = json!({
            "name": format!("{}/{}", kind.plural, below.name), "singularName": "", "namespaced": kind.namespaced,
            "kind": written, "verbs": below.verbs,
        });
        if (group, version) != (kind.group, kind.version) {
            out["group"] = json!(group);
            out["version"] = json!(version);
        }
        out
    });
    std::iter::once(own).chain(below).collect()
}

/// A kind with its subresources as aggregated discovery nests them.
fn aggregated(kind: &'static Kind) -> Value {
    let mut out = json!({
        "resource": kind.plural, "singularResource": kind.singular, "scope": scope(kind.namespaced),
        "responseKind": kind_of((kind.group, kind.version, kind.kind)), "verbs": verbs(kind),
    });
    if !kind.short_names.is_empty() {
        out["shortNames"] = json!(kind.short_names);
    }
    if !kind.categories.is_empty() {
        out["categories"] = json!(kind.categories);
    }
    let below: Vec<Value> = subresources(kind)
        .map(|s| json!({"subresource": s.name, "responseKind": kind_of(s.written), "verbs": s.verbs}))
        .collect();
    if !below.is_empty() {
        out["subresources"] = json!(below);
    }
    out
}

/// `/version`: the Kubernetes whose behaviour this is, and whose server it is.
pub(super) fn version(release: Release) -> Value {
    let minor = release.minor();
    json!({
        "major": "1", "minor": minor.to_string(),
        "gitVersion": format!("v1.{minor}.0+jeton-{}", env!("CARGO_PKG_VERSION")),
        "gitCommit": "", "gitTreeState": "", "buildDate": "",
        "goVersion": "", "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::kinds::ALL;

    #[test]
    fn every_kind_can_be_explained() {
        for kind in ALL {
            let served =
                Served { kind: kind.kind, plural: kind.plural, namespaced: kind.namespaced, schema: None };
            let document = openapi_v3(kind.group, kind.version, &[served]);
            let schemas = document["components"]["schemas"].as_object().unwrap();
            let named = |schema: &Value| schema["x-kubernetes-group-version-kind"][0]["kind"] == kind.kind;
            assert!(schemas.values().any(named), "{kind:?}");
        }
    }

    #[test]
    fn both_forms_of_discovery_tell_the_same() {
        let discovery = Discovery { kinds: &ALL, address: "127.0.0.1:1" };
        for path in ["api", "apis"] {
            let all = discovery.aggregated(path).unwrap();
            for group in all["items"].as_array().unwrap() {
                let name = group["metadata"]["name"].as_str().unwrap_or("");
                for version in group["versions"].as_array().unwrap() {
                    let version_name = version["version"].as_str().unwrap();
                    let at = match name {
                        "" => format!("/api/{version_name}"),
                        _ => format!("/apis/{name}/{version_name}"),
                    };
                    let listed = discovery.at(&at).unwrap();
                    let own: Vec<&str> = listed["resources"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|r| r["name"].as_str().unwrap())
                        .collect();
                    let mut nested = Vec::new();
                    for r in version["resources"].as_array().unwrap() {
                        let resource = r["resource"].as_str().unwrap();
                        nested.push(resource.to_owned());
                        for s in r["subresources"].as_array().into_iter().flatten() {
                            nested.push(format!("{resource}/{}", s["subresource"].as_str().unwrap()));
                        }
                    }
                    nested.sort_unstable();
                    assert_eq!(own, nested, "{at}");
                }
            }
        }
    }
}
