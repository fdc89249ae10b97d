//! Small objects of texts and whole numbers, as programs write them.
//!
//! Invariant: `None` means no more than "not plain": the text has an escape, a line break inside, a number with a
//! fraction, a member of another type, or is no JSON. Whoever gets `None` asks the general reader. Left out on purpose:
//! saying what is wrong.

use memchr::memchr;
use std::ops::Range;

/// Most digits of a number: all such numbers fit.
const DIGITS: usize = 18;
/// Most brackets that are open at once in what is cut out; the general reader has its own limit, beyond this one.
const DEPTH: usize = 64;

/// A place in a plain text.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    /// The beginning of a text that has no escapes, and no line breaks but at its end.
    pub fn new(text: &'a str) -> Option<Self> {
        let text = text.trim_end_matches(['\n', '\r', ' ']);
        // Without leaving early: so many bytes are looked at together.
        let plain = text.bytes().fold(true, |plain, b| plain & (b >= 0x20) & (b != b'\\'));
        plain.then_some(Self { text, at: 0 })
    }

    /// The next byte.
    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Goes past blanks, and past this byte if it comes next.
    #[inline]
    fn take(&mut self, byte: u8) -> bool {
        while self.next() == Some(b' ') {
            self.at += 1;
        }
        let found = self.next() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Where the next text stands in the whole, without its quotes.
    pub fn place(&mut self) -> Option<Range<usize>> {
        if !self.take(b'"') {
            return None;
        }
        let from = self.at;
        let to = from + memchr(b'"', self.text.as_bytes().get(from..)?)?;
        self.at = to + 1;
        Some(from..to)
    }

    /// A text.
    pub fn text(&mut self) -> Option<&'a str> {
        let place = self.place()?;
        self.text.get(place)
    }

    /// A whole number.
    pub fn number(&mut self) -> Option<i64> {
        let negative = self.take(b'-');
        let rest = self.text.as_bytes().get(self.at..)?;
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let leading_zero = digits > 1 && rest.first() == Some(&b'0');
        if !(1..=DIGITS).contains(&digits)
            || leading_zero
            || matches!(rest.get(digits), Some(b'.' | b'e' | b'E'))
        {
            return None;
        }
        self.at += digits;
        let value =
            rest.get(..digits)?.iter().fold(0_i64, |value, digit| value * 10 + i64::from(digit - b'0'));
        // Minus nothing is a number with a fraction to the general reader.
        match (negative, value) {
            (true, 0) => None,
            (true, value) => Some(-value),
            (false, value) => Some(value),
        }
    }

    /// An object: `member` reads the value of each key.
    pub fn object(&mut self, mut member: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        if !self.take(b'{') {
            return None;
        }
        if self.take(b'}') {
            return Some(());
        }
        loop {
            let key = self.text()?;
            if !self.take(b':') {
                return None;
            }
            member(self, key)?;
            if self.take(b'}') {
                return Some(());
            }
            if !self.take(b',') {
                return None;
            }
        }
    }

    /// Goes into an object whose members come in a known order; [`Reader::member`] reads their keys.
    pub fn open(&mut self) -> Option<()> {
        self.take(b'{').then_some(())
    }

    /// Goes past the key of a member and what separates it from the one before, if it comes next without blanks.
    /// `key`: as it stands, with its quotes and colon.
    #[inline]
    pub fn member(&mut self, key: &'static str) -> bool {
        let text = self.text.as_bytes();
        // Only the object's own bracket can stand directly before a place where a member ends.
        let first = self.at.checked_sub(1).and_then(|before| text.get(before)) == Some(&b'{');
        let from = self.at + usize::from(!first);
        let separated = first || self.next() == Some(b',');
        let found = separated && text.get(from..).is_some_and(|rest| rest.starts_with(key.as_bytes()));
        if found {
            self.at = from + key.len();
        }
        found
    }

    /// Goes out of an object that has no more members.
    pub fn close(&mut self) -> Option<()> {
        self.take(b'}').then_some(())
    }

    /// A list: `item` reads each of its values.
    pub fn list(&mut self, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        if !self.take(b'[') {
            return None;
        }
        if self.take(b']') {
            return Some(());
        }
        loop {
            item(self)?;
            if self.take(b']') {
                return Some(());
            }
            if !self.take(b',') {
                return None;
            }
        }
    }

    /// An object as it stands; what is in it is not looked at.
    pub fn whole_object(&mut self) -> Option<&'a str> {
        if !self.take(b'{') {
            return None;
        }
        let from = self.at - 1;
        let mut open = 1_usize;
        while open > 0 {
            match self.next()? {
                b'"' => {
                    self.text()?;
                    continue;
                }
                b'{' | b'[' if open == DEPTH => return None,
                b'{' | b'[' => open += 1,
                b'}' | b']' => open -= 1,
                _ => {}
            }
            self.at += 1;
        }
        self.text.get(from..self.at)
    }

    /// That nothing comes any more.
    pub fn end(self) -> Option<()> {
        (self.at == self.text.len()).then_some(())
    }
}

