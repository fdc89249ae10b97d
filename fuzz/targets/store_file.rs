//! The store's file with bytes changed: it is opened or refused, and a refused one is left as it was.
#![no_main]

use jeton_authority::store::{Embedded, Key, Store};
use libfuzzer_sys::fuzz_target;
use std::path::PathBuf;
use std::sync::LazyLock;

/// Bytes of one change: three of a place, how many, with what.
const CHANGE: usize = 5;

static PATH: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("jeton-fuzz-{}.db", std::process::id())));
/// A file with the first objects of a server in it.
static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let _ = std::fs::remove_file(&*PATH);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store: std::sync::Arc<dyn Store> = std::sync::Arc::new(Embedded::open(&PATH).unwrap());
    let clock = jeton_core::clock::Clock::new(|| jeton_core::time::UnixTime::from_seconds(1_795_651_200));
    let registry = std::sync::Arc::new(jeton_authority::objects::Registry::new(store, clock));
    runtime.block_on(jeton_authority::access::bootstrap::ensure(&registry)).unwrap();
    drop(registry);
    std::fs::read(&*PATH).unwrap()
});

fuzz_target!(|bytes: &[u8]| {
    let mut damaged = WHOLE.clone();
    let mut changes = bytes.chunks_exact(CHANGE);
    for change in &mut changes {
        let [a, b, c, count, with] = change else { continue };
        let place = u32::from_le_bytes([*a, *b, *c, 0]) as usize % damaged.len();
        let end = (place + usize::from(*count % 16) + 1).min(damaged.len());
        damaged[place..end].fill(*with);
    }
    if let [cut, ..] = changes.remainder() {
        damaged.truncate(damaged.len() * usize::from(*cut) / 256);
    }
    std::fs::write(&*PATH, &damaged).unwrap();
    match Embedded::open(&PATH) {
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert!(std::fs::read(&*PATH).unwrap() == damaged, "a refused file was changed: {error}");
        }
        Ok(store) => {
            if let Ok(page) = store.list(&Key::everything(), None, 1000) {
                for (key, _) in &page.items {
                    let _: Result<_, _> = store.get(key);
                }
            }
        }
    }
});
