//! What several targets need.

use jeton_core::text::is_hidden;
use jeton_doctor::collect::audit::{Options, read};
use jeton_doctor::facts::Facts;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::LazyLock;

/// One file for this process, written anew for every input.
static FILE: LazyLock<String> = LazyLock::new(|| {
    let name = format!("jeton-fuzz-{}.log", std::process::id());
    std::env::temp_dir().join(name).display().to_string()
});

/// A path of this process alone, in memory where this machine has a place there.
pub fn scratch() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let place = if memory.is_dir() { memory } else { std::env::temp_dir() };
    place.join(format!("jeton-fuzz-{}", std::process::id()))
}

/// What the doctor reads from a file with these bytes.
pub fn facts_of(bytes: &[u8], quick: bool, workers: usize) -> Facts {
    std::fs::write(&*FILE, bytes).unwrap();
    let mut facts = Facts::default();
    read(std::slice::from_ref(&*FILE), Options { quick, workers }, &mut facts, &mut |_, _| {});
    assert_eq!(facts.sources.len(), 1);
    if let Some(error) = &facts.sources[0].error {
        assert!(error.starts_with(&format!("{}, line ", *FILE)), "an error names file and line: {error}");
    }
    facts
}

/// Facts in words, without the name of their file.
pub fn told(facts: &Facts) -> String {
    format!("{facts:#?}").replace(&*FILE, "FILE")
}

/// Whether the reader takes it for a compressed file.
pub fn is_compressed(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b]) || bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
}

/// Whether a text in a value could drive a terminal.
pub fn hidden_in(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(is_hidden),
        Value::Array(items) => items.iter().any(hidden_in),
        Value::Object(map) => map.iter().any(|(key, value)| key.contains(is_hidden) || hidden_in(value)),
        _ => false,
    }
}

/// Whether a value has numbers that two readers of text may round apart.
pub fn has_fractions(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(items) => items.iter().any(has_fractions),
        Value::Object(map) => map.values().any(has_fractions),
        _ => false,
    }
}

/// Whether text could drive a terminal.
pub fn drives_a_terminal(text: &str) -> bool {
    text.chars().any(|c| is_hidden(c) && c != '\n')
}

/// Kinds whose bodies are read.
pub const KINDS: [(&str, &str); 12] = [
    ("v1", "Pod"),
    ("authentication.k8s.io/v1", "TokenRequest"),
    ("authentication.k8s.io/v1", "TokenReview"),
    ("v1", "Secret"),
    ("v1", "ServiceAccount"),
    ("v1", "ConfigMap"),
    ("v1", "Node"),
    ("v1", "Event"),
    ("apps/v1", "Deployment"),
    ("batch/v1", "CronJob"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ("coordination.k8s.io/v1", "Lease"),
];

/// Levels of a value: a plain one has none.
pub fn depth(value: &Value) -> usize {
    let mut deepest = 0;
    let mut todo = vec![(value, 0)];
    while let Some((value, level)) = todo.pop() {
        let (list, map) = (value.as_array(), value.as_object());
        deepest = deepest.max(level + usize::from(list.is_some() || map.is_some()));
        todo.extend(
            list.into_iter()
                .flatten()
                .chain(map.into_iter().flat_map(|m| m.values()))
                .map(|v| (v, level + 1)),
        );
    }
    deepest
}

/// A relative path of plain elements, which leads nowhere else.
pub fn inside(name: &str) {
    assert!(!name.is_empty() && !name.starts_with('/') && !name.contains('\0'), "{name:?}");
    assert!(name.split('/').all(|part| !part.is_empty() && part != "." && part != ".."), "{name:?}");
}
