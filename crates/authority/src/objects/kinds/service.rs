//! Services: names for pods. Stored, not served: there is no proxy here.

use crate::objects::kind::{Kind, PLAIN, default_to, text};
use crate::objects::table::{AGE, Cell, NAME, column, joined, labels, or_none, wide};
use crate::status::{Cause, Fault};
use jeton_core::ident;
use serde_json::Value;

/// core/v1 Service.
pub const SERVICE: Kind = Kind {
    kind: "Service",
    plural: "services",
    singular: "service",
    short_names: &["svc"],
    categories: &["all"],
    stored_as: "core/services",
    returns_deleted: true,
    name: ident::dns_label,
    prepare,
    check,
    has_status: true,
    columns: &[
        NAME,
        column("Type", Cell::At("/spec/type")),
        column("Cluster-IP", Cell::Of(|o, _| or_none(text(o, "/spec/clusterIP")))),
        column("External-IP", Cell::Of(|o, _| external(o))),
        column("Port(s)", Cell::Of(|o, _| ports(o))),
        AGE,
        wide("Selector", Cell::Of(|o, _| labels(o, "/spec/selector"))),
    ],
    ..PLAIN
};

fn prepare(object: &mut Value, _: Option<&Value>) {
    let Some(spec) = object.get_mut("spec").filter(|s| s.is_object()) else { return };
    default_to(spec, "type", "ClusterIP");
    default_to(spec, "sessionAffinity", "None");
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        default_to(port, "protocol", "TCP");
        if port["targetPort"].is_null() {
            port["targetPort"] = port["port"].clone();
        }
    }
}

fn check(new: &Value, _: Option<&Value>, causes: &mut Vec<Cause>) {
    let ty = text(new, "/spec/type");
    if !matches!(ty, "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName") {
        let list = r#""ClusterIP", "ExternalName", "LoadBalancer", "NodePort""#.to_owned();
        causes.push(Cause {
            field: "spec.type".to_owned(),
            fault: Fault::NotSupported(format!("{ty:?}"), list),
        });
    }
    let ports = new.pointer("/spec/ports").and_then(Value::as_array);
    if ports.is_none_or(Vec::is_empty) && ty != "ExternalName" && text(new, "/spec/clusterIP") != "None" {
        causes.push(Cause::required("spec.ports", ""));
    }
    for (at, port) in ports.into_iter().flatten().enumerate() {
        let number = port["port"].as_i64().unwrap_or(0);
        if !(1..=65_535).contains(&number) {
            let why = "must be between 1 and 65535, inclusive";
            causes.push(Cause::invalid_value(format!("spec.ports[{at}].port"), number, why));
        }
    }
}

/// Kubernetes 1.36: a load balancer that has no address yet is `<pending>`.
fn external(service: &Value) -> Value {
    let given = service.pointer("/spec/externalIPs").and_then(Value::as_array).into_iter().flatten();
    let balanced = service.pointer("/status/loadBalancer/ingress").and_then(Value::as_array);
    let balanced = balanced.into_iter().flatten().map(|i| match text(i, "/ip") {
        "" => text(i, "/hostname"),
        ip => ip,
    });
    let balancer = text(service, "/spec/type") == "LoadBalancer";
    let mut all: Vec<&str> = balanced.filter(|_| balancer).collect();
    all.extend(given.filter_map(Value::as_str));
    match text(service, "/spec/externalName") {
        "" if balancer && all.is_empty() => Value::from("<pending>"),
        "" => joined(all.into_iter()),
        name => Value::from(name),
    }
}

fn ports(service: &Value) -> Value {
    let ports = service.pointer("/spec/ports").and_then(Value::as_array).into_iter().flatten();
    let texts: Vec<String> = ports.map(|p| format!("{}/{}", p["port"], text(p, "/protocol"))).collect();
    joined(texts.iter().map(String::as_str))
}
