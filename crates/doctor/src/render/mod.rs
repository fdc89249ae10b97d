//! A report as text. Nothing here judges.

mod rows;
mod table;
mod markdown;
mod sarif;

pub use markdown::{markdown, split};
pub use sarif::sarif;
pub use table::{summary, table};

use crate::knowledge::texts::{Lang, fill, word};
use crate::report::Report;

/// Stable JSON, indented.
pub fn json(report: &Report) -> String {
    // Strings and numbers alone: it cannot fail.
    let mut text = serde_json::to_string_pretty(report).unwrap_or_default();
    text.push('\n');
    text
}

/// A name of `jeton.dev` values in the language of the report.
fn named(id: &str, lang: Lang) -> String {
    word(id, lang).to_owned()
}

fn colon(lang: Lang) -> &'static str {
    word("colon", lang)
}

/// Lower-case name of a plain enum, as its JSON has it.
fn plain<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

/// What a source cannot tell, in words.
fn gap(id: &str, detail: &str, lang: Lang) -> String {
    fill(word(id, lang), &[("detail", detail)])
}

/// What the report does not list, in words.
fn omitted(report: &Report, lang: Lang) -> Option<String> {
    let omitted = report.omitted?;
    let [workloads, findings] = [omitted.workloads, omitted.findings].map(|count| count.to_string());
    Some(fill(word("omitted", lang), &[("workloads", &workloads), ("findings", &findings)]))
}
