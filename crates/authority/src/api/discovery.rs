//! What this server serves, in the words of API discovery.

use crate::objects::Kind;
use crate::objects::kinds;
use jeton_schema::{Served, openapi_v3};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A resource that is not stored: plural, kind, whether it is in namespaces.
type Virtual = (&'static str, &'static str, &'static str, bool);

/// Group, plural, kind, namespaced.
const VIRTUAL: [Virtual; 2] = [
    ("authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview", false),
    ("authentication.k8s.io", "tokenreviews", "TokenReview", false),
];

/// All groups but core, with their version.
fn groups() -> BTreeMap<&'static str, &'static str> {
    let stored = kinds::ALL.into_iter().map(|k| (k.group, k.version));
    let virtual_ones = VIRTUAL.into_iter().map(|(group, ..)| (group, "v1"));
    stored.chain(virtual_ones).filter(|(group, _)| !group.is_empty()).collect()
}

/// The verbs of stored objects.
const VERBS: [&str; 6] = ["create", "delete", "get", "list", "patch", "update"];

fn stored(kind: &Kind) -> Value {
    let mut out = json!({
        "name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced, "kind": kind.kind,
        "verbs": VERBS,
    });
    if !kind.short_names.is_empty() {
        out["shortNames"] = json!(kind.short_names);
    }
    if !kind.categories.is_empty() {
        out["categories"] = json!(kind.categories);
    }
    out
}

fn resources(group: &str, version: &str) -> Vec<Value> {
    let mut out: Vec<Value> =
        kinds::ALL.into_iter().filter(|k| k.group == group && k.version == version).map(stored).collect();
    if group.is_empty() {
        out.push(json!({
            "name": "serviceaccounts/token", "singularName": "", "namespaced": true,
            "group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest", "verbs": ["create"],
        }));
    }
    for (_, plural, kind, namespaced) in VIRTUAL.into_iter().filter(|(g, ..)| *g == group) {
        let singular = kind.to_lowercase();
        out.push(json!({
            "name": plural, "singularName": singular, "namespaced": namespaced, "kind": kind, "verbs": ["create"],
        }));
    }
    out.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
    out
}

fn group(name: &str, version: &str) -> Value {
    let version = json!({"groupVersion": format!("{name}/{version}"), "version": version});
    json!({"name": name, "versions": [version], "preferredVersion": version})
}

/// The discovery document at a path; `address` is where clients reach this server.
pub(super) fn at(path: &str, address: &str) -> Option<Value> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match parts[..] {
        ["api"] => Some(json!({
            "kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
        })),
        ["apis"] => {
            let all: Vec<Value> = groups().into_iter().map(|(name, version)| group(name, version)).collect();
            Some(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": all}))
        }
        ["apis", name] => {
            let mut out = group(name, groups().get(name)?);
            out["kind"] = json!("APIGroup");
            out["apiVersion"] = json!("v1");
            Some(out)
        }
        ["api", "v1"] => Some(list("", "v1", "v1")),
        ["apis", name, version] if groups().get(name) == Some(&version) => {
            Some(list(name, version, &format!("{name}/{version}")))
        }
        _ => None,
    }
}

fn list(group: &str, version: &str, group_version: &str) -> Value {
    json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version,
        "resources": resources(group, version),
    })
}

/// `/version`: the Kubernetes whose behaviour this is, and whose server it is.
pub(super) fn version() -> Value {
    json!({
        "major": "1", "minor": "36",
        "gitVersion": concat!("v1.36.0+jeton-", env!("CARGO_PKG_VERSION")),
        "gitCommit": "", "gitTreeState": "", "buildDate": "",
        "goVersion": "", "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}

/// The index of OpenAPI documents, or one of them. A hash lets clients keep what they have.
pub(super) fn openapi(path: &str) -> Option<Value> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let all = std::iter::once(("", "v1")).chain(groups());
    match parts[..] {
        ["openapi", "v3"] => {
            let place = |group: &str, version: &str| match group {
                "" => format!("api/{version}"),
                _ => format!("apis/{group}/{version}"),
            };
            let hash = env!("CARGO_PKG_VERSION");
            let paths: serde_json::Map<String, Value> = all
                .map(|(group, version)| place(group, version))
                .map(|at| (at.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{at}?hash={hash}")})))
                .collect();
            Some(json!({"paths": paths}))
        }
        ["openapi", "v3", "api", "v1"] => Some(openapi_v3("", "v1", &served(""))),
        ["openapi", "v3", "apis", group, version] if groups().get(group) == Some(&version) => {
            Some(openapi_v3(group, version, &served(group)))
        }
        _ => None,
    }
}

fn served(group: &str) -> Vec<Served> {
    let of_group = kinds::ALL.into_iter().filter(|k| k.group == group);
    of_group.map(|k| Served { kind: k.kind, plural: k.plural, namespaced: k.namespaced }).collect()
}
