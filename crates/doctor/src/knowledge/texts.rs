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

/// Puts values in the place of `{name}`.
pub fn fill(text: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}
