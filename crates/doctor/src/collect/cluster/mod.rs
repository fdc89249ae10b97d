//! A cluster, asked politely.
//!
//! Purpose: answers of the Kubernetes API → facts. Whoever has a network lends it through [`api::Api`], which knows no
//! verb but GET.
//!
//! Invariant: what is not granted, not there or not readable becomes an entry of `unknown`, never an error; no value
//! of a Secret is kept, and but for Helm releases none is even asked for.
//!
//! Left out on purpose: sockets, kubeconfigs, watches, and every list that a name can stand in for.

pub mod limits;
pub mod api;
mod text;
pub mod gap;
pub mod ask;
mod wire;
mod source;
mod pod;
mod secret;
mod metrics;
mod replicas;
mod release;
mod platform;
#[cfg(test)]
mod tests;

pub use platform::extended;
pub use release::chart_version;
pub use text::{clean, name};

use crate::facts::{Cluster, Source, TokenSecret};
use api::{Api, Get, JSON, METADATA};
use ask::Asker;
use gap::{EXTENSION_OFF, EXTENSION_UNKNOWN, Refused, Subject};
use limits::{MAX_ANSWER_BYTES, MAX_PAGE_BYTES, MAX_PODS, MAX_REASON_BYTES, MAX_SECRETS};
use source::Tokens;
use std::collections::{BTreeMap, BTreeSet};

/// What to look for.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the cluster in reports.
    pub name: String,
    /// Requests a second.
    pub qps: u32,
    /// Helm releases whose chart version is read.
    pub releases: Vec<String>,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The cluster.
    pub cluster: Cluster,
    /// How far it could be seen.
    pub source: Source,
    /// Requests that were sent.
    pub requests: u64,
}

/// Asks one cluster.
pub fn collect(api: &mut dyn Api, settings: &Settings) -> Outcome {
    let mut asker = Asker::new(api, settings.qps);
    let mut cluster = Cluster { name: settings.name.clone(), ..Cluster::default() };
    let mut source = Source { name: settings.name.clone(), ..Source::default() };
    match asker.get(&plain("/version")) {
        Ok(body) => {
            cluster.version = platform::version(&body);
            if cluster.version.is_none() {
                let refused = Refused::nonsense("the answer has no gitVersion");
                cluster.unknown.push(refused.missing(Subject::Version));
            }
        }
        Err(refused) if refused.code.is_none_or(|code| code == 401) => {
            // Without an answer, or without a name to ask under, there is nothing to go on with.
            source.error = Some(clean(&refused.to_string(), MAX_REASON_BYTES));
            source.missing.push(refused.missing(Subject::Version));
            cluster.unknown.clone_from(&source.missing);
            return Outcome { cluster, source, requests: asker.requests };
        }
        Err(refused) => cluster.unknown.push(refused.missing(Subject::Version)),
    }
    replicas::read(&mut asker, &mut cluster);
    let tokens = secrets(&mut asker, &mut cluster, &mut source);
    let flags = pods(&mut asker, &tokens, &mut cluster, &mut source);
    release::read(&mut asker, &settings.releases, &mut cluster);
    cluster.platform = platform::platform(&cluster);
    let seen = |gap: &&crate::facts::Missing| gap.id != EXTENSION_OFF && gap.id != EXTENSION_UNKNOWN;
    platform::extension(&flags, &mut cluster);
    source.missing = cluster.unknown.iter().filter(seen).cloned().collect();
    source.skipped = asker.skipped;
    source.error = asker.gone().map(str::to_owned);
    Outcome { cluster, source, requests: asker.requests }
}

fn plain(path: &str) -> Get {
    Get { path: path.to_owned(), accept: JSON, max_bytes: MAX_ANSWER_BYTES, ..Get::default() }
}

fn list(path: &str, accept: &'static str) -> Get {
    Get { path: path.to_owned(), accept, max_bytes: MAX_PAGE_BYTES, ..Get::default() }
}

/// Notes a refusal; gives back what was read.
fn note(cluster: &mut Cluster, subject: Subject, result: Result<u64, Refused>) -> Option<u64> {
    result.map_err(|refused| cluster.unknown.push(refused.missing(subject))).ok()
}

/// Token Secrets by their metadata, and what their accounts may do.
fn secrets(asker: &mut Asker<'_>, cluster: &mut Cluster, source: &mut Source) -> Tokens {
    let get = Get {
        query: vec![("fieldSelector", "type=kubernetes.io/service-account-token".to_owned())],
        ..list("/api/v1/secrets", METADATA)
    };
    let mut found: Vec<TokenSecret> = Vec::new();
    let read = asker.list(&get, |one| {
        if found.len() < MAX_SECRETS {
            found.push(secret::secret(one));
        }
    });
    let Some(read) = note(cluster, Subject::Secrets, read) else {
        cluster.secrets = found;
        return Tokens(None);
    };
    source.read += read;
    if !found.is_empty() {
        let mut accounts = secret::Accounts::of(&found);
        let read = asker.list(&list("/api/v1/serviceaccounts", JSON), |one| accounts.add(one));
        if note(cluster, Subject::Accounts, read).is_some() {
            accounts.mark(&mut found);
        }
        let mut roles = secret::Roles::of(&found);
        for path in ["clusterrolebindings", "rolebindings"] {
            let path = format!("/apis/rbac.authorization.k8s.io/v1/{path}");
            let read = asker.list(&list(&path, JSON), |one| roles.add(one));
            note(cluster, Subject::Bindings, read);
        }
        roles.mark(&mut found);
    }
    let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for one in &found {
        names.entry(one.namespace.clone()).or_default().insert(one.name.clone());
    }
    cluster.secrets = found;
    Tokens(Some(names))
}

/// Pods, and what the flags of those that are API servers say.
fn pods(asker: &mut Asker<'_>, tokens: &Tokens, cluster: &mut Cluster, source: &mut Source) -> Vec<bool> {
    let mut found = Vec::new();
    let mut flags = Vec::new();
    let read = asker.list(&list("/api/v1/pods", JSON), |one: wire::Pod| {
        flags.extend(platform::flag(&one));
        if found.len() < MAX_PODS {
            found.push(pod::pod(&one, tokens));
        }
    });
    source.read += note(cluster, Subject::Pods, read).unwrap_or(0);
    if found.iter().any(|pod| pod.owner.starts_with("Job/")) {
        let mut cron_jobs = pod::CronJobs::new();
        let read =
            asker.list(&list("/apis/batch/v1/jobs", METADATA), |one| cron_jobs.extend(pod::cron_job(&one)));
        let known = note(cluster, Subject::Jobs, read).is_some();
        pod::name_cron_jobs(&mut found, known.then_some(&cron_jobs));
    }
    cluster.pods = found;
    flags
}
