//! Volumes of a pod and where they are mounted: defaults, and what is refused.
//!
//! Kubernetes 1.36 (pkg/apis/core/validation): the errors of a token's path stand on `projected.path`; a token's path
//! takes no part in the search for duplicates, and paths are compared as texts. Left out on purpose: sources other than
//! projected, secret, configMap and downwardAPI are kept as they are.

use crate::objects::kind::{default_to, text};
use crate::status::{Cause, Fault};
use jeton_core::ident;
use jeton_core::limits::{DEFAULT_LIFETIME_SECONDS, MAX_LIFETIME_SECONDS, MIN_LIFETIME_SECONDS};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Mode of files that say nothing else, 0644.
const DEFAULT_MODE: i64 = 0o644;
/// Largest mode.
const MAX_MODE: i64 = 0o777;
const MODE_RULE: &str = "must be a number between 0 and 0777 (octal), both inclusive";
/// Most volumes, mounts, sources or items of one list that are looked at (Kubernetes' limit is a request's size).
const MAX_ITEMS: usize = 10_000;

/// Fields of a pod that the downward API puts into files, beside single labels and annotations.
const DOWNWARD: [&str; 5] =
    ["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];

fn items<'a>(value: &'a Value, list: &str) -> impl Iterator<Item = (usize, &'a Value)> {
    value.get(list).and_then(Value::as_array).into_iter().flatten().take(MAX_ITEMS).enumerate()
}

fn items_mut<'a>(value: &'a mut Value, list: &str) -> impl Iterator<Item = &'a mut Value> {
    value.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten()
}

/// Fills in defaults.
pub(super) fn prepare(spec: &mut Value) {
    for volume in items_mut(spec, "volumes") {
        let Some(map) = volume.as_object_mut() else { continue };
        map.retain(|_, source| !source.is_null());
        if map.keys().all(|key| key == "name") {
            map.insert("emptyDir".to_owned(), json!({}));
        }
        for source in ["projected", "secret", "configMap", "downwardAPI"] {
            if let Some(source) = volume.get_mut(source) {
                default_to(source, "defaultMode", DEFAULT_MODE);
                fields(source);
            }
        }
        let Some(projected) = volume.get_mut("projected") else { continue };
        for source in items_mut(projected, "sources") {
            if let Some(token) = source.get_mut("serviceAccountToken") {
                default_to(token, "expirationSeconds", DEFAULT_LIFETIME_SECONDS);
            }
            if let Some(downward) = source.get_mut("downwardAPI") {
                fields(downward);
            }
        }
    }
}

/// The version of the fields that downward items name.
fn fields(source: &mut Value) {
    for item in items_mut(source, "items") {
        if let Some(field) = item.get_mut("fieldRef") {
            default_to(field, "apiVersion", "v1");
        }
    }
}

/// Finds what is wrong with volumes and mounts.
pub(super) fn check(spec: &Value, causes: &mut Vec<Cause>) {
    let mut names = BTreeSet::new();
    for (at, volume) in items(spec, "volumes") {
        let path = format!("spec.volumes[{at}]");
        source(volume, &path, causes);
        let name = text(volume, "/name");
        if name.is_empty() {
            causes.push(Cause::required(format!("{path}.name"), ""));
        } else if let Err(why) = ident::dns_label(name) {
            causes.push(Cause::invalid(format!("{path}.name"), name, why));
        }
        if !name.is_empty() && !names.insert(name) {
            let fault = Fault::Duplicate(format!("{name:?}"));
            causes.push(Cause { field: format!("{path}.name"), fault });
        }
    }
    for group in ["initContainers", "containers"] {
        for (at, container) in items(spec, group) {
            mounts(container, &format!("spec.{group}[{at}]"), &names, causes);
        }
    }
}

/// Checks what an ephemeral container of a pod mounts. Kubernetes 1.36: whole volumes only.
pub(super) fn ephemeral_mounts(spec: &Value, container: &Value, path: &str, causes: &mut Vec<Cause>) {
    let names: BTreeSet<&str> = items(spec, "volumes").map(|(_, volume)| text(volume, "/name")).collect();
    mounts(container, path, &names, causes);
    for (at, mount) in items(container, "volumeMounts") {
        for field in ["subPath", "subPathExpr"]
            .into_iter()
            .filter(|field| !text(mount, &format!("/{field}")).is_empty())
        {
            let field = format!("{path}.volumeMounts[{at}].{field}");
            causes.push(Cause::forbidden(field, "cannot be set for an Ephemeral Container"));
        }
    }
}

