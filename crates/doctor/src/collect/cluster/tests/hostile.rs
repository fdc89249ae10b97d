//! Answers with anything in them.

use super::super::chart_version;
use super::*;
use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::prelude::*;

/// Something that looks like an answer, with anything in it.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(json!("kubernetes")),
        Just(json!("2026-07-25T10:00:00Z")),
    ];
    let key = prop_oneof![
        prop::sample::select(vec![
            "items",
            "metadata",
            "spec",
            "status",
            "name",
            "namespace",
            "labels",
            "annotations",
            "containers",
            "volumes",
            "volumeMounts",
            "projected",
            "sources",
            "serviceAccountToken",
            "secret",
            "items",
            "key",
            "path",
            "subPath",
            "endpoints",
            "addresses",
            "ports",
            "port",
            "data",
            "release",
            "ownerReferences",
            "kind",
            "continue",
        ]),
        Just("other"),
    ];
    leaf.prop_recursive(6, 60, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|pairs| pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_answer_makes_it_panic(
        items in prop::collection::vec(anything(), 0..6),
        page in prop::collection::vec(any::<u8>(), 0..200),
        whole in anything(),
    ) {
        let mut fake = Fake::empty();
        for key in [PODS, SECRETS, ACCOUNTS, JOBS, CLUSTER_BINDINGS, BINDINGS, SLICES] {
            fake = fake.instead(key).items(key, &json!(items)).on(key, 200, &whole);
        }
        fake = fake.instead("/metrics").on("/metrics", 200, &json!(String::from_utf8_lossy(&page)));
        let got = fake.run();
        prop_assert!(got.requests < 10_000);
    }

    #[test]
    fn no_text_is_taken_for_a_bundle_or_release(text in ".{0,200}") {
        prop_assert!(crate::collect::bundle::read(text.as_bytes()).is_err());
        prop_assert_eq!(chart_version(&STANDARD.encode(STANDARD.encode(&text))), None);
    }
}
