//! Numbers that every request adds to.
//!
//! Purpose: what two processors add to travels between them with each addition, which costs more than the addition. So
//! each thread adds to a place that few others use, and whoever reads adds the places up.
//!
//! Invariant: nothing is lost, and a reader sees all that was added before it began. One that reads while others add may
//! see a sum of seconds without the observation it belongs to, as with any scrape a moment earlier or later.

use prometheus::proto::{self, Bucket};
use std::num::NonZeroUsize;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Most places of one number.
const MAX_PLACES: usize = 16;

/// As many places as there are processors, as a power of two.
static PLACES: LazyLock<usize> = LazyLock::new(|| {
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    processors.next_power_of_two().min(MAX_PLACES)
});

/// The next thread's number.
static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static THREAD: usize = NEXT.fetch_add(1, Ordering::Relaxed);
}

/// Numbers of one thread, or of few; on lines of memory that no other place has a part of.
#[derive(Debug)]
#[repr(align(128))]
struct Place<const N: usize>([AtomicU64; N]);

impl<const N: usize> Default for Place<N> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

/// `N` numbers that only grow.
#[derive(Debug)]
pub(super) struct Tally<const N: usize>(Box<[Place<N>]>);

impl<const N: usize> Default for Tally<N> {
    fn default() -> Self {
        Self((0..*PLACES).map(|_| Place::default()).collect())
    }
}

impl<const N: usize> Tally<N> {
    /// Adds one to the n-th number; there may be none.
    pub(super) fn count(&self, n: usize) {
        self.add(n, 1);
    }

    fn add(&self, n: usize, by: u64) {
        // A power of two: the mask picks one of them.
        let at = THREAD.with(|thread| *thread) & self.0.len().wrapping_sub(1);
        if let Some(number) = self.0.get(at).and_then(|place| place.0.get(n)) {
            number.fetch_add(by, Ordering::Relaxed);
        }
    }

    /// All numbers.
    pub(super) fn sums(&self) -> [u64; N] {
        std::array::from_fn(|n| self.0.iter().map(|place| place.0[n].load(Ordering::Relaxed)).sum())
    }
}

/// Buckets of a histogram at most; the one beyond all bounds and the sum are numbers too.
const NUMBERS: usize = 26;
const NANOS: usize = NUMBERS - 1;

/// Observed durations in buckets.
#[derive(Debug, Default)]
pub(super) struct Durations(Tally<NUMBERS>);

/// What was observed.
#[derive(Clone, Debug, Default)]
pub(super) struct Observed {
    numbers: [u64; NUMBERS],
}

impl Durations {
    /// Counts one; `bounds` are the buckets' upper bounds in seconds, the same every time.
    pub(super) fn observe(&self, bounds: &[f64], took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = bounds.iter().position(|bound| seconds <= *bound).unwrap_or(bounds.len());
        self.0.count(bucket.min(NANOS - 1));
        self.0.add(NANOS, u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// What was observed up to now.
    pub(super) fn observed(&self) -> Observed {
        Observed { numbers: self.0.sums() }
    }
}

impl Observed {
    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        self.numbers[..NANOS].iter().sum()
    }

    /// Adds what others observed, with the same bounds.
    pub(super) fn merge(&mut self, other: &Self) {
        for (number, more) in self.numbers.iter_mut().zip(&other.numbers) {
            *number += more;
        }
    }

    /// As a histogram with these bounds.
    pub(super) fn histogram(&self, bounds: &[f64]) -> proto::Histogram {
        let mut below = 0;
        let bucket = |(bound, count): (&f64, &u64)| {
            below += count;
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(below);
            bucket
        };
        let buckets = bounds.iter().zip(&self.numbers).map(bucket).collect();
        let mut histogram = proto::Histogram::default();
        histogram.set_bucket(buckets);
        histogram.set_sample_count(self.count());
        histogram.set_sample_sum(Duration::from_nanos(self.numbers[NANOS]).as_secs_f64());
        histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_many_threads_add_is_lost() {
        let (tally, durations) = (Tally::<2>::default(), Durations::default());
        std::thread::scope(|scope| {
            for _ in 0..2 * MAX_PLACES {
                scope.spawn(|| {
                    for _ in 0..100 {
                        tally.count(1);
                        tally.count(2);
                        durations.observe(&[0.5, 1.0], Duration::from_millis(1000));
                    }
                });
            }
        });
        let all = 200 * MAX_PLACES as u64;
        assert_eq!(tally.sums(), [0, all]);
        let shown = durations.observed().histogram(&[0.5, 1.0]);
        let buckets: Vec<u64> = shown.get_bucket().iter().map(Bucket::cumulative_count).collect();
        assert_eq!((buckets, shown.get_sample_count()), (vec![0, all], all), "a bound is in its bucket");
        assert!((shown.get_sample_sum() - all as f64).abs() < 1e-6);
    }

    #[test]
    fn beyond_all_bounds_is_counted_and_in_no_bucket() {
        let durations = Durations::default();
        durations.observe(&[0.5; NANOS], Duration::from_secs(1));
        let mut twice = durations.observed();
        twice.merge(&durations.observed());
        let shown = twice.histogram(&[0.5; 3]);
        assert_eq!((shown.get_bucket()[2].cumulative_count(), twice.count()), (0, 2));
    }
}
