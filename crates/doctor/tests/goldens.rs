//! What is told, word for word. `JETON_BLESS=1 cargo test -p jeton-doctor --test goldens` writes the files anew; what
//! changed in them is to be read before it is committed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::cases::{self, LANGS};
use jeton_core::time::UnixTime;
use jeton_doctor::collect::audit::{Options, read, read_bytes};
use jeton_doctor::facts::Facts;
use jeton_doctor::knowledge::Knowledge;
use jeton_doctor::knowledge::texts::{self, Lang};
use jeton_doctor::render::{json, markdown, sarif, split, table};
use jeton_doctor::report::{Report, State};
use jeton_doctor::rules::{self, cluster, table as rows};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Holds a text against the file of its name.
fn golden(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("JETON_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let want =
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}; see the head of this file"));
    assert!(want == text, "{name} differs; see the head of this file. Now:\n{text}");
}

fn ids() -> BTreeSet<&'static str> {
    rows::RULES.iter().map(|rule| rule.id).chain(cluster::RULES.iter().map(|rule| rule.id)).collect()
}

#[test]
fn every_finding_has_a_case_and_words_in_both_languages() {
    let cases = cases::all();
    let covered: BTreeSet<&str> = cases.iter().map(|case| case.rule).collect();
    assert_eq!(covered, ids(), "an id without a case, or a case without an id");
    assert_eq!(texts::rules().map(|(id, _)| id).collect::<BTreeSet<_>>(), ids());
    let page = include_str!("../../../docs/reference/findings.md");
    for case in &cases {
        assert!(page.contains(&format!("\n## {}\n", case.rule)), "{} is not in the reference", case.rule);
        for (lang, tag) in LANGS {
            let report = case.report(lang, false);
            let found = report.findings.iter().any(|finding| finding.rule == case.rule);
            assert!(found, "{}: {:#?}", case.rule, report.findings);
            assert!(
                report.findings.iter().all(|f| !f.links.is_empty()),
                "{}: a remedy without a page",
                case.rule
            );
            let unique: BTreeSet<&String> = report.findings.iter().map(|finding| &finding.id).collect();
            assert_eq!(unique.len(), report.findings.len(), "{}: an id stands twice", case.rule);
            let text = markdown(&report, lang);
            assert!(!text.contains(['{', '}']) && !text.contains("]]"), "{}: unfilled\n{text}", case.rule);
            golden(&format!("{}.{tag}.md", case.rule), &text);
        }
    }
}

/// The log that comes with the program.
fn demo(lang: Lang, redact: bool) -> Report {
    let mut facts = Facts::default();
    read_bytes("demo", include_bytes!("../knowledge/demo.jsonl"), &mut facts);
    let mut settings = rules::Settings::new(UnixTime::from_seconds(common::START + 48 * common::HOUR));
    (settings.lang, settings.redact) = (lang, redact);
    rules::report(&facts, &Knowledge::built_in().unwrap(), &settings)
}

#[test]
fn every_output_in_both_languages() {
    for (lang, tag) in LANGS {
        for (redact, also) in [(false, ""), (true, ".redacted")] {
            let report = demo(lang, redact);
            golden(&format!("demo/{tag}{also}.txt"), &table(&report, lang));
            golden(&format!("demo/{tag}{also}.md"), &markdown(&report, lang));
            golden(&format!("demo/{tag}{also}.json"), &json(&report));
            golden(
                &format!("demo/{tag}{also}.sarif"),
                &sarif(&report, lang).replace(env!("CARGO_PKG_VERSION"), "VERSION"),
            );
        }
        for (name, text) in split(&demo(lang, false), "namespace", lang) {
            golden(&format!("demo/tickets.{tag}/{name}"), &text);
        }
    }
}

#[test]
fn logs_of_a_real_server_in_both_languages() {
    for name in ["extended", "not-extended"] {
        let file = format!("{name}.jsonl.gz");
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/doctor").join(&file);
        let mut facts = Facts::default();
        let options = Options { quick: false, workers: 1 };
        read(&[path.display().to_string()], options, &mut facts, &mut |_, _| {});
        facts.sources[0].name.clone_from(&file);
        for (lang, tag) in LANGS {
            let mut settings =
                rules::Settings::new(UnixTime::from_seconds(common::START + 48 * common::HOUR));
            settings.lang = lang;
            let report = rules::report(&facts, &Knowledge::built_in().unwrap(), &settings);
            let fresh = report.workloads.iter().filter(|row| row.state == State::Fresh);
            assert!(fresh.clone().count() > 0 && fresh.clone().all(|row| row.findings.is_empty()));
            golden(&format!("server/{name}.{tag}.txt"), &table(&report, lang));
            golden(&format!("server/{name}.{tag}.md"), &markdown(&report, lang));
        }
    }
}
