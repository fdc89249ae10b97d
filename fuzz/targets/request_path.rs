//! Paths, queries and selectors: what a path was taken for, written with every letter escaped, is taken for the same.
#![no_main]

use http::Method;
use jeton_authority::objects::kinds::POD;
use jeton_authority::objects::selector::Selector;
use jeton_authority::request_info::{Query, ResourcePath, parse};
use libfuzzer_sys::fuzz_target;
use serde_json::json;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
    let query = Query::parse(query);
    if let Some(info) = parse(&Method::GET, path, &query) {
        if let Some(resource) = &info.resource {
            again(resource);
        }
        if let Some(selector) = &info.selector {
            assert!(!selector.is_empty());
            assert_eq!(selector.field_is("metadata.name").unwrap_or(""), info.selected_name);
        }
    }
    selectors(text);
});

/// Every letter as an escape: none of them may be taken for anything else.
fn again(of: &ResourcePath) {
    // An empty part is none, and the subresource may hold slashes of its own.
    let nobody_serves = of.version.is_empty() || of.plural.is_empty() || of.subresource.ends_with('/');
    let nameless = of.name.is_empty() && !of.subresource.is_empty();
    if nobody_serves || nameless || of.plural == "namespaces" {
        return;
    }
    let hidden = |text: &str| text.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
    let mut path =
        if of.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", hidden(&of.group)) };
    path += &format!("/{}", hidden(&of.version));
    if !of.namespace.is_empty() {
        path += &format!("/namespaces/{}", hidden(&of.namespace));
    }
    path += &format!("/{}", hidden(&of.plural));
    if !of.name.is_empty() {
        path += &format!("/{}", hidden(&of.name));
    }
    for part in of.subresource.split('/').filter(|_| !of.subresource.is_empty()) {
        path += &format!("/{}", hidden(part));
    }
    let info = parse(&Method::GET, &path, &Query::default()).unwrap();
    assert_eq!(info.resource.as_ref(), Some(of), "{path}");
}

/// What a requirement takes, its opposite does not.
fn selectors(text: &str) {
    let pod = json!({"metadata": {"name": text, "labels": {"a": text, "b": ""}}});
    let matches = |labels: &str, fields: &str| {
        Selector::parse(Some(labels), Some(fields)).ok().and_then(|s| s.matches(&POD, &pod).ok())
    };
    let _ = matches(text, text);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.len() > 63 || !text.chars().all(plain) {
        return;
    }
    for (one, other) in [
        (format!("a={text}"), format!("a!={text}")),
        (format!("a in (x, {text})"), format!("a notin (x,{text})")),
        (format!("a{text}"), format!("!a{text}")),
    ] {
        let both = (matches(&one, ""), matches(&other, ""));
        assert!(matches!(both, (Some(yes), Some(no)) if yes != no), "{one}: {both:?}");
    }
    assert_eq!(matches(&format!("a={text}"), &format!("metadata.name={text}")), Some(true));
}
