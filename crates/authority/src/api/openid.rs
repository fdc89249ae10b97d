//! OIDC discovery: who issues tokens, and with which keys they verify.

use super::reply::Reply;
use http::StatusCode;
use jeton_core::keys::{KeySet, discovery, jwks};

/// Cache control of both documents, in seconds. Kubernetes 1.36: 3600 with keys from files.
const CACHE: &str = "public, max-age=3600";

/// The two documents, made once.
#[derive(Debug, Clone)]
pub struct Documents {
    configuration: String,
    keys: String,
}

impl Documents {
    /// The documents of an issuer.
    ///
    /// # Errors
    /// Kubernetes' words when the issuer cannot be published; tokens work all the same.
    pub fn new(issuer: &str, jwks_uri: &str, keys: &KeySet) -> Result<Self, String> {
        Ok(Self { configuration: discovery(issuer, jwks_uri, keys)?, keys: jwks(keys) })
    }

    /// The document at a path.
    pub(super) fn at(&self, path: &str) -> Option<Reply> {
        let (text, content_type) = match path {
            "/.well-known/openid-configuration" => (&self.configuration, "application/json"),
            "/openid/v1/jwks" => (&self.keys, "application/jwk-set+json"),
            _ => return None,
        };
        let mut reply = Reply::text(StatusCode::OK, text);
        reply.content_type = content_type;
        reply.cache = CACHE;
        Some(reply)
    }
}
