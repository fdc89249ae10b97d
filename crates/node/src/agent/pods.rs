//! The pods of one node: what begins, changes and ends with them.
//!
//! A pod here has no process. It stays `Pending`, because nothing of it runs; the condition `jeton.dev/VolumesReady` says
//! whether its files are there, and where. As soon as it is to be deleted, its files go, and then the pod itself, so that
//! its tokens are refused at once.

use super::Settings;
use super::home::Home;
use super::metrics::Metrics;
use super::status;
use crate::api::{Context, Failure};
use crate::happening::Happening;
use crate::keep::Keeper;
use crate::wanted::{PodRef, Wanted, wanted};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, TryFutureExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Resource};
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinHandle, JoinSet};

/// Pods of one node whose volumes are kept at most.
pub const MAX_PODS: usize = 5000;
/// Why a pod fails for which there is no room. Kubernetes 1.36: a kubelet says the same.
pub(super) const OUT_OF_PODS: &str = "OutOfpods";
/// Longest pause, in seconds, between two attempts to remove a pod.
const MAX_PAUSE_SECONDS: u64 = 30;
/// Seconds a watch lasts until it is begun anew, so that a connection that died is noticed.
const WATCH_SECONDS: u32 = 120;
/// Seconds until a directory that could not be made is tried again.
const AGAIN_SECONDS: u64 = 10;
/// Seconds to wait for an answer.
const ANSWER_SECONDS: u64 = 15;

/// A pod whose volumes are kept.
struct Live {
    pod: PodRef,
    keeper: Keeper,
    status: JoinHandle<()>,
}

/// The pods of a node.
pub(super) struct Pods {
    context: Arc<Context>,
    home: Arc<Home>,
    metrics: Arc<Metrics>,
    node: String,
    max_pods: usize,
    live: HashMap<String, Live>,
    /// Pods whose directories could not be made yet.
    later: HashMap<String, Wanted>,
    /// Pods of which a task is about to make an end, and whether they are to be removed after it.
    ending: HashMap<String, Option<PodRef>>,
    ends: JoinSet<String>,
    /// Uids of the list that is being read.
    listed: HashSet<String>,
    swept: bool,
}

impl Pods {
    pub(super) fn new(
        context: Arc<Context>,
        home: Arc<Home>,
        metrics: Arc<Metrics>,
        settings: &Settings,
    ) -> Self {
        Self {
            context,
            home,
            metrics,
            node: settings.node.clone(),
            max_pods: settings.max_pods.min(MAX_PODS),
            live: HashMap::new(),
            later: HashMap::new(),
            ending: HashMap::new(),
            ends: JoinSet::new(),
            listed: HashSet::new(),
            swept: false,
        }
    }

