//! Whose cluster it is, and whether its token lifetimes are extended.

use super::gap::{EXTENSION_OFF, EXTENSION_UNKNOWN};
use super::text::name;
use super::wire;
use crate::facts::{Cluster, Missing, Pod};
use serde::Deserialize;

const FLAG: &str = "--service-account-extend-token-expiration";

#[derive(Deserialize)]
struct Version {
    #[serde(rename = "gitVersion")]
    git_version: String,
}

/// `gitVersion` of `/version`.
pub(super) fn version(body: &[u8]) -> Option<String> {
    let version: Version = serde_json::from_slice(body).ok()?;
    (!version.git_version.is_empty()).then(|| name(&version.git_version))
}

/// By the version's suffix, else by what the vendor installs.
pub(super) fn platform(cluster: &Cluster) -> Option<String> {
    let version = cluster.version.as_deref().unwrap_or_default();
    let labelled = |pod: &Pod| pod.labels.keys().any(|key| key.starts_with("eks.amazonaws.com/"));
    if version.contains("-eks-") || cluster.pods.iter().any(labelled) {
        return Some("eks".to_owned());
    }
    let addon = cluster.releases.iter().any(|(release, _)| release.starts_with("cceaddon-"));
    (addon || version.contains("-CCE") || has_patch_suffix(version)).then(|| "cce".to_owned())
}

/// `v1.25.5-r0-25.1.18`: Huawei CCE numbers its own patches so.
fn has_patch_suffix(version: &str) -> bool {
    let suffix = version.split_once("-r").map_or("", |(_, suffix)| suffix);
    let number = suffix.split('-').next().unwrap_or_default();
    !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
}

/// What the flags of one kube-apiserver pod say: `None` when the pod is none.
pub(super) fn flag(pod: &wire::Pod) -> Option<bool> {
    let labels = pod.metadata.labels.as_ref()?;
    if pod.metadata.namespace != "kube-system"
        || labels.get("component").is_none_or(|c| c != "kube-apiserver")
    {
        return None;
    }
    let all = pod.spec.containers.iter().flatten();
    let mut words = all.flat_map(|c| c.command.iter().chain(&c.args).flatten());
    let off = |word: &String| {
        let value = word.strip_prefix(FLAG).and_then(|rest| rest.strip_prefix('='));
        value.is_some_and(|value| matches!(value, "false" | "False" | "FALSE" | "f" | "F" | "0"))
    };
    Some(!words.any(off))
}

/// Writes down what is known of the extension: nothing when it is on, else that it is off or not known.
///
/// Kubernetes 1.36: it is on unless a flag says otherwise, and the counters of stale and valid tokens move with it alone.
pub(super) fn extension(flags: &[bool], cluster: &mut Cluster) {
    let moved = |counter: Option<u64>| counter.is_some_and(|n| n > 0);
    let counted = cluster.replicas.iter().any(|r| moved(r.stale) || moved(r.valid));
    let gap = if flags.contains(&false) {
        Missing { id: EXTENSION_OFF, detail: format!("{FLAG}=false") }
    } else if counted || !flags.is_empty() {
        return;
    } else {
        Missing { id: EXTENSION_UNKNOWN, detail: "no flag is visible and no counter has moved".to_owned() }
    };
    cluster.unknown.push(gap);
}

/// Whether lifetimes are extended, as far as it is known.
pub fn extended(cluster: &Cluster) -> Option<bool> {
    let said = |id| cluster.unknown.iter().any(|gap| gap.id == id);
    match (said(EXTENSION_OFF), said(EXTENSION_UNKNOWN)) {
        (true, _) => Some(false),
        (false, true) => None,
        (false, false) => Some(true),
    }
}
