//! Every gap that a collector can tell has words in both languages.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use jeton_doctor::collect::cluster::gap;

#[test]
fn every_gap_of_a_cluster_has_words() {
    let texts: serde_json::Value = serde_json::from_str(include_str!("../knowledge/texts.json")).unwrap();
    for id in gap::IDS {
        for language in ["en", "zh"] {
            assert!(texts["words"][id][language].is_string(), "{id} {language}");
        }
    }
}
