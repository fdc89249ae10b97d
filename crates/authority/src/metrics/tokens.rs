//! Kubernetes' counters of token uses.

use super::requests::family;
use super::tally::Tally;
use jeton_core::observe::{Counter, Event, counters};
use prometheus::core::{Collector, Desc};
use prometheus::proto::{self, Metric, MetricFamily, MetricType};
use std::collections::HashMap;
use std::sync::Arc;

/// One counter without labels for each [`Counter`]. Clones are the same counters.
#[derive(Clone, Debug)]
pub(super) struct Tokens {
    descs: Vec<Desc>,
    counts: Arc<Tally<{ Counter::ALL.len() }>>,
}

impl Tokens {
    pub(super) fn new() -> Result<Self, prometheus::Error> {
        let desc = |c: Counter| Desc::new(c.name().to_owned(), c.help().to_owned(), vec![], HashMap::new());
        let descs = Counter::ALL.into_iter().map(desc).collect::<Result<_, _>>()?;
        Ok(Self { descs, counts: Arc::default() })
    }

    /// Counts what happened to a token.
    pub(super) fn count(&self, event: &Event<'_>) {
        counters(event).for_each(|counter| self.counts.count(counter as usize));
    }
}

impl Collector for Tokens {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let one = |(desc, count): (&Desc, u64)| {
            let mut counter = proto::Counter::default();
            counter.set_value(count as f64);
            let mut metric = Metric::default();
            metric.set_counter(counter);
            family(desc, MetricType::COUNTER, vec![metric])
        };
        self.descs.iter().zip(self.counts.sums()).map(one).collect()
    }
}
