//! Pods of `jeton run` whose runner died: nobody renews them, so they go, and their tokens with them.
//!
//! Invariant: how long a pod has been silent is measured by this server's clock from what this process saw itself, so a
//! start gives every runner its whole time again, and no two clocks need agree.

use super::follow::{Follow, News};
use crate::objects::delete::DeleteOptions;
use crate::objects::kind::text;
use crate::objects::kinds::POD;
use crate::objects::{ListOptions, Registry};
use crate::status::ApiError;
use crate::store::{Event, EventKind, Key};
use jeton_core::deliver::{LOOK_SECONDS, Pulses, RENEWED_ANNOTATION, RUN_SCHEDULER};
use memchr::memmem;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Pods read at a time.
const PAGE_ITEMS: usize = 500;

/// The collector: namespace, name and uid of each pod, and what was heard of it.
#[derive(Debug)]
pub struct RunPods {
    registry: Arc<Registry>,
    pulses: Pulses<(String, String, String)>,
}

/// Namespace, name and uid.
fn identity(pod: &Value) -> (String, String, String) {
    let of = |path| text(pod, path).to_owned();
    (of("/metadata/namespace"), of("/metadata/name"), of("/metadata/uid"))
}

/// What a runner's pod says; `None` for every other pod.
fn says(pod: &Value) -> Option<&str> {
    let run = text(pod, "/spec/schedulerName") == RUN_SCHEDULER;
    run.then(|| pod["metadata"]["annotations"][RENEWED_ANNOTATION].as_str().unwrap_or(""))
}

impl RunPods {
    /// Over the pods of a registry.
    pub fn new(registry: Arc<Registry>) -> Self {
        Self { registry, pulses: Pulses::default() }
    }

    /// Works for ever.
    pub async fn run(mut self) {
        let registry = self.registry.clone();
        let mut follow = Follow::new(&registry, Key::prefix_all(POD.stored_as));
        let mut look = tokio::time::interval(Duration::from_secs(LOOK_SECONDS));
        loop {
            let done = tokio::select! {
                news = follow.news() => match news {
                    News::Everything => self.look_at_all(),
                    News::Events(events) => {
                        events.iter().for_each(|event| self.hear(event));
                        Ok(())
                    }
                },
                _ = look.tick() => self.collect().await,
            };
            if let Err(error) = done {
                tracing::error!(controller = "run_pods", error = error.message(), "tried again");
            }
        }
    }

    fn hear(&mut self, event: &Event) {
        // Nearly every pod is somebody else's, and finding that out costs no parsing: where the name of the scheduler is
        // missing, so is the scheduler.
        if memmem::find(&event.body, RUN_SCHEDULER.as_bytes()).is_none() {
            return;
        }
        let Ok(pod) = serde_json::from_slice::<Value>(&event.body) else { return };
        self.note(&pod, event.kind == EventKind::Deleted);
    }

    fn note(&mut self, pod: &Value, gone: bool) {
        match says(pod) {
            Some(_) if gone => self.pulses.forget(&identity(pod)),
            Some(says) => self.pulses.hear(identity(pod), says, self.registry.clock().now()),
            None => {}
        }
    }

