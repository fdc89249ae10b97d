//! Bodies in JSON and YAML, held against their kinds: both formats say the same, and what fits stays as it is.
#![no_main]

use jeton_core::wire::{TokenRequest, TokenReview};
use jeton_fuzz::{KINDS, depth, has_fractions};
use jeton_schema::{MAX_DEPTH, conform, json, kind, yaml};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((which, rest)) = bytes.split_first() else { return };
    let (version, name) = KINDS[usize::from(*which) % KINDS.len()];
    let ty = kind(version, name).unwrap();
    let (from_json, from_yaml) = (json(rest), yaml(rest));
    // YAML folds lines at letters that JSON does not care about, and knows no negative zero.
    if let (Ok(one), Ok(two), true) = (&from_json, &from_yaml, rest.is_ascii()) {
        assert!(one.value == two.value || has_fractions(&one.value), "{one:?} {two:?}");
    }
    for decoded in [&from_json, &from_yaml].into_iter().flatten() {
        assert!(depth(&decoded.value) <= MAX_DEPTH);
        let text = serde_json::to_vec(&decoded.value).unwrap();
        let again = json(&text).unwrap();
        assert!(again.value == decoded.value || has_fractions(&decoded.value));
        assert!(again.duplicates.is_empty());
        let mut fitted = decoded.value.clone();
        if conform(ty, &mut fitted).is_err() {
            continue;
        }
        let once = fitted.clone();
        assert_eq!(conform(ty, &mut fitted), Ok(Vec::new()), "{once}");
        assert_eq!(fitted, once);
        // The reader that knows these two kinds alone takes whatever the table lets through.
        let text = once.to_string();
        match name {
            "TokenRequest" => assert!(serde_json::from_str::<TokenRequest<'_>>(&text).is_ok(), "{once}"),
            "TokenReview" => assert!(serde_json::from_str::<TokenReview<'_>>(&text).is_ok(), "{once}"),
            _ => {}
        }
    }
});
