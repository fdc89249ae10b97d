//! Names of objects in the store. A key is one string with exactly three `/` after the group, so keys under a prefix
//! are neighbours in byte order, and no namespace or name can reach out of its prefix.

use std::fmt;
use std::sync::Arc;

use super::limits::KEY_MAX_BYTES;

/// Key of an object: `<group or "core">/<plural>/<namespace or "">/<name>`. Order is byte order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

/// All keys of a resource, or of a resource in one namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix {
    text: Box<str>,
    /// Length of the `<group>/<plural>` part of `text`.
    split: usize,
}

/// Why a key cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A segment is empty, holds `/` or a control character.
    #[error("{field} {value:?} is not allowed in a key: it must have no '/' and no control character{}", .rule)]
    Segment {
        /// Which segment.
        field: &'static str,
        /// The rejected text, cut.
        value: String,
        /// What else this segment needs.
        rule: &'static str,
    },
    /// The key is too long.
    #[error("the key has {found} bytes, at most {KEY_MAX_BYTES} are allowed")]
    TooLong {
        /// Its length in bytes.
        found: usize,
    },
}

impl Key {
    /// A key from `<group>/<plural>` (such as `core/pods`), a namespace (empty for cluster scope) and a name.
    ///
    /// # Errors
    /// [`KeyError`] names the segment that is not allowed.
    pub fn new(group_resource: &str, namespace: &str, name: &str) -> Result<Self, KeyError> {
        let text = format!("{group_resource}/{namespace}/{name}");
        if text.len() > KEY_MAX_BYTES {
            return Err(KeyError::TooLong { found: text.len() });
        }
        let (group, plural) = group_resource.split_once('/').unwrap_or((group_resource, ""));
        check("group", group, true)?;
        check("resource", plural, true)?;
        check("namespace", namespace, false)?;
        check("name", name, true)?;
        Ok(Self(text.into()))
    }

    /// Reads a key back from its text, as stored.
    pub fn parse(text: &str) -> Option<Self> {
        let (at, _) = text.match_indices('/').nth(1)?;
        let (namespace, name) = text[at + 1..].split_once('/')?;
        Self::new(&text[..at], namespace, name).ok()
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `<group>/<plural>`, namespace and name.
    pub fn parts(&self) -> (&str, &str, &str) {
        let (resource, rest) = self.split();
        let (namespace, name) = rest.split_once('/').unwrap_or(("", rest));
        (resource, namespace, name)
    }

    /// `<group>/<plural>` and `<namespace>/<name>`.
    pub(crate) fn split(&self) -> (&str, &str) {
        let at = self.0.match_indices('/').nth(1).map_or(self.0.len(), |(at, _)| at);
        (&self.0[..at], self.0.get(at + 1..).unwrap_or(""))
    }

    /// Prefix of every key there is, for watchers.
    pub fn everything() -> Prefix {
        Prefix { text: "".into(), split: 0 }
    }

    /// Prefix of every object of a resource such as `core/pods`.
    pub fn prefix_all(group_resource: &str) -> Prefix {
        Prefix { text: format!("{group_resource}/").into(), split: group_resource.len() }
    }

    /// Prefix of every object of a resource in one namespace. A namespace that cannot be matches nothing.
    pub fn prefix_ns(group_resource: &str, namespace: &str) -> Prefix {
        Prefix { text: format!("{group_resource}/{namespace}/").into(), split: group_resource.len() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Prefix {
    /// The text every key under the prefix starts with.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a key lies under the prefix.
    pub fn holds(&self, key: &Key) -> bool {
        key.0.starts_with(&*self.text)
    }

    /// `<group>/<plural>` and the start of `<namespace>/<name>`.
    pub(crate) fn split(&self) -> (&str, &str) {
        (&self.text[..self.split], self.text.get(self.split + 1..).unwrap_or(""))
    }
}

fn check(field: &'static str, value: &str, required: bool) -> Result<(), KeyError> {
    let rule = if required { ", and must not be empty" } else { "" };
    if (required && value.is_empty()) || value.contains('/') || value.contains(char::is_control) {
        return Err(KeyError::Segment { field, value: value.chars().take(64).collect(), rule });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_cannot_be_are_refused_by_field() {
        let long = "x".repeat(KEY_MAX_BYTES);
        for (resource, namespace, name, field) in [
            ("core", "ns", "n", "resource"),
            ("/pods", "ns", "n", "group"),
            ("core/pods/status", "ns", "n", "resource"),
            ("core/pods", "a/b", "n", "namespace"),
            ("core/pods", "ns", "", "name"),
            ("core/pods", "ns", "a/b", "name"),
            ("core/pods", "ns", "a\0b", "name"),
            ("core/pods", "ns", long.as_str(), "bytes"),
        ] {
            let error = Key::new(resource, namespace, name).unwrap_err().to_string();
            assert!(error.contains(field), "{resource} {namespace} {name}: {error}");
        }
    }

    #[test]
    fn parts_survive_and_prefixes_do_not_leak() {
        let key = Key::new("core/pods", "a", "b").unwrap();
        assert_eq!(key.parts(), ("core/pods", "a", "b"));
        assert_eq!(Key::parse(key.as_str()), Some(key.clone()));
        let node = Key::new("core/nodes", "", "n").unwrap();
        assert_eq!(node.parts(), ("core/nodes", "", "n"));
        assert_eq!(Key::parse("core/nodes//n"), Some(node.clone()));
        assert_eq!(Key::parse("core/nodes/n"), None);
        for (prefix, key, holds) in [
            (Key::prefix_all("core/pods"), &key, true),
            (Key::prefix_ns("core/pods", "a"), &key, true),
            (Key::prefix_ns("core/pods", "a/b"), &key, false),
            (Key::prefix_ns("core/pods", ""), &key, false),
            (Key::prefix_all("core/pod"), &key, false),
            (Key::prefix_ns("core/nodes", ""), &node, true),
        ] {
            assert_eq!(prefix.holds(key), holds, "{prefix:?} {key}");
        }
    }
}
