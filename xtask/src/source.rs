//! Reads Rust text just well enough for the tidy rules: which words are code, and which are comments,
//! strings or tests. A full parser would be a dependency for four small questions.

/// `text` with comments and the insides of strings and character literals blanked; lines stay where they are.
pub(crate) fn code_only(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = skip_from(bytes, at);
        if end > at {
            out.extend(bytes[at..end].iter().map(|&b| if b == b'\n' { b'\n' } else { b' ' }));
            at = end;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    // Blanking replaces whole characters' bytes by spaces, so the rest stays UTF-8.
    String::from_utf8_lossy(&out).into_owned()
}

/// Where the comment or literal that starts at `at` ends, or `at` when none starts there.
fn skip_from(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        return at + rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
    }
    if rest.starts_with(b"/*") {
        return at + block_comment(rest);
    }
    let after_word = at > 0 && is_word(bytes[at - 1]);
    if rest[0] == b'"' {
        return at + quoted(rest, b'"');
    }
    if !after_word && (rest.starts_with(b"r\"") || rest.starts_with(b"r#")) {
        return at + raw_string(rest, 1);
    }
    if !after_word && (rest.starts_with(b"br\"") || rest.starts_with(b"br#")) {
        return at + raw_string(rest, 2);
    }
    if rest[0] == b'\'' && is_char_literal(rest) {
        return at + quoted(rest, b'\'');
    }
    at
}

/// Rust's block comments nest.
fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b if b == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// A raw string whose `r` ends at `prefix`; 0 when this is a raw identifier (`r#type`) instead.
fn raw_string(rest: &[u8], prefix: usize) -> usize {
    let hashes = rest[prefix..].iter().take_while(|&&b| b == b'#').count();
    if rest.get(prefix + hashes) != Some(&b'"') {
        return 0;
    }
    let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let body = prefix + hashes + 1;
    rest[body..].windows(close.len()).position(|w| w == close).map_or(rest.len(), |p| body + p + close.len())
}

/// Tells `'a'` and `'\n'` from the lifetime `'a`.
fn is_char_literal(rest: &[u8]) -> bool {
    match rest.get(1) {
        Some(b'\\') => true,
        Some(first) => {
            let width = match first {
                0..=0x7f => 1,
                0xc0..=0xdf => 2,
                0xe0..=0xef => 3,
                _ => 4,
            };
            rest.get(1 + width) == Some(&b'\'')
        }
        None => false,
    }
}

pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Code without its trailing `#[cfg(test)]` module: what ships.
pub(crate) fn without_tests(code: &str) -> &str {
    let mut from = 0;
    while let Some(found) = code[from..].find("#[cfg(test)]") {
        let at = from + found;
        let next = code[at + "#[cfg(test)]".len()..].trim_start();
        if next.starts_with("mod ")
            && next.find('{') < next.find(';').or(Some(usize::MAX))
            && next.contains('{')
        {
            return &code[..at];
        }
        from = at + 1;
    }
    code
}

/// Every identifier of `code` with its line number, counted from 1.
pub(crate) fn identifiers(code: &str) -> impl Iterator<Item = (usize, &str)> {
    code.lines().enumerate().flat_map(|(line, text)| {
        text.split(|c: char| !(c.is_alphanumeric() || c == '_'))
            .filter(|word| word.starts_with(|c: char| c.is_alphabetic() || c == '_'))
            .map(move |word| (line + 1, word))
    })
}

/// Whether a file holds tests alone.
pub(crate) fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs")
        || path.ends_with("_tests.rs")
        || path.contains("/tests/")
        || path.contains("/testing/")
        || path.starts_with("e2e/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_what_is_no_code_and_keeps_lines() {
        for (text, want) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"f("x\"y", z)"#, "f(      , z)"),
            ("r#\"todo\"# x r#type", "          x r#type"),
            ("'a' 'b 'x: '\\''", "    'b 'x:     "),
            ("br\"k\" w", "      w"),
        ] {
            assert_eq!(code_only(text), want, "{text}");
        }
    }

    #[test]
    fn cuts_an_inline_test_module_only() {
        assert_eq!(without_tests("a\n#[cfg(test)]\nmod tests {\n b\n}"), "a\n");
        let outside = "a\n#[cfg(test)]\nmod tests;\nfn b() {}";
        assert_eq!(without_tests(outside), outside);
    }

    #[test]
    fn numbers_identifiers_by_line() {
        let found: Vec<_> = identifiers("let KeyPair = 1;\nx::y").collect();
        assert_eq!(found, [(1, "let"), (1, "KeyPair"), (2, "x"), (2, "y")]);
    }
}
