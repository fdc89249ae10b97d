//! The table of refusals, from the variants of `ApiError` and the one table that says what leaves the server.

use super::doc_before;
use crate::workspace::File;
use std::fmt::Write;

const SOURCE: &str = "crates/authority/src/status.rs";

/// The page.
pub(super) fn page(files: &[File]) -> Result<String, String> {
    let file = files.iter().find(|f| f.path == SOURCE).ok_or_else(|| format!("no {SOURCE}"))?;
    let mut out = "# Refusals\n\nEvery refusal is a Kubernetes `Status` with one of these codes and reasons.\n\n| code | reason | when | logged at | label |\n|---|---|---|---|---|\n".to_owned();
    for row in rows(&file.text)? {
        // Writing to memory has no way to fail.
        let _ = writeln!(out, "{row}");
    }
    Ok(out)
}

/// `Self::Name(_) => row(400, "Reason", Level::DEBUG, "label"),` and the documentation of `Name`.
fn rows(text: &str) -> Result<Vec<String>, String> {
    let lines: Vec<&str> = text.lines().collect();
    let all = lines.iter().find(|l| l.trim() == "pub enum ApiError {").ok_or("no enum ApiError")?;
    let start = lines.iter().position(|l| l == all).unwrap_or_default();
    let variants: Vec<(String, String)> = (start + 1..lines.len())
        .take_while(|at| lines[*at] != "}")
        .filter_map(|at| Some((word(lines[at].trim())?, doc_before(&lines, at))))
        .collect();
    let mut rows = Vec::new();
    for line in lines.iter().filter(|l| l.contains("=> row(")) {
        let parts = || {
            let (left, right) = line.trim().strip_prefix("Self::")?.split_once("=> row(")?;
            let fields: Vec<&str> = right.trim_end_matches(&[',', ')'][..]).split(", ").collect();
            Some((word(left)?, fields))
        };
        let (name, fields) = parts().ok_or_else(|| format!("a row that cannot be read: {line}"))?;
        let [code, reason, level, label] = fields[..] else {
            return Err(format!("four columns, not {line}"));
        };
        let (_, doc) =
            variants.iter().find(|(v, _)| *v == name).ok_or_else(|| format!("no variant {name}"))?;
        let (reason, label) = (reason.trim_matches('"'), label.trim_matches('"'));
        let level = level.trim_start_matches("Level::").to_lowercase();
        rows.push(format!("| {code} | `{reason}` | {doc} | {level} | `{label}` |"));
    }
    if rows.len() == variants.len() {
        Ok(rows)
    } else {
        Err(format!("{} rows for {} variants of ApiError", rows.len(), variants.len()))
    }
}

/// The identifier at the beginning, when it begins like a variant.
fn word(text: &str) -> Option<String> {
    let word: String = text.chars().take_while(char::is_ascii_alphanumeric).collect();
    word.starts_with(|c: char| c.is_ascii_uppercase()).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "pub enum ApiError {\n    /// Wrong.\n    Bad(String),\n    /// Gone.\n    Gone,\n}\n            Self::Bad(_) => row(400, \"Bad\", Level::DEBUG, \"bad\"),\n";

    #[test]
    fn every_variant_has_a_row() {
        let whole = format!("{TABLE}            Self::Gone => row(410, \"Gone\", Level::INFO, \"gone\"),\n");
        assert_eq!(
            rows(&whole).unwrap(),
            ["| 400 | `Bad` | Wrong. | debug | `bad` |", "| 410 | `Gone` | Gone. | info | `gone` |"]
        );
        assert_eq!(rows(TABLE).unwrap_err(), "1 rows for 2 variants of ApiError");
    }
}
