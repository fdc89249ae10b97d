//! Key files with private halves, and client certificates: what is taken signs, and its own public half verifies it.
#![no_main]

use base64::{Engine, engine::general_purpose::STANDARD};
use jeton_authority::access::authn::certificate_user;
use jeton_authority::signer::{LocalSigner, local::verification_keys};
use libfuzzer_sys::fuzz_target;

/// What a block may be called.
const LABELS: [&str; 5] = ["PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY", "PUBLIC KEY", "CERTIFICATE"];

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    let Some((label, der)) = bytes.split_first() else { return };
    if let Some(user) = certificate_user(der) {
        assert_eq!(user.groups.last().map(String::as_str), Some("system:authenticated"));
    }
    let label = LABELS[usize::from(*label) % LABELS.len()];
    read(format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der)).as_bytes());
});

fn read(pem: &[u8]) {
    let keys = verification_keys(pem);
    let Ok(signer) = LocalSigner::from_pem(pem) else { return };
    let public = signer.public();
    assert!(keys.unwrap().iter().any(|key| key.id() == public.id()));
    if let Ok(signed) = signer.sign("e30") {
        assert!(public.verifies(public.signing_algorithm(), &signed.message, &signed.signature));
    }
}
