//! OpenAPI v3 from the same table: what `kubectl explain`, `create` and `apply` read before they send anything.
//!
//! Kubernetes 1.36: a client trusts the server to check fields when the patch operation of a kind has the parameter
//! `fieldValidation`. Left out on purpose: descriptions, which are Kubernetes' own prose.

use crate::table::{Field, Shape, Type, inner, kind as find, table};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// A kind that is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// Kind.
    pub kind: &'static str,
    /// Plural, as in URLs.
    pub plural: &'static str,
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
    /// The schema that came with it, for a kind that is not in the table.
    pub schema: Option<&'static Value>,
}

/// The document of a group and version.
pub fn openapi_v3(group: &str, version: &str, kinds: &[Served]) -> Value {
    let (api_version, base) = match group {
        "" => (version.to_owned(), format!("/api/{version}")),
        _ => (format!("{group}/{version}"), format!("/apis/{group}/{version}")),
    };
    let mut paths = Map::new();
    let mut schemas = Map::new();
    let mut wanted = BTreeSet::new();
    for served in kinds {
        let gvk = json!({"group": group, "version": version, "kind": served.kind});
        let space = if served.namespaced { "/namespaces/{namespace}" } else { "" };
        paths.insert(format!("{base}{space}/{}/{{name}}", served.plural), item(&gvk));
        match (served.schema, find(&api_version, served.kind)) {
            (None, Some(ty)) => {
                let ty = table().get(ty.0);
                let mut schema = object(ty, &mut wanted);
                schema["x-kubernetes-group-version-kind"] = json!([gvk]);
                schemas.insert(component(ty), schema);
            }
            // What the table does not know, such as definitions themselves, has members that nobody names.
            (own, _) => {
                let open = json!({"x-kubernetes-preserve-unknown-fields": true, "properties": {
                    "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                }});
                let own = own_schema(own.unwrap_or(&open), &gvk, &mut wanted);
                schemas.insert(format!("{group}.{version}.{}", served.kind), own);
            }
        }
    }
    let mut todo: Vec<usize> = wanted.iter().copied().collect();
    while let Some(index) = todo.pop() {
        let ty = table().get(index);
        let name = component(ty);
        if schemas.contains_key(&name) {
            continue;
        }
        let mut more = BTreeSet::new();
        schemas.insert(name, object(ty, &mut more));
        todo.extend(more);
    }
    json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.36.0"},
        "paths": paths,
        "components": {"schemas": schemas},
    })
}

/// A schema that a user brought, with what every object has.
fn own_schema(schema: &Value, gvk: &Value, wanted: &mut BTreeSet<usize>) -> Value {
    let mut own = schema.clone();
    own["type"] = json!("object");
    for key in ["apiVersion", "kind"] {
        own["properties"][key] = json!({"type": "string"});
    }
    if let Some(ty) = find("meta.k8s.io/v1", "PartialObjectMetadata")
        && let Some(field) = table().get(ty.0).field("metadata")
    {
        own["properties"]["metadata"] = property(field, wanted);
    }
    own["x-kubernetes-group-version-kind"] = json!([gvk]);
    own
}

/// The operations of one object, as far as clients look at them.
fn item(gvk: &Value) -> Value {
    let parameter = |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string"}});
    let operation = |action: &str| {
        json!({
            "x-kubernetes-action": action, "x-kubernetes-group-version-kind": gvk,
            "parameters": [parameter("dryRun"), parameter("fieldManager"), parameter("fieldValidation")],
            "responses": {"200": {"description": "OK"}},
        })
    };
    json!({
        "get": {
            "x-kubernetes-action": "get", "x-kubernetes-group-version-kind": gvk,
            "responses": {"200": {"description": "OK"}},
        },
        "put": operation("put"),
        "patch": operation("patch"),
    })
}

fn component(ty: &Type) -> String {
    format!("io.k8s.{}", ty.path)
}

fn object(ty: &Type, wanted: &mut BTreeSet<usize>) -> Value {
    let mut properties = Map::new();
    fields(ty, &mut properties, wanted);
    json!({"type": "object", "properties": properties})
}

fn fields(ty: &Type, properties: &mut Map<String, Value>, wanted: &mut BTreeSet<usize>) {
    for field in &ty.fields {
        match inner(&field.shape) {
            Some(index) if field.name.is_empty() => fields(table().get(index), properties, wanted),
            _ => drop(properties.insert(field.name.to_owned(), property(field, wanted))),
        }
    }
}

fn property(field: &Field, wanted: &mut BTreeSet<usize>) -> Value {
    let mut out = shape(&field.shape, wanted);
    for (key, value) in
        [("x-kubernetes-patch-strategy", field.strategy), ("x-kubernetes-patch-merge-key", field.merge_key)]
    {
        if !value.is_empty() {
            out[key] = json!(value);
        }
    }
    out
}

fn shape(shape_of: &Shape, wanted: &mut BTreeSet<usize>) -> Value {
    match shape_of {
        Shape::Text | Shape::Duration | Shape::Quantity => json!({"type": "string"}),
        Shape::Bool => json!({"type": "boolean"}),
        Shape::Int32 => json!({"type": "integer", "format": "int32"}),
        Shape::Int64 | Shape::Uint64 => json!({"type": "integer", "format": "int64"}),
        Shape::Float => json!({"type": "number", "format": "double"}),
        Shape::Bytes => json!({"type": "string", "format": "byte"}),
        Shape::Time | Shape::MicroTime => json!({"type": "string", "format": "date-time"}),
        Shape::IntOrString => {
            json!({"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]})
        }
        Shape::Raw => json!({"type": "object"}),
        Shape::TextList => json!({"type": "array", "items": {"type": "string"}}),
        Shape::Optional(of) => shape(of, wanted),
        Shape::List(of) => json!({"type": "array", "items": shape(of, wanted)}),
        Shape::Map(of) => json!({"type": "object", "additionalProperties": shape(of, wanted)}),
        Shape::Message(index) => {
            wanted.insert(*index);
            let name = component(table().get(*index));
            json!({"allOf": [{"$ref": format!("#/components/schemas/{name}")}]})
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_leads_somewhere_and_patches_are_checked_by_the_server() {
        let document =
            openapi_v3("", "v1", &[Served { kind: "Pod", plural: "pods", namespaced: true, schema: None }]);
        let text = document.to_string();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        for part in text.split("#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(schemas.contains_key(name), "{name}");
        }
        let patch = &document["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"];
        assert_eq!(patch["parameters"][2]["name"], "fieldValidation");
        let spec = &schemas["io.k8s.api.core.v1.PodSpec"]["properties"];
        assert_eq!(spec["containers"]["x-kubernetes-patch-merge-key"], "name");
        let volume = &schemas["io.k8s.api.core.v1.Volume"]["properties"];
        assert!(volume["projected"].is_object() && volume[""].is_null());
    }
}
