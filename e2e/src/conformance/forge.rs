//! Tokens signed with the server's own key, each wrong in one claim.

use super::Player;
use super::symbols::decode;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde_json::{Value, json};

const NOBODY: &str = "00000000-0000-0000-0000-00000000dead";

/// Signs claims with an RSA key in PKCS#8 PEM.
pub(super) fn sign(pem: &[u8], header: &Value, claims: &Value) -> Result<String, String> {
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|e| e.to_string())?;
    let key = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|e| e.to_string())?;
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let input = format!("{}.{}", part(header), part(claims));
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input.as_bytes(), &mut signature)
        .map_err(|e| e.to_string())?;
    Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// How a token is changed before it is signed.
type Change = fn(&mut Value, i64);

const CHANGES: [(&str, Change); 14] = [
    ("nothing wrong", |_, _| {}),
    ("expired a minute ago", |c, now| {
        c["exp"] = json!(now - 60);
        c["nbf"] = json!(now - 4000);
        c["iat"] = json!(now - 4000);
    }),
    ("not valid before an hour from now", |c, now| c["nbf"] = json!(now + 3600)),
    ("another issuer", |c, _| c["iss"] = json!("https://elsewhere.example")),
    ("no issuer", |c, _| drop(c.as_object_mut().map(|c| c.remove("iss")))),
    ("no audience", |c, _| drop(c.as_object_mut().map(|c| c.remove("aud")))),
    ("no expiry", |c, _| drop(c.as_object_mut().map(|c| c.remove("exp")))),
    ("another account's uid", |c, _| c["kubernetes.io"]["serviceaccount"]["uid"] = json!(NOBODY)),
    ("another pod's uid", |c, _| c["kubernetes.io"]["pod"]["uid"] = json!(NOBODY)),
    ("a pod that is not there", |c, _| c["kubernetes.io"]["pod"]["name"] = json!("ghost")),
    ("an account that is not there", |c, _| {
        c["kubernetes.io"]["serviceaccount"]["name"] = json!("ghost");
        c["sub"] = json!(c["sub"].as_str().unwrap_or_default().replace("builder", "ghost"));
    }),
    ("a subject of another account", |c, _| {
        c["sub"] = json!(c["sub"].as_str().unwrap_or_default().replace("builder", "default"));
    }),
    ("no private claims", |c, _| drop(c.as_object_mut().map(|c| c.remove("kubernetes.io")))),
    ("past its warning time", |c, now| c["kubernetes.io"]["warnafter"] = json!(now - 120)),
];

/// The forged tokens by name.
pub(super) fn tokens(player: &Player<'_>, now: i64) -> Result<Vec<(String, String)>, String> {
    let bound = json!({"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "web"}});
    let good = player.token("builder", bound);
    let (header, claims) = decode(&good).ok_or("the server issued no token")?;
    let mut out = Vec::new();
    for (name, change) in CHANGES {
        let mut claims = claims.clone();
        change(&mut claims, now);
        out.push((name.to_owned(), sign(player.signing_key, &header, &claims)?));
    }
    for (name, id) in [("no key id", ""), ("an unknown key id", "nope")] {
        let mut header = header.clone();
        header["kid"] = json!(id);
        out.push((name.to_owned(), sign(player.signing_key, &header, &claims)?));
    }
    Ok(out)
}
