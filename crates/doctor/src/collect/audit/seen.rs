//! Remembers audit ids, so that one request counts once though each of its stages is an event of its own.

use crate::limits::AUDIT_ID_SLOTS;

/// Places that share an id's neighbourhood.
const WAYS: usize = 4;

/// A table of hashes. When a neighbourhood is full one of it makes room, so two stages that are
/// millions of requests apart may count twice; nothing but the number of uses depends on it.
pub(super) struct Seen {
    slots: Box<[u64]>,
}

impl Seen {
    pub(super) fn new() -> Self {
        Self { slots: vec![0; AUDIT_ID_SLOTS].into_boxed_slice() }
    }

    /// Whether a hash was not there yet; it is there afterwards.
    pub(super) fn is_new(&mut self, hash: u64) -> bool {
        let hash = hash.max(1);
        let start = usize::try_from(hash % (AUDIT_ID_SLOTS as u64)).unwrap_or(0) & !(WAYS - 1);
        let ways = &mut self.slots[start..start + WAYS];
        if ways.contains(&hash) {
            return false;
        }
        let victim = usize::try_from(hash >> 62).unwrap_or(0);
        let free = ways.iter().position(|known| *known == 0);
        ways[free.unwrap_or(victim)] = hash;
        true
    }
}
