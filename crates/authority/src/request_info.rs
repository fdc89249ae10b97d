//! A method and a URL to what is asked for.
//!
//! Kubernetes 1.36 (apiserver/pkg/endpoints/request/requestinfo.go): the verb follows from the method and
//! from whether a name is given; a namespace's own name stands as its namespace too.

use crate::objects::selector::Selector;
use http::uri::PathAndQuery;
use http::{Method, Uri};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// Room for the parts of a path that need not grow.
const USUAL_PARTS: usize = 8;

/// What a request asks for, as authorization sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestInfo {
    /// The whole path, decoded.
    pub path: String,
    /// get, list, watch, create, update, patch, delete, deletecollection; lower-case method outside resources.
    pub verb: &'static str,
    /// The resource; `None` for paths such as `/healthz` and for discovery.
    pub resource: Option<ResourcePath>,
    /// Which objects of a collection, where the request says so and the selectors can be read.
    pub selector: Option<Selector>,
    /// The one name that a field selector leaves of a collection; empty: there is none. Access to that name is enough.
    pub selected_name: String,
}

/// A resource in a URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourcePath {
    /// API group; empty: core.
    pub group: String,
    /// API version.
    pub version: String,
    /// Namespace; empty: cluster scope or all namespaces.
    pub namespace: String,
    /// Plural.
    pub plural: String,
    /// Name; empty for a collection.
    pub name: String,
    /// Such as `token`; may hold slashes.
    pub subresource: String,
}

impl ResourcePath {
    /// Whether it is asked for inside a namespace; a namespace is not inside itself.
    pub fn in_namespace(&self) -> bool {
        let own = self.group.is_empty() && self.plural == "namespaces" && self.name == self.namespace;
        !self.namespace.is_empty() && !own
    }
}

/// The parameters of a query, decoded, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the part after `?`.
    pub fn parse(text: Option<&str>) -> Self {
        Self(form_urlencoded::parse(text.unwrap_or("").as_bytes()).into_owned().collect())
    }
    /// The first value of a parameter; empty counts as absent, as in Kubernetes.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str()).filter(|v| !v.is_empty())
    }
    /// Whether a boolean parameter is set; `?watch` alone counts.
    pub fn flag(&self, name: &str) -> bool {
        let value = self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        value.is_some_and(|v| !matches!(v, "false" | "0" | "False" | "FALSE" | "f" | "F"))
    }
    /// Every value of a parameter.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// A request line, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestLine {
    method: Method,
    target: Box<str>,
    /// The parameters of its query.
    pub query: Query,
    /// What it asks for; `None`: the path is not UTF-8 once decoded.
    pub info: Option<RequestInfo>,
}

impl RequestLine {
    /// Reads one.
    pub fn read(method: &Method, uri: &Uri) -> Self {
        let query = Query::parse(uri.query());
        let info = parse(method, uri.path(), &query);
        Self { method: method.clone(), target: target(uri).into(), query, info }
    }

    /// Whether it is the line of this method and URI. Host and scheme mean nothing here.
    pub fn is(&self, method: &Method, uri: &Uri) -> bool {
        self.method == *method && *self.target == *target(uri)
    }

    /// Path and query as they came.
    pub fn target(&self) -> &str {
        &self.target
    }
}

fn target(uri: &Uri) -> &str {
    uri.path_and_query().map_or("", PathAndQuery::as_str)
}

/// Reads a request line; `None` when the path is not UTF-8 once decoded.
pub fn parse(method: &Method, path: &str, query: &Query) -> Option<RequestInfo> {
    let decoded = decode(path)?.into_owned();
    let mut parts = Vec::with_capacity(USUAL_PARTS);
    for part in path.trim_start_matches('/').split('/') {
        parts.push(decode(part)?);
    }
    let (group, version, rest) = match &parts[..] {
        [api, version, rest @ ..] if api == "api" => ("", &**version, rest),
        [apis, group, version, rest @ ..] if apis == "apis" => (&**group, &**version, rest),
        _ => ("", "", &[][..]),
    };
    if rest.first().is_none_or(|plural| plural.is_empty()) {
        return Some(RequestInfo { path: decoded, verb: plain_verb(method), ..RequestInfo::default() });
    }
    let resource = resource(group, version, rest);
    let verb = verb(method, &resource, query);
    let selector = match resource.name.is_empty() && verb != "create" {
        true => Selector::parse(query.get("labelSelector"), query.get("fieldSelector")).ok(),
        false => None,
    };
    let selector = selector.filter(|s| !s.is_empty());
    let selected_name = selector.as_ref().and_then(|s| s.field_is("metadata.name")).unwrap_or("").to_owned();
    Some(RequestInfo { path: decoded, verb, resource: Some(resource), selector, selected_name })
}

