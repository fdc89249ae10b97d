//! For a terminal.

use super::{gap, named, plain};
use crate::knowledge::texts::{Lang, fill, word};
use crate::report::{Confidence, DeadlineKind, Report, Workload};
use std::fmt::Write;

/// The two lines of the verdict.
pub fn summary(report: &Report, lang: Lang) -> String {
    let verdict = &report.verdict;
    let count = verdict.will_fail.to_string();
    let id = if verdict.will_fail == 1 { "verdict-one" } else { "verdict" };
    let mut first = fill(word(id, lang), &[("count", &count)]);
    if let (Some(deadline), Some(workload)) = (&verdict.first_deadline, &verdict.first_workload) {
        first += &fill(word("verdict-first", lang), &[("workload", workload), ("deadline", deadline)]);
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
    format!("{first}\n{second}\n")
}

/// The cells of a row.
pub(super) fn cells(row: &Workload, lang: Lang) -> [String; 10] {
    let mut deadline = row.deadline.clone().unwrap_or_else(|| "-".to_owned());
    if row.deadline_kind == DeadlineKind::Estimated {
        deadline += word("estimated", lang);
    }
    let client = match &row.client.version {
        Some(version) => format!("{} {version}", row.client.name),
        None if row.client.name.is_empty() => "-".to_owned(),
        None => row.client.name.clone(),
    };
    let confidence = match row.confidence {
        Confidence::High => "high",
        Confidence::Medium => "medium",
        Confidence::Low => "low",
    };
    [
        named(&format!("state-{}", plain(&row.state)), lang),
        deadline,
        row.namespace.clone(),
        row.service_account.clone(),
        if row.owner.is_empty() { "-".to_owned() } else { row.owner.clone() },
        client,
        row.client.token_reload.to_string(),
        named(&format!("cause-{}", row.cause), lang),
        named(confidence, lang),
        row.uses.to_string(),
    ]
}

/// Titles of the columns.
pub(super) const COLUMNS: [&str; 10] = [
    "col-state",
    "col-deadline",
    "col-namespace",
    "col-account",
    "col-owner",
    "col-client",
    "col-reload",
    "col-cause",
    "col-confidence",
    "col-uses",
];

/// Verdict, coverage, workloads, findings.
pub fn table(report: &Report, lang: Lang) -> String {
    let mut out = summary(report, lang);
    let _ = writeln!(out, "\n{}:", word("coverage", lang));
    for source in &report.coverage {
        let events = fill(
            word("events", lang),
            &[("read", &source.read.to_string()), ("skipped", &source.skipped.to_string())],
        );
        let window = source.window.as_ref().map(|w| format!("{} … {}, ", w.from, w.to)).unwrap_or_default();
        let _ = writeln!(out, "  {}: {window}{events}", printable(&source.source));
        if let Some(error) = &source.error {
            let _ = writeln!(out, "    ! {}", printable(error));
        }
        for m in &source.missing {
            let _ = writeln!(out, "    - {}", printable(&gap(m.id, &m.detail, lang)));
        }
    }
    let _ = writeln!(out, "\n{}:", word("workloads", lang));
    let mut rows = vec![COLUMNS.map(|id| named(id, lang))];
    rows.extend(report.workloads.iter().map(|row| cells(row, lang).map(|cell| printable(&cell))));
    out += &aligned(&rows);
    if !report.findings.is_empty() {
        let _ = writeln!(out, "\n{}:", word("findings", lang));
    }
    for finding in &report.findings {
        let _ = writeln!(
            out,
            "  [{}] {}: {}\n      {}",
            named(&plain(&finding.severity), lang),
            finding.rule,
            printable(&finding.title),
            printable(&finding.remedy)
        );
        let ids = finding.evidence.audit_ids.iter().chain(&finding.evidence.credential_ids);
        let ids: Vec<String> = ids.map(|id| printable(id)).collect();
        if !ids.is_empty() {
            let _ = writeln!(out, "      {}: {}", word("evidence", lang), ids.join(", "));
        }
        for link in &finding.links {
            let _ = writeln!(out, "      {link}");
        }
    }
    out
}

/// A User-Agent or name may hold escape sequences of a terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
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
