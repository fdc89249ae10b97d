//! JSON text, written in one pass.
//!
//! Invariant: what is written is what `serde_json` makes of the same values; with [`Escapes::Go`], what Go's
//! encoding/json does. Left out on purpose: every value but texts, lists of texts, whole numbers and objects.

use std::io::Write;

/// Which characters are escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escapes {
    /// Those that JSON requires.
    Json,
    /// Also `<`, `>`, `&`, U+2028 and U+2029, as in a token's payload.
    Go,
}

/// Text that grows.
#[derive(Debug)]
pub struct Writer {
    out: Vec<u8>,
    escapes: Escapes,
}

impl Writer {
    /// Nothing yet, with room for so many bytes.
    pub fn new(escapes: Escapes, room: usize) -> Self {
        Self { out: Vec::with_capacity(room), escapes }
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// JSON as it is.
    #[inline]
    pub fn raw(&mut self, json: &str) {
        self.out.extend_from_slice(json.as_bytes());
    }

    /// The key of an object's next member. `key` needs no escape.
    #[inline]
    pub fn key(&mut self, key: &'static str) {
        self.next();
        self.raw("\"");
        self.raw(key);
        self.raw("\":");
    }

    /// What stands between this member and the one before it, if there is one.
    fn next(&mut self) {
        if !matches!(self.out.last(), None | Some(b'{' | b'[')) {
            self.raw(",");
        }
    }

    /// One member whose value is an object: what `inside` writes.
    pub fn object(&mut self, key: &'static str, inside: impl FnOnce(&mut Self)) {
        self.key(key);
        self.raw("{");
        inside(self);
        self.raw("}");
    }

    /// A member that is left out when it is empty.
    pub fn text(&mut self, key: &'static str, value: &str) {
        if !value.is_empty() {
            self.key(key);
            self.string(&[value]);
        }
    }

    /// A member whose text needs no escape, as no token does.
    pub fn plain(&mut self, key: &'static str, value: &str) {
        self.key(key);
        self.plain_string(&[value]);
    }

    /// A member that is left out when it is empty.
    pub fn texts(&mut self, key: &'static str, values: &[String]) {
        if !values.is_empty() {
            self.key(key);
            self.raw("[");
            for value in values {
                self.next();
                self.string(&[value]);
            }
            self.raw("]");
        }
    }

    /// A member.
    pub fn number(&mut self, key: &'static str, value: i64) {
        self.key(key);
        // A Vec takes all that is written to it.
        let _ = write!(self.out, "{value}");
    }

    /// A member that is there and says nothing.
    pub fn null(&mut self, key: &'static str) {
        self.key(key);
        self.raw("null");
    }

    /// One string of several parts.
    pub fn string(&mut self, parts: &[&str]) {
        self.raw("\"");
        for part in parts {
            if self.is_plain(part) {
                self.raw(part);
            } else {
                part.chars().for_each(|c| self.escaped(c));
            }
        }
        self.raw("\"");
    }

    /// One string of several parts that need no escape.
    pub fn plain_string(&mut self, parts: &[&str]) {
        self.raw("\"");
        for part in parts {
            debug_assert!(self.is_plain(part), "a text that needs escapes");
            self.raw(part);
        }
        self.raw("\"");
    }

    fn is_plain(&self, text: &str) -> bool {
        let json = |b| (b >= 0x20) & (b != b'"') & (b != b'\\');
        // The first byte of U+2028 and U+2029 is one of many other characters too; those take the long way.
        let go = |b| (b != b'<') & (b != b'>') & (b != b'&') & (b != 0xe2);
        // Without leaving early: so many bytes are looked at together.
        match self.escapes {
            Escapes::Json => text.bytes().fold(true, |plain, b| plain & json(b)),
            Escapes::Go => text.bytes().fold(true, |plain, b| plain & json(b) & go(b)),
        }
    }

    fn escaped(&mut self, c: char) {
        match c {
            '"' => self.raw("\\\""),
            '\\' => self.raw("\\\\"),
            '\u{8}' => self.raw("\\b"),
            '\u{c}' => self.raw("\\f"),
            '\n' => self.raw("\\n"),
            '\r' => self.raw("\\r"),
            '\t' => self.raw("\\t"),
            c if c < ' ' => self.raw(&format!("\\u{:04x}", u32::from(c))),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' if self.escapes == Escapes::Go => {
                self.raw(&format!("\\u{:04x}", u32::from(c)));
            }
            c => self.raw(c.encode_utf8(&mut [0; 4])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn strange() -> String {
        (0..0x180).filter_map(char::from_u32).chain("\u{2027}\u{2028}\u{2029}\u{202a}€😀".chars()).collect()
    }

    fn written(escapes: Escapes, write: impl FnOnce(&mut Writer)) -> String {
        let mut writer = Writer::new(escapes, 0);
        write(&mut writer);
        String::from_utf8(writer.into_bytes()).unwrap()
    }

    #[test]
    fn a_text_is_what_the_general_serializer_writes() {
        for text in [String::new(), "plain".to_owned(), strange()] {
            let ours = written(Escapes::Json, |w| w.string(&[&text, "", &text]));
            assert_eq!(ours, serde_json::to_string(&(text.clone() + &text)).unwrap());
        }
    }

    #[test]
    fn five_more_characters_are_escaped_as_go_does() {
        let mut want = serde_json::to_string(&strange()).unwrap();
        for c in ['<', '>', '&', '\u{2028}', '\u{2029}'] {
            want = want.replace(c, &format!("\\u{:04x}", u32::from(c)));
            // Alone, too: one text in which none of the others stands.
            let one = format!("\"a\\u{:04x}b\"", u32::from(c));
            assert_eq!(written(Escapes::Go, |w| w.string(&[&format!("a{c}b")])), one);
        }
        assert_eq!(written(Escapes::Go, |w| w.string(&[&strange()])), want);
    }

    #[test]
    fn members_are_separated_and_empty_ones_left_out() {
        let text = written(Escapes::Json, |w| {
            w.raw("{");
            w.text("none", "");
            w.texts("no list", &[]);
            w.object("empty", |_| ());
            w.object("in", |w| {
                w.number("n", -7);
                w.texts("list", &["{".to_owned(), "[".to_owned()]);
                w.text("text", "{");
            });
            w.null("nothing");
            w.number("last", i64::MIN);
            w.raw("}");
        });
        let want = json!({"empty": {}, "in": {"n": -7, "list": ["{", "["], "text": "{"}, "nothing": null, "last": i64::MIN});
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), want);
        assert!(
            text.starts_with("{\"empty\":{},\"in\":{\"n\":-7,\"list\":[\"{\",\"[\"],\"text\":"),
            "{text}"
        );
    }
}
