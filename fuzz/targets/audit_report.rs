//! An audit log to its report in every form and language: nothing drives a terminal, and a redacted one tells no name.
#![no_main]

use jeton_core::time::UnixTime;
use jeton_doctor::knowledge::{Knowledge, texts::Lang};
use jeton_doctor::render::{json, markdown, sarif, split, table};
use jeton_doctor::rules::{Settings, report};
use jeton_fuzz::{drives_a_terminal, facts_of, is_compressed};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use std::sync::LazyLock;

static KNOWLEDGE: LazyLock<Knowledge> = LazyLock::new(|| Knowledge::built_in().unwrap());
/// A name that stands in no table of ours.
const NAME: &str = "acme";

fuzz_target!(|bytes: &[u8]| {
    if is_compressed(bytes) {
        return;
    }
    let facts = facts_of(bytes, false, 1);
    for (lang, redact) in [(Lang::En, false), (Lang::Zh, true)] {
        // 2026-11-26T00:00:00Z.
        let settings = Settings { lang, redact, ..Settings::new(UnixTime::from_seconds(1_795_651_200)) };
        let told = report(&facts, &KNOWLEDGE, &settings);
        let forms = [table(&told, lang), markdown(&told, lang), sarif(&told, lang), json(&told)];
        assert!(!forms[..2].iter().any(|form| drives_a_terminal(form)), "{forms:#?}");
        for form in &forms[2..] {
            let _: Value = serde_json::from_str(form).unwrap();
        }
        if redact {
            assert!(!forms.iter().any(|form| form.contains(NAME)), "{forms:#?}");
        }
        for name in split(&told, "namespace", lang).into_keys() {
            assert!(!name.contains('/') && !name.starts_with('.') && name.len() <= 255, "{name}");
        }
    }
});
