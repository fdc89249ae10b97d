//! Tokens: the quick reader of claims sees what the strict ones see, what is written is read back, and nothing unsigned
//! is proven.
#![no_main]

use base64::{Engine, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use jeton_core::claims::{
    Claims, LEGACY_ISSUER, LegacyClaims, PackedClaims, claims, header, issuer, legacy_claims, legacy_payload,
    payload,
};
use jeton_core::explain::{explain, refusal};
use jeton_core::keys::{KeySet, PublicKey};
use jeton_core::policy::Policy;
use jeton_core::time::UnixTime;
use jeton_core::verify::{Seen, open};
use jeton_core::wire::{TokenRequest, TokenReview};
use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, LazyLock};

/// A key whose other half nobody has.
const KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEy21VQnEJyjESKLo82TXEej5DcIudotBGqfWl8aFqmgYE/Kd1nw0H/Oy79OVMiLhOhnklarzRjtnW4U6rmi7R8w==";
const NOW: UnixTime = UnixTime::from_seconds(1_795_651_200);

static KEYS: LazyLock<KeySet> =
    LazyLock::new(|| KeySet::new([Arc::new(PublicKey::from_spki(&STANDARD.decode(KEY).unwrap()).unwrap())]));
static SEEN: LazyLock<Seen> = LazyLock::new(Seen::default);

fuzz_target!(|bytes: &[u8]| {
    as_payload(bytes);
    let _ = header(bytes);
    as_body(bytes);
    // A token as it stands, and the same bytes as the payload of one.
    let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","kid":""}"#);
    let around = format!("{head}.{}.{}", URL_SAFE_NO_PAD.encode(bytes), URL_SAFE_NO_PAD.encode([7; 64]));
    for text in [std::str::from_utf8(bytes).unwrap_or(""), &around] {
        as_token(text);
    }
});

fn as_payload(bytes: &[u8]) {
    let strict = claims(bytes);
    if let Ok(quick) = PackedClaims::read(bytes.to_vec()) {
        assert_eq!(Ok(&Claims::from(&quick)), strict.as_ref());
        assert_eq!(Some(quick.issuer()), issuer(bytes).as_deref());
    }
    if let Ok(strict) = strict {
        let written = payload(&strict);
        assert_eq!(Ok(&strict), claims(&written).as_ref());
        if let Ok(quick) = PackedClaims::read(written) {
            assert_eq!(strict, Claims::from(&quick));
        }
        assert_eq!(strict, Claims::from(&PackedClaims::of(&strict)));
    }
    if let Ok(legacy) = legacy_claims(bytes) {
        let read = legacy_claims(&legacy_payload(&legacy)).unwrap();
        assert_eq!(LegacyClaims { audiences: Vec::new(), ..legacy }, read);
    }
}

/// What the quick reader of bodies reads, the general one reads the same.
fn as_body(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(quick) = TokenReview::plain(text) {
        assert!(quick == serde_json::from_str::<TokenReview<'_>>(text).unwrap());
    }
    if let Some(quick) = TokenRequest::plain(text) {
        assert_eq!(quick, serde_json::from_str::<TokenRequest<'_>>(text).unwrap());
    }
}

fn as_token(text: &str) {
    if let Ok(told) = explain(text, NOW) {
        assert!(!told.claims.is_empty() && !told.outlook.is_empty());
    }
    for words in ["[invalid bearer token, service account token has been invalidated]", text] {
        assert!(!refusal(words, text, NOW).0.is_empty());
    }
    let policy =
        Policy { issuers: vec!["i".to_owned(), LEGACY_ISSUER.to_owned()], ..Policy::for_issuer("i") };
    if let Some(candidate) = open(text, &policy, &KEYS, &SEEN) {
        assert!(candidate.prove(&policy).is_err(), "a forged token was proven");
    }
}
