//! Remembers audit ids, so that one request counts once though each of its stages is an event of its own.

use crate::limits::AUDIT_ID_SLOTS;
use std::sync::atomic::{AtomicU64, Ordering};

/// Places that share an id's neighbourhood.
const WAYS: usize = 4;

/// A table of hashes, shared by all workers. When a neighbourhood is full one of it makes room, so two stages that are
/// millions of requests apart may count twice; nothing but the number of uses depends on it.
pub(super) struct Seen {
    slots: Box<[AtomicU64]>,
}

impl Seen {
    pub(super) fn new() -> Self {
        Self { slots: (0..AUDIT_ID_SLOTS).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Whether a hash was not there yet; it is there afterwards.
    pub(super) fn is_new(&self, hash: u64) -> bool {
        let hash = hash.max(1);
        let start = usize::try_from(hash % (AUDIT_ID_SLOTS as u64)).unwrap_or(0) & !(WAYS - 1);
        let ways = &self.slots[start..start + WAYS];
        for slot in ways {
            match slot.compare_exchange(0, hash, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(known) if known == hash => return false,
                Err(_) => {}
            }
        }
        let victim = usize::try_from(hash >> 62).unwrap_or(0);
        ways[victim].store(hash, Ordering::Relaxed);
        true
    }
}
