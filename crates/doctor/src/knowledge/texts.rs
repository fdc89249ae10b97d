//! Words of findings, remedies and gaps, in English and Chinese.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Language of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Chinese.
    Zh,
}

/// One text in both languages.
#[derive(Clone, Debug, Deserialize)]
pub struct Text {
    en: String,
    zh: String,
}

/// Words of one rule.
#[derive(Clone, Debug, Deserialize)]
pub struct RuleText {
    /// What the rule is about, in general.
    pub about: Text,
    /// What was found.
    pub title: Text,
    /// What to do.
    pub remedy: Text,
    /// Official pages.
    #[serde(default)]
    pub links: Vec<Text>,
}

#[derive(Debug, Deserialize)]
struct File {
    rules: BTreeMap<String, RuleText>,
    words: BTreeMap<String, Text>,
}

static FILE: LazyLock<File> = LazyLock::new(|| {
    // A test reads the same bytes, so this cannot fail in a binary that was tested.
    serde_json::from_str(include_str!("../../knowledge/texts.json"))
        .unwrap_or_else(|_| File { rules: BTreeMap::new(), words: BTreeMap::new() })
});

impl Text {
    /// Of two texts.
    pub fn new(en: &str, zh: &str) -> Self {
        Self { en: en.to_owned(), zh: zh.to_owned() }
    }

    /// In one language.
    pub fn of(&self, lang: Lang) -> &str {
        match lang {
            Lang::En => &self.en,
            Lang::Zh => &self.zh,
        }
    }
}

/// Words of a rule.
pub fn rule(id: &str) -> Option<&'static RuleText> {
    FILE.rules.get(id)
}

/// All rules with words.
pub fn rules() -> impl Iterator<Item = (&'static str, &'static RuleText)> {
    FILE.rules.iter().map(|(id, text)| (id.as_str(), text))
}

/// A word or sentence; its id when there is none.
pub fn word(id: &str, lang: Lang) -> &str {
    FILE.words.get(id).map_or(id, |text| text.of(lang))
}

/// Puts values in the place of `{name}`, in one pass: braces in a value mean nothing. What stands between `[[` and `]]`
/// is left out when a value in it is missing or empty.
pub fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("[[") {
        let Some((inside, tail)) = after.split_once("]]") else { break };
        out += &put(before, values).0;
        let (filled, whole) = put(inside, values);
        out += if whole { &filled } else { "" };
        rest = tail;
    }
    out += &put(rest, values).0;
    out
}

/// Text with its values, and whether all of them were there.
fn put(text: &str, values: &[(&str, &str)]) -> (String, bool) {
    let (mut out, mut whole) = (String::new(), true);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, tail)) = after.split_once('}') else { break };
        let value = values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value);
        out += before;
        out += if value.is_empty() { "-" } else { value };
        whole &= !value.is_empty();
        rest = tail;
    }
    out += rest;
    (out, whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_put_once_and_parts_without_one_are_left_out() {
        for (text, want) in [
            ("{a} and {b}", "{b} and 2"),
            ("x[[: {b}]][[; {none}]].", "x: 2."),
            ("{none}", "-"),
            ("no end {a", "no end {a"),
            ("no end [[ {b}", "no end [[ 2"),
        ] {
            assert_eq!(fill(text, &[("a", "{b}"), ("b", "2")]), want, "{text}");
        }
    }

    #[test]
    fn every_text_is_there_in_both_languages() {
        assert!(FILE.rules.len() > 10 && FILE.words.len() > 10, "texts.json can be read");
        let all =
            FILE.rules.values().flat_map(|r| [&r.about, &r.title, &r.remedy].into_iter().chain(&r.links));
        for text in all.chain(FILE.words.values()) {
            assert!(!text.en.is_empty() && !text.zh.is_empty(), "{text:?}");
        }
    }
}
