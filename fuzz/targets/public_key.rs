//! Public keys and certificates, as PEM and DER: what is taken has the id of its bytes, is read back, and verifies nothing
//! that was not signed.
#![no_main]

use jeton_core::keys::{Algorithm, KeySet, Message, PublicKey, jwks, read_public_pem};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use std::sync::Arc;

fuzz_target!(|bytes: &[u8]| {
    let mut keys = read_public_pem(bytes);
    keys.extend(PublicKey::from_spki(bytes));
    for key in &keys {
        let again = PublicKey::from_spki(key.spki()).unwrap();
        assert_eq!((again.id(), again.signing_algorithm()), (key.id(), key.signing_algorithm()));
        assert_eq!(key.id().len(), 43);
        for algorithm in ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"] {
            let algorithm = Algorithm::from_name(algorithm).unwrap();
            assert!(!key.verifies(algorithm, &Message::new("x"), bytes.get(..64).unwrap_or(bytes)));
        }
    }
    let count = keys.len();
    let document: Value = serde_json::from_str(&jwks(&KeySet::new(keys.into_iter().map(Arc::new)))).unwrap();
    assert_eq!(document["keys"].as_array().map(Vec::len), Some(count));
});
