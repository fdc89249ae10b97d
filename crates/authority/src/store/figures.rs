//! What the writer tells of itself: handles that a registry of metrics can show.

use prometheus::core::Collector;
use prometheus::{Histogram, HistogramOpts, IntCounter};
use std::time::Duration;

/// Upper bounds in seconds: an fsync takes from a tenth of a millisecond to seconds.
const SECONDS: [f64; 12] = [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

/// Figures of durable commits. Clones are the same figures.
#[derive(Clone, Debug)]
pub struct Figures {
    seconds: Histogram,
    transactions: IntCounter,
    failures: IntCounter,
}

impl Figures {
    /// Figures that start at zero.
    ///
    /// # Errors
    /// Only when one of the names in this file is not a metric's name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let seconds = HistogramOpts::new(
            "jeton_store_commit_duration_seconds",
            "Time of a durable commit, which transactions that wait at the same moment share.",
        );
        Ok(Self {
            seconds: Histogram::with_opts(seconds.buckets(SECONDS.to_vec()))?,
            transactions: IntCounter::new(
                "jeton_store_transactions_total",
                "Transactions that reached the store's writer.",
            )?,
            failures: IntCounter::new(
                "jeton_store_commit_failures_total",
                "Durable commits that failed; none of their transactions was acknowledged.",
            )?,
        })
    }

    /// Every handle, for a registry.
    pub fn collectors(&self) -> [Box<dyn Collector>; 3] {
        [Box::new(self.seconds.clone()), Box::new(self.transactions.clone()), Box::new(self.failures.clone())]
    }

    /// One commit of so many transactions is over.
    pub(super) fn committed(&self, transactions: usize, took: Duration, good: bool) {
        self.seconds.observe(took.as_secs_f64());
        self.transactions.inc_by(transactions as u64);
        if !good {
            self.failures.inc();
        }
    }
}
