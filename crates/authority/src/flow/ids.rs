//! Ids of tokens (`jti`).
//!
//! Purpose: asking the system for sixteen random bytes costs more than all that is decided about a token. So each thread
//! asks for many at once.
//!
//! Invariant: no byte is handed out twice, and all of them come from the cryptography library's generator. Left out on
//! purpose: secrecy. An id is no secret, so its bytes may wait in memory; keys are made elsewhere.

use aws_lc_rs::rand::fill;
use std::cell::RefCell;
use uuid::{Builder, Uuid};

/// Ids that are drawn together.
const DRAWN: usize = 64;

thread_local! {
    /// Random bytes that nobody got yet.
    static LEFT: RefCell<Vec<[u8; 16]>> = const { RefCell::new(Vec::new()) };
}

/// A random id that no other token has (UUID version 4).
pub(super) fn fresh_id() -> Uuid {
    let next = LEFT.with_borrow_mut(|left| {
        if left.is_empty() {
            left.resize(DRAWN, [0; 16]);
            if fill(left.as_flattened_mut()).is_err() {
                left.clear();
            }
        }
        left.pop()
    });
    next.map_or_else(Uuid::new_v4, |bytes| Builder::from_random_bytes(bytes).into_uuid())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_id_comes_twice_also_from_other_threads() {
        let draw = || (0..3 * DRAWN).map(|_| fresh_id()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(draw)).collect();
        let ids: Vec<Uuid> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 12 * DRAWN);
        assert!(ids.iter().all(|id| id.get_version_num() == 4 && id.get_variant() == uuid::Variant::RFC4122));
    }
}
