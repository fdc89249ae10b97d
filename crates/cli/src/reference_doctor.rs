//! The pages about the doctor that come from its tables: what it may find, and what it knows.

use jeton_doctor::knowledge::FILES;
use jeton_doctor::knowledge::table::Table;
use jeton_doctor::knowledge::texts::{self, Lang, Text};
use jeton_doctor::report::Severity;
use jeton_doctor::rules::{cluster, table};
use std::fmt::Write;

const FINDINGS: &str = "# What the doctor finds

Ids of rules are stable. The id of a finding is `RULE:PLACE[:USER-AGENT]`, the same for the same thing in every run. Words in
braces are filled in; what stands between double brackets is left out where a value is missing. `--lang` chooses the
language.
";

const KNOWLEDGE: &str = "# What the doctor knows

One row each, with its source and the day it was read. Your own rows come before these: `--knowledge FILE`, separated by
tabs. The number of columns tells the table: 5 a version rule, 6 a User-Agent, 10 a library, 12 an add-on.
";

/// Every rule: how bad, what it needs, its words in both languages, its pages.
pub(crate) fn findings() -> String {
    let mut out = FINDINGS.to_owned();
    let cases = table::RULES.iter().map(|rule| (rule.id, rule.severity, rule.needs));
    let clusters = cluster::RULES.iter().map(|rule| (rule.id, rule.severity, rule.needs));
    for (id, severity, needs) in cases.chain(clusters) {
        let Some(words) = texts::rule(id) else { continue };
        let severity = match severity {
            Severity::Critical => "critical",
            Severity::Warning => "warning",
            Severity::Info => "info",
        };
        let both = |text: &Text| format!("{}<br>{}", cell(text.of(Lang::En)), cell(text.of(Lang::Zh)));
        let links: Vec<String> = words
            .links
            .iter()
            .map(|link| match (link.of(Lang::En), link.of(Lang::Zh)) {
                (en, zh) if en == zh => format!("<{en}>"),
                (en, zh) => format!("<{en}>, <{zh}>"),
            })
            .collect();
        let links =
            if links.is_empty() { String::new() } else { format!("| links | {} |\n", links.join(", ")) };
        let (about, title, remedy) = (both(&words.about), both(&words.title), both(&words.remedy));
        // Writing to memory has no way to fail.
        let _ = write!(
            out,
            "\n## {id}\n\n| | |\n|---|---|\n| severity | {severity} |\n| needs | {} |\n| what | {about} |\n| title | {title} |\n| remedy | {remedy} |\n{links}",
            cell(needs)
        );
    }
    out
}

/// Every table, as it ships.
pub(crate) fn knowledge() -> String {
    let mut out = KNOWLEDGE.to_owned();
    for (name, text) in FILES {
        let mut head: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("# ")).collect();
        let columns = head.pop().unwrap_or_default();
        let row = |cells: &mut dyn Iterator<Item = &str>| {
            let cells: Vec<String> = cells.map(cell).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let rule = "|---".repeat(columns.split('\t').count());
        let _ =
            write!(out, "\n## {name}\n\n{}\n\n{}{rule}|\n", head.join("\n"), row(&mut columns.split('\t')));
        // A table that cannot be read would have kept the doctor from starting.
        for one in Table::parse(name, text).map(|table| table.rows).unwrap_or_default() {
            out += &row(&mut one.cells.iter().map(String::as_str));
        }
    }
    out
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "\\<").replace('*', "\\*")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_and_every_row_is_on_its_page() {
        let page = findings();
        let ids = table::RULES.iter().map(|rule| rule.id).chain(cluster::RULES.iter().map(|rule| rule.id));
        for id in ids {
            assert!(page.contains(&format!("\n## {id}\n")), "{id}");
        }
        let page = knowledge();
        let rows = FILES.iter().flat_map(|(_, text)| text.lines()).filter(|line| !line.starts_with('#'));
        let told = page.lines().filter(|line| line.starts_with("| ")).count();
        assert_eq!(told, rows.count() + FILES.len());
    }
}
