//! The table of maxima and times, from the named constants of the shipped crates.
//!
//! A constant is listed when its name says that it is a bound or has a unit, and when it is documented.

use super::doc_before;
use crate::source;
use crate::workspace::File;
use std::fmt::Write;

/// Units at the end of a name, and how a value reads with them.
const UNITS: [(&str, &str); 4] = [("BYTES", "bytes"), ("SECONDS", "s"), ("MILLIS", "ms"), ("DAYS", "days")];

/// A constant.
#[derive(Debug, PartialEq, Eq)]
struct Limit {
    name: String,
    value: String,
    doc: String,
}

/// The page.
pub(super) fn page(files: &[File]) -> Result<String, String> {
    let mut out = "# Limits\n\nEvery named maximum, minimum and time of the shipped crates, with its unit.\n"
        .to_owned();
    let shipped = files.iter().filter(|f| f.path.starts_with("crates/") && f.path.ends_with(".rs"));
    for file in shipped.filter(|f| !source::is_test_file(&f.path)) {
        let found = limits(&file.text)?;
        if found.is_empty() {
            continue;
        }
        // Writing to memory has no way to fail.
        let _ = write!(out, "\n## {}\n\n| limit | value | what |\n|---|---|---|\n", file.path);
        for limit in found {
            let _ = writeln!(out, "| `{}` | {} | {} |", limit.name, limit.value, limit.doc);
        }
    }
    Ok(out)
}

/// Name and expression of a line such as `pub const MAX_BYTES: usize = 4 * 1024;`.
fn constant(line: &str) -> Option<(&str, &str)> {
    let rest = line.trim();
    let rest = rest
        .strip_prefix("pub ")
        .or_else(|| rest.strip_prefix("pub(crate) "))
        .or_else(|| rest.strip_prefix("pub(super) "))
        .unwrap_or(rest);
    let (name, rest) = rest.strip_prefix("const ")?.split_once(": ")?;
    let (kind, value) = rest.split_once(" = ")?;
    let number = matches!(kind, "u8" | "u16" | "u32" | "u64" | "usize" | "i32" | "i64");
    number.then_some((name, value.strip_suffix(';')?))
}

fn limits(text: &str) -> Result<Vec<Limit>, String> {
    let code = source::without_tests(text);
    let lines: Vec<&str> = code.lines().collect();
    let known: Vec<(&str, &str)> = lines.iter().filter_map(|l| constant(l)).collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some((name, expression)) = constant(line) else { continue };
        let unit = UNITS.iter().find(|(end, _)| name.ends_with(end)).map(|(_, unit)| *unit);
        let bound = name.split('_').any(|part| matches!(part, "MAX" | "MIN"));
        let doc = doc_before(&lines, at);
        if doc.is_empty() || !(bound || unit.is_some()) {
            continue;
        }
        let number =
            value(expression, &known).ok_or_else(|| format!("{name} = {expression} cannot be read"))?;
        let value = match unit {
            Some("bytes") => bytes(number),
            Some(unit) => format!("{} {unit}", grouped(number)),
            // File modes read as they are written.
            None if expression.starts_with("0o") => expression.to_owned(),
            None => grouped(number),
        };
        found.push(Limit { name: name.to_owned(), value, doc });
    }
    Ok(found)
}

/// Products, quotients, shifts and names, from left to right as Rust does for each of them alone.
fn value(expression: &str, known: &[(&str, &str)]) -> Option<i128> {
    let words: Vec<&str> = expression.split_whitespace().collect();
    let (first, rest) = words.split_first()?;
    let mut total = term(first, known)?;
    for pair in rest.chunks(2) {
        let [operator, right] = pair else { return None };
        let right = term(right, known)?;
        total = match *operator {
            "*" => total.checked_mul(right)?,
            "/" => total.checked_div(right)?,
            "<<" if words.len() == 3 => total.checked_shl(u32::try_from(right).ok()?)?,
            _ => return None,
        };
    }
    Some(total)
}

fn term(word: &str, known: &[(&str, &str)]) -> Option<i128> {
    let plain = word.replace('_', "");
    if let Some(octal) = plain.strip_prefix("0o") {
        return i128::from_str_radix(octal, 8).ok();
    }
    plain.parse().ok().or_else(|| {
        let (_, expression) = known.iter().find(|(name, _)| *name == word)?;
        value(expression, &[])
    })
}

fn bytes(number: i128) -> String {
    match number {
        n if n >= 1 << 20 && n % (1 << 20) == 0 => format!("{} MiB", grouped(n >> 20)),
        n if n >= 1 << 10 && n % (1 << 10) == 0 => format!("{} KiB", grouped(n >> 10)),
        n => format!("{} bytes", grouped(n)),
    }
}

/// Thousands apart.
fn grouped(number: i128) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && !out.ends_with('-') {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_computed() {
        let known = [("DAY_SECONDS", "24 * 3600"), ("SLOTS", "1 << 18")];
        for (expression, want) in [
            ("3600", Some(3600)),
            ("1_000", Some(1000)),
            ("3 * 1024 * 1024", Some(3_145_728)),
            ("1 << 32", Some(4_294_967_296)),
            ("365 * DAY_SECONDS", Some(31_536_000)),
            ("365 * 24 * 3600 * 2 / 3", Some(21_024_000)),
            ("SLOTS / 64", Some(4096)),
            ("0o600", Some(384)),
            ("1 << 2 * 3", None),
            ("f(1)", None),
            ("1 / 0", None),
        ] {
            assert_eq!(value(expression, &known), want, "{expression}");
        }
    }

    #[test]
    fn documented_bounds_are_found_and_tests_are_not() {
        let text = "/// Bytes | of it.\npub(super) const BODY_BYTES: usize = 3 * 1024 * 1024;\n/// Most.\nconst MAX_THINGS: usize = 16_384;\n/// A path.\nconst PATH: &str = \"x\";\nconst OTHER_BYTES: usize = 1;\n/// A name.\nconst FORMAT: u64 = 1;\n#[cfg(test)]\nmod tests {\n    /// In a test.\n    const LATE_SECONDS: i64 = 1;\n}\n";
        let found = limits(text).unwrap();
        let shown: Vec<_> =
            found.iter().map(|l| (l.name.as_str(), l.value.as_str(), l.doc.as_str())).collect();
        assert_eq!(shown, [("BODY_BYTES", "3 MiB", "Bytes \\| of it."), ("MAX_THINGS", "16,384", "Most.")]);
        assert!(
            limits("/// X.\nconst MAX_A: usize = size_of::<u8>();\n").is_err(),
            "nothing is left out silently"
        );
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            (bytes(1536).as_str(), bytes(64 << 20).as_str(), bytes(253).as_str()),
            ("1,536 bytes", "64 MiB", "253 bytes")
        );
        assert_eq!((grouped(-1234), grouped(31_536_000)), ("-1,234".to_owned(), "31,536,000".to_owned()));
    }
}
