//! The store's file with bytes changed: it is opened or refused; a refused one is left as it was, and one that was opened
//! has all it had, before and after it is written to.
#![no_main]

use jeton_authority::access::bootstrap;
use jeton_authority::objects::Registry;
use jeton_authority::store::{Change, Embedded, Expect, Key, Store, Stored, Txn};
use jeton_core::clock::Clock;
use jeton_core::time::UnixTime;
use jeton_fuzz::scratch;
use libfuzzer_sys::fuzz_target;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use tokio::runtime::{Builder, Runtime};

/// Bytes of one change: three of a place, how many, with what.
const CHANGE: usize = 5;

static PATH: LazyLock<PathBuf> = LazyLock::new(|| scratch().with_extension("db"));
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Builder::new_current_thread().build().unwrap());
/// A file with the first objects of a server in it, and those.
static WHOLE: LazyLock<(Vec<u8>, Vec<(Key, Stored)>)> = LazyLock::new(|| {
    let _ = std::fs::remove_file(&*PATH);
    let store = Arc::new(Embedded::open(&PATH).unwrap());
    let clock = Clock::new(|| UnixTime::from_seconds(1_795_651_200));
    let registry = Arc::new(Registry::new(store.clone(), clock));
    RUNTIME.block_on(bootstrap::ensure(&registry)).unwrap();
    drop(registry);
    let all = content(&store);
    drop(store);
    (std::fs::read(&*PATH).unwrap(), all)
});

fuzz_target!(|bytes: &[u8]| {
    let (whole, all) = &*WHOLE;
    let mut damaged = whole.clone();
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
            assert!(content(&store) == *all, "what was opened has other content");
            write(&store, &all[0]);
            drop(store);
            assert!(content(&Embedded::open(&PATH).unwrap()) == all[1..], "a write cost something else");
        }
    }
    // Nothing stays in memory when this process has ended.
    for file in [PATH.clone(), PATH.with_extension("db.reserve")] {
        let _ = std::fs::remove_file(file);
    }
});

fn content(store: &Embedded) -> Vec<(Key, Stored)> {
    let page = store.list(&Key::everything(), None, 1000).unwrap();
    assert!(!page.more && !page.items.is_empty());
    page.items
}

/// Removes one object, which moves others.
fn write(store: &Embedded, (key, stored): &(Key, Stored)) {
    let change = (Change::Delete { key: key.clone() }, Expect::Revision(stored.revision));
    RUNTIME.block_on(store.commit(Txn { checks: Vec::new(), changes: vec![change] })).unwrap();
}
