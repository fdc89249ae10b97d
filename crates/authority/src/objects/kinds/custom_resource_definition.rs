//! CustomResourceDefinitions: kinds that users bring.
//!
//! Kubernetes 1.36 (apiextensions-apiserver/pkg/apis/apiextensions/validation). A definition is established at once: here
//! is nobody else whose names it could clash with but the kinds that are built in. Left out on purpose: conversion
//! webhooks (versions differ in name only) and scale.

use super::ALL;
use crate::objects::kind::{Kind, PLAIN, default_to, text};
use crate::objects::table::{CREATED_AT, NAME};
use crate::status::{Cause, Fault};
use jeton_core::ident;
use serde_json::{Value, json};

/// Holds a definition until its objects are gone.
pub const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// apiextensions.k8s.io/v1 CustomResourceDefinition.
pub const CUSTOM_RESOURCE_DEFINITION: Kind = Kind {
    group: "apiextensions.k8s.io",
    kind: "CustomResourceDefinition",
    plural: "customresourcedefinitions",
    singular: "customresourcedefinition",
    short_names: &["crd", "crds"],
    categories: &["api-extensions"],
    namespaced: false,
    stored_as: "apiextensions.k8s.io/customresourcedefinitions",
    has_status: true,
    has_generation: true,
    open: true,
    prepare,
    check,
    columns: &[NAME, CREATED_AT],
    ..PLAIN
};

fn prepare(object: &mut Value, old: Option<&Value>) {
    let Some(spec) = object.get_mut("spec").filter(|s| s.is_object()) else { return };
    let kind = text(spec, "/names/kind").to_owned();
    if let Some(names) = spec.get_mut("names").filter(|n| n.is_object()) {
        default_to(names, "singular", kind.to_lowercase());
        default_to(names, "listKind", format!("{kind}List"));
    }
    default_to(spec, "conversion", json!({"strategy": "None"}));
    if old.is_some() {
        return;
    }
    let names = spec["names"].clone();
    let stored = spec["versions"].as_array().into_iter().flatten().filter(|v| v["storage"] == true);
    let stored: Vec<Value> = stored.map(|v| v["name"].clone()).collect();
    let at = object["metadata"]["creationTimestamp"].clone();
    let condition = |ty: &str, reason: &str, message: &str| {
        json!({
            "type": ty, "status": "True", "reason": reason, "message": message, "lastTransitionTime": at,
        })
    };
    object["status"] = json!({
        "acceptedNames": names, "storedVersions": stored,
        "conditions": [
            condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
    });
    let holders = object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    let others = holders.into_iter().filter(|f| f != CLEANUP);
    object["metadata"]["finalizers"] = others.chain([json!(CLEANUP)]).collect();
}

fn check(new: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let (group, plural) = (text(new, "/spec/group"), text(new, "/spec/names/plural"));
    for (field, value) in [
        ("spec.group", group),
        ("spec.names.plural", plural),
        ("spec.names.kind", text(new, "/spec/names/kind")),
        ("spec.scope", text(new, "/spec/scope")),
    ] {
        if value.is_empty() {
            causes.push(Cause::required(field, ""));
        }
    }
    if let Err(why) = ident::dns_subdomain(group)
        && !group.is_empty()
    {
        causes.push(Cause::invalid("spec.group", group, why));
    }
    if !group.contains('.') || ALL.iter().any(|kind| kind.group == group) {
        causes.push(Cause::invalid(
            "spec.group",
            group,
            "should be a domain with at least one dot, and none that is built in",
        ));
    }
    if let Err(why) = ident::dns_label(plural)
        && !plural.is_empty()
    {
        causes.push(Cause::invalid("spec.names.plural", plural, why));
    }
    let scope = text(new, "/spec/scope");
    if !matches!(scope, "" | "Namespaced" | "Cluster") {
        let fault = Fault::NotSupported(format!("{scope:?}"), r#""Cluster", "Namespaced""#.to_owned());
        causes.push(Cause { field: "spec.scope".to_owned(), fault });
    }
    let wanted = format!("{plural}.{group}");
    let name = text(new, "/metadata/name");
    if name != wanted {
        causes.push(Cause::invalid("metadata.name", name, r#"must be spec.names.plural+"."+spec.group"#));
    }
    check_versions(new, causes);
    for pointer in ["/spec/group", "/spec/scope", "/spec/names/plural", "/spec/names/kind"] {
        if let Some(old) = old
            && old.pointer(pointer) != new.pointer(pointer)
        {
            let field = pointer[1..].replace('/', ".");
            causes.push(Cause::invalid(field, text(new, pointer), "field is immutable"));
        }
    }
}

fn check_versions(new: &Value, causes: &mut Vec<Cause>) {
    let versions = new.pointer("/spec/versions").and_then(Value::as_array);
    let versions: &[Value] = versions.map_or(&[], Vec::as_slice);
    let stored = versions.iter().filter(|v| v["storage"] == true).count();
    if stored != 1 {
        let why = "must have exactly one version marked as storage version";
        causes.push(Cause::invalid_value("spec.versions", stored, why));
    }
    let mut names = std::collections::BTreeSet::new();
    for (at, version) in versions.iter().enumerate() {
        let name = text(version, "/name");
        let path = format!("spec.versions[{at}]");
        if let Err(why) = ident::dns_label(name) {
            causes.push(Cause::invalid(format!("{path}.name"), name, why));
        }
        if !names.insert(name) {
            let fault = Fault::Duplicate(format!("{name:?}"));
            causes.push(Cause { field: format!("{path}.name"), fault });
        }
        if !version.pointer("/schema/openAPIV3Schema").is_some_and(Value::is_object) {
            causes.push(Cause::required(format!("{path}.schema.openAPIV3Schema"), "schemas are required"));
        }
    }
    if new.pointer("/spec/conversion/strategy").and_then(Value::as_str) == Some("Webhook") {
        let fault = Fault::NotSupported("\"Webhook\"".to_owned(), "\"None\"".to_owned());
        causes.push(Cause { field: "spec.conversion.strategy".to_owned(), fault });
    }
}