/// Fills a member; `None`: it stands twice.
pub fn once<T>(member: &mut Option<T>, value: T) -> Option<()> {
    member.replace(value).is_none().then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// What the reader makes of a whole text.
    fn all<'a, T>(text: &'a str, read: impl FnOnce(&mut Reader<'a>) -> Option<T>) -> Option<T> {
        let mut reader = Reader::new(text)?;
        let value = read(&mut reader)?;
        reader.end().map(|()| value)
    }

    #[test]
    fn numbers_are_those_of_the_general_reader_or_none() {
        for text in [
            "0",
            "7",
            "-7",
            " 12",
            "- 7",
            "-0",
            "007",
            "1.5",
            "1e3",
            "1E3",
            "",
            "-",
            "+1",
            "9223372036854775807",
            "999999999999999999",
            "-999999999999999999",
            "12x",
            "0x1",
        ] {
            if let Some(read) = all(text, Reader::number) {
                assert_eq!(serde_json::from_str::<Value>(text).unwrap(), Value::from(read), "{text}");
            }
        }
        assert_eq!(all("-999999999999999999", Reader::number), Some(-999_999_999_999_999_999));
        assert_eq!(all(" 0", Reader::number), Some(0));
        for not_plain in ["- 7", "-0", "007", "1.5", "1e3", "9223372036854775807", "12x"] {
            assert_eq!(all(not_plain, Reader::number), None, "{not_plain}");
        }
    }

    #[test]
    fn texts_are_found_as_a_whole_or_not_at_all() {
        for (text, want) in [
            (r#""""#, Some("")),
            (r#"  "aé€😀\u007f"  "#, None),
            (r#" "aé€😀" "#, Some("aé€😀")),
            ("\"a\"\r\n", Some("a")),
            ("\"a\nb\"", None),
            ("\"a\tb\"", None),
            (r#""a" "b""#, None),
            (r#""a"#, None),
            ("a", None),
            ("", None),
        ] {
            assert_eq!(all(text, Reader::text), want, "{text:?}");
            if let Some(want) = want {
                assert_eq!(serde_json::from_str::<String>(text).unwrap(), want);
            }
        }
    }

    #[test]
    fn objects_and_lists_end_where_they_end() {
        let object = |text| {
            let mut seen = Vec::new();
            all(text, |r| {
                r.object(|r, key| {
                    seen.push((key, r.number()?));
                    Some(())
                })
            })
            .map(|()| seen)
        };
        assert_eq!(object("{}"), Some(vec![]));
        assert_eq!(object(r#" { "a" : 1 , "b":2 } "#), Some(vec![("a", 1), ("b", 2)]));
        for broken in
            ["{", "{,}", r#"{"a"}"#, r#"{"a":1,}"#, r#"{"a":1 "b":2}"#, r#"{"a":1}}"#, "[]", r#"{"a" 1}"#]
        {
            assert_eq!(object(broken), None, "{broken}");
        }
        let list = |text| {
            let mut seen = Vec::new();
            all(text, |r| {
                r.list(|r| {
                    seen.push(r.text()?);
                    Some(())
                })
            })
            .map(|()| seen)
        };
        assert_eq!(list("[]"), Some(vec![]));
        assert_eq!(list(r#"[ "a", "]" ]"#), Some(vec!["a", "]"]));
        for broken in ["[", "[,]", r#"["a",]"#, r#"["a" "b"]"#, r#"["a"]]"#, "{}", r#"["a"}"#] {
            assert_eq!(list(broken), None, "{broken}");
        }
    }

    #[test]
    fn members_in_a_known_order_are_there_or_not() {
        let read = |text| {
            all(text, |r| {
                r.open()?;
                let mut number = |key| r.member(key).then(|| r.number());
                let found = [number("\"a\":"), number("\"b\":")];
                r.close()?;
                found.into_iter().flatten().collect::<Option<Vec<_>>>()
            })
        };
        assert_eq!(read("{}"), Some(vec![]));
        assert_eq!(read(r#" {"a": 1,"b":2 } "#), Some(vec![1, 2]));
        assert_eq!(read(r#"{"b":2}"#), Some(vec![2]));
        for other in [
            r#"{"b":2,"a":1}"#,
            r#"{"a":1,"a":1}"#,
            r#"{"a":1"b":2}"#,
            r#"{"a":1{"b":2}"#,
            r#"{,"a":1}"#,
            r#"{"a":1,}"#,
            r#"{"a":1,,"b":2}"#,
            r#"{"a":1, "b":2}"#,
            r#"{"ab":1}"#,
            r#""a":1}"#,
            r#"{"a":1"#,
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn a_whole_object_is_cut_out_with_its_brackets() {
        fn cut(text: &str) -> Option<&str> {
            Reader::new(text)?.whole_object()
        }
        assert_eq!(cut(r#" {"a":{"b":["}"]},"c":1},"d""#), Some(r#"{"a":{"b":["}"]},"c":1}"#));
        for broken in ["{", r#"{"}"#, "[1]", r#"{"a":[}"#] {
            assert_eq!(cut(broken), None, "{broken}");
        }
        let deep = |open: usize| format!("{}1{}", "{\"a\":".repeat(open), "}".repeat(open));
        assert!(cut(&deep(DEPTH)).is_some());
        assert_eq!(cut(&deep(DEPTH + 1)), None);
    }

    #[test]
    fn a_member_is_there_once() {
        let mut slot = None;
        assert_eq!((once(&mut slot, 1), once(&mut slot, 2)), (Some(()), None));
    }
}
