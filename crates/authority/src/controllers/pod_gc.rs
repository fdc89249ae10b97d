//! Pods that nobody will remove: of nodes that are gone, ending without a node, and too many that ended.
//!
//! Kubernetes 1.36 (pkg/controller/podgc): every 20 s; the pods of a node that is gone go after 40 s, because the node may
//! come back. A pod whose own end has passed need not wait for that. Removing a pod revokes its tokens. Left out on
//! purpose: the taint `node.kubernetes.io/out-of-service`.

use crate::objects::Registry;
use crate::objects::delete::DeleteOptions;
use crate::objects::kind::text;
use crate::objects::kinds::{NODE, POD};
use crate::status::ApiError;
use crate::store::{IndexRow, Key};
use jeton_core::time::UnixTime;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Seconds between two rounds. Kubernetes 1.36: 20.
const ROUND_SECONDS: u64 = 20;
/// Seconds that a node must be gone until its pods are. Kubernetes 1.36: 40.
const QUARANTINE_SECONDS: i64 = 40;
/// Pods that may stay after they ended. Kubernetes 1.36: `--terminated-pod-gc-threshold`, 12500.
const TERMINATED_THRESHOLD: usize = 12_500;
/// Rows of the index looked at under one lock.
const PAGE_ROWS: usize = 1000;

/// The collector: which nodes have been gone since when.
#[derive(Debug)]
pub struct PodGc {
    registry: Arc<Registry>,
    threshold: usize,
    gone: BTreeMap<Arc<str>, UnixTime>,
}

/// How a pod stands to its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// No node has it.
    Nowhere,
    /// Its node is there.
    There,
    /// Its node has been seen to be gone since then.
    Gone(UnixTime),
}

/// Whether a pod is to be removed. `deletion`: its deletionTimestamp, seconds.
fn is_due(place: Place, deletion: Option<i64>, now: UnixTime) -> bool {
    match place {
        Place::Nowhere => deletion.is_some(),
        Place::There => false,
        Place::Gone(since) => {
            let ended = deletion.is_some_and(|at| UnixTime::from_seconds(at) <= now);
            ended || now >= since.plus_seconds(QUARANTINE_SECONDS)
        }
    }
}

impl PodGc {
    /// Over the pods of a registry.
    pub fn new(registry: Arc<Registry>) -> Self {
        Self { registry, threshold: TERMINATED_THRESHOLD, gone: BTreeMap::new() }
    }

    /// Works for ever.
    pub async fn run(mut self) {
        loop {
            if let Err(error) = self.round().await {
                tracing::error!(controller = "pod_gc", error = error.message(), "tried again");
            }
            tokio::time::sleep(Duration::from_secs(ROUND_SECONDS)).await;
        }
    }

    /// Looks at every pod once.
    ///
    /// # Errors
    /// The store fails.
    pub async fn round(&mut self) -> Result<(), ApiError> {
        let (mut after, mut ended, mut missing) = (None, 0, BTreeSet::new());
        loop {
            let rows = self.rows(after.as_ref());
            for (key, row) in &rows {
                ended += usize::from(row.terminating);
                let place = self.place(row);
                if let (Place::Gone(_), Some(node)) = (place, &row.node) {
                    missing.insert(node.clone());
                }
                if is_due(place, row.deletion, self.registry.clock().now()) {
                    self.remove(key, row).await?;
                }
            }
            match rows.into_iter().last() {
                Some((last, _)) => after = Some(last),
                None => break,
            }
        }
        self.gone.retain(|node, _| missing.contains(node));
        if ended > self.threshold { self.oldest(ended - self.threshold).await } else { Ok(()) }
    }

    fn rows(&self, after: Option<&Key>) -> Vec<(Key, IndexRow)> {
        let all = Key::prefix_all(POD.stored_as);
        self.registry.store().index().read(|view| view.rows_after(&all, after).take(PAGE_ROWS).collect())
    }

    /// As it is at this moment; a node that is missing for the first time is remembered.
    fn place(&mut self, row: &IndexRow) -> Place {
        let Some(node) = &row.node else { return Place::Nowhere };
        let there = Key::new(NODE.stored_as, "", node)
            .is_ok_and(|key| self.registry.store().index().read(|view| view.contains(&key)));
        if there {
            return Place::There;
        }
        let now = self.registry.clock().now();
        Place::Gone(*self.gone.entry(node.clone()).or_insert(now))
    }

