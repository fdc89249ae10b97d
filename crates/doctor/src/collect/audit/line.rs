//! Lines that do not begin with JSON: a prefix that a log service put in front, or a row of CSV (RFC 4180).

use std::borrow::Cow;

/// Longest prefix: times, names of streams, a syslog header.
const MAX_PREFIX_BYTES: usize = 512;
/// Columns of a downloaded table that hold the log line. Which one it is does not matter: cells are tried.
const COLUMNS: [&str; 6] = ["content", "message", "@message", "log", "log_s", "textpayload"];

/// The JSON behind a prefix that ends in white space, up to its last brace.
pub(super) fn after_prefix(text: &str) -> Option<&str> {
    let start = text.find('{').filter(|at| *at <= MAX_PREFIX_BYTES)?;
    let (prefix, json) = text.split_at(start);
    prefix.ends_with([' ', '\t']).then(|| json.rfind('}').map_or(json, |end| &json[..=end]))
}

/// Names of columns, one of which is known to hold log lines.
pub(super) fn is_header(text: &str) -> bool {
    text.len() <= MAX_PREFIX_BYTES
        && cells(text).any(|cell| COLUMNS.contains(&cell.trim().to_ascii_lowercase().as_str()))
}

/// The end of a row whose log line had a line feed of its own.
pub(super) fn is_rest_of_row(text: &str) -> bool {
    text == "\"" || text.starts_with("\",")
}

/// The cells of a row. A cell that the line leaves open ends with the line: what follows in the file is its line feed.
pub(super) fn cells(row: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let mut rest = Some(row);
    std::iter::from_fn(move || {
        let now = rest.take()?;
        let Some(quoted) = now.strip_prefix('"') else {
            let (cell, after) = now.split_once(',').map_or((now, None), |(cell, after)| (cell, Some(after)));
            rest = after;
            return Some(Cow::Borrowed(cell));
        };
        let end = closing_quote(quoted);
        rest = quoted.get(end + 1..).and_then(|after| after.split_once(',')).map(|(_, after)| after);
        let cell = &quoted[..end];
        Some(if cell.contains("\"\"") { Cow::Owned(cell.replace("\"\"", "\"")) } else { Cow::Borrowed(cell) })
    })
}

/// Where a quoted cell ends: at the first quote that is not doubled.
fn closing_quote(text: &str) -> usize {
    let mut from = 0;
    while let Some(at) = text[from..].find('"').map(|at| at + from) {
        if text[at + 1..].starts_with('"') {
            from = at + 2;
        } else {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_fall_into_cells() {
        let got = |row| cells(row).map(Cow::into_owned).collect::<Vec<_>>();
        assert_eq!(got("a,,c"), ["a", "", "c"]);
        assert_eq!(got("\"{\"\"a\"\":1,2}\",b"), ["{\"a\":1,2}", "b"]);
        assert_eq!(got("\"open\"\""), ["open\""]);
        assert_eq!(got("\"\"\"\""), ["\""]);
        assert_eq!(got("\"a\" ,b,"), ["a", "b", ""]);
        assert_eq!(got(""), [""]);
    }

    #[test]
    fn prefixes_end_in_white_space() {
        assert_eq!(after_prefix("2026-11-25T01:02:03Z stream {\"a\":{}} 7"), Some("{\"a\":{}}"));
        assert_eq!(after_prefix("x{}"), None);
        assert_eq!(after_prefix(&format!("{} {{}}", "x".repeat(600))), None);
    }
}
