//! A cloud's own list of add-ons: what is read of one is bounded and cannot drive a terminal, and what is refused is told in
//! words.
#![no_main]

use jeton_core::text::is_hidden;
use jeton_doctor::collect::addons::read;
use jeton_doctor::limits::{MAX_ADDONS, MAX_TEXT_BYTES};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| match read(bytes) {
    Ok(list) => {
        assert!(list.addons.len() <= MAX_ADDONS);
        let texts = list.addons.iter().flat_map(|one| [Some(&one.name), one.version.as_ref()]).flatten();
        for text in texts.chain(&list.cluster) {
            assert!(text.len() <= MAX_TEXT_BYTES && !text.contains(is_hidden), "{text:?}");
        }
    }
    Err(error) => assert!(!error.to_string().is_empty()),
});
