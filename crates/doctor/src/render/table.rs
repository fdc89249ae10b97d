//! For a terminal.

use super::{colon, gap, named, plain};
use crate::knowledge::reload::Reload;
use crate::knowledge::texts::{Lang, fill, word};
use crate::report::{Confidence, DeadlineKind, Finding, Report, Workload};
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

/// When a client reads its token again, in words.
fn reload(value: Reload, lang: Lang) -> String {
    if let Reload::Periodic(seconds) = value {
        return fill(word("reload-periodic", lang), &[("n", &seconds.to_string())]);
    }
    named(&format!("reload-{value}"), lang)
}

/// The cells of a row.
pub(super) fn cells(row: &Workload, lang: Lang) -> [String; 11] {
    let mut deadline = row.deadline.clone().unwrap_or_else(|| "-".to_owned());
    if row.deadline_kind == DeadlineKind::Estimated {
        deadline += word("estimated", lang);
    }
    let client = match &row.client.version {
        Some(version) => format!("{} {version}", row.client.name),
        None => row.client.name.clone(),
    };
    let confidence = match row.confidence {
        Confidence::High => "high",
        Confidence::Medium => "medium",
        Confidence::Low => "low",
    };
    let or = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    [
        named(&format!("state-{}", plain(&row.state)), lang),
        deadline,
        row.namespace.clone(),
        or(row.owner.clone()),
        or(row.container.clone().unwrap_or_default()),
        row.service_account.clone(),
        or(client),
        reload(row.client.token_reload, lang),
        named(&format!("cause-{}", row.cause), lang),
        named(confidence, lang),
        row.uses.to_string(),
    ]
}

/// Titles of the columns.
pub(super) const COLUMNS: [&str; 11] = [
    "col-state",
    "col-deadline",
    "col-namespace",
    "col-owner",
    "col-container",
    "col-account",
    "col-client",
    "col-reload",
    "col-cause",
    "col-confidence",
    "col-uses",
];

/// Verdict, coverage, workloads, findings.
pub fn table(report: &Report, lang: Lang) -> String {
    let mut out = format!("{}\n{}\n", summary(report, lang), word("rotation-note", lang));
    let _ = writeln!(out, "\n{}{}", word("coverage", lang), colon(lang).trim_end());
    for source in &report.coverage {
        let _ = writeln!(out, "  {}{}{}", printable(&source.source), colon(lang), seen(source, lang));
        for line in gaps(source, lang) {
            let _ = writeln!(out, "    - {line}");
        }
    }
    let _ = writeln!(out, "\n{}{}", word("workloads", lang), colon(lang).trim_end());
    let mut rows = vec![COLUMNS.map(|id| named(id, lang))];
    rows.extend(report.workloads.iter().map(|row| cells(row, lang).map(|cell| printable(&cell))));
    if report.workloads.is_empty() {
        let _ = writeln!(out, "  {}", word("workload-none", lang));
    } else {
        out += &aligned(&rows);
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

/// Window and records of a source.
pub(super) fn seen(source: &crate::report::Coverage, lang: Lang) -> String {
    let events = fill(
        word("events", lang),
        &[("read", &source.read.to_string()), ("skipped", &source.skipped.to_string())],
    );
    let window = source.window.as_ref();
    let window = window.map(|w| format!("{} … {}{}", w.from, w.to, word("comma", lang))).unwrap_or_default();
    format!("{window}{events}")
}

/// What a source cannot tell, a line each.
pub(super) fn gaps(source: &crate::report::Coverage, lang: Lang) -> Vec<String> {
    let error = source.error.iter().map(|error| gap("could-not-read", error, lang));
    let gaps = source.missing.iter().map(|m| gap(m.id, &m.detail, lang));
    error.chain(gaps).map(|line| printable(&line)).collect()
}

/// A User-Agent or name may hold escape sequences of a terminal, or letters that turn the direction of the line.
pub(super) fn printable(text: &str) -> String {
    let turns =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if c.is_control() || turns(c) { '\u{fffd}' } else { c }).collect()
}

/// Columns as wide as their widest cell; wide letters of Chinese count twice.
fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |text: &str| text.chars().map(|c| 1 + usize::from(c as u32 >= 0x2e80)).sum::<usize>();
    let widths: [usize; N] =
        std::array::from_fn(|at| rows.iter().map(|row| width(&row[at])).max().unwrap_or(0));
    let mut out = String::new();
    for row in rows {
        let mut line = String::from("  ");
        for (cell, wide) in row.iter().zip(widths) {
            line += cell;
            line += &" ".repeat(wide - width(cell) + 2);
        }
        out += line.trim_end();
        out.push('\n');
    }
    out
}
