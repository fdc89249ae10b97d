//! Label and field selectors.
//!
//! Kubernetes 1.36 (apimachinery/pkg/labels, /fields): `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a`, `!a`;
//! fields know only `=`, `==` and `!=`.

use super::kind::Kind;
use serde_json::Value;

/// Longest selector, in bytes.
pub const MAX_SELECTOR_BYTES: usize = 16 * 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Missing,
}

/// Which objects of a list are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    labels: Vec<(String, Test)>,
    fields: Vec<(String, bool, String)>,
}

impl Selector {
    /// Reads `labelSelector` and `fieldSelector`.
    ///
    /// # Errors
    /// What cannot be read, in words.
    pub fn parse(labels: Option<&str>, fields: Option<&str>) -> Result<Self, String> {
        let (labels, fields) = (labels.unwrap_or(""), fields.unwrap_or(""));
        if labels.len().max(fields.len()) > MAX_SELECTOR_BYTES {
            return Err(format!("selectors may have at most {MAX_SELECTOR_BYTES} bytes"));
        }
        let labels = split(labels).into_iter().map(label).collect::<Result<_, _>>();
        let labels = labels.map_err(|why| format!("unable to parse requirement: {why}"))?;
        let terms = fields.split(',').map(str::trim).filter(|t| !t.is_empty());
        let fields = terms.map(field).collect::<Result<_, _>>()?;
        Ok(Self { labels, fields })
    }

    /// Whether everything matches.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// The one value a field must have, where the selector says so.
    pub fn field_is(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(f, equal, _)| f == name && *equal).map(|(_, _, v)| v.as_str())
    }

    /// Whether an object of a kind is wanted.
    ///
    /// # Errors
    /// A field that this kind cannot be selected by.
    pub fn matches(&self, kind: &Kind, object: &Value) -> Result<bool, String> {
        for (name, equal, wanted) in &self.fields {
            let found = value_of(kind, object, name)?;
            if (found == *wanted) != *equal {
                return Ok(false);
            }
        }
        let labels = &object["metadata"]["labels"];
        Ok(self.labels.iter().all(|(key, test)| {
            let value = labels.get(key).and_then(Value::as_str);
            match test {
                Test::In(values) => value.is_some_and(|v| values.iter().any(|w| w == v)),
                Test::NotIn(values) => value.is_none_or(|v| values.iter().all(|w| w != v)),
                Test::Exists => value.is_some(),
                Test::Missing => value.is_none(),
            }
        }))
    }
}

fn value_of(kind: &Kind, object: &Value, name: &str) -> Result<String, String> {
    let metadata = |key: &str| object["metadata"][key].as_str().unwrap_or("").to_owned();
    match name {
        "metadata.name" => Ok(metadata("name")),
        "metadata.namespace" if kind.namespaced => Ok(metadata("namespace")),
        _ => (kind.field)(object, name).ok_or_else(|| format!("field label not supported: {name}")),
    }
}

/// Splits at commas outside parentheses.
fn split(text: &str) -> Vec<&str> {
    let (mut out, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                out.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    out.push(&text[start..]);
    out.into_iter().map(str::trim).filter(|t| !t.is_empty()).collect()
}

fn label(term: &str) -> Result<(String, Test), String> {
    let one = |value: &str| vec![value.trim().to_owned()];
    let (key, test) = if let Some((key, value)) = term.split_once("!=") {
        (key, Test::NotIn(one(value)))
    } else if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        (key, Test::In(one(value)))
    } else if let Some((head, list)) = term.split_once('(') {
        let list = list.trim_end().strip_suffix(')').ok_or_else(|| format!("{term:?} lacks a ')'"))?;
        let values = list.split(',').map(|v| v.trim().to_owned()).collect();
        match head.trim().rsplit_once(char::is_whitespace) {
            Some((key, "in")) => (key, Test::In(values)),
            Some((key, "notin")) => (key, Test::NotIn(values)),
            _ => return Err(format!("found {term:?}, expected: in, notin, =, ==, !=")),
        }
    } else if let Some(key) = term.strip_prefix('!') {
        (key, Test::Missing)
    } else {
        (term, Test::Exists)
    };
    let key = key.trim();
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    if key.is_empty() || !key.chars().all(allowed) {
        return Err(format!("{key:?} is not a label key"));
    }
    Ok((key.to_owned(), test))
}

fn field(term: &str) -> Result<(String, bool, String), String> {
    let (key, equal, value) = if let Some((key, value)) = term.split_once("!=") {
        (key, false, value)
    } else if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        (key, true, value)
    } else {
        return Err(format!("invalid selector: '{term}'; can't understand '{term}'"));
    };
    Ok((key.trim().to_owned(), equal, value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::kinds::POD;
    use serde_json::json;

    #[test]
    fn selects() {
        let pod = json!({"metadata": {"name": "web", "labels": {"app": "web", "tier": "a"}}, "spec": {"nodeName": "n1"}});
        for (labels, fields, want) in [
            ("", "", true),
            ("app=web", "", true),
            ("app==web,tier!=b", "", true),
            ("app in (db, web)", "", true),
            ("app notin (db,web)", "", false),
            ("tier,!gone", "", true),
            ("!tier", "", false),
            ("", "spec.nodeName=n1", true),
            ("", "spec.nodeName!=n1", false),
            ("app=web", "metadata.name=other", false),
        ] {
            let selector = Selector::parse(Some(labels), Some(fields)).unwrap();
            assert_eq!(selector.matches(&POD, &pod), Ok(want), "{labels} {fields}");
        }
        let unknown = Selector::parse(None, Some("spec.foo=1")).unwrap();
        assert!(unknown.matches(&POD, &pod).unwrap_err().contains("spec.foo"));
        for bad in ["a in b", "a in (b", "a b", "=x", "a ~ (b)"] {
            assert!(Selector::parse(Some(bad), None).is_err(), "{bad}");
        }
    }
}
