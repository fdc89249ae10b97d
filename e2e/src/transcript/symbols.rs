//! What differs between two runs becomes a symbol.

use regex::Regex;
use std::sync::LazyLock;

/// What is looked for, and what stands for it.
const SYMBOLS: [(&str, &str); 12] = [
    // Colours.
    (r"\x1b\[[0-9;]*m", ""),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uid>"),
    (r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", "<jwt>"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>"),
    (r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}", "<date>"),
    (r"127\.0\.0\.1:\d+", "<server>"),
    (r"\b\d{5}/TCP", "<port>/TCP"),
    (r#"(resourceVersion"?: ?"?)\d+"#, "${1}<rv>"),
    (r"kube-api-access-[a-z0-9]{5}\b", "kube-api-access-<5>"),
    (r"/(LIVE|MERGED)-\d+/", "/$1-<n>/"),
    (r"(^|  )(\d+m\d*s?|\d+s|<invalid>)( \([^)]*\))?(  |$)", "$1<age>$4"),
    (r"\S*/session-[A-Za-z0-9]+", "<dir>"),
];

/// What a client tells its own log while all is well; it comes and goes with the speed of a machine.
const CHATTER: &str = r"^I\d{4} \d\d:\d\d:\d\d\.\d+ ";

/// A line of output as it is compared; nothing where it is blank, or chatter.
pub(super) fn scrub(line: &str) -> Option<String> {
    static IDLE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(CHATTER).ok());
    static ALL: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        let made = SYMBOLS.iter().map(|(pattern, symbol)| (Regex::new(pattern), *symbol));
        made.filter_map(|(regex, symbol)| Some((regex.ok()?, symbol))).collect()
    });
    if IDLE.as_ref().is_some_and(|chatter| chatter.is_match(line)) {
        return None;
    }
    let mut out = columns(line.trim_end());
    for (regex, symbol) in ALL.iter() {
        out = regex.replace_all(&out, *symbol).into_owned();
    }
    (!out.trim().is_empty()).then_some(out)
}

/// Columns are two spaces apart, however wide; what begins a line stays.
fn columns(line: &str) -> String {
    let text = line.trim_start_matches(' ');
    let mut out = " ".repeat(line.len() - text.len());
    let mut spaces = 0;
    for c in text.replace('\t', "  ").chars() {
        spaces = if c == ' ' { spaces + 1 } else { 0 };
        if spaces <= 2 {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_comparable() {
        for (line, want) in [
            ("web    1/1     Running   0          3s", "web  1/1  Running  0  <age>"),
            ("Normal  Made  2m3s (x4 over 5m)  kubelet", "Normal  Made  <age>  kubelet"),
            ("  uid: 11111111-2222-3333-4444-555555555555", "  uid: <uid>"),
            (
                r#"{"resourceVersion":"12","a":"2026-11-25T13:00:00Z"}"#,
                r#"{"resourceVersion":"<rv>","a":"<time>"}"#,
            ),
            ("  resourceVersion: \"12\"", "  resourceVersion: \"<rv>\""),
            ("at https://127.0.0.1:4711", "at https://<server>"),
            ("\u{1b}[0;32mgreen\u{1b}[0m", "green"),
        ] {
            assert_eq!(scrub(line).as_deref(), Some(want));
        }
        assert_eq!(scrub("  \t "), None);
        assert_eq!(scrub("I1125 14:30:02.996580  13754 reflector.go:664] \"Warning: watch ended\""), None);
        assert_eq!(SYMBOLS.iter().filter(|(pattern, _)| Regex::new(pattern).is_err()).count(), 0);
    }
}
