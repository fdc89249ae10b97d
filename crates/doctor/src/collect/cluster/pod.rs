//! A pod of the API → a pod of the facts.

use super::limits::MAX_ENTRIES;
use super::source::{Tokens, sources};
use super::text::name;
use super::wire;
use crate::facts::Pod;
use jeton_core::time::UnixTime;
use std::collections::BTreeMap;

/// CronJobs of Jobs, by (namespace, Job).
pub(super) type CronJobs = BTreeMap<(String, String), String>;

/// Reads one pod. One that has ended uses no token any more.
pub(super) fn pod(of: &wire::Pod, tokens: &Tokens) -> Pod {
    let (meta, spec, status) = (&of.metadata, &of.spec, &of.status);
    let ended = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
    let lists = [&spec.init_containers, &spec.containers, &spec.ephemeral_containers];
    let mut images: Vec<String> = lists
        .iter()
        .flat_map(|list| list.iter().flatten())
        .filter_map(|container| container.image.as_deref().map(name))
        .take(MAX_ENTRIES)
        .collect();
    images.sort_unstable();
    images.dedup();
    let account = spec.service_account_name.as_deref().filter(|a| !a.is_empty()).unwrap_or("default");
    Pod {
        namespace: name(&meta.namespace),
        name: name(&meta.name),
        uid: name(&meta.uid),
        account: name(account),
        node: name(spec.node_name.as_deref().unwrap_or_default()),
        owner: owner(meta),
        addresses: addresses(status),
        labels: pairs(meta.labels.as_ref()),
        images,
        started: started(status),
        tokens: if ended { Vec::new() } else { sources(&meta.namespace, spec, tokens) },
    }
}

fn pairs(labels: Option<&BTreeMap<String, String>>) -> BTreeMap<String, String> {
    labels.into_iter().flatten().take(MAX_ENTRIES).map(|(key, value)| (name(key), name(value))).collect()
}

fn addresses(status: &wire::PodStatus) -> Vec<String> {
    let all = status.pod_ips.iter().flatten().filter_map(|ip| ip.ip.as_deref());
    let mut found: Vec<String> = all.chain(status.pod_ip.as_deref()).take(MAX_ENTRIES).map(name).collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn started(status: &wire::PodStatus) -> BTreeMap<String, UnixTime> {
    let lists =
        [&status.init_container_statuses, &status.container_statuses, &status.ephemeral_container_statuses];
    let all = lists.into_iter().flatten().flatten().take(MAX_ENTRIES);
    all.filter_map(|one| {
        let at = one.state.running.as_ref()?.started_at.as_deref()?;
        Some((name(&one.name), UnixTime::parse_rfc3339(at)?))
    })
    .collect()
}

/// Kubernetes 1.36: a Deployment names its ReplicaSets after itself and the hash that their pods carry as a label, so
/// no list of ReplicaSets is needed.
fn owner(meta: &wire::Meta) -> String {
    let mut owners = meta.owner_references.iter().flatten();
    let Some(owner) = owners.find(|o| o.controller == Some(true)) else {
        return format!("Pod/{}", name(&meta.name));
    };
    let hash = meta.labels.as_ref().and_then(|l| l.get("pod-template-hash"));
    let deployment = hash.and_then(|hash| owner.name.strip_suffix(hash.as_str())?.strip_suffix('-'));
    match (owner.kind.as_str(), deployment) {
        ("ReplicaSet", Some(deployment)) => format!("Deployment/{}", name(deployment)),
        (kind, _) => format!("{}/{}", name(kind), name(&owner.name)),
    }
}

/// The CronJob of a Job; known from the list of Jobs, else told by the name.
pub(super) fn name_cron_jobs(pods: &mut [Pod], known: Option<&CronJobs>) {
    for pod in pods {
        let Some(job) = pod.owner.strip_prefix("Job/") else { continue };
        let found = match known {
            Some(known) => known.get(&(pod.namespace.clone(), job.to_owned())).cloned(),
            None => by_minute(job).map(str::to_owned),
        };
        if let Some(cron_job) = found {
            pod.owner = format!("CronJob/{cron_job}");
        }
    }
}

/// Kubernetes 1.36: a CronJob names its Jobs after itself and the scheduled minute since 1970.
fn by_minute(job: &str) -> Option<&str> {
    let (cron_job, minute) = job.rsplit_once('-')?;
    (minute.len() == 8 && minute.bytes().all(|b| b.is_ascii_digit())).then_some(cron_job)
}

/// One Job, if a CronJob made it.
pub(super) fn cron_job(job: &wire::Object) -> Option<((String, String), String)> {
    let meta = &job.metadata;
    let owner =
        meta.owner_references.iter().flatten().find(|o| o.controller == Some(true) && o.kind == "CronJob")?;
    Some(((name(&meta.namespace), name(&meta.name)), name(&owner.name)))
}
