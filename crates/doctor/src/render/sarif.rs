//! SARIF 2.1.0, for code scanning dashboards.

use super::plain;
use crate::report::{Report, Severity};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// One run with one result for each finding.
pub fn sarif(report: &Report) -> String {
    let ids: BTreeSet<&str> = report.findings.iter().map(|finding| finding.rule).collect();
    let rules: Vec<Value> = ids.iter().map(|id| json!({ "id": id })).collect();
    let results: Vec<Value> = report
        .findings
        .iter()
        .map(|finding| {
            let level = match finding.severity {
                Severity::Critical => "error",
                Severity::Warning => "warning",
                Severity::Info => "note",
            };
            json!({
                "ruleId": finding.rule,
                "level": level,
                "message": { "text": format!("{}. {}", finding.title, finding.remedy) },
                "locations": [{ "logicalLocations": [{ "fullyQualifiedName": finding.workload, "kind": "resource" }] }],
                "partialFingerprints": { "jeton/v1": finding.id },
                "properties": {
                    "severity": plain(&finding.severity),
                    "auditIDs": finding.evidence.audit_ids,
                    "credentialIDs": finding.evidence.credential_ids,
                },
            })
        })
        .collect();
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "jeton-doctor", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "results": results,
        }],
    });
    format!("{document:#}\n")
}
