//! What a pod's status says about its files.

use crate::api::{Context, Failure};
use crate::keep::Progress;
use crate::wanted::PodRef;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The condition that tells whether a pod's files are there.
pub const CONDITION: &str = "jeton.dev/VolumesReady";
/// Seconds to wait for an answer.
const ANSWER_SECONDS: u64 = 10;
/// Longest pause, in seconds, between two attempts.
const MAX_PAUSE_SECONDS: u64 = 60;
/// Longest text of a condition.
const MAX_MESSAGE_BYTES: usize = 2048;

/// Tells a pod's condition whenever it changes, until the keeper ends.
pub(super) async fn tell(
    context: Arc<Context>,
    pod: PodRef,
    mut progress: watch::Receiver<Progress>,
    path: PathBuf,
) {
    let api: Api<Pod> = Api::namespaced(context.client.clone(), &pod.namespace);
    let mut before: Option<(bool, String)> = None;
    let mut pause = 1;
    // Nothing is told before there is something to tell.
    if progress.wait_for(|p| p.written || !p.faults.is_empty()).await.is_err() {
        return;
    }
    loop {
        let now = progress.borrow_and_update().clone();
        let since = match &before {
            Some((complete, since)) if *complete == now.complete() => since.clone(),
            _ => context.clock.now().rfc3339(),
        };
        let patch =
            json!({"metadata": {"uid": pod.uid}, "status": {"conditions": [condition(&now, &since, &path)]}});
        let params = PatchParams::default();
        let patch = Patch::Strategic(patch);
        let leave = context.asks.acquire().await;
        // In a box: a task that waits for the next change should not hold room for a whole request.
        let sent = Box::pin(api.patch_status(&pod.name, &params, &patch));
        let answer = tokio::time::timeout(Duration::from_secs(ANSWER_SECONDS), sent).await;
        drop(leave);
        let failure = match answer {
            Ok(Ok(_)) => {
                (before, pause) = (Some((now.complete(), since)), 1);
                if progress.changed().await.is_err() {
                    return;
                }
                continue;
            }
            Ok(Err(error)) => Failure::from(&error),
            Err(_) => Failure::late(ANSWER_SECONDS),
        };
        if matches!(failure.code, 404 | 409) {
            return;
        }
        tracing::warn!(%pod, error = %failure, "the pod's status is not told yet");
        tokio::time::sleep(Duration::from_secs(pause)).await;
        pause = (pause * 2).min(MAX_PAUSE_SECONDS);
    }
}

fn condition(progress: &Progress, since: &str, path: &std::path::Path) -> serde_json::Value {
    let (status, reason) = match progress {
        p if p.complete() => ("True", "Delivered"),
        p if p.written => ("False", "Incomplete"),
        _ => ("False", "NotDelivered"),
    };
    let mut message = format!("{} (no process is started)", path.display());
    for fault in &progress.faults {
        message.push_str("; ");
        message.push_str(fault);
    }
    message.truncate(message.floor_char_boundary(MAX_MESSAGE_BYTES));
    json!({"type": CONDITION, "status": status, "reason": reason, "message": message, "lastTransitionTime": since})
}