fn mounts(container: &Value, path: &str, volumes: &BTreeSet<&str>, causes: &mut Vec<Cause>) {
    let mut places = BTreeSet::new();
    for (at, mount) in items(container, "volumeMounts") {
        let path = format!("{path}.volumeMounts[{at}]");
        let (name, place) = (text(mount, "/name"), text(mount, "/mountPath"));
        if name.is_empty() {
            causes.push(Cause::required(format!("{path}.name"), ""));
        }
        if !volumes.contains(name) {
            let fault = Fault::NotFound(format!("{name:?}"));
            causes.push(Cause { field: format!("{path}.name"), fault });
        }
        if place.is_empty() {
            causes.push(Cause::required(format!("{path}.mountPath"), ""));
        }
        if !places.insert(place) {
            causes.push(Cause::invalid(format!("{path}.mountPath"), place, "must be unique"));
        }
        for field in ["subPath", "subPathExpr"] {
            descending(mount.get(field), &format!("{path}.{field}"), causes);
        }
    }
}

fn source(volume: &Value, path: &str, causes: &mut Vec<Cause>) {
    let sources = volume.as_object().into_iter().flat_map(|v| v.keys()).filter(|key| *key != "name");
    for second in sources.skip(1) {
        causes.push(Cause::forbidden(format!("{path}.{second}"), "may not specify more than 1 volume type"));
    }
    for (kind, name) in [("secret", "secretName"), ("configMap", "name")] {
        if let Some(source) = volume.get(kind) {
            let path = format!("{path}.{kind}");
            if text(source, &format!("/{name}")).is_empty() {
                causes.push(Cause::required(format!("{path}.{name}"), ""));
            }
            mode(source, "defaultMode", &path, causes);
            keys(source, &path, causes);
        }
    }
    if let Some(source) = volume.get("downwardAPI") {
        let path = format!("{path}.downwardAPI");
        mode(source, "defaultMode", &path, causes);
        downward(source, &path, causes);
    }
    if let Some(source) = volume.get("projected") {
        let path = format!("{path}.projected");
        mode(source, "defaultMode", &path, causes);
        projected(source, &path, causes);
    }
}

fn projected(projected: &Value, path: &str, causes: &mut Vec<Cause>) {
    let mut seen = BTreeSet::new();
    for (at, source) in items(projected, "sources") {
        let at = format!("{path}.sources[{at}]");
        for kind in ["secret", "configMap", "downwardAPI"] {
            let Some(part) = source.get(kind).filter(|p| p.is_object()) else { continue };
            let whose = format!("{at}.{kind}");
            if kind == "downwardAPI" {
                downward(part, &whose, causes);
            } else {
                if text(part, "/name").is_empty() {
                    causes.push(Cause::required(format!("{whose}.name"), ""));
                }
                keys(part, &whose, causes);
            }
            for (_, item) in items(part, "items") {
                let file = text(item, "/path");
                if !file.is_empty() && !seen.insert(file) {
                    // Kubernetes shows the object's name, or the path where there is none.
                    let shown = if kind == "downwardAPI" { file } else { text(part, "/name") };
                    causes.push(Cause::invalid(path, shown, "conflicting duplicate paths"));
                }
            }
        }
        if let Some(token) = source.get("serviceAccountToken").filter(|t| t.is_object()) {
            lifetime(token, &at, causes);
            path_of(token, path, causes);
        }
        let count = source.as_object().map_or(0, |s| s.values().filter(|v| !v.is_null()).count());
        if count > 1 {
            causes.push(Cause::forbidden(at, "may not specify more than 1 volume type per source"));
        }
    }
}

fn lifetime(token: &Value, source: &str, causes: &mut Vec<Cause>) {
    let seconds = token["expirationSeconds"].as_i64().unwrap_or_default();
    let field = format!("{source}.serviceAccountToken.expirationSeconds");
    if seconds < MIN_LIFETIME_SECONDS {
        let why = "may not specify a duration less than 10 minutes";
        causes.push(Cause::invalid_value(field, seconds, why));
    } else if seconds > MAX_LIFETIME_SECONDS {
        let why = "may not specify a duration larger than 2^32 seconds";
        causes.push(Cause::invalid_value(field, seconds, why));
    }
}

/// `items` of a secret or configMap.
fn keys(source: &Value, path: &str, causes: &mut Vec<Cause>) {
    for (at, item) in items(source, "items") {
        let path = format!("{path}.items[{at}]");
        if text(item, "/key").is_empty() {
            causes.push(Cause::required(format!("{path}.key"), ""));
        }
        path_of(item, &path, causes);
        mode(item, "mode", &path, causes);
    }
}

