//! Releases of Helm: packed or not, the same version comes out, clean and bounded.
#![no_main]

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};
use jeton_doctor::collect::cluster::chart_version;
use jeton_doctor::limits::MAX_TEXT_BYTES;
use jeton_fuzz::drives_a_terminal;
use libfuzzer_sys::fuzz_target;
use serde_json::json;
use std::io::Write;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        bounded(chart_version(text));
        // As Helm writes it, with this version.
        let release = json!({"chart": {"metadata": {"version": text}, "values": {"a": text}}, "config": {}});
        let read = chart_version(&wrapped(release.to_string().as_bytes()));
        assert_eq!(read.is_none(), text.is_empty());
        bounded(read);
    }
    let plain = chart_version(&wrapped(bytes));
    bounded(plain.clone());
    if !bytes.starts_with(&[0x1f, 0x8b, 8]) {
        let mut out = GzEncoder::new(Vec::new(), Compression::fast());
        out.write_all(bytes).unwrap();
        assert_eq!(plain, chart_version(&wrapped(&out.finish().unwrap())));
    }
});

fn wrapped(release: &[u8]) -> String {
    STANDARD.encode(STANDARD.encode(release))
}

fn bounded(version: Option<String>) {
    let good = |v: &String| !v.is_empty() && v.len() <= MAX_TEXT_BYTES && !drives_a_terminal(v);
    assert!(version.as_ref().is_none_or(good), "{version:?}");
}
