//! Which tokens a node may ask for: those of its own pods, for the audiences that their volumes name.

use crate::access::attributes::{Attributes, Decision, Resource};
use crate::access::node::name_of;
use crate::objects::Registry;
use crate::objects::kind::text;
use crate::objects::kinds::POD;
use crate::status::{About, ApiError};
use jeton_core::release::Gate;
use jeton_core::wire::{BoundObjectRef, UserInfo};
use serde_json::Value;

/// The verb of the right to have a token for an audience that no volume of the pod names.
const AUDIENCE_VERB: &str = "request-serviceaccounts-token-audience";

/// A TokenRequest as a node sent it.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Namespace of the account.
    pub namespace: &'a str,
    /// The account.
    pub account: &'a str,
    /// Audiences, before defaults.
    pub audiences: &'a [String],
    /// What it is bound to.
    pub bound: Option<&'a BoundObjectRef<'a>>,
}

/// Checks a TokenRequest of a node; everybody else passes.
///
/// # Errors
/// Forbidden in Kubernetes' words; NotFound for the pod.
pub fn token(
    registry: &Registry,
    user: &UserInfo,
    asked: &Asked<'_>,
    decide: impl Fn(&Attributes<'_>) -> Result<Decision, ApiError>,
) -> Result<(), ApiError> {
    let Some(node) = name_of(user) else { return Ok(()) };
    let refuse =
        |why: String| Err(ApiError::Forbidden(About::new("", "serviceaccounts", asked.account), why));
    if node.is_empty() {
        return refuse(format!("could not determine node from user {:?}", user.username));
    }
    let to_pod = |b: &&BoundObjectRef<'_>| b.api_version == "v1" && b.kind == "Pod" && !b.name.is_empty();
    let Some(bound) = asked.bound.filter(to_pod) else {
        return refuse("node requested token not bound to a pod".to_owned());
    };
    if bound.uid.is_empty() {
        return refuse("node requested token with a pod binding without a uid".to_owned());
    }
    let pod = registry.get(&POD, asked.namespace, &bound.name).map_err(|error| match error {
        ApiError::NotFound(_) => ApiError::NotFound(About::new("", "pod", &bound.name)),
        other => other,
    })?;
    if bound.uid != text(&pod, "/metadata/uid") {
        return refuse(format!(
            "the UID in the bound object reference ({}) does not match the UID in record. The object might have been deleted and then recreated",
            bound.uid
        ));
    }
    if text(&pod, "/spec/nodeName") != node {
        return refuse("node requested token bound to a pod scheduled on a different node".to_owned());
    }
    if !registry.release.has(Gate::NodeAudienceRestriction) {
        return Ok(());
    }
    let audience = match asked.audiences {
        [] => "",
        [one] => one,
        _ => return refuse("node may only request 0 or 1 audiences".to_owned()),
    };
    if names_audience(&pod, audience) {
        return Ok(());
    }
    if let Some(missing) = unknown_driver(&pod) {
        return refuse(format!("error validating audience {audience:?}: {missing}"));
    }
    let resource =
        Resource { plural: audience, name: asked.account, namespace: asked.namespace, ..Resource::default() };
    if decide(&Attributes::resource(AUDIENCE_VERB, resource))?.allowed {
        return Ok(());
    }
    refuse(format!(
        "audience {audience:?} not found in pod spec volume, {} is not authorized to request tokens for this audience",
        user.username
    ))
}

/// Whether a token volume of a pod has exactly this audience; the empty one is the API server's.
fn names_audience(pod: &Value, audience: &str) -> bool {
    let volumes = pod.pointer("/spec/volumes").and_then(Value::as_array).into_iter().flatten();
    let sources =
        volumes.flat_map(|v| v.pointer("/projected/sources").and_then(Value::as_array).into_iter().flatten());
    let mut tokens = sources.map(|s| &s["serviceAccountToken"]).filter(|token| token.is_object());
    tokens.any(|token| text(token, "/audience") == audience)
}

/// The first volume whose driver might name audiences, if this server had drivers.
fn unknown_driver(pod: &Value) -> Option<String> {
    let volumes = pod.pointer("/spec/volumes").and_then(Value::as_array).into_iter().flatten();
    volumes.into_iter().find_map(|volume| {
        if let Some(driver) = volume.pointer("/csi/driver").and_then(Value::as_str) {
            return Some(format!("csidriver.storage.k8s.io {driver:?} not found"));
        }
        let claim = match volume.pointer("/persistentVolumeClaim/claimName").and_then(Value::as_str) {
            Some(claim) => claim.to_owned(),
            None if volume["ephemeral"].is_object() => {
                format!("{}-{}", text(pod, "/metadata/name"), text(volume, "/name"))
            }
            None => return None,
        };
        Some(format!("persistentvolumeclaim {claim:?} not found"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn audiences_are_compared_as_texts() {
        let pod = json!({"spec": {"volumes": [{"projected": {"sources": [
            {"serviceAccountToken": {"path": "t"}}, {"serviceAccountToken": {"path": "v", "audience": "vault"}},
        ]}}]}});
        for (audience, want) in [("", true), ("vault", true), ("Vault", false), ("https://issuer", false)] {
            assert_eq!(names_audience(&pod, audience), want, "{audience}");
        }
    }
}