/// Borrowed where nothing is escaped, as in nearly every path.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if text.contains('%') { percent_decode_str(text).decode_utf8().ok() } else { Some(Cow::Borrowed(text)) }
}

fn resource(group: &str, version: &str, mut parts: &[Cow<'_, str>]) -> ResourcePath {
    // A trailing slash asks for the same thing.
    while let [rest @ .., last] = parts
        && !rest.is_empty()
        && last.is_empty()
    {
        parts = rest;
    }
    let mut out =
        ResourcePath { group: group.to_owned(), version: version.to_owned(), ..ResourcePath::default() };
    let own = ["status", "finalize"];
    if let [first, namespace, rest @ ..] = parts
        && first == "namespaces"
    {
        out.namespace = namespace.clone().into_owned();
        if rest.first().is_some_and(|sub| !own.contains(&&**sub)) {
            parts = rest;
        }
    }
    let text = |at: usize| parts.get(at).map_or(String::new(), |part| part.clone().into_owned());
    (out.plural, out.name) = (text(0), text(1));
    out.subresource = parts.get(2..).unwrap_or_default().join("/");
    out
}

fn plain_verb(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "get",
        "HEAD" => "head",
        "POST" => "post",
        "PUT" => "put",
        "PATCH" => "patch",
        "DELETE" => "delete",
        "OPTIONS" => "options",
        _ => "",
    }
}

fn verb(method: &Method, resource: &ResourcePath, query: &Query) -> &'static str {
    let named = !resource.name.is_empty();
    match method.as_str() {
        "POST" => "create",
        "GET" | "HEAD" if named => "get",
        "GET" | "HEAD" if query.flag("watch") => "watch",
        "GET" | "HEAD" => "list",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" if named => "delete",
        "DELETE" => "deletecollection",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let cases: [(&str, &str, &str, &str); 14] = [
            ("GET", "/api/v1/namespaces", "list", "|v1||namespaces||"),
            ("GET", "/api/v1/namespaces/a", "get", "|v1|a|namespaces|a|"),
            ("GET", "/api/v1/namespaces/a/", "get", "|v1|a|namespaces|a|"),
            ("PUT", "/api/v1/namespaces/a/finalize", "update", "|v1|a|namespaces|a|finalize"),
            ("GET", "/api/v1/namespaces/a/pods", "list", "|v1|a|pods||"),
            ("GET", "/api/v1/pods?watch=1", "watch", "|v1||pods||"),
            ("DELETE", "/api/v1/namespaces/a/pods", "deletecollection", "|v1|a|pods||"),
            ("DELETE", "/api/v1/namespaces/a/pods/b", "delete", "|v1|a|pods|b|"),
            (
                "POST",
                "/api/v1/namespaces/a/serviceaccounts/b/token",
                "create",
                "|v1|a|serviceaccounts|b|token",
            ),
            ("PATCH", "/apis/g/v2/things/x%2Fy", "patch", "g|v2||things|x/y|"),
            ("GET", "/api/v1/nodes/n/proxy/a/b", "get", "|v1||nodes|n|proxy/a/b"),
            ("GET", "/api/v1", "get", "-"),
            ("GET", "/apis/authentication.k8s.io/v1", "get", "-"),
            ("GET", "/healthz", "get", "-"),
        ];
        for (method, url, verb, want) in cases {
            let (path, query) = url.split_once('?').map_or((url, None), |(p, q)| (p, Some(q)));
            let info = parse(&method.parse().unwrap(), path, &Query::parse(query)).unwrap();
            let got = info.resource.map_or("-".to_owned(), |r| {
                [r.group, r.version, r.namespace, r.plural, r.name, r.subresource].join("|")
            });
            assert_eq!((info.verb, got.as_str()), (verb, want), "{method} {url}");
        }
    }

    #[test]
    fn a_path_that_is_no_text_is_refused() {
        assert_eq!(parse(&Method::GET, "/api/v1/pods/%ff", &Query::default()), None);
    }
}
