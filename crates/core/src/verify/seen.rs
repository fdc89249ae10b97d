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
//!
//! Whoever looks takes no lock, because even a free one is memory that all processors write to. So a mark may be missed
//! while another is put in, and its signature is then verified again; or be held against one half each of two marks of
//! the same moment, which is as hard to meet as a whole one.

use crate::issue::Sealed;
use crate::keys::Mark;
use crate::limits::{SEEN_SLOTS, SEEN_WAYS};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// What is kept of a mark: the half that does not choose the place. Zero: free.
#[derive(Debug, Default)]
struct Slot([AtomicU64; 2]);

/// Marks that share a place, the newest first.
type Set = [Slot; SEEN_WAYS];

const STRIPES: usize = 64;
const SETS_PER_STRIPE: usize = SEEN_SLOTS / STRIPES / SEEN_WAYS;

/// Marks of tokens whose signature held.
pub struct Seen {
    stripes: [Stripe; STRIPES],
}

#[derive(Default)]
struct Stripe {
    /// There from the first use on.
    sets: OnceLock<Box<[Set]>>,
    /// For whoever puts something in.
    writing: Mutex<()>,
}

impl Default for Seen {
    fn default() -> Self {
        Self { stripes: std::array::from_fn(|_| Stripe::default()) }
    }
}

impl Slot {
    fn read(&self) -> [u64; 2] {
        // A mark stands for nothing but itself, so no other memory has to be there with it.
        self.0.each_ref().map(|half| half.load(Ordering::Relaxed))
    }

    fn write(&self, mark: [u64; 2]) {
        self.0.iter().zip(mark).for_each(|(half, value)| half.store(value, Ordering::Relaxed));
    }
}

impl Seen {
    /// Whether the signature of the token with this mark held before.
    pub(super) fn contains(&self, mark: &Mark) -> bool {
        let place = Place::of(mark);
        let sets = self.stripes.get(place.stripe).and_then(|stripe| stripe.sets.get());
        let set = sets.and_then(|sets| sets.get(place.set));
        set.is_some_and(|set| set.iter().any(|slot| slot.read() == place.kept))
    }

    /// Remembers a token that was signed and sealed with a key of this set: whoever holds the private half need not
    /// compute the signature again to know that it holds.
    pub fn sealed(&self, token: &Sealed) {
        self.insert(token.mark());
    }

    /// Remembers that a signature held.
    pub(super) fn insert(&self, mark: &Mark) {
        let place = Place::of(mark);
        let Some(stripe) = self.stripes.get(place.stripe) else { return };
        let _alone = stripe.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let sets = stripe.sets.get_or_init(|| (0..SETS_PER_STRIPE).map(|_| Set::default()).collect());
        let Some(set) = sets.get(place.set) else { return };
        let before = set.each_ref().map(Slot::read);
        if !before.contains(&place.kept) {
            set[0].write(place.kept);
            set[1..].iter().zip(before).for_each(|(slot, older)| slot.write(older));
        }
    }
}

/// Where a mark belongs, and what is kept of it there.
struct Place {
    stripe: usize,
    set: usize,
    kept: [u64; 2],
}

impl Place {
    fn of(Mark(hash): &Mark) -> Self {
        let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|n| hash[at + n]));
        Self {
            stripe: usize::from(hash[0]) % STRIPES,
            set: usize::from(u16::from_le_bytes([hash[1], hash[2]])) % SETS_PER_STRIPE,
            kept: [word(16), word(24)],
        }
    }
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

    #[test]
    fn nothing_that_many_threads_put_in_is_lost() {
        let seen = Seen::default();
        std::thread::scope(|scope| {
            for thread in 1..5 {
                let seen = &seen;
                scope.spawn(move || (0..1000).for_each(|n| seen.insert(&mark(n * 5 + thread))));
            }
        });
        assert!((0..5000).filter(|n| n % 5 > 0).all(|n| seen.contains(&mark(n))));
        assert!((0..5000).filter(|n| n % 5 == 0).all(|n| !seen.contains(&mark(n))));
    }
}
