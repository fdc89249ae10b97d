//! Bodies in protobuf: the object in one is what its kind allows, nothing unknown in it, and no larger than its bytes warrant.
#![no_main]

use jeton_fuzz::{KINDS, depth};
use jeton_schema::{MAX_DEPTH, conform, envelope, kind};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((which, rest)) = bytes.split_first() else { return };
    let (version, name) = KINDS[usize::from(*which) % KINDS.len()];
    let body = if rest.starts_with(b"k8s\0") { rest.to_vec() } else { wrapped(version, name, rest) };
    let Ok(envelope) = envelope(&body) else { return };
    let ty = kind(&envelope.api_version, &envelope.kind).or_else(|| kind(version, name)).unwrap();
    let Ok(mut value) = envelope.to_json(ty) else { return };
    assert!(depth(&value) <= 2 * MAX_DEPTH);
    let text = value.to_string();
    assert!(text.len() <= 512 + 64 * body.len(), "{} bytes from {}", text.len(), body.len());
    let shown = value.clone();
    assert_eq!(conform(ty, &mut value), Ok(Vec::new()), "{shown}");
});

/// The envelope around a message, so that the fuzzer need not find it.
fn wrapped(version: &str, name: &str, raw: &[u8]) -> Vec<u8> {
    let field = |number: u8, bytes: &[u8]| {
        let mut out = vec![number << 3 | 2];
        let mut length = bytes.len();
        while length >= 0x80 {
            out.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        out.push(length as u8);
        out.extend_from_slice(bytes);
        out
    };
    let meta = [field(1, version.as_bytes()), field(2, name.as_bytes())].concat();
    [b"k8s\0".to_vec(), field(1, &meta), field(2, raw)].concat()
}
