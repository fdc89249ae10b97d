//! Whatever is read as an audit log or a list of add-ons, nothing panics, and what was read of a log does not depend on how
//! many threads read it.
#![allow(clippy::unwrap_used)] // helpers outside of the tests themselves

mod common;

use common::{Log, WEB, facts_of};
use jeton_doctor::collect::addons;
use jeton_doctor::limits::{MAX_ADDONS, MAX_TEXT_BYTES};
use proptest::prelude::*;
use serde_json::json;

/// Pieces of envelopes, of compressed files and of nothing at all.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let mut log = Log::default();
    let event = log.stale(0, WEB, "one", 30).to_string();
    let fixed = [
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        "\n",
        ",",
        ":",
        " ",
        "\"\"",
        "\r\n",
        "{\"items\":[",
        "{\"events\":[",
        "{\"message\":",
        "{\"properties\":{\"log\":",
        "{\"protoPayload\":{",
        "content,time\n",
        "\"{\"\"",
        "\u{feff}",
        "2026-11-24T00:00:00Z ",
        "authentication.k8s.io/stale-token",
        "\u{1f}\u{8b}",
        "null",
        "7",
        "{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/",
    ];
    let mut all: Vec<Vec<u8>> = fixed.iter().map(|text| text.as_bytes().to_vec()).collect();
    all.extend([vec![0x1f, 0x8b, 8, 0], vec![0x28, 0xb5, 0x2f, 0xfd], vec![0xff, 0xfe]]);
    all.extend([event.clone().into_bytes(), json!(event).to_string().into_bytes()]);
    let cut = (0..event.len()).prop_map(move |end| event.as_bytes()[..end].to_vec());
    prop_oneof![
        8 => prop::sample::select(all),
        1 => cut,
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ]
}

/// Pieces of lists of add-ons.
fn list_piece() -> impl Strategy<Value = Vec<u8>> {
    let cce = json!({"kind": "Addon", "items": [{"spec": {"clusterID": "c", "version": "1.15.0", "addonTemplateName": "npd"},
        "status": {"status": "running", "currentVersion": {"version": "1.15.0"}}}]});
    let eks = json!({"addon": {"addonName": "vpc-cni", "addonVersion": "v1.7.5-eksbuild.1"}});
    let fixed = [
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\n",
        "\"\"",
        "null",
        "7",
        "\u{feff}",
        "\"kind\":\"Addon\"",
        "\"items\":[",
    ];
    let more =
        ["\"spec\":{", "\"addonTemplateName\":\"npd\"", "\"addon\":{", "\"addons\":[", "\"a\\u001b[2J\""];
    let whole = [cce.to_string(), eks.to_string(), json!({"addons": ["coredns"]}).to_string()];
    let texts = fixed.into_iter().chain(more).map(str::to_owned).chain(whole);
    let all: Vec<Vec<u8>> = texts.map(String::into_bytes).collect();
    prop_oneof![8 => prop::sample::select(all), 1 => prop::collection::vec(any::<u8>(), 0..20)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_make_it_panic(pieces in prop::collection::vec(piece(), 0..40)) {
        let bytes = pieces.concat();
        let one = facts_of(&bytes, "x", false, 1);
        let two = facts_of(&bytes, "x", false, 2);
        prop_assert_eq!(format!("{:?}", one.uses), format!("{:?}", two.uses));
        prop_assert_eq!(one.sources[0].read, two.sources[0].read);
        prop_assert_eq!(one.sources[0].skipped, two.sources[0].skipped);
        let quick = facts_of(&bytes, "x", true, 1);
        prop_assert!(quick.uses.len() <= one.uses.len());
    }

    #[test]
    fn no_list_of_add_ons_makes_it_panic(pieces in prop::collection::vec(list_piece(), 0..20)) {
        let bytes = pieces.concat();
        match addons::read(bytes.as_slice()) {
            Ok(list) => {
                let bounded = |text: &String| text.len() <= MAX_TEXT_BYTES && !text.contains('\u{1b}');
                prop_assert!(list.addons.len() <= MAX_ADDONS);
                prop_assert!(list.addons.iter().all(|one| bounded(&one.name) && one.version.iter().all(bounded)));
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
