//! OIDC discovery: who issues tokens, and with which keys they verify.

use super::reply::Reply;
use http::StatusCode;
use jeton_core::keys::{KeySet, discovery, jwks};

/// Cache control of both documents, in seconds. Kubernetes 1.36: 3600 with keys from files.
const CACHE: &str = "public, max-age=3600";

/// What the two documents say beside the keys.
#[derive(Debug, Clone)]
pub struct Documents {
    issuer: String,
    jwks_uri: String,
}

impl Documents {
    /// The documents of an issuer.
    ///
    /// # Errors
    /// Kubernetes' words when the issuer cannot be published; tokens work all the same.
    pub fn new(issuer: &str, jwks_uri: &str, keys: &KeySet) -> Result<Self, String> {
        discovery(issuer, jwks_uri, keys)?;
        Ok(Self { issuer: issuer.to_owned(), jwks_uri: jwks_uri.to_owned() })
    }

    /// The document at a path, with the keys of the moment.
    pub(super) fn at(&self, path: &str, keys: &KeySet) -> Option<Reply> {
        let (text, content_type) = match path {
            "/.well-known/openid-configuration" => {
                (discovery(&self.issuer, &self.jwks_uri, keys).ok()?, "application/json")
            }
            "/openid/v1/jwks" => (jwks(keys), "application/jwk-set+json"),
            _ => return None,
        };
        let mut reply = Reply::text(StatusCode::OK, &text);
        reply.content_type = content_type;
        reply.cache = CACHE;
        Some(reply)
    }
}
