//! For a ticket.

use super::rows;
use super::table::{gaps, origin, printable, seen, summary, told};
use super::{colon, named, omitted, plain};
use crate::knowledge::texts::{Lang, word};
use crate::report::{Finding, Report, Workload};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// The whole report.
pub fn markdown(report: &Report, lang: Lang) -> String {
    let mut out = format!("# Jeton doctor\n\n**{}**\n", cell(&summary(report, lang)));
    coverage(&mut out, report, lang);
    rows(&mut out, &report.workloads.iter().collect::<Vec<_>>(), report.has_clusters(), lang);
    findings(&mut out, &report.findings.iter().collect::<Vec<_>>(), lang);
    out
}

/// One ticket for each namespace, or for each value of a label of the pods: file name → text. A team without a finding
/// gets none; rows without the label are together in one.
pub fn split(report: &Report, by: &str, lang: Lang) -> BTreeMap<String, String> {
    let mut teams: BTreeMap<String, Vec<&Workload>> = BTreeMap::new();
    for row in &report.workloads {
        let team = if by == "namespace" { Some(row.namespace.clone()) } else { row.labels.get(by).cloned() };
        teams.entry(team.unwrap_or_default()).or_default().push(row);
    }
    let mut tickets = BTreeMap::new();
    for (team, list) in teams {
        let ids: BTreeSet<&String> = list.iter().flat_map(|row| &row.findings).collect();
        let own: Vec<&Finding> = report.findings.iter().filter(|f| ids.contains(&f.id)).collect();
        if own.is_empty() {
            continue;
        }
        let name = if team.is_empty() { word("none", lang).to_owned() } else { team.clone() };
        let mut out = format!("# Jeton doctor{}{}\n", colon(lang), cell(&name));
        rows(&mut out, &list, report.has_clusters(), lang);
        findings(&mut out, &own, lang);
        coverage(&mut out, report, lang);
        tickets.insert(file_name(&team, &tickets), out);
    }
    tickets
}

fn coverage(out: &mut String, report: &Report, lang: Lang) {
    let _ = writeln!(out, "\n## {}\n", word("coverage", lang));
    for source in &report.coverage {
        let _ = writeln!(out, "- {}{}{}", code(&origin(source, report)), colon(lang), seen(source, lang));
        for line in told(source, report, lang).into_iter().chain(gaps(source, lang)) {
            let _ = writeln!(out, "  - {}", cell(&line));
        }
    }
    if let Some(line) = omitted(report, lang) {
        let _ = writeln!(out, "- {}", cell(&line));
    }
}

fn rows(out: &mut String, list: &[&Workload], clusters: bool, lang: Lang) {
    let _ = writeln!(out, "\n## {}\n", word("workloads", lang));
    if list.is_empty() {
        let _ = writeln!(out, "{}", word("workload-none", lang));
        return;
    }
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let table = rows::rows(list, clusters, lang);
    let rule = vec!["---".to_owned(); table.head.len()];
    *out += &line(table.head);
    *out += &line(rule);
    for row in table.lines {
        *out += &line(row.iter().map(|text| cell(text)).collect());
    }
    if let Some(more) = table.more {
        let _ = writeln!(out, "\n{}", cell(&more));
    }
}

fn findings(out: &mut String, list: &[&Finding], lang: Lang) {
    let _ = writeln!(out, "\n## {}\n", word("findings", lang));
    if list.is_empty() {
        let _ = writeln!(out, "{} {}", word("no-findings", lang), word("not-seen-fine", lang));
    } else {
        let _ = writeln!(out, "{}\n", word("rotation-note", lang));
    }
    for (at, finding) in list.iter().enumerate() {
        let severity = named(&format!("severity-{}", plain(&finding.severity)), lang);
        let gap = if at == 0 { "" } else { "\n" };
        let _ = writeln!(out, "{gap}### {severity}{}{}\n", colon(lang), cell(&finding.title));
        let _ = writeln!(out, "- {}{}{}", word("remedy", lang), colon(lang), cell(&finding.remedy));
        let evidence = &finding.evidence;
        let ids = evidence.audit_ids.iter().chain(&evidence.credential_ids).chain(&evidence.objects);
        let ids: Vec<String> = ids.map(|id| code(id)).collect();
        if !ids.is_empty() {
            let ids = ids.join(word("list", lang));
            let _ = writeln!(out, "- {}{}{ids}", word("evidence", lang), colon(lang));
        }
        if !finding.links.is_empty() {
            let links: Vec<String> = finding.links.iter().map(|link| format!("<{link}>")).collect();
            let _ = writeln!(out, "- {}{}{}", word("ref", lang), colon(lang), links.join(word("list", lang)));
        }
        let _ = writeln!(out, "- id{}{}", colon(lang), code(&finding.id));
    }
}

/// Text that cannot leave its cell, start markup, a link or HTML.
fn cell(text: &str) -> String {
    printable(text).chars().fold(String::new(), |mut out, c| {
        if matches!(c, '|' | '<' | '>' | '[' | ']' | '`' | '*' | '_' | '\\' | '#' | '~' | '!' | '&') {
            out.push('\\');
        }
        out.push(c);
        out
    })
}

/// Between backticks nothing is escaped, so neither a backtick nor the border of a cell may stand there.
fn code(text: &str) -> String {
    format!("`{}`", printable(text).replace('`', "'").replace('|', "/"))
}

/// Letters, digits and dashes; never the name of another team's ticket.
fn file_name(team: &str, taken: &BTreeMap<String, String>) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let stem: String = team.chars().take(100).map(safe).collect();
    let stem = if stem.is_empty() { "_none".to_owned() } else { stem };
    let mut name = format!("{stem}.md");
    let mut number = 2;
    while taken.contains_key(&name) {
        name = format!("{stem}_{number}.md");
        number += 1;
    }
    name
}
