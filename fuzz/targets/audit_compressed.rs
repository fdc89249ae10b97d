//! Compressed audit logs: what was packed by us reads as what was packed; what is damaged, cut off or a bomb costs no
//! memory and is said.
#![no_main]

use flate2::{Compression, write::GzEncoder};
use jeton_doctor::limits::MAX_RECORD_BYTES;
use jeton_fuzz::{facts_of, is_compressed, told};
use libfuzzer_sys::fuzz_target;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use std::io::Write;

/// Bytes of a bomb.
const BOMB: usize = MAX_RECORD_BYTES + 1024 * 1024;

fuzz_target!(|bytes: &[u8]| {
    let Some((how, rest)) = bytes.split_first() else { return };
    match how % 8 {
        0 | 1 => agree(rest, gzip),
        2 | 3 => agree(rest, |part| compress_to_vec(part, CompressionLevel::Fastest)),
        4 | 5 => drop(facts_of(&[&[0x1f, 0x8b, 8], rest].concat(), false, 1)),
        6 => drop(facts_of(&[&[0x28, 0xb5, 0x2f, 0xfd], rest].concat(), false, 1)),
        _ => bomb(rest),
    }
});

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(text).unwrap();
    out.finish().unwrap()
}

/// Two files behind each other are one.
fn agree(text: &[u8], pack: impl Fn(&[u8]) -> Vec<u8>) {
    if is_compressed(text) {
        return;
    }
    let (one, two) = text.split_at(text.len() / 2);
    let packed = [pack(one), pack(two)].concat();
    assert_eq!(told(&facts_of(text, false, 1)), told(&facts_of(&packed, false, 1)));
}

/// One line that is longer than any record.
fn bomb(part: &[u8]) {
    if part.is_empty() || part.len() > 64 || part.contains(&b'\n') || part[0] == b'[' || part[0] == b'{' {
        return;
    }
    let facts = facts_of(&gzip(&part.repeat(BOMB / part.len())), false, 1);
    let source = &facts.sources[0];
    let said = source.missing.iter().any(|gap| gap.id == "too-long") || source.error.is_some();
    assert!(said || part.trim_ascii().is_empty() || !part[0].is_ascii_graphic(), "{source:?}");
}
