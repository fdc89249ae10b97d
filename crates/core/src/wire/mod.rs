//! The JSON of the reviews and requests that tokens travel in.
//!
//! Purpose: the shapes of authentication.k8s.io/v1 as Kubernetes 1.36 serves them (spec: authentication/v1
//! types). Reading is tolerant of explicit nulls, as old clients send them; writing omits what Kubernetes omits.
//!
//! Left out on purpose: unknown-field reports and protobuf. `jeton-schema` handles those for all kinds alike.

mod plain;

use crate::json::Reader;
use serde::de::{IgnoredAny, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

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

/// An object of authentication.k8s.io/v1 as it arrives, its texts borrowed from it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, bound(deserialize = "S: Default + Deserialize<'de>"))]
pub struct Arrived<'a, S> {
    /// Empty, or the kind's name.
    #[serde(borrow, deserialize_with = "text")]
    pub kind: Cow<'a, str>,
    /// Empty or `authentication.k8s.io/v1`.
    #[serde(borrow, rename = "apiVersion", deserialize_with = "text")]
    pub api_version: Cow<'a, str>,
    /// Object metadata. A request's name, namespace and uid must match the account's where given; a review's is echoed.
    #[serde(deserialize_with = "null_is_default")]
    pub metadata: Map<String, Value>,
    /// What is asked for.
    #[serde(deserialize_with = "null_is_default")]
    pub spec: S,
    /// Ignored on input.
    pub status: Option<IgnoredAny>,
}

/// The `spec` of a kind that is read here.
pub trait Spec<'a>: Default + Deserialize<'a> {
    /// The kind's name.
    const KIND: &'static str;

    /// Reads one that is plainly written.
    fn plain(reader: &mut Reader<'a>) -> Option<Self>;
}

/// A TokenRequest as it arrives.
pub type TokenRequest<'a> = Arrived<'a, TokenRequestSpec<'a>>;

/// A TokenReview as it arrives.
pub type TokenReview<'a> = Arrived<'a, TokenReviewSpec<'a>>;

/// What a TokenRequest asks for.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenRequestSpec<'a> {
    /// Intended audiences; empty: the API server's.
    #[serde(deserialize_with = "null_is_default")]
    pub audiences: Vec<String>,
    /// Object the token dies with.
    #[serde(borrow, rename = "boundObjectRef")]
    pub bound_object_ref: Option<BoundObjectRef<'a>>,
    /// Lifetime in seconds; absent: 3600.
    #[serde(rename = "expirationSeconds")]
    pub expiration_seconds: Option<i64>,
}

/// The object a token is bound to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BoundObjectRef<'a> {
    /// `Pod`, `Secret` or `Node`.
    #[serde(borrow, deserialize_with = "text")]
    pub kind: Cow<'a, str>,
    /// API version; only its group counts.
    #[serde(borrow, rename = "apiVersion", deserialize_with = "text")]
    pub api_version: Cow<'a, str>,
    /// Name of the object.
    #[serde(borrow, deserialize_with = "text")]
    pub name: Cow<'a, str>,
    /// Uid of the object; empty: whichever has the name now.
    #[serde(borrow, deserialize_with = "text")]
    pub uid: Cow<'a, str>,
}

/// What a TokenReview asks. Debug is not derived, because `token` is a token.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenReviewSpec<'a> {
    /// The token in question.
    #[serde(borrow, skip_serializing_if = "str::is_empty", deserialize_with = "text")]
    pub token: Cow<'a, str>,
    /// Audiences the asker wants; empty: the API server's.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub audiences: Vec<String>,
}

/// A text, borrowed where nothing in it is escaped; null is the empty one.
fn text<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'a, str>, D::Error> {
    struct Text;
    impl<'de> Visitor<'de> for Text {
        type Value = Cow<'de, str>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }
        fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
            Ok(Cow::Borrowed(text))
        }
        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            Ok(Cow::Owned(text.to_owned()))
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Cow::default())
        }
    }
    // Any: a null is told from a string by looking.
    deserializer.deserialize_any(Text)
}

impl std::fmt::Debug for TokenReviewSpec<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenReviewSpec(token: {} bytes, audiences: {:?})", self.token.len(), self.audiences)
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
        let request: TokenRequest<'_> = serde_json::from_str(text).unwrap();
        assert_eq!(request.spec, TokenRequestSpec::default());
    }

    #[test]
    fn a_review_never_prints_its_token() {
        let review: TokenReview<'_> = serde_json::from_str(r#"{"spec":{"token":"eyJ.x.y"}}"#).unwrap();
        assert!(!format!("{review:?}").contains("eyJ"));
    }

    #[test]
    fn a_review_borrows_what_it_can() {
        let text = r#"{"kind":null,"apiVersion":"x","spec":{"token":"a\u0062","audiences":null}}"#;
        let review: TokenReview<'_> = serde_json::from_str(text).unwrap();
        assert!(matches!(review.api_version, Cow::Borrowed("x")));
        assert_eq!((&*review.kind, &*review.spec.token), ("", "ab"));
        assert!(serde_json::from_str::<TokenReview<'_>>(r#"{"spec":{"token":1}}"#).is_err());
    }

    #[test]
    fn an_answer_of_no_says_nothing_more_than_needed() {
        let status = TokenReviewStatus { error: "invalid bearer token".to_owned(), ..Default::default() };
        assert_eq!(serde_json::to_string(&status).unwrap(), r#"{"user":{},"error":"invalid bearer token"}"#);
    }
}