    /// Reads every pod: after a start, and when events were lost. One that is gone meanwhile is found out when it is due.
    fn look_at_all(&mut self) -> Result<(), ApiError> {
        let mut after = None;
        loop {
            let options = ListOptions { limit: PAGE_ITEMS, after, ..ListOptions::default() };
            let page = self.registry.list(&POD, "", &options)?;
            page.items.iter().for_each(|pod| self.note(pod, false));
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Removes the pods that were silent for too long.
    async fn collect(&mut self) -> Result<(), ApiError> {
        let now = self.registry.clock().now();
        for pod in self.pulses.silent(now) {
            let (namespace, name, uid) = &pod;
            let options =
                DeleteOptions { grace: Some(0), uid: Some(uid.clone()), ..DeleteOptions::default() };
            match self.registry.delete(&POD, namespace, name, &options).await {
                Ok(_) => tracing::warn!(namespace, pod = name, "removed: its runner is gone"),
                // Gone already, or another pod of that name.
                Err(ApiError::NotFound(_) | ApiError::Conflict(..)) => {}
                Err(error) => return Err(error),
            }
            self.pulses.forget(&pod);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::lab::Lab;
    use super::*;
    use crate::objects::Write;
    use serde_json::json;

    fn pod(name: &str, scheduler: &str) -> Value {
        json!({"metadata": {"name": name, "annotations": {RENEWED_ANNOTATION: "0"}},
            "spec": {"schedulerName": scheduler, "containers": [{"name": "c", "image": "i"}]}})
    }

    async fn renew(lab: &Lab, collector: &mut RunPods, name: &str, says: &str) {
        let mut pod = lab.get("pods", "ns", name);
        pod["metadata"]["annotations"][RENEWED_ANNOTATION] = json!(says);
        let pod = lab.registry.update(&POD, "ns", name, pod, Write::default()).await.unwrap();
        collector.note(&pod, false);
    }

    #[tokio::test]
    async fn only_pods_whose_runner_is_gone_go() {
        let lab = Lab::new().await;
        let mut collector = RunPods::new(lab.registry.clone());
        for (name, scheduler) in [("lives", RUN_SCHEDULER), ("died", RUN_SCHEDULER), ("other", "mine")] {
            lab.make("pods", "ns", pod(name, scheduler)).await;
        }
        collector.look_at_all().unwrap();
        lab.pass(44);
        collector.collect().await.unwrap();
        assert_eq!(lab.names("pods", "ns"), ["died", "lives", "other"]);
        renew(&lab, &mut collector, "lives", "1").await;
        lab.pass(1);
        collector.collect().await.unwrap();
        assert_eq!(lab.names("pods", "ns"), ["lives", "other"]);
        // Another collector has not heard anything yet, and waits as long.
        let mut fresh = RunPods::new(lab.registry.clone());
        fresh.look_at_all().unwrap();
        lab.pass(43);
        fresh.collect().await.unwrap();
        assert_eq!(lab.names("pods", "ns"), ["lives", "other"]);
        lab.pass(2);
        fresh.collect().await.unwrap();
        assert_eq!(lab.names("pods", "ns"), ["other"]);
    }

    #[tokio::test]
    async fn events_of_runners_pods_are_heard_and_no_others() {
        let lab = Lab::new().await;
        let mut collector = RunPods::new(lab.registry.clone());
        let event = |pod: &Value, kind| Event {
            revision: 1,
            key: Key::new(POD.stored_as, "ns", "p").unwrap(),
            kind,
            body: pod.to_string().into_bytes().into(),
            prev_body: None,
        };
        // One that only mentions the name is parsed, and is none.
        let mut mentions = lab.make("pods", "ns", pod("mentions", "mine")).await;
        mentions["metadata"]["labels"] = json!({"by": RUN_SCHEDULER});
        for pod in [lab.make("pods", "ns", pod("other", "mine")).await, mentions] {
            collector.hear(&event(&pod, EventKind::Added));
        }
        lab.pass(60);
        assert_eq!(collector.pulses.silent(lab.registry.clock().now()), []);
        let ours = lab.make("pods", "ns", pod("ours", RUN_SCHEDULER)).await;
        collector.hear(&event(&ours, EventKind::Added));
        lab.pass(60);
        assert_eq!(collector.pulses.silent(lab.registry.clock().now()), [identity(&ours)]);
        collector.hear(&event(&ours, EventKind::Deleted));
        assert_eq!(collector.pulses.silent(lab.registry.clock().now()), []);
    }

    #[tokio::test]
    async fn another_pod_of_the_same_name_has_its_own_time() {
        let lab = Lab::new().await;
        let mut collector = RunPods::new(lab.registry.clone());
        lab.make("pods", "ns", pod("p", RUN_SCHEDULER)).await;
        collector.look_at_all().unwrap();
        lab.pass(40);
        lab.remove("pods", "ns", "p").await;
        let second = lab.make("pods", "ns", pod("p", RUN_SCHEDULER)).await;
        collector.note(&second, false);
        lab.pass(10);
        collector.collect().await.unwrap();
        assert_eq!(lab.names("pods", "ns"), ["p"]);
        lab.pass(35);
        collector.collect().await.unwrap();
        assert_eq!(lab.names("pods", "ns"), Vec::<String>::new());
    }
}
