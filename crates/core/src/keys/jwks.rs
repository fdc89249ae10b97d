//! The documents of OIDC discovery.
//!
//! Kubernetes 1.36: member order `use, kty, kid, crv, alg, x, y, n, e`; keys in set order.

use super::{KeySet, PublicKey, public::Parts};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;

#[derive(Serialize)]
struct Jwk<'a> {
    r#use: &'static str,
    kty: &'static str,
    kid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    crv: Option<&'static str>,
    alg: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    e: Option<String>,
}

#[derive(Serialize)]
struct Jwks<'a> {
    keys: Vec<Jwk<'a>>,
}

fn jwk(key: &PublicKey) -> Jwk<'_> {
    let b64 = |bytes: &[u8]| Some(URL_SAFE_NO_PAD.encode(bytes));
    let (kty, crv, x, y, n, e) = match &key.parts {
        Parts::Rsa { n, e } => ("RSA", None, None, None, b64(n), b64(e)),
        Parts::Ec { curve, x, y } => ("EC", Some(*curve), b64(x), b64(y), None, None),
    };
    Jwk { r#use: "sig", kty, kid: key.id(), crv, alg: key.signing_algorithm().name(), x, y, n, e }
}

/// The JWKS document of a key set.
pub fn jwks(keys: &KeySet) -> String {
    serde_json::to_string(&Jwks { keys: keys.iter().map(|k| jwk(k)).collect() }).unwrap_or_default()
}

/// The OIDC configuration document.
#[derive(Serialize)]
pub struct Discovery<'a> {
    issuer: &'a str,
    jwks_uri: &'a str,
    response_types_supported: [&'static str; 1],
    subject_types_supported: [&'static str; 1],
    id_token_signing_alg_values_supported: Vec<&'static str>,
}

/// The OIDC configuration of `issuer`, or why it has none.
///
/// # Errors
/// Kubernetes 1.36's text when the issuer or the JWKS address cannot be published: tokens still work,
/// discovery does not.
pub fn discovery(issuer: &str, jwks_uri: &str, keys: &KeySet) -> Result<String, String> {
    let Some(rest) = issuer.strip_prefix("https://") else {
        return Err(format!("issuer URL must use https scheme, got: {issuer}"));
    };
    if rest.contains('?') {
        return Err(format!("issuer URL may not include a query, got: {issuer}"));
    }
    if rest.contains('#') {
        return Err(format!("issuer URL may not include a fragment, got: {issuer}"));
    }
    if !jwks_uri.starts_with("https://") {
        return Err(format!("jwksURI requires https scheme, parsed as: {jwks_uri}"));
    }
    let mut algorithms: Vec<_> = keys.iter().map(|k| k.signing_algorithm().name()).collect();
    algorithms.sort_unstable();
    algorithms.dedup();
    if algorithms.is_empty() {
        return Err("no keys provided for validating keyset".to_owned());
    }
    let document = Discovery {
        issuer,
        jwks_uri,
        response_types_supported: ["id_token"],
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: algorithms,
    };
    serde_json::to_string(&document).map_err(|e| e.to_string())
}

impl std::fmt::Debug for Discovery<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Discovery({})", self.issuer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_that_cannot_be_published_is_named() {
        let keys = KeySet::default();
        for (issuer, start) in [
            ("http://x", "issuer URL must use https"),
            ("https://x?q", "issuer URL may not include a query"),
            ("https://x#f", "issuer URL may not include a fragment"),
            ("https://x", "no keys provided"),
        ] {
            let error = discovery(issuer, "https://j", &keys).unwrap_err();
            assert!(error.starts_with(start), "{error}");
        }
    }
}
