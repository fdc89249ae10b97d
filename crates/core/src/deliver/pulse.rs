//! Whether somebody still stands behind a pod that no node has.
//!
//! The runner of such a pod renews an annotation. Who collects compares what it says with what it said before, and
//! measures the silence with a clock of its own, so that no two clocks need agree. Invariant: a pod is never called
//! silent before it was watched, unchanged, for [`SILENT_SECONDS`].

use crate::time::UnixTime;
use std::collections::BTreeMap;

/// `spec.schedulerName` of a pod that is a program under a runner: no scheduler takes it.
pub const RUN_SCHEDULER: &str = "jeton-run";
/// The annotation that a runner renews. What it says is for people; that it changes is what counts.
pub const RENEWED_ANNOTATION: &str = "jeton.dev/renewed-at";
/// Seconds between two renewals.
pub const RENEW_SECONDS: u64 = 15;
/// Seconds without a renewal after which nobody stands behind the pod: three were missed.
pub const SILENT_SECONDS: i64 = 45;
/// Seconds between two looks, so that a pod goes within a minute of its runner's death.
pub const LOOK_SECONDS: u64 = 5;
/// Bytes of the annotation that are remembered.
const MAX_BEAT_BYTES: usize = 64;

/// What was heard of each pod, and since when it says the same.
#[derive(Debug)]
pub struct Pulses<K> {
    heard: BTreeMap<K, (Vec<u8>, UnixTime)>,
}

impl<K> Default for Pulses<K> {
    fn default() -> Self {
        Self { heard: BTreeMap::new() }
    }
}

impl<K: Ord + Clone> Pulses<K> {
    /// What a pod's annotation says now.
    pub fn hear(&mut self, pod: K, says: &str, now: UnixTime) {
        let says = &says.as_bytes()[..says.len().min(MAX_BEAT_BYTES)];
        match self.heard.get_mut(&pod) {
            Some((before, _)) if before == says => {}
            _ => drop(self.heard.insert(pod, (says.to_vec(), now))),
        }
    }

    /// A pod is gone.
    pub fn forget(&mut self, pod: &K) {
        self.heard.remove(pod);
    }

    /// Forgets every pod that is not kept.
    pub fn retain(&mut self, keep: impl Fn(&K) -> bool) {
        self.heard.retain(|pod, _| keep(pod));
    }

    /// The pods that have said the same for too long. A clock that was set back makes nobody silent.
    pub fn silent(&self, now: UnixTime) -> Vec<K> {
        let over = |since: UnixTime| now >= since.plus_seconds(SILENT_SECONDS);
        self.heard.iter().filter(|(_, (_, since))| over(*since)).map(|(pod, _)| pod.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: UnixTime = UnixTime::from_seconds(1_000_000);

    fn at(seconds: i64) -> UnixTime {
        START.plus_seconds(seconds)
    }

    #[test]
    fn a_runner_that_died_is_noticed_within_a_minute_whenever_somebody_looks() {
        let step = i64::try_from(LOOK_SECONDS).unwrap();
        // The collector starts at any moment before or after the last renewal, at second 0.
        for first_look in -60..=60 {
            let mut pulses = Pulses::default();
            let found = (0..).map(|n| first_look + n * step).find(|&now| {
                let renewed = now.min(0).div_euclid(15);
                pulses.hear("p", &renewed.to_string(), at(now));
                !pulses.silent(at(now)).is_empty()
            });
            let found = found.unwrap();
            let watched = found - first_look.max(0);
            assert!((45 - step..=60).contains(&watched), "looked from {first_look}: {found}");
            assert!(found >= 30, "a runner that lives is never collected: {found}");
        }
    }

    #[test]
    fn a_runner_that_lives_is_left_alone_even_when_it_misses_two_renewals() {
        let mut pulses = Pulses::default();
        for now in 0..600 {
            pulses.hear("p", &(now / 44).to_string(), at(now));
            assert_eq!(pulses.silent(at(now)), Vec::<&str>::new(), "{now}");
        }
    }

    #[test]
    fn what_is_gone_or_new_is_not_silent() {
        let mut pulses = Pulses::default();
        for pod in ["a", "b", "c"] {
            pulses.hear(pod, "", at(0));
        }
        pulses.forget(&"a");
        pulses.retain(|pod| *pod != "b");
        assert_eq!((pulses.silent(at(44)), pulses.silent(at(45))), (vec![], vec!["c"]));
        pulses.hear("c", &"x".repeat(1 << 20), at(45));
        assert_eq!(pulses.silent(at(89)), Vec::<&str>::new());
        assert_eq!(pulses.silent(at(-10)), Vec::<&str>::new());
    }
}