    /// Follows the pods for ever.
    pub(super) async fn follow(&mut self) {
        let api: Api<Pod> = Api::all(self.context.client.clone());
        let config =
            watcher::Config::default().fields(&format!("spec.nodeName={}", self.node)).timeout(WATCH_SECONDS);
        let mut events = pin!(watcher(api, config).default_backoff());
        let mut again = tokio::time::interval(Duration::from_secs(AGAIN_SECONDS));
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(Ok(event)) => {
                        // A list that was begun says nothing yet.
                        if !matches!(event, watcher::Event::Init) {
                            self.metrics.follow(true);
                        }
                        self.event(event).await;
                    }
                    Some(Err(error)) => {
                        let failure = Failure::from(&error);
                        self.metrics.failed(failure.code);
                        self.metrics.follow(false);
                        tracing::error!(node = self.node, error = %failure, "pods cannot be followed; tried again");
                    }
                    None => return,
                },
                _ = again.tick() => self.begin_later(),
                Some(ended) = self.ends.join_next() => {
                    if let Ok(uid) = ended
                        && let Some(Some(pod)) = self.ending.remove(&uid)
                    {
                        self.end(&uid, Some(&pod));
                    }
                }
            }
            self.metrics.pods.set(i64::try_from(self.live.len()).unwrap_or(i64::MAX));
        }
    }

    async fn event(&mut self, event: watcher::Event<Pod>) {
        match event {
            watcher::Event::Init => self.listed.clear(),
            watcher::Event::InitApply(pod) => {
                self.listed.extend(pod.meta().uid.clone());
                self.apply(&pod).await;
            }
            watcher::Event::InitDone => self.listed().await,
            watcher::Event::Apply(pod) => self.apply(&pod).await,
            watcher::Event::Delete(pod) => {
                if let Some(uid) = &pod.meta().uid {
                    self.end(uid, None);
                }
            }
        }
    }

    /// The list is whole: pods that are not in it are gone.
    async fn listed(&mut self) {
        let listed = std::mem::take(&mut self.listed);
        let known = self.live.keys().chain(self.later.keys());
        let gone: Vec<String> = known.filter(|uid| !listed.contains(*uid)).cloned().collect();
        for uid in gone {
            self.end(&uid, None);
        }
        if !std::mem::replace(&mut self.swept, true) {
            match self.home.remove_others(|uid| self.live.contains_key(uid) || self.later.contains_key(uid)) {
                Ok(removed) if removed.is_empty() => {}
                Ok(removed) => tracing::info!(count = removed.len(), "removed files of pods that are gone"),
                Err(error) => {
                    tracing::error!(error = crate::api::chain(&error), "files of pods that are gone stay")
                }
            }
        }
    }

    async fn apply(&mut self, pod: &Pod) {
        let wanted = match wanted(pod) {
            Ok(wanted) => wanted,
            Err(why) => return tracing::error!(why, "a pod that cannot be read"),
        };
        let uid = wanted.pod.uid.clone();
        if pod.meta().deletion_timestamp.is_some() {
            return self.end(&uid, Some(&wanted.pod));
        }
        let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref());
        if matches!(phase, Some("Succeeded" | "Failed")) {
            return self.end(&uid, None);
        }
        if let Some(live) = self.live.get(&uid) {
            return live.keeper.update(wanted);
        }
        if !self.ending.contains_key(&uid) {
            self.later.remove(&uid);
            self.begin(wanted);
        }
    }

    /// Begins to keep a pod's volumes; later, when the disk refuses their directories now.
    fn begin(&mut self, wanted: Wanted) {
        let pod = wanted.pod.clone();
        if self.live.len() + self.later.len() >= self.max_pods {
            return self.refuse(pod);
        }
        let mut dirs = Vec::new();
        for volume in &wanted.volumes {
            match self.home.volume(&wanted, volume) {
                Ok(dir) => dirs.push(dir),
                Err(error) => {
                    let (volume, why) = (volume.name.clone(), crate::api::chain(&error));
                    self.context.tell(&pod, &Happening::DiskFailed { volume, why });
                    self.later.insert(pod.uid, wanted);
                    return;
                }
            }
        }
        let keeper = Keeper::start(&self.context, wanted, dirs);
        let path = self.home.path(&pod);
        let status = tokio::spawn(status::tell(self.context.clone(), pod.clone(), keeper.progress(), path));
        self.live.insert(pod.uid.clone(), Live { pod, keeper, status });
    }

    /// There is no room for a pod. As a kubelet does it, Kubernetes 1.36: the pod fails, so that whoever made it can make
    /// another one elsewhere, and nothing has to be remembered here.
    fn refuse(&mut self, pod: PodRef) {
        self.context.tell(&pod, &Happening::NoRoom { most: self.max_pods });
        self.ending.insert(pod.uid.clone(), None);
        let message = format!("jeton agent keeps {} pods, and this node has them already", self.max_pods);
        let status = json!({"phase": "Failed", "reason": OUT_OF_PODS, "message": message});
        let patch = Patch::Strategic(json!({"metadata": {"uid": pod.uid}, "status": status}));
        let (context, metrics) = (self.context.clone(), self.metrics.clone());
        self.ends.spawn(async move {
            let api: Api<Pod> = Api::namespaced(context.client.clone(), &pod.namespace);
            let params = PatchParams::default();
            let ask = || api.patch_status(&pod.name, &params, &patch).map_ok(drop).boxed();
            insist(&context, &metrics, &pod, ask).await;
            pod.uid
        });
    }

    /// Tries again what the disk refused.
    fn begin_later(&mut self) {
        std::mem::take(&mut self.later).into_values().for_each(|wanted| self.begin(wanted));
    }

    /// A pod ends: its files go, and then, when `remove` names it, the pod itself.
    fn end(&mut self, uid: &str, remove: Option<&PodRef>) {
        if let Some(after) = self.ending.get_mut(uid) {
            *after = remove.cloned().or(after.take());
            return;
        }
        let (live, later) = (self.live.remove(uid), self.later.remove(uid));
        if live.is_none() && later.is_none() && remove.is_none() {
            return;
        }
        self.ending.insert(uid.to_owned(), None);
        let remove = remove.cloned();
        let (uid, home) = (uid.to_owned(), self.home.clone());
        let (context, metrics) = (self.context.clone(), self.metrics.clone());
        self.ends.spawn(async move {
            let pod = live.as_ref().map(|live| live.pod.clone()).or_else(|| remove.clone());
            if let Some(live) = live {
                live.status.abort();
                live.keeper.stop().await;
            }
            let (at, pod_uid) = (home, uid.clone());
            let removed = tokio::task::spawn_blocking(move || at.remove(&pod_uid)).await;
            if let Ok(Err(error)) = removed {
                tracing::error!(
                    uid,
                    error = crate::api::chain(&error),
                    "files of a pod stay until the next start"
                );
            }
            if let Some(pod) = remove {
                delete(&context, &pod, &metrics).await;
            }
            if let Some(pod) = pod {
                tracing::info!(%pod, "ended: its files are gone");
            }
            uid
        });
    }
}

/// Removes a pod that was to be deleted, so that its tokens die now and not at the end of its grace.
async fn delete(context: &Context, pod: &PodRef, metrics: &Metrics) {
    let api: Api<Pod> = Api::namespaced(context.client.clone(), &pod.namespace);
    let uid = Some(pod.uid.clone());
    let params = DeleteParams {
        grace_period_seconds: Some(0),
        preconditions: Some(Preconditions { uid, ..Preconditions::default() }),
        ..DeleteParams::default()
    };
    insist(context, metrics, pod, || api.delete(&pod.name, &params).map_ok(drop).boxed()).await;
}

/// Asks until it is done, or the pod is gone.
async fn insist<'a>(
    context: &Context,
    metrics: &Metrics,
    pod: &PodRef,
    ask: impl Fn() -> BoxFuture<'a, Result<(), kube::Error>>,
) {
    let mut pause = 1;
    loop {
        let leave = context.asks.acquire().await;
        let answer = tokio::time::timeout(Duration::from_secs(ANSWER_SECONDS), ask()).await;
        drop(leave);
        let failure = match answer {
            Ok(Ok(())) => return,
            Ok(Err(error)) => Failure::from(&error),
            Err(_) => Failure::late(ANSWER_SECONDS),
        };
        // Gone already, or another pod of that name.
        if matches!(failure.code, 404 | 409) {
            return;
        }
        metrics.failed(failure.code);
        tracing::warn!(%pod, error = %failure, "the pod's end is not told yet; tried again");
        tokio::time::sleep(Duration::from_secs(pause)).await;
        pause = (pause * 2).min(MAX_PAUSE_SECONDS);
    }
}
