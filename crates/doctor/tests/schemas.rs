//! JSON and SARIF against their schemas, for every finding there is, open and redacted, in both languages.
//!
//! The schema of the report is the one in the reference. That of SARIF holds the part of the standard that is written; the
//! goldens were held against the whole standard with Microsoft's `sarif validate` (5.7.0) by hand.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::cases::{self, LANGS};
use jeton_doctor::render::{json, sarif};
use jsonschema::Validator;
use serde_json::Value;

fn validator(text: &str) -> Validator {
    jsonschema::validator_for(&serde_json::from_str(text).unwrap()).unwrap()
}

fn report_schema() -> Validator {
    validator(include_str!("../../../docs/reference/doctor-report.schema.json"))
}

fn sarif_schema() -> Validator {
    validator(include_str!("sarif-2.1.0-part.schema.json"))
}

fn hold(schema: &Validator, text: &str, what: &str) -> Value {
    let value: Value = serde_json::from_str(text).unwrap();
    let errors: Vec<String> =
        schema.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{what}: {errors:#?}");
    value
}

#[test]
fn every_report_fits_its_schemas() {
    let (own, standard) = (report_schema(), sarif_schema());
    for case in cases::all() {
        for (lang, tag) in LANGS {
            for redact in [false, true] {
                let report = case.report(lang, redact);
                let what = format!("{} {tag} {redact}", case.rule);
                hold(&own, &json(&report), &what);
                let log = hold(&standard, &sarif(&report, lang), &what);
                let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
                for result in log["runs"][0]["results"].as_array().unwrap() {
                    let known = rules.iter().any(|rule| rule["id"] == result["ruleId"]);
                    assert!(known, "{what}: {}", result["ruleId"]);
                }
            }
        }
    }
}

#[test]
fn the_schemas_refuse_what_is_wrong() {
    let case = &cases::all()[0];
    let (lang, _) = LANGS[0];
    let report = case.report(lang, false);
    let text = json(&report);
    for (from, to) in [
        ("\"expired\"", "\"rotten\""),
        ("\"willFail\"", "\"will_fail\""),
        ("\"exact\"", "\"about\""),
        ("\"uses\": ", "\"uses\": -"),
        ("jeton.dev/v1", "jeton.dev/v2"),
    ] {
        let value: Value = serde_json::from_str(&text.replacen(from, to, 1)).unwrap();
        assert!(text.contains(from) && !report_schema().is_valid(&value), "{from}");
    }
    let text = sarif(&report, lang);
    for (from, to) in
        [("\"error\"", "\"critical\""), ("\"driver\"", "\"drover\""), ("\"2.1.0\"", "\"2.0.0\"")]
    {
        let value: Value = serde_json::from_str(&text.replacen(from, to, 1)).unwrap();
        assert!(text.contains(from) && !sarif_schema().is_valid(&value), "{from}");
    }
}
