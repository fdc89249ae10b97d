//! Waiting for what another process does.
//!
//! Purpose: a test looks until there is something, and one that looks in vain says for what. The bound only ends a test
//! that has failed; nothing is proved by how long anything took.

use std::time::{Duration, Instant};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// Time between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// Looks until there is something.
///
/// # Panics
/// After 90 s in vain.
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, look)
}

/// Looks until there is something, for this long.
///
/// # Panics
/// When there is nothing by then.
pub fn until_within<T>(patience: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < patience, "{what}: not within {} s", patience.as_secs());
        std::thread::sleep(LOOK);
    }
}
