//! EndpointSlices: where a service is to be found. Nothing here fills them but the one of `kubernetes`.

use crate::objects::kind::{Kind, PLAIN, text};
use crate::objects::table::{AGE, Cell, NAME, column, joined};
use crate::status::{Cause, Fault};
use serde_json::{Value, json};

/// discovery.k8s.io/v1 EndpointSlice.
pub const ENDPOINT_SLICE: Kind = Kind {
    group: "discovery.k8s.io",
    kind: "EndpointSlice",
    plural: "endpointslices",
    singular: "endpointslice",
    stored_as: "discovery.k8s.io/endpointslices",
    check,
    columns: &[
        NAME,
        column("AddressType", Cell::At("/addressType")),
        column("Ports", Cell::Of(|o, _| ports(o))),
        column("Endpoints", Cell::Of(|o, _| endpoints(o))),
        AGE,
    ],
    ..PLAIN
};

fn check(new: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let ty = text(new, "/addressType");
    if ty.is_empty() {
        causes.push(Cause::required("addressType", ""));
    } else if !matches!(ty, "IPv4" | "IPv6" | "FQDN") {
        let list = r#""FQDN", "IPv4", "IPv6""#.to_owned();
        causes.push(Cause {
            field: "addressType".to_owned(),
            fault: Fault::NotSupported(format!("{ty:?}"), list),
        });
    }
    if let Some(old) = old
        && old["addressType"] != new["addressType"]
    {
        causes.push(Cause::invalid("addressType", ty, "field is immutable"));
    }
}

fn ports(slice: &Value) -> Value {
    let ports = slice["ports"].as_array().into_iter().flatten();
    let texts: Vec<String> = ports.map(|p| p["port"].to_string()).collect();
    if texts.is_empty() { json!("<unset>") } else { joined(texts.iter().map(String::as_str)) }
}

fn endpoints(slice: &Value) -> Value {
    let endpoints = slice["endpoints"].as_array().into_iter().flatten();
    let addresses = endpoints.flat_map(|e| e["addresses"].as_array().into_iter().flatten());
    let texts: Vec<&str> = addresses.filter_map(Value::as_str).collect();
    if texts.is_empty() { json!("<unset>") } else { joined(texts.into_iter()) }
}