    async fn remove(&self, key: &Key, row: &IndexRow) -> Result<(), ApiError> {
        let (_, namespace, name) = key.parts();
        let uid = Some(row.uid.hyphenated().to_string());
        let options = DeleteOptions { grace: Some(0), uid, ..DeleteOptions::default() };
        match self.registry.delete(&POD, namespace, name, &options).await {
            Ok(_) => tracing::info!(namespace, pod = name, "removed: nobody else would"),
            // Gone already, or another pod of that name.
            Err(ApiError::NotFound(_) | ApiError::Conflict(..)) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Removes the oldest pods that ended. Bodies are read one at a time; what is kept of each is its name and age.
    async fn oldest(&self, count: usize) -> Result<(), ApiError> {
        let (mut after, mut ended) = (None, Vec::new());
        loop {
            let rows = self.rows(after.as_ref());
            for (key, row) in rows.iter().filter(|(_, row)| row.terminating) {
                let (_, namespace, name) = key.parts();
                match self.registry.get(&POD, namespace, name) {
                    Ok(pod) => ended.push((
                        text(&pod, "/metadata/creationTimestamp").to_owned(),
                        key.clone(),
                        row.clone(),
                    )),
                    Err(ApiError::NotFound(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            match rows.into_iter().last() {
                Some((last, _)) => after = Some(last),
                None => break,
            }
        }
        ended.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        for (_, key, row) in ended.into_iter().take(count) {
            self.remove(&key, &row).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::lab::{Lab, pod};
    use crate::objects::Part;
    use crate::objects::Write;
    use serde_json::json;

    #[test]
    fn which_pods_nobody_will_remove() {
        let now = UnixTime::from_seconds(1000);
        let gone = |seconds| Place::Gone(UnixTime::from_seconds(seconds));
        for (place, deletion, want) in [
            (Place::Nowhere, None, false),
            (Place::Nowhere, Some(2000), true),
            (Place::There, Some(0), false),
            (gone(961), None, false),
            (gone(960), None, true),
            (gone(1000), Some(1001), false),
            (gone(1000), Some(1000), true),
        ] {
            assert_eq!(is_due(place, deletion, now), want, "{place:?} {deletion:?}");
        }
    }

    #[tokio::test]
    async fn pods_of_a_node_that_is_gone_go_after_a_while() {
        let lab = Lab::new().await;
        lab.make("nodes", "", json!({"metadata": {"name": "n"}})).await;
        let mut gc = PodGc::new(lab.registry.clone());
        for (name, node) in [("a", "n"), ("b", "never"), ("c", "")] {
            lab.make("pods", "ns", pod(name, node)).await;
        }
        let left = |lab: &Lab| lab.names("pods", "ns");
        gc.round().await.unwrap();
        lab.pass(39);
        gc.round().await.unwrap();
        assert_eq!(left(&lab), ["a", "b", "c"]);
        lab.pass(1);
        gc.round().await.unwrap();
        assert_eq!(left(&lab), ["a", "c"]);
        // A node that comes back in time keeps its pods.
        lab.remove("nodes", "", "n").await;
        gc.round().await.unwrap();
        lab.pass(30);
        lab.make("nodes", "", json!({"metadata": {"name": "n"}})).await;
        gc.round().await.unwrap();
        lab.remove("nodes", "", "n").await;
        lab.pass(30);
        gc.round().await.unwrap();
        assert_eq!(left(&lab), ["a", "c"]);
        lab.pass(40);
        gc.round().await.unwrap();
        assert_eq!(left(&lab), ["c"]);
    }

    #[tokio::test]
    async fn the_oldest_that_ended_make_room() {
        let lab = Lab::new().await;
        let mut gc = PodGc::new(lab.registry.clone());
        gc.threshold = 2;
        for name in ["d", "c", "b", "a"] {
            lab.make("pods", "ns", pod(name, "")).await;
            lab.pass(1);
        }
        for name in ["d", "b", "a"] {
            let mut pod = lab.registry.get(&POD, "ns", name).unwrap();
            pod["status"]["phase"] = json!("Succeeded");
            let write = Write { part: Part::Status, ..Write::default() };
            lab.registry.update(&POD, "ns", name, pod, write).await.unwrap();
        }
        gc.round().await.unwrap();
        assert_eq!(lab.names("pods", "ns"), ["a", "b", "c"]);
    }
}
