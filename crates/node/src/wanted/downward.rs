//! What a pod says about itself, as files.
//!
//! Kubernetes 1.36 (pkg/fieldpath): in volumes only `metadata.name`, `.namespace`, `.uid`, `.labels`, `.annotations` and
//! single labels and annotations. Left out on purpose: `resourceFieldRef`, because a program without a container has
//! no limits of its own.

use jeton_core::deliver::Bytes;
use k8s_openapi::api::core::v1::{DownwardAPIVolumeFile, Pod};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

/// What a pod says, each field written once, however many files hold it.
pub(super) struct Fields<'a> {
    pod: &'a Pod,
    told: BTreeMap<String, Bytes>,
}

impl<'a> Fields<'a> {
    pub(super) fn of(pod: &'a Pod) -> Self {
        Self { pod, told: BTreeMap::new() }
    }

    /// The content of one item.
    pub(super) fn content(&mut self, item: &DownwardAPIVolumeFile) -> Result<Bytes, String> {
        if item.resource_field_ref.is_some() {
            return Err("resourceFieldRef needs a container; here is none".to_owned());
        }
        let field = item.field_ref.as_ref().map_or("", |f| f.field_path.as_str());
        if let Some(bytes) = self.told.get(field) {
            return Ok(bytes.clone());
        }
        let bytes: Bytes = Arc::new(content(self.pod, field)?.into_bytes().into());
        self.told.insert(field.to_owned(), bytes.clone());
        Ok(bytes)
    }
}

fn content(pod: &Pod, field: &str) -> Result<String, String> {
    let meta = &pod.metadata;
    let own = |text: &Option<String>| Ok(text.clone().unwrap_or_default());
    match field {
        "metadata.name" => own(&meta.name),
        "metadata.namespace" => own(&meta.namespace),
        "metadata.uid" => own(&meta.uid),
        "metadata.labels" => Ok(lines(meta.labels.as_ref())),
        "metadata.annotations" => Ok(lines(meta.annotations.as_ref())),
        _ => {
            let one = |prefix: &str, map: Option<&BTreeMap<String, String>>| {
                let key = field.strip_prefix(prefix)?.strip_suffix("']")?;
                Some(map.and_then(|m| m.get(key)).cloned().unwrap_or_default())
            };
            one("metadata.labels['", meta.labels.as_ref())
                .or_else(|| one("metadata.annotations['", meta.annotations.as_ref()))
                .ok_or_else(|| format!("fieldPath {field:?} is none that a volume can have"))
        }
    }
}

/// `key="value"`, sorted, one a line, none after the last.
fn lines(map: Option<&BTreeMap<String, String>>) -> String {
    let lines = map.into_iter().flatten().map(|(key, value)| format!("{key}={}", quoted(value)));
    lines.collect::<Vec<_>>().join("\n")
}

/// As Go's `strconv.Quote` writes it.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        // Writing to memory has no way to fail.
        let _ = match c {
            '"' | '\\' => write!(out, "\\{c}"),
            '\x07' => write!(out, "\\a"),
            '\x08' => write!(out, "\\b"),
            '\x0c' => write!(out, "\\f"),
            '\n' => write!(out, "\\n"),
            '\r' => write!(out, "\\r"),
            '\t' => write!(out, "\\t"),
            '\x0b' => write!(out, "\\v"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => write!(out, "\\x{:02x}", c as u32),
            c if c.is_control() => write!(out, "\\u{:04x}", c as u32),
            c => write!(out, "{c}"),
        };
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_as_kubernetes_writes_them() {
        let pod: Pod = serde_json::from_value(json!({"metadata": {
            "name": "web", "namespace": "shop", "uid": "u",
            "labels": {"b": "2", "a": "1"}, "annotations": {"x/y": "a \"b\"\n\u{7}\u{1b}ä"},
        }}))
        .unwrap();
        let of = |path: &str| content(&pod, path);
        for (path, want) in [
            ("metadata.name", "web"),
            ("metadata.namespace", "shop"),
            ("metadata.uid", "u"),
            ("metadata.labels", "a=\"1\"\nb=\"2\""),
            ("metadata.annotations", "x/y=\"a \\\"b\\\"\\n\\a\\x1bä\""),
            ("metadata.labels['a']", "1"),
            ("metadata.annotations['none']", ""),
        ] {
            assert_eq!(of(path).as_deref(), Ok(want), "{path}");
        }
        assert!(of("spec.nodeName").is_err());
    }

    #[test]
    fn a_field_is_written_once_for_all_its_files() {
        let pod: Pod = serde_json::from_value(json!({"metadata": {"labels": {"a": "1"}}})).unwrap();
        let mut fields = Fields::of(&pod);
        let mut of = |item: serde_json::Value| fields.content(&serde_json::from_value(item).unwrap());
        let labels = json!({"path": "p", "fieldRef": {"fieldPath": "metadata.labels"}});
        let (first, second) = (of(labels.clone()).unwrap(), of(labels).unwrap());
        assert_eq!(first.as_slice(), b"a=\"1\"");
        assert!(Arc::ptr_eq(&first, &second));
        let both = json!({"path": "p", "fieldRef": {"fieldPath": "metadata.labels"}, "resourceFieldRef": {"resource": "r"}});
        assert!(of(both).is_err());
    }
}
