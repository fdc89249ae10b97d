//! Which tokens' signatures were verified before.
//!
//! Purpose: a signature that held once holds for ever under the same keys, so it need not be computed
//! again. Only that is remembered: nothing about time, audiences or objects, which are decided afresh
//! for every request.
//!
//! Invariant: bounded memory, [`SEEN_SLOTS`] slots of 16 bytes; an old token makes room for a new one. A slot holds half
//! of a [`Mark`]: to pass for a token that was seen, a forged one must meet one of at most 2^18 slots in 128 bits, which takes
//! 2^110 attempts.
//! One `Seen` belongs to one key set: whoever replaces the keys replaces it.

use crate::issue::Sealed;
use crate::keys::Mark;
use crate::limits::{SEEN_SLOTS, SEEN_WAYS};
use std::sync::{Mutex, PoisonError};

/// What is kept of a mark: the half that does not choose the place.
type Slot = [u8; 16];

const STRIPES: usize = 64;
const SLOTS_PER_STRIPE: usize = SEEN_SLOTS / STRIPES;

/// Marks of tokens whose signature held.
pub struct Seen {
    stripes: Vec<Mutex<Stripe>>,
}

struct Stripe {
    /// Sets of [`SEEN_WAYS`] slots, the newest first; all zero: free. Empty until the first use.
    slots: Vec<Slot>,
}

impl Default for Seen {
    fn default() -> Self {
        Self { stripes: (0..STRIPES).map(|_| Mutex::new(Stripe { slots: Vec::new() })).collect() }
    }
}

impl Seen {
    /// Whether the signature of the token with this mark held before.
    pub(super) fn contains(&self, mark: &Mark) -> bool {
        let (stripe, set) = place(mark);
        let stripe = self.stripes[stripe].lock().unwrap_or_else(PoisonError::into_inner);
        stripe.slots.get(set..set + SEEN_WAYS).is_some_and(|set| set.contains(&slot(mark)))
    }

    /// Remembers a token that was signed and sealed with a key of this set: whoever holds the private half need not
    /// compute the signature again to know that it holds.
    pub fn sealed(&self, token: &Sealed) {
        self.insert(token.mark());
    }

    /// Remembers that a signature held.
    pub(super) fn insert(&self, mark: &Mark) {
        let (stripe, set) = place(mark);
        let mut stripe = self.stripes[stripe].lock().unwrap_or_else(PoisonError::into_inner);
        if stripe.slots.is_empty() {
            stripe.slots = vec![[0; 16]; SLOTS_PER_STRIPE];
        }
        let set = &mut stripe.slots[set..set + SEEN_WAYS];
        let slot = slot(mark);
        if !set.contains(&slot) {
            set.rotate_right(1);
            set[0] = slot;
        }
    }
}

fn slot(mark: &Mark) -> Slot {
    let mut slot = Slot::default();
    slot.copy_from_slice(&mark.0[16..]);
    slot
}

/// Stripe, and first slot of the set within it.
fn place(Mark(hash): &Mark) -> (usize, usize) {
    let stripe = usize::from(hash[0]) % STRIPES;
    let wide = usize::from(u16::from_le_bytes([hash[1], hash[2]]));
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

    fn mark(n: u64) -> Mark {
        let mut out = [7; 32];
        // Spread over stripes and sets as a hash would.
        out[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
        out[24..].copy_from_slice(&n.to_le_bytes());
        Mark(out)
    }

    #[test]
    fn remembers_and_forgets_within_bounds() {
        let seen = Seen::default();
        assert!(!seen.contains(&mark(1)));
        seen.insert(&mark(1));
        assert!(seen.contains(&mark(1)));
        for n in 2..(4 * SEEN_SLOTS as u64) {
            seen.insert(&mark(n));
        }
        let kept = (0..4 * SEEN_SLOTS as u64).filter(|n| seen.contains(&mark(*n))).count();
        assert!(kept <= SEEN_SLOTS, "{kept}");
        assert!(seen.contains(&mark(4 * SEEN_SLOTS as u64 - 1)), "the newest is kept");
    }
}
