//! Schemas that users bring and objects that are held against them: what was taken out and filled in once is so for good.
#![no_main]

use jeton_fuzz::depth;
use jeton_schema::structural::{check, fill, prune};
use jeton_schema::{MAX_DEPTH, json};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.split(|byte| *byte == 0xff);
    let Some(Ok(schema)) = parts.next().map(json) else { return };
    let Some(Ok(object)) = parts.next().map(json) else { return };
    let mut value = object.value;
    let notes = prune(&schema.value, &mut value);
    assert!(notes.len() <= 32);
    let pruned = value.clone();
    assert_eq!(prune(&schema.value, &mut value), [""; 0]);
    assert_eq!(value, pruned);
    fill(&schema.value, &mut value);
    assert!(depth(&value) <= 2 * MAX_DEPTH);
    let found = check(&schema.value, &value);
    assert!(found.len() <= 32);
});
