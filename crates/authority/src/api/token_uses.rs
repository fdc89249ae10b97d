//! `tokenuses.jeton.dev`: what is remembered of tokens' uses, as objects.

use super::router::App;
use crate::objects::Registry;
use crate::objects::kind::text;
use crate::objects::kinds::{POD, REPLICA_SET, SECRET, TOKEN_USE};
use crate::objects::registry::about;
use crate::objects::selector::Selector;
use crate::status::ApiError;
use crate::token_uses::Entry;
use jeton_core::observe::stem;
use jeton_core::time::UnixTime;
use serde_json::{Value, json};

/// The uses in a namespace, or in all of them, that a selector leaves.
///
/// # Errors
/// NoResource where uses are not remembered; BadRequest for a selector that does not fit.
pub(super) fn list(app: &App, namespace: &str, selector: &Selector) -> Result<Vec<Value>, ApiError> {
    let uses = app.observer.metrics.uses.as_ref().ok_or(ApiError::NoResource)?;
    let own = |entry: &Entry| namespace.is_empty() || *entry.namespace == *namespace;
    let mut found = Vec::new();
    for (name, entry) in uses.all().into_iter().filter(|(_, entry)| own(entry)) {
        let object = object(&app.registry, &name, &entry);
        if selector.matches(&TOKEN_USE, &object).map_err(ApiError::BadRequest)? {
            found.push(object);
        }
    }
    Ok(found)
}

/// One of them.
///
/// # Errors
/// NotFound; NoResource where uses are not remembered.
pub(super) fn get(app: &App, namespace: &str, name: &str) -> Result<Value, ApiError> {
    let all = list(app, namespace, &Selector::default())?;
    let found = all.into_iter().find(|object| text(object, "/metadata/name") == name);
    found.ok_or_else(|| ApiError::NotFound(about(&TOKEN_USE, name)))
}

fn object(registry: &Registry, name: &str, entry: &Entry) -> Value {
    let time = |at: Option<i64>| at.map(|at| UnixTime::from_seconds(at).rfc3339());
    let mut status = json!({
        "serviceAccountName": entry.account,
        "kind": entry.kind.name(),
        "client": entry.client,
        "uses": entry.uses,
        "firstUse": entry.first.rfc3339(),
        "lastUse": entry.last.rfc3339(),
    });
    let issued = match entry.secret.is_empty() {
        true => time(entry.issued_at),
        false => {
            let secret = registry.get(&SECRET, &entry.namespace, &entry.secret).ok();
            secret.map(|secret| text(&secret, "/metadata/creationTimestamp").to_owned())
        }
    };
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            status[key] = value;
        }
    };
    put("issuedAt", issued.map(Value::from));
    put("stopsWorking", time(entry.expires).map(Value::from));
    put("podName", (!entry.pod.is_empty()).then(|| json!(entry.pod)));
    put("secretName", (!entry.secret.is_empty()).then(|| json!(entry.secret)));
    put("workload", workload(registry, entry).map(|(kind, name)| json!({"kind": kind, "name": name})));
    json!({
        "kind": TOKEN_USE.kind, "apiVersion": TOKEN_USE.api_version(),
        "metadata": {
            "name": name, "namespace": entry.namespace, "creationTimestamp": entry.first.rfc3339(),
        },
        "status": status,
    })
}

/// What the token's pod belongs to; a pod that is gone is known by its name alone.
fn workload(registry: &Registry, entry: &Entry) -> Option<(String, String)> {
    if entry.pod.is_empty() {
        return None;
    }
    let Ok(pod) = registry.get(&POD, &entry.namespace, &entry.pod) else {
        return Some(("Pod".to_owned(), stem(&entry.pod).to_owned()));
    };
    let Some((kind, name)) = owner(&pod) else { return Some(("Pod".to_owned(), entry.pod.to_string())) };
    if kind != REPLICA_SET.kind {
        return Some((kind, name));
    }
    let set = registry.get(&REPLICA_SET, &entry.namespace, &name).ok();
    Some(set.as_ref().and_then(owner).unwrap_or((kind, name)))
}

/// The object that controls another.
fn owner(object: &Value) -> Option<(String, String)> {
    let all = object["metadata"]["ownerReferences"].as_array()?;
    let owner = all.iter().find(|owner| owner["controller"] == true)?;
    Some((text(owner, "/kind").to_owned(), text(owner, "/name").to_owned()))
}
