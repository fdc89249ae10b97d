//! The ServiceAccount plugin: which account a pod runs as, and how its token gets in.
//!
//! Kubernetes 1.36, plugin/pkg/admission/serviceaccount: mirror pods (whose node made them) have no account and no
//! Secrets; every other pod has an account that exists.

use super::inject;
use super::references::{ephemeral_not_mountable, has_token_volume, not_mountable, secrets};
use crate::objects::Registry;
use crate::objects::kind::text;
use crate::objects::kinds::{ENFORCE_MOUNTABLE, MIRROR_ANNOTATION, POD, SECRET, SERVICE_ACCOUNT, TOKEN_TYPE};
use crate::objects::meta;
use crate::objects::registry::about;
use crate::status::{About, ApiError};
use jeton_core::legacy::{ACCOUNT_NAME_ANNOTATION, ACCOUNT_UID_ANNOTATION};
use jeton_core::release::Gate;
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

/// The account of a pod that names none.
const DEFAULT_ACCOUNT: &str = "default";
/// Times the account `default` is looked for: it is made right after its namespace. Kubernetes 1.36: 10.
const DEFAULT_ATTEMPTS: u32 = 10;
/// Milliseconds between two of them: this, and up to 99 more.
const RETRY_MILLIS: u64 = 100;

/// Admits a new pod.
pub(super) async fn admit(registry: &Registry, namespace: &str, pod: &mut Value) -> Result<(), ApiError> {
    if pod["metadata"]["annotations"].get(MIRROR_ANNOTATION).is_some() {
        return mirror(pod).map_err(|why| forbidden(pod, why));
    }
    if !pod["spec"].is_object() {
        return Ok(());
    }
    if text(pod, "/spec/serviceAccountName").is_empty() {
        pod["spec"]["serviceAccountName"] = json!(DEFAULT_ACCOUNT);
        pod["spec"]["serviceAccount"] = json!(DEFAULT_ACCOUNT);
    }
    let name = text(pod, "/spec/serviceAccountName").to_owned();
    let Some(account) = find(registry, namespace, &name).await? else {
        let why =
            format!("error looking up service account {namespace}/{name}: serviceaccount {name:?} not found");
        return Err(forbidden(pod, why));
    };
    if inject::wanted(pod, &account) {
        give_token(registry, namespace, pod, &account)?;
    }
    pulls(pod, &account);
    if enforced(&account) {
        not_mountable(pod, &account, &name).map_err(|why| forbidden(pod, why))?;
    }
    Ok(())
}

/// Admits a pod with new ephemeral containers. Kubernetes 1.36: nothing is added to them.
pub(super) fn admit_ephemeral(registry: &Registry, namespace: &str, pod: &Value) -> Result<(), ApiError> {
    let name = text(pod, "/spec/serviceAccountName");
    let account = registry.get(&SERVICE_ACCOUNT, namespace, name).map_err(|error| match error {
        ApiError::NotFound(_) | ApiError::BadRequest(_) => forbidden(
            pod,
            format!("error looking up service account {namespace}/{name}: serviceaccount {name:?} not found"),
        ),
        other => other,
    })?;
    if enforced(&account) {
        ephemeral_not_mountable(pod, &account, name).map_err(|why| forbidden(pod, why))?;
    }
    Ok(())
}

/// Mounts the token: a projected one, or, before it was the default, the Secret of the account.
fn give_token(
    registry: &Registry,
    namespace: &str,
    pod: &mut Value,
    account: &Value,
) -> Result<(), ApiError> {
    let suffix = meta::suffix(Uuid::new_v4());
    if registry.release.has(Gate::BoundTokenVolume) {
        inject::inject(pod, &suffix);
        return Ok(());
    }
    let Some(secret) = token_secret(registry, namespace, account)? else {
        // Kubernetes 1.20: a client that tries again after a second finds it.
        let name = text(account, "/metadata/name");
        return Err(ApiError::NotYet(
            About::new("", SERVICE_ACCOUNT.plural, "create pod"),
            format!(
                "No API token found for service account {name:?}, retry after the token is automatically created and added to the service account"
            ),
        ));
    };
    inject::inject_secret(pod, &secret, &suffix);
    Ok(())
}

/// The first Secret that an account lists and that holds a token of its own.
pub(crate) fn token_secret(
    registry: &Registry,
    namespace: &str,
    account: &Value,
) -> Result<Option<String>, ApiError> {
    for listed in account["secrets"].as_array().into_iter().flatten() {
        let name = text(listed, "/name");
        let secret = match registry.get(&SECRET, namespace, name) {
            Ok(secret) => secret,
            Err(ApiError::NotFound(_) | ApiError::BadRequest(_)) => continue,
            Err(error) => return Err(error),
        };
        let says = |key: &str| secret["metadata"]["annotations"][key].as_str().unwrap_or("");
        let own = says(ACCOUNT_NAME_ANNOTATION) == text(account, "/metadata/name")
            && says(ACCOUNT_UID_ANNOTATION) == text(account, "/metadata/uid");
        if own && text(&secret, "/type") == TOKEN_TYPE {
            return Ok(Some(name.to_owned()));
        }
    }
    Ok(None)
}

