//! For a terminal.

use super::rows::rows;
use super::{colon, gap, named, omitted, plain};
use crate::knowledge::texts::{Lang, fill, word};
use crate::report::{Coverage, DeadlineKind, Finding, Report, Workload};
use jeton_core::text::is_hidden;
use std::fmt::Write;

/// The verdict, in one line.
pub fn summary(report: &Report, lang: Lang) -> String {
    let verdict = &report.verdict;
    let count = verdict.will_fail.to_string();
    let id = match verdict.will_fail {
        0 => "verdict-none",
        1 => "verdict-one",
        _ => "verdict",
    };
    let mut first = fill(word(id, lang), &[("count", &count)]);
    if let (Some(deadline), Some(workload)) = (&verdict.first_deadline, &verdict.first_workload) {
        first += &fill(word("verdict-first", lang), &[("workload", workload), ("deadline", deadline)]);
        first +=
            if verdict.first_deadline_kind == DeadlineKind::Estimated { word("estimated", lang) } else { "" };
    }
    let numbers = [verdict.blockers, verdict.self_healing, verdict.fine, verdict.unknown, verdict.legacy];
    let [blockers, healing, fine, unknown, legacy] = numbers.map(|n| n.to_string());
    let second = fill(
        word("safe", lang),
        &[
            ("safe", word(verdict.safe_to_disable_extension, lang)),
            ("blockers", &blockers),
            ("healing", &healing),
            ("fine", &fine),
            ("unknown", &unknown),
            ("legacy", &legacy),
        ],
    );
    printable(&format!("{first}{}{second}", word("stop", lang)))
}

/// Verdict, coverage, workloads, findings.
pub fn table(report: &Report, lang: Lang) -> String {
    let mut out = format!("{}\n{}\n", summary(report, lang), word("rotation-note", lang));
    let _ = writeln!(out, "\n{}{}", word("coverage", lang), colon(lang).trim_end());
    for source in &report.coverage {
        let name = printable(&origin(source, report));
        let _ = writeln!(out, "  {name}{}{}", colon(lang), seen(source, lang));
        for line in told(source, report, lang).into_iter().chain(gaps(source, lang)) {
            let _ = writeln!(out, "    - {line}");
        }
    }
    if let Some(line) = omitted(report, lang) {
        let _ = writeln!(out, "  {line}");
    }
    let _ = writeln!(out, "\n{}{}", word("workloads", lang), colon(lang).trim_end());
    if report.workloads.is_empty() {
        let _ = writeln!(out, "  {}", word("workload-none", lang));
    } else {
        workloads(&mut out, report, lang);
    }
    let _ = writeln!(out, "\n{}{}", word("findings", lang), colon(lang).trim_end());
    if report.findings.is_empty() {
        let _ = writeln!(out, "  {} {}", word("no-findings", lang), word("not-seen-fine", lang));
    }
    for one in &report.findings {
        finding(&mut out, one, lang);
    }
    out
}

fn workloads(out: &mut String, report: &Report, lang: Lang) {
    let list: Vec<&Workload> = report.workloads.iter().collect();
    let rows = rows(&list, report.has_clusters(), lang);
    let mut lines = vec![rows.head];
    lines.extend(rows.lines.iter().map(|line| line.iter().map(|cell| printable(cell)).collect()));
    *out += &aligned(&lines);
    if let Some(more) = rows.more {
        let _ = writeln!(out, "  {more}");
    }
}

fn finding(out: &mut String, finding: &Finding, lang: Lang) {
    let severity = named(&format!("severity-{}", plain(&finding.severity)), lang);
    let (title, remedy) = (printable(&finding.title), printable(&finding.remedy));
    let _ = writeln!(out, "  [{severity}] {}{}{title}\n      {remedy}", finding.rule, colon(lang));
    let ids = finding.evidence.audit_ids.iter().chain(&finding.evidence.credential_ids);
    let ids: Vec<String> = ids.map(|id| printable(id)).collect();
    if !ids.is_empty() {
        let ids = ids.join(word("list", lang));
        let _ = writeln!(out, "      {}{}{ids}", word("evidence", lang), colon(lang));
    }
    for link in &finding.links {
        let _ = writeln!(out, "      {link}");
    }
}

/// A source, and of which cluster it is where there are several.
pub(super) fn origin(source: &Coverage, report: &Report) -> String {
    match &source.cluster {
        Some(cluster) if report.has_clusters() && *cluster != source.source => {
            format!("{} ({cluster})", source.source)
        }
        _ => source.source.clone(),
    }
}

/// Window and records of a source.
pub(super) fn seen(source: &Coverage, lang: Lang) -> String {
    let events = fill(
        word("events", lang),
        &[("read", &source.read.to_string()), ("skipped", &source.skipped.to_string())],
    );
    let window = source.window.as_ref();
    let window = window.map(|w| format!("{} … {}{}", w.from, w.to, word("comma", lang))).unwrap_or_default();
    format!("{window}{events}")
}

/// What a cluster said of itself, a line each.
pub(super) fn told(source: &Coverage, report: &Report, lang: Lang) -> Vec<String> {
    let mut lines = Vec::new();
    for cluster in report.clusters.iter().filter(|cluster| cluster.name == source.source) {
        let version = cluster.version.as_deref().unwrap_or_default();
        let platform = cluster.platform.as_deref().unwrap_or_default().to_uppercase();
        let extension = named(&format!("extended-{}", cluster.extension), lang);
        let values = [("version", version), ("platform", &platform), ("extension", &extension)];
        lines.push(fill(word("cluster-is", lang), &values));
        let number = |count: Option<u64>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
        lines.extend(cluster.api_servers.iter().map(|one| {
            let counts = [one.stale_tokens, one.valid_tokens, one.legacy_tokens].map(number);
            let started = one.started.as_deref().filter(|started| *started != one.name).unwrap_or_default();
            let values = [
                ("name", one.name.as_str()),
                ("started", started),
                ("stale", &counts[0]),
                ("valid", &counts[1]),
                ("legacy", &counts[2]),
            ];
            fill(word("api-server-counts", lang), &values)
        }));
    }
    lines.iter().map(|line| printable(line)).collect()
}

/// What a source cannot tell, a line each.
pub(super) fn gaps(source: &Coverage, lang: Lang) -> Vec<String> {
    let error = source.error.iter().map(|error| gap("could-not-read", error, lang));
    let gaps = source.missing.iter().map(|m| gap(m.id, &m.detail, lang));
    error.chain(gaps).map(|line| printable(&line)).collect()
}

/// A User-Agent or name may hold escape sequences of a terminal, or letters that turn the direction of the line.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if is_hidden(c) { '\u{fffd}' } else { c }).collect()
}

/// Columns as wide as their widest cell; wide letters of Chinese count twice.
fn aligned(rows: &[Vec<String>]) -> String {
    let width = |text: &str| text.chars().map(|c| 1 + usize::from(c as u32 >= 0x2e80)).sum::<usize>();
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> =
        (0..columns).map(|at| rows.iter().map(|row| width(&row[at])).max().unwrap_or(0)).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::from("  ");
        for (cell, wide) in row.iter().zip(&widths) {
            line += cell;
            line += &" ".repeat(wide - width(cell) + 2);
        }
        out += line.trim_end();
        out.push('\n');
    }
    out
}
