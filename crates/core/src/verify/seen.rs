//! Which tokens' signatures were verified before.
//!
//! Purpose: a signature that held once holds for ever under the same keys, so it need not be computed
//! again. Only that is remembered: nothing about time, audiences or objects, which are decided afresh
//! for every request.
//!
//! Invariant: bounded memory, [`SEEN_SLOTS`] marks of 16 bytes; an old mark makes room for a new one. A mark is half of a
//! SHA-256: to pass for a token that was seen, a forged one must meet one of at most 2^18 marks in 128 bits, which takes
//! 2^110 attempts.
//! One `Seen` belongs to one key set: whoever replaces the keys replaces it.

use crate::issue::Sealed;
use crate::limits::{SEEN_SLOTS, SEEN_WAYS};
use std::sync::{Mutex, PoisonError};

/// SHA-256 of a whole token.
pub type Digest = [u8; 32];

/// What is kept of a digest: the half that does not choose the place.
type Mark = [u8; 16];

const STRIPES: usize = 64;
const SLOTS_PER_STRIPE: usize = SEEN_SLOTS / STRIPES;

/// Digests of tokens whose signature held.
pub struct Seen {
    stripes: Vec<Mutex<Stripe>>,
}

struct Stripe {
    /// Sets of [`SEEN_WAYS`] slots, the newest first; all zero: free. Empty until the first use.
    slots: Vec<Mark>,
}

impl Default for Seen {
    fn default() -> Self {
        Self { stripes: (0..STRIPES).map(|_| Mutex::new(Stripe { slots: Vec::new() })).collect() }
    }
}

impl Seen {
    /// Whether the signature of the token with this digest held before.
    pub(super) fn contains(&self, digest: &Digest) -> bool {
        let (stripe, set) = place(digest);
        let stripe = self.stripes[stripe].lock().unwrap_or_else(PoisonError::into_inner);
        stripe.slots.get(set..set + SEEN_WAYS).is_some_and(|set| set.contains(&mark(digest)))
    }

    /// Remembers a token that was signed and sealed with a key of this set: whoever holds the private half need not
    /// compute the signature again to know that it holds. `digest` is the token's SHA-256.
    pub fn sealed(&self, _: &Sealed, digest: &Digest) {
        self.insert(digest);
    }

    /// Remembers that a signature held.
    pub(super) fn insert(&self, digest: &Digest) {
        let (stripe, set) = place(digest);
        let mut stripe = self.stripes[stripe].lock().unwrap_or_else(PoisonError::into_inner);
        if stripe.slots.is_empty() {
            stripe.slots = vec![[0; 16]; SLOTS_PER_STRIPE];
        }
        let set = &mut stripe.slots[set..set + SEEN_WAYS];
        let mark = mark(digest);
        if !set.contains(&mark) {
            set.rotate_right(1);
            set[0] = mark;
        }
    }
}

fn mark(digest: &Digest) -> Mark {
    let mut mark = Mark::default();
    mark.copy_from_slice(&digest[16..]);
    mark
}

/// Stripe, and first slot of the set within it.
fn place(digest: &Digest) -> (usize, usize) {
    let stripe = usize::from(digest[0]) % STRIPES;
    let wide = usize::from(u16::from_le_bytes([digest[1], digest[2]]));
    (stripe, wide % (SLOTS_PER_STRIPE / SEEN_WAYS) * SEEN_WAYS)
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Seen(up to {SEEN_SLOTS} signatures)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(n: u64) -> Digest {
        let mut out = [7; 32];
        // Spread over stripes and sets as a hash would.
        out[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
        out[24..].copy_from_slice(&n.to_le_bytes());
        out
    }

    #[test]
    fn remembers_and_forgets_within_bounds() {
        let seen = Seen::default();
        assert!(!seen.contains(&digest(1)));
        seen.insert(&digest(1));
        assert!(seen.contains(&digest(1)));
        for n in 2..(4 * SEEN_SLOTS as u64) {
            seen.insert(&digest(n));
        }
        let kept = (0..4 * SEEN_SLOTS as u64).filter(|n| seen.contains(&digest(*n))).count();
        assert!(kept <= SEEN_SLOTS, "{kept}");
        assert!(seen.contains(&digest(4 * SEEN_SLOTS as u64 - 1)), "the newest is kept");
    }
}
