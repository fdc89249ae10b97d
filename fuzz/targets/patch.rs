//! Patches of all three kinds: none makes an object deeper than a body may be, or larger than patch and object warrant.
#![no_main]

use jeton_fuzz::depth;
use jeton_schema::{MAX_DEPTH, json, json_patch, kind, merge_patch, strategic_patch};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use std::sync::LazyLock;

static POD: LazyLock<Value> = LazyLock::new(|| {
    serde_json::json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "p", "labels": {"a": "b"}, "finalizers": ["x"]},
        "spec": {"containers": [{"name": "c", "image": "1", "args": ["a"]}, {"name": "d", "image": "2"}],
            "tolerations": [{"key": "k"}], "nodeSelector": {"k": "v"}}})
});

fuzz_target!(|bytes: &[u8]| {
    let Some((how, rest)) = bytes.split_first() else { return };
    let Ok(patch) = json(rest) else { return };
    let mut object = POD.clone();
    let done = match how % 3 {
        0 => merge_patch(&mut object, &patch.value),
        1 => strategic_patch(kind("v1", "Pod").unwrap(), &mut object, &patch.value),
        _ => json_patch(&mut object, patch.value),
    };
    if let Err(error) = done {
        assert!(!error.to_string().is_empty());
        return;
    }
    assert!(depth(&object) <= 2 * MAX_DEPTH, "{} levels", depth(&object));
    let size = object.to_string().len();
    // A copy may be made of what was there: so much in all.
    assert!(size <= 4 * 1024 * 1024 + 8 * rest.len(), "{size} bytes from {}", rest.len());
});