/// Kubernetes 1.36: name, then generateName, then `Unknown`. A generated name is not told: it is not taken yet.
pub(crate) fn shown_name(object: &Value) -> &str {
    let named = |key: &str| object["metadata"][key].as_str().filter(|n| !n.is_empty());
    match (named("name"), named("generateName")) {
        (Some(name), Some(base))
            if name.strip_prefix(base).is_some_and(|s| s.len() == meta::SUFFIX_BYTES) =>
        {
            base
        }
        (Some(name), _) => name,
        (None, base) => base.unwrap_or("Unknown"),
    }
}

fn forbidden(pod: &Value, why: impl Into<String>) -> ApiError {
    ApiError::Forbidden(about(&POD, shown_name(pod)), why.into())
}

fn mirror(pod: &Value) -> Result<(), &'static str> {
    if !text(pod, "/spec/serviceAccountName").is_empty() {
        return Err("a mirror pod may not reference service accounts");
    }
    if secrets(pod).next().is_some() {
        return Err("a mirror pod may not reference secrets");
    }
    if has_token_volume(pod) {
        return Err("a mirror pod may not use ServiceAccountToken volume projections");
    }
    Ok(())
}

/// The account as it is now. The default one is waited for, at most two seconds.
async fn find(registry: &Registry, namespace: &str, name: &str) -> Result<Option<Value>, ApiError> {
    let attempts = if name == DEFAULT_ACCOUNT { DEFAULT_ATTEMPTS } else { 1 };
    let pause = Duration::from_millis(RETRY_MILLIS + u64::from(Uuid::new_v4().as_bytes()[15]) % 100);
    for attempt in 0..attempts {
        if attempt > 0 {
            tokio::time::sleep(pause).await;
        }
        match registry.get(&SERVICE_ACCOUNT, namespace, name) {
            // A name that no object can have is not found either.
            Err(ApiError::NotFound(_) | ApiError::BadRequest(_)) => {}
            other => return other.map(Some),
        }
    }
    Ok(None)
}

/// A pod without pull secrets has those of its account.
fn pulls(pod: &mut Value, account: &Value) {
    let own = pod["spec"]["imagePullSecrets"].as_array().is_some_and(|own| !own.is_empty());
    let listed = account["imagePullSecrets"].as_array().filter(|all| !all.is_empty() && !own);
    if let Some(listed) = listed {
        let copies: Vec<Value> = listed.iter().map(|s| json!({"name": text(s, "/name")})).collect();
        pod["spec"]["imagePullSecrets"] = json!(copies);
    }
}

/// Whether the annotation is one of Go's words for true.
fn enforced(account: &Value) -> bool {
    let said = account["metadata"]["annotations"][ENFORCE_MOUNTABLE].as_str().unwrap_or("");
    ["1", "t", "T", "TRUE", "true", "True"].contains(&said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirror_pods_have_no_secrets() {
        let token = json!([{"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]);
        for (spec, want) in [
            (json!({}), None),
            (json!({"serviceAccountName": "a"}), Some("a mirror pod may not reference service accounts")),
            (json!({"imagePullSecrets": [{"name": "s"}]}), Some("a mirror pod may not reference secrets")),
            (
                json!({"volumes": token}),
                Some("a mirror pod may not use ServiceAccountToken volume projections"),
            ),
        ] {
            assert_eq!(mirror(&json!({"spec": spec})).err(), want);
        }
    }

    #[test]
    fn pull_secrets_are_copied_or_left() {
        let account = json!({"imagePullSecrets": [{"name": "a"}, {"name": "b", "odd": 1}]});
        for (own, want) in [
            (json!(null), json!([{"name": "a"}, {"name": "b"}])),
            (json!([]), json!([{"name": "a"}, {"name": "b"}])),
            (json!([{"name": "own"}]), json!([{"name": "own"}])),
        ] {
            let mut pod = json!({"spec": {"imagePullSecrets": own}});
            pulls(&mut pod, &account);
            assert_eq!(pod["spec"]["imagePullSecrets"], want);
        }
    }

    #[test]
    fn go_words_for_true() {
        for (word, want) in
            [("true", true), ("1", true), ("T", true), ("yes", false), ("tRUE", false), ("", false)]
        {
            assert_eq!(
                enforced(&json!({"metadata": {"annotations": {ENFORCE_MOUNTABLE: word}}})),
                want,
                "{word}"
            );
        }
    }

    #[test]
    fn a_generated_name_is_not_told() {
        for (metadata, want) in [
            (json!({"name": "a"}), "a"),
            (json!({"name": "gen-x2vzq", "generateName": "gen-"}), "gen-"),
            (json!({"name": "gen-own", "generateName": "gen-"}), "gen-own"),
            (json!({}), "Unknown"),
        ] {
            assert_eq!(shown_name(&json!({"metadata": metadata})), want);
        }
    }
}
