//! The JSON of the reviews and requests that tokens travel in.
//!
//! Purpose: the shapes of authentication.k8s.io/v1 as Kubernetes 1.36 serves them (spec: authentication/v1
//! types). Reading is tolerant of explicit nulls, as old clients send them; writing omits what Kubernetes omits.
//!
//! Left out on purpose: unknown-field reports and protobuf. `jeton-schema` handles those for all kinds alike.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Group and version of the kinds in this module.
pub const AUTHENTICATION_V1: &str = "authentication.k8s.io/v1";

fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Who a request comes from: name, uid, groups in order, and extra facts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UserInfo {
    /// User name, such as `system:serviceaccount:ci:builder`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub username: String,
    /// Uid of the account; empty for certificate users.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// Groups, in the order Kubernetes gives them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Further facts, such as the pod a token is bound to.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, Vec<String>>,
}

/// A TokenRequest as it arrives.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenRequest {
    /// Empty or `TokenRequest`.
    #[serde(deserialize_with = "null_is_default")]
    pub kind: String,
    /// Empty or `authentication.k8s.io/v1`.
    #[serde(rename = "apiVersion", deserialize_with = "null_is_default")]
    pub api_version: String,
    /// Object metadata; name, namespace and uid must match the account's where given.
    #[serde(deserialize_with = "null_is_default")]
    pub metadata: Map<String, Value>,
    /// What is asked for.
    #[serde(deserialize_with = "null_is_default")]
    pub spec: TokenRequestSpec,
    /// Ignored on input.
    pub status: Option<Value>,
}

/// What a TokenRequest asks for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenRequestSpec {
    /// Intended audiences; empty: the API server's.
    #[serde(deserialize_with = "null_is_default")]
    pub audiences: Vec<String>,
    /// Object the token dies with.
    #[serde(rename = "boundObjectRef")]
    pub bound_object_ref: Option<BoundObjectRef>,
    /// Lifetime in seconds; absent: 3600.
    #[serde(rename = "expirationSeconds")]
    pub expiration_seconds: Option<i64>,
}

/// The object a token is bound to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BoundObjectRef {
    /// `Pod`, `Secret` or `Node`.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_is_default")]
    pub kind: String,
    /// API version; only its group counts.
    #[serde(
        rename = "apiVersion",
        skip_serializing_if = "String::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub api_version: String,
    /// Name of the object.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_is_default")]
    pub name: String,
    /// Uid of the object; empty: whichever has the name now.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_is_default")]
    pub uid: String,
}

/// A TokenReview as it arrives. Debug is not derived, because `spec.token` is a token.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenReview {
    /// Empty or `TokenReview`.
    #[serde(deserialize_with = "null_is_default")]
    pub kind: String,
    /// Empty or `authentication.k8s.io/v1`.
    #[serde(rename = "apiVersion", deserialize_with = "null_is_default")]
    pub api_version: String,
    /// Object metadata, echoed.
    #[serde(deserialize_with = "null_is_default")]
    pub metadata: Map<String, Value>,
    /// What is asked.
    #[serde(deserialize_with = "null_is_default")]
    pub spec: TokenReviewSpec,
    /// Ignored on input.
    pub status: Option<Value>,
}

/// What a TokenReview asks. Debug is not derived, because `token` is a token.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenReviewSpec {
    /// The token in question.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_is_default")]
    pub token: String,
    /// Audiences the asker wants; empty: the API server's.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub audiences: Vec<String>,
}

impl std::fmt::Debug for TokenReviewSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenReviewSpec(token: {} bytes, audiences: {:?})", self.token.len(), self.audiences)
    }
}

impl std::fmt::Debug for TokenReview {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenReview({:?})", self.spec)
    }
}

/// What a TokenReview answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenReviewStatus {
    /// Whether the token is good for one of the audiences.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub authenticated: bool,
    /// Whose token it is; empty when it is not good.
    pub user: UserInfo,
    /// The audiences that were asked for and that the token has, in the order asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_the_nulls_of_old_kubectl() {
        let text = r#"{"kind":"TokenRequest","apiVersion":"authentication.k8s.io/v1","metadata":{"creationTimestamp":null},"spec":{"audiences":null,"expirationSeconds":null,"boundObjectRef":null},"status":{"token":"","expirationTimestamp":null}}"#;
        let request: TokenRequest = serde_json::from_str(text).unwrap();
        assert_eq!(request.spec, TokenRequestSpec::default());
    }

    #[test]
    fn a_review_never_prints_its_token() {
        let review: TokenReview = serde_json::from_str(r#"{"spec":{"token":"eyJ.x.y"}}"#).unwrap();
        assert!(!format!("{review:?}").contains("eyJ"));
    }

    #[test]
    fn an_answer_of_no_says_nothing_more_than_needed() {
        let status = TokenReviewStatus { error: "invalid bearer token".to_owned(), ..Default::default() };
        assert_eq!(serde_json::to_string(&status).unwrap(), r#"{"user":{},"error":"invalid bearer token"}"#);
    }
}
