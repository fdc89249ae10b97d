//! A request line to the labels of its counters.
//!
//! Invariant: they only name what is served, so that no client can make the server hold more and more series.

use crate::metrics::RequestLabels;
use crate::objects::{Kind, kinds};
use crate::request_info::{RequestLine, ResourcePath};

/// Endpoints that are no resources and have a name of their own in the metrics.
const ENDPOINTS: [&str; 7] = [
    "/healthz",
    "/livez",
    "/metrics",
    "/openid/v1/jwks",
    "/readyz",
    "/version",
    "/.well-known/openid-configuration",
];
/// Subresources that a request which was refused may name in the metrics.
const SUBRESOURCES: [&str; 5] = ["", "binding", "finalize", "status", "token"];

/// The labels; `served`: what was asked for is known to be something that is served.
pub(super) fn labels(line: &RequestLine, served: bool) -> RequestLabels<'_> {
    let Some(info) = &line.info else { return RequestLabels::default() };
    let dry_run = line.query.get("dryRun").is_some();
    let Some(path) = &info.resource else {
        let endpoint = ENDPOINTS.into_iter().find(|e| *e == info.path).unwrap_or("");
        let verb = plain_verb(info.verb);
        return RequestLabels { verb, subresource: endpoint, ..RequestLabels::default() };
    };
    let verb = match info.verb {
        "create" => "POST",
        "update" => "PUT",
        "get" => "GET",
        "list" => "LIST",
        "watch" => "WATCH",
        "patch" => "PATCH",
        "delete" => "DELETE",
        "deletecollection" => "DELETECOLLECTION",
        _ => "",
    };
    if !served && !SUBRESOURCES.contains(&path.subresource.as_str()) {
        return RequestLabels { verb, ..RequestLabels::default() };
    }
    let same = |k: &&Kind| k.group == path.group && k.version == path.version && k.plural == path.plural;
    if !served && !kinds::ALL.iter().any(same) {
        return RequestLabels { verb, ..RequestLabels::default() };
    }
    RequestLabels {
        verb,
        group: &path.group,
        version: &path.version,
        resource: &path.plural,
        subresource: &path.subresource,
        scope: scope(info.verb, path),
        dry_run,
    }
}

fn plain_verb(verb: &'static str) -> &'static str {
    match verb {
        "get" => "GET",
        "head" => "HEAD",
        "post" => "POST",
        "put" => "PUT",
        "patch" => "PATCH",
        "delete" => "DELETE",
        "options" => "OPTIONS",
        _ => "",
    }
}

/// Kubernetes 1.36: a create is about one object, though its path names none.
fn scope(verb: &str, path: &ResourcePath) -> &'static str {
    match (path.name.as_str(), path.namespace.as_str()) {
        _ if verb == "create" => "resource",
        ("", "") => "cluster",
        ("", _) => "namespace",
        _ => "resource",
    }
}