/// `items` of a downwardAPI; Kubernetes' errors do not say which item.
fn downward(source: &Value, path: &str, causes: &mut Vec<Cause>) {
    for (_, item) in items(source, "items") {
        path_of(item, path, causes);
        let (field, resource) = (item.get("fieldRef"), item.get("resourceFieldRef"));
        match (field.filter(|f| f.is_object()), resource.filter(|r| r.is_object())) {
            (Some(field), other) => {
                field_ref(field, path, causes);
                if other.is_some() {
                    let why = "fieldRef and resourceFieldRef can not be specified simultaneously";
                    causes.push(Cause::invalid(path, "resource", why));
                }
            }
            (None, Some(resource)) => {
                for key in ["containerName", "resource"] {
                    if text(resource, &format!("/{key}")).is_empty() {
                        causes.push(Cause::required(format!("{path}.resourceFieldRef.{key}"), ""));
                    }
                }
            }
            (None, None) => {
                causes.push(Cause::required(path, "one of fieldRef and resourceFieldRef is required"));
            }
        }
        mode(item, "mode", path, causes);
    }
}

fn field_ref(field: &Value, path: &str, causes: &mut Vec<Cause>) {
    let wanted = text(field, "/fieldPath");
    let path = format!("{path}.fieldRef.fieldPath");
    let single = ["metadata.annotations['", "metadata.labels['"];
    let known = wanted.ends_with("']") && single.iter().any(|start| wanted.starts_with(start));
    if wanted.is_empty() {
        causes.push(Cause::required(path, ""));
    } else if !(known || DOWNWARD.contains(&wanted)) {
        let list: Vec<String> = DOWNWARD.iter().map(|field| format!("{field:?}")).collect();
        let fault = Fault::NotSupported(format!("{wanted:?}"), list.join(", "));
        causes.push(Cause { field: path, fault });
    }
}

fn mode(source: &Value, field: &str, path: &str, causes: &mut Vec<Cause>) {
    if let Some(mode) = source[field].as_i64().filter(|m| !(0..=MAX_MODE).contains(m)) {
        causes.push(Cause::invalid_value(format!("{path}.{field}"), mode, MODE_RULE));
    }
}

/// `path` of a file in a volume: there, relative, and not out of the volume.
fn path_of(item: &Value, owner: &str, causes: &mut Vec<Cause>) {
    let field = format!("{owner}.path");
    let path = text(item, "/path");
    if path.is_empty() {
        causes.push(Cause::required(field, ""));
        return;
    }
    descending(Some(&item["path"]), &field, causes);
    if path.starts_with("..") && !path.split('/').any(|part| part == "..") {
        causes.push(Cause::invalid(field, path, "must not start with '..'"));
    }
}

