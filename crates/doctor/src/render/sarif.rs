//! SARIF 2.1.0 (OASIS), for code scanning dashboards: one run, a rule for each id of a finding, a result for each finding.

use super::{gap, omitted, plain};
use crate::knowledge::texts::{self, Lang};
use crate::report::{Finding, Report, Severity};
use crate::rules::{cluster, table};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

/// Everything a report says, as SARIF.
pub fn sarif(report: &Report, lang: Lang) -> String {
    let notes: Vec<Value> = report
        .coverage
        .iter()
        .flat_map(|source| {
            let error = source.error.iter().map(|error| ("error", gap("could-not-read", error, lang)));
            let gaps = source.missing.iter().map(|m| ("note", gap(m.id, &m.detail, lang)));
            error.chain(gaps).map(|(level, text)| {
                json!({"level": level, "message": {"text": format!("{}: {text}", source.source)}})
            })
        })
        .collect();
    let omitted = omitted(report, lang).map(|text| json!({"level": "note", "message": {"text": text}}));
    let notes: Vec<Value> = notes.into_iter().chain(omitted).collect();
    let read = report.coverage.iter().all(|source| source.error.is_none());
    let tag = match lang {
        Lang::En => "en",
        Lang::Zh => "zh",
    };
    let document = Document {
        schema: "https://json.schemastore.org/sarif-2.1.0.json",
        runs: [Run {
            invocations: json!([{
                "executionSuccessful": read,
                "endTimeUtc": report.generated,
                "toolExecutionNotifications": notes,
            }]),
            language: tag,
            properties: json!({"verdict": report.verdict}),
            results: Results(&report.findings),
            tool: json!({"driver": {
                "name": "jeton-doctor",
                "fullName": "jeton doctor",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules(lang),
            }}),
        }],
        version: "2.1.0",
    };
    // Strings and numbers alone: it cannot fail.
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

#[derive(Serialize)]
struct Document<'r> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    runs: [Run<'r>; 1],
    version: &'static str,
}

#[derive(Serialize)]
struct Run<'r> {
    invocations: Value,
    language: &'static str,
    properties: Value,
    results: Results<'r>,
    tool: Value,
}

/// Made one at a time: a value takes many times the room of its text.
struct Results<'r>(&'r [Finding]);

impl Serialize for Results<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(result))
    }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

/// Every rule, found or not: a dashboard closes what is not found again.
fn rules(lang: Lang) -> Vec<Value> {
    let cases = table::RULES.iter().map(|rule| (rule.id, rule.severity));
    let clusters = cluster::RULES.iter().map(|rule| (rule.id, rule.severity));
    cases
        .chain(clusters)
        .map(|(id, severity)| {
            let mut rule = json!({"id": id, "defaultConfiguration": {"level": level(severity)}});
            if let Some(words) = texts::rule(id) {
                rule["shortDescription"] = json!({"text": words.about.of(lang)});
                if let Some(link) = words.links.first() {
                    rule["helpUri"] = json!(link.of(lang));
                }
            }
            rule
        })
        .collect()
}

fn result(finding: &Finding) -> Value {
    let stop = if finding.title.is_ascii() { ". " } else { "。" };
    json!({
        "ruleId": finding.rule,
        "level": level(finding.severity),
        "message": { "text": format!("{}{stop}{}", finding.title, finding.remedy) },
        "locations": [{ "logicalLocations": [{ "fullyQualifiedName": finding.workload, "kind": "resource" }] }],
        "partialFingerprints": { "jeton/v1": finding.id },
        "properties": {
            "severity": plain(&finding.severity),
            "cluster": finding.cluster,
            "evidence": finding.evidence,
            "links": finding.links,
        },
    })
}
