//! For a ticket.

use super::table::{COLUMNS, cells, printable, summary};
use super::{gap, named, plain};
use crate::knowledge::texts::{Lang, word};
use crate::report::{Finding, Report, Workload};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The whole report.
pub fn markdown(report: &Report, lang: Lang) -> String {
    let mut out = format!("# Jeton doctor\n\n{}\n", summary(report, lang).trim_end().replace('\n', "\n\n"));
    let _ = writeln!(out, "\n{}\n\n## {}\n", word("rotation-note", lang), word("coverage", lang));
    for source in &report.coverage {
        let window = source.window.as_ref().map(|w| format!(", {} … {}", w.from, w.to)).unwrap_or_default();
        let _ = writeln!(out, "- `{}`: {}{window}", cell(&source.source), source.read);
        if let Some(error) = &source.error {
            let _ = writeln!(out, "  - {}", cell(error));
        }
        for m in &source.missing {
            let _ = writeln!(out, "  - {}", cell(&gap(m.id, &m.detail, lang)));
        }
    }
    rows(&mut out, &report.workloads.iter().collect::<Vec<_>>(), lang);
    findings(&mut out, &report.findings.iter().collect::<Vec<_>>(), lang);
    out
}

/// One ticket for each namespace, or for each value of a label of the pods: name → text.
pub fn split(report: &Report, by: &str, lang: Lang) -> BTreeMap<String, String> {
    let mut teams: BTreeMap<String, Vec<&Workload>> = BTreeMap::new();
    for row in &report.workloads {
        let team = if by == "namespace" { Some(row.namespace.clone()) } else { row.labels.get(by).cloned() };
        teams.entry(team.unwrap_or_else(|| "none".to_owned())).or_default().push(row);
    }
    let ticket = |(team, list): (String, Vec<&Workload>)| {
        let ids: Vec<&String> = list.iter().flat_map(|row| &row.findings).collect();
        let own: Vec<&Finding> = report.findings.iter().filter(|f| ids.contains(&&f.id)).collect();
        if own.is_empty() {
            return None;
        }
        let mut out = format!("# Jeton doctor: {}\n", cell(&team));
        rows(&mut out, &list, lang);
        findings(&mut out, &own, lang);
        Some((file_name(&team), out))
    };
    teams.into_iter().filter_map(ticket).collect()
}

fn rows(out: &mut String, list: &[&Workload], lang: Lang) {
    let _ = writeln!(out, "\n## {}\n", word("workloads", lang));
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    *out += &line(COLUMNS.map(|id| named(id, lang)).to_vec());
    *out += &line(vec!["---".to_owned(); COLUMNS.len()]);
    for row in list {
        *out += &line(cells(row, lang).iter().map(|text| cell(text)).collect());
    }
}

fn findings(out: &mut String, list: &[&Finding], lang: Lang) {
    let _ = writeln!(out, "\n## {}\n", word("findings", lang));
    for finding in list {
        let severity = named(&plain(&finding.severity), lang);
        let _ = writeln!(out, "### {severity}: {}\n", cell(&finding.title));
        let _ = writeln!(out, "{}: {}\n", word("remedy", lang), cell(&finding.remedy));
        let evidence = &finding.evidence;
        let ids = evidence.audit_ids.iter().chain(&evidence.credential_ids).chain(&evidence.objects);
        let ids: Vec<String> = ids.map(|id| format!("`{}`", cell(id))).collect();
        if !ids.is_empty() {
            let _ = writeln!(out, "{}: {}\n", word("evidence", lang), ids.join(", "));
        }
        for link in &finding.links {
            let _ = writeln!(out, "<{link}>\n");
        }
    }
}

/// Text that cannot leave its cell, start markup or a link.
fn cell(text: &str) -> String {
    let text = printable(text);
    text.chars().fold(String::new(), |mut out, c| {
        if matches!(c, '|' | '<' | '>' | '[' | ']' | '`' | '*' | '_') {
            out.push('\\');
        }
        out.push(c);
        out
    })
}

/// Letters, digits, dots and dashes.
fn file_name(team: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    format!("{}.md", team.chars().take(100).map(safe).collect::<String>())
}
