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
///
/// A thousand of these wait nearly always: what is sent and answered lives in a box that is gone by then.
pub(super) async fn tell(
    context: Arc<Context>,
    pod: PodRef,
    mut progress: watch::Receiver<Progress>,
    path: PathBuf,
) {
    // Whether all was there when it was told last, and since when.
    let mut before: Option<(bool, String)> = None;
    let mut pause = 1;
    // Nothing is told before there is something to tell.
    if progress.wait_for(|p| p.written || !p.faults.is_empty()).await.is_err() {
        return;
    }
    loop {
        match Box::pin(send(&context, &pod, &mut progress, &path, &mut before)).await {
            Ok(()) => {
                pause = 1;
                if progress.changed().await.is_err() {
                    return;
                }
            }
            Err(failure) if matches!(failure.code, 404 | 409) => return,
            Err(failure) => {
                tracing::warn!(%pod, error = %failure, "the pod's status is not told yet");
                drop(failure);
                tokio::time::sleep(Duration::from_secs(pause)).await;
                pause = (pause * 2).min(MAX_PAUSE_SECONDS);
            }
        }
    }
}

/// Tells the condition as it is now.
async fn send(
    context: &Context,
    pod: &PodRef,
    progress: &mut watch::Receiver<Progress>,
    path: &std::path::Path,
    before: &mut Option<(bool, String)>,
) -> Result<(), Failure> {
    let now = progress.borrow_and_update().clone();
    let since = match before {
        Some((complete, since)) if *complete == now.complete() => since.clone(),
        _ => context.clock.now().rfc3339(),
    };
    let patch =
        json!({"metadata": {"uid": pod.uid}, "status": {"conditions": [condition(&now, &since, path)]}});
    let api: Api<Pod> = Api::namespaced(context.client.clone(), &pod.namespace);
    let (params, patch) = (PatchParams::default(), Patch::Strategic(patch));
    let _leave = context.asks.acquire().await;
    let sent = api.patch_status(&pod.name, &params, &patch);
    match tokio::time::timeout(Duration::from_secs(ANSWER_SECONDS), sent).await {
        Ok(Ok(_)) => {
            *before = Some((now.complete(), since));
            Ok(())
        }
        Ok(Err(error)) => Err(Failure::from(&error)),
        Err(_) => Err(Failure::late(ANSWER_SECONDS)),
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
