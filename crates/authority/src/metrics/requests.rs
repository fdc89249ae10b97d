//! Requests by their labels: how many, and how long they took.
//!
//! Invariant: a [`Series`] is looked up once and then only added to; whoever keeps one asks [`Series::is_shown`] before.

use super::tally::{Durations, Observed};
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter, LabelPair, Metric, MetricFamily, MetricType};
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Upper bounds of `apiserver_request_duration_seconds`. Kubernetes 1.36: these.
const SECONDS: [f64; 23] = [
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0,
    20.0, 30.0, 45.0, 60.0,
];

/// Labels that both metrics have, in order.
const SHARED: [&str; 8] =
    ["component", "dry_run", "group", "resource", "scope", "subresource", "verb", "version"];

/// The labels of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestLabels<'a> {
    /// `GET`, `LIST`, `WATCH`, `POST` …
    pub verb: &'a str,
    /// API group; empty: core, or no resource.
    pub group: &'a str,
    /// API version.
    pub version: &'a str,
    /// Plural.
    pub resource: &'a str,
    /// Subresource, or the path of a known endpoint that is no resource.
    pub subresource: &'a str,
    /// `resource`, `namespace`, `cluster`; empty: no resource.
    pub scope: &'a str,
    /// Whether nothing was to be changed.
    pub dry_run: bool,
}

impl<'a> RequestLabels<'a> {
    /// The values of [`SHARED`].
    fn values(&self) -> [&'a str; 8] {
        let dry_run = if self.dry_run { "All" } else { "" };
        let Self { verb, group, version, resource, subresource, scope, .. } = *self;
        ["apiserver", dry_run, group, resource, scope, subresource, verb, version]
    }
}

/// The requests with the same labels that were answered with the same code.
#[derive(Debug)]
pub struct Series {
    values: [Box<str>; 8],
    code: u16,
    took: Durations,
    gone: AtomicBool,
}

impl Series {
    /// Counts one.
    pub fn count(&self, took: Duration) {
        self.took.observe(&SECONDS, took);
    }

    /// Whether it is still among those that are shown.
    pub fn is_shown(&self) -> bool {
        !self.gone.load(Ordering::Relaxed)
    }

    fn is(&self, values: &[&str; 8], code: u16) -> bool {
        self.code == code && self.values.iter().zip(values).all(|(own, other)| **own == **other)
    }
}

/// All series, by the hash of their labels.
#[derive(Debug, Default)]
struct All {
    hasher: RandomState,
    series: RwLock<HashMap<u64, Vec<Arc<Series>>>>,
}

/// `apiserver_request_total` and `apiserver_request_duration_seconds`. Clones are the same counters.
#[derive(Clone, Debug)]
pub(super) struct Requests {
    all: Arc<All>,
    total: Desc,
    seconds: Desc,
}

impl Requests {
    /// None yet.
    pub(super) fn new() -> Result<Self, prometheus::Error> {
        let desc = |name: &str, help: &str, labels: &[&str]| {
            let labels = labels.iter().map(|label| (*label).to_owned()).collect();
            Desc::new(name.to_owned(), help.to_owned(), labels, HashMap::new())
        };
        let total = desc(
            "apiserver_request_total",
            "[STABLE] Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, scope, component, and HTTP response code.",
            &[&["code"][..], &SHARED].concat(),
        )?;
        let seconds = desc(
            "apiserver_request_duration_seconds",
            "[STABLE] Response latency distribution in seconds for each verb, dry run value, group, version, resource, subresource, scope and component.",
            &SHARED,
        )?;
        Ok(Self { all: Arc::default(), total, seconds })
    }

    /// The series of these labels; code 0: nobody waited for the answer.
    pub(super) fn series(&self, labels: &RequestLabels<'_>, code: u16) -> Arc<Series> {
        let values = labels.values();
        let hash = self.all.hasher.hash_one((values, code));
        let find = |all: &HashMap<u64, Vec<Arc<Series>>>| {
            all.get(&hash)?.iter().find(|series| series.is(&values, code)).cloned()
        };
        if let Some(found) = find(&self.all.series.read().unwrap_or_else(PoisonError::into_inner)) {
            return found;
        }
        let mut all = self.all.series.write().unwrap_or_else(PoisonError::into_inner);
        // Somebody else may have been quicker.
        find(&all).unwrap_or_else(|| {
            let (values, took) = (values.map(Box::from), Durations::default());
            let made = Arc::new(Series { values, code, took, gone: AtomicBool::new(false) });
            all.entry(hash).or_default().push(made.clone());
            made
        })
    }

    /// Forgets the series of resources that are served no more (group, version, plural).
    pub(super) fn keep(&self, served: impl Fn(&str, &str, &str) -> bool) {
        let stays = |series: &Arc<Series>| {
            let [_, _, group, resource, _, _, _, version] = &series.values;
            let stays = resource.is_empty() || served(group, version, resource);
            series.gone.store(!stays, Ordering::Relaxed);
            stays
        };
        let mut all = self.all.series.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, same| {
            same.retain(stays);
            !same.is_empty()
        });
    }
}

impl Collector for Requests {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.total, &self.seconds]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let (mut counts, mut seconds) = (Vec::new(), BTreeMap::<_, Observed>::new());
        let all = self.all.series.read().unwrap_or_else(PoisonError::into_inner);
        for series in all.values().flatten() {
            let observed = series.took.observed();
            let mut counter = Counter::default();
            counter.set_value(observed.count() as f64);
            let code = pair("code", &if series.code == 0 { "0".to_owned() } else { series.code.to_string() });
            let mut metric = Metric::from_label([code].into_iter().chain(pairs(&series.values)).collect());
            metric.set_counter(counter);
            counts.push(metric);
            seconds.entry(&series.values).or_default().merge(&observed);
        }
        let histogram = |(values, observed): (&[Box<str>; 8], Observed)| {
            let mut metric = Metric::from_label(pairs(values).collect());
            metric.set_histogram(observed.histogram(&SECONDS));
            metric
        };
        let seconds = seconds.into_iter().map(histogram).collect();
        let families =
            [(&self.total, MetricType::COUNTER, counts), (&self.seconds, MetricType::HISTOGRAM, seconds)];
        families.into_iter().map(|(desc, kind, metrics)| family(desc, kind, metrics)).collect()
    }
}

/// A metric with all its series.
pub(super) fn family(desc: &Desc, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(desc.fq_name.clone());
    family.set_help(desc.help.clone());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

/// One label.
pub(super) fn pair(name: &str, value: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}

fn pairs(values: &[Box<str>; 8]) -> impl Iterator<Item = LabelPair> {
    SHARED.iter().zip(values).map(|(name, value)| pair(name, value))
}