fn descending(path: Option<&Value>, field: &str, causes: &mut Vec<Cause>) {
    let path = path.and_then(Value::as_str).unwrap_or("");
    if path.starts_with('/') {
        causes.push(Cause::invalid(field, path, "must be a relative path"));
    }
    if path.split('/').any(|part| part == "..") {
        causes.push(Cause::invalid(field, path, "must not contain '..'"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with a volume, as `field: kind of fault`, after defaults.
    fn wrong(volume: Value) -> Vec<String> {
        let mut spec = json!({"volumes": [volume]});
        prepare(&mut spec);
        let mut causes = Vec::new();
        check(&spec, &mut causes);
        causes
            .into_iter()
            .map(|c| {
                let field = c.field.replace("spec.volumes[0]", "v");
                match c.fault {
                    Fault::Required(_) => format!("{field} required"),
                    Fault::Invalid(value, why) => format!("{field} {value} {why}"),
                    Fault::Forbidden(why) | Fault::TooLong(why) => format!("{field} {why}"),
                    Fault::Duplicate(what) | Fault::NotFound(what) | Fault::NotSupported(what, _) => {
                        format!("{field} {what}")
                    }
                }
            })
            .collect()
    }

    #[test]
    fn defaults_are_filled_in() {
        let mut spec = json!({"volumes": [
            {"name": "a"},
            {"name": "b", "secret": {"secretName": "s"}},
            {"name": "c", "projected": {"sources": [
                {"serviceAccountToken": {"path": "t"}},
                {"downwardAPI": {"items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]}},
            ]}},
        ]});
        prepare(&mut spec);
        assert_eq!(
            spec["volumes"],
            json!([
                {"name": "a", "emptyDir": {}},
                {"name": "b", "secret": {"secretName": "s", "defaultMode": 420}},
                {"name": "c", "projected": {"defaultMode": 420, "sources": [
                    {"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}},
                    {"downwardAPI": {"items": [{"path": "n", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}]}},
                ]}},
            ])
        );
    }

    #[test]
    fn projected_sources() {
        let token = |more: Value| {
            let mut token = json!({"path": "t"});
            for (key, value) in more.as_object().unwrap() {
                token[key] = value.clone();
            }
            json!({"serviceAccountToken": token})
        };
        let item = |path: &str| json!({"items": [{"key": "k", "path": path}], "name": "m"});
        let short = "v.projected.sources[0].serviceAccountToken.expirationSeconds";
        for (sources, want) in [
            (json!([token(json!({}))]), vec![]),
            (json!([{}]), vec![]),
            (json!([token(json!({"expirationSeconds": 600}))]), vec![]),
            (
                json!([token(json!({"expirationSeconds": 599}))]),
                vec![format!("{short} 599 may not specify a duration less than 10 minutes")],
            ),
            (json!([token(json!({"expirationSeconds": 1_i64 << 32}))]), vec![]),
            (
                json!([token(json!({"expirationSeconds": (1_i64 << 32) + 1}))]),
                vec![format!("{short} 4294967297 may not specify a duration larger than 2^32 seconds")],
            ),
            (json!([token(json!({"path": ""}))]), vec!["v.projected.path required".into()]),
            (
                json!([token(json!({"path": "/t"}))]),
                vec!["v.projected.path \"/t\" must be a relative path".into()],
            ),
            (
                json!([token(json!({"path": "a/../../t"}))]),
                vec!["v.projected.path \"a/../../t\" must not contain '..'".into()],
            ),
            (
                json!([token(json!({"path": "..t"}))]),
                vec!["v.projected.path \"..t\" must not start with '..'".into()],
            ),
            // A token's path is not compared with any other.
            (json!([token(json!({})), token(json!({})), {"configMap": item("t")}]), vec![]),
            (
                json!([{"configMap": item("x")}, {"secret": item("x")}]),
                vec!["v.projected \"m\" conflicting duplicate paths".into()],
            ),
            (json!([{"configMap": item("x")}, {"secret": item("./x")}]), vec![]),
            (
                json!([{"configMap": item("x"), "secret": item("y")}]),
                vec!["v.projected.sources[0] may not specify more than 1 volume type per source".into()],
            ),
            (
                json!([{"configMap": {"items": [{"path": "p", "mode": 512}]}}]),
                vec![
                    "v.projected.sources[0].configMap.name required".into(),
                    "v.projected.sources[0].configMap.items[0].key required".into(),
                    format!("v.projected.sources[0].configMap.items[0].mode 512 {MODE_RULE}"),
                ],
            ),
            (
                json!([{"downwardAPI": {"items": [{"path": "p", "fieldRef": {"fieldPath": "spec.nodeName"}}]}}]),
                vec!["v.projected.sources[0].downwardAPI.fieldRef.fieldPath \"spec.nodeName\"".into()],
            ),
            (
                json!([{"downwardAPI": {"items": [{"path": "p", "fieldRef": {"fieldPath": "metadata.labels['a']"}}]}}]),
                vec![],
            ),
            (
                json!([{"downwardAPI": {"items": [{"path": "p"}]}}]),
                vec!["v.projected.sources[0].downwardAPI required".into()],
            ),
        ] {
            let shown = sources.to_string();
            assert_eq!(wrong(json!({"name": "v", "projected": {"sources": sources}})), want, "{shown}");
        }
    }

    #[test]
    fn volumes_and_mounts() {
        for (volume, want) in [
            (json!({}), vec!["v.name required"]),
            (json!({"name": "v", "secret": {}}), vec!["v.secret.secretName required"]),
            (
                json!({"name": "v", "configMap": {"name": "m"}, "emptyDir": {}}),
                vec!["v.emptyDir may not specify more than 1 volume type"],
            ),
            (json!({"name": "v", "hostPath": {"path": "/x"}}), vec![]),
        ] {
            assert_eq!(wrong(volume), want);
        }
        let mount = |name: &str, path: &str| json!({"name": name, "mountPath": path});
        let spec = json!({
            "volumes": [{"name": "a", "emptyDir": {}}, {"name": "a", "emptyDir": {}}],
            "containers": [{"volumeMounts": [mount("a", "/x"), mount("b", "/x"), mount("a", "")]}],
        });
        let mut causes = Vec::new();
        check(&spec, &mut causes);
        let fields: Vec<&str> = causes.iter().map(|c| c.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "spec.volumes[1].name",
                "spec.containers[0].volumeMounts[1].name",
                "spec.containers[0].volumeMounts[1].mountPath",
                "spec.containers[0].volumeMounts[2].mountPath",
            ]
        );
    }
}
