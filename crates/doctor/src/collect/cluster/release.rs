//! Chart versions of Helm releases.
//!
//! Invariant: of a release only the chart's name and version are read; its values, which can hold passwords, are
//! skipped while reading and never kept. Left out on purpose: releases that Helm keeps in ConfigMaps or a database.

use super::api::{Get, JSON, METADATA};
use super::ask::Asker;
use super::gap::{Refused, Subject};
use super::limits::{MAX_ANSWER_BYTES, MAX_ENTRIES, MAX_PAGE_BYTES};
use super::text::name;
use crate::facts::Cluster;
use crate::limits::MAX_RELEASE_BYTES;
use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::read::GzDecoder;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::Read;

/// First bytes of gzip.
const GZIP: [u8; 3] = [0x1f, 0x8b, 0x08];

#[derive(Default, Deserialize)]
#[serde(default)]
struct Stored {
    metadata: StoredMeta,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StoredMeta {
    name: String,
    namespace: String,
    labels: Option<Labels>,
}

/// Labels that Helm 3 puts on its Secrets.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Labels {
    name: String,
    version: String,
    status: String,
}

#[derive(Deserialize)]
struct Body {
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    release: Option<String>,
}

#[derive(Deserialize)]
struct Release {
    chart: Chart,
}

#[derive(Deserialize)]
struct Chart {
    metadata: ChartMeta,
}

#[derive(Deserialize)]
struct ChartMeta {
    version: String,
}

/// Which revision of a release counts: the one Helm calls deployed, else the newest.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Revision {
    deployed: bool,
    number: u64,
    secret: String,
}

/// Reads the releases of these names in every namespace.
pub(super) fn read(asker: &mut Asker<'_>, names: &[String], cluster: &mut Cluster) {
    if names.is_empty() {
        return;
    }
    match newest(asker, names) {
        Ok(found) => {
            for ((namespace, release), revision) in found {
                let version = chart(asker, &namespace, &revision.secret);
                cluster.releases.push((release, version));
            }
        }
        Err(refused) => cluster.unknown.push(refused.missing(Subject::Releases)),
    }
}

type Newest = BTreeMap<(String, String), Revision>;

fn newest(asker: &mut Asker<'_>, names: &[String]) -> Result<Newest, Refused> {
    let get = Get {
        path: "/api/v1/secrets".to_owned(),
        query: vec![("labelSelector", format!("owner=helm,name in ({})", names.join(",")))],
        accept: METADATA,
        max_bytes: MAX_PAGE_BYTES,
        ..Get::default()
    };
    let mut found = Newest::new();
    asker.list(&get, |stored: Stored| {
        let meta = stored.metadata;
        let labels = meta.labels.unwrap_or_default();
        // A release that is gone leaves its history behind when it is told to.
        if labels.status == "uninstalled" || !names.contains(&labels.name) {
            return;
        }
        if !is_name(&meta.name) || !is_name(&meta.namespace) {
            return;
        }
        let revision = Revision {
            deployed: labels.status == "deployed",
            number: labels.version.parse().unwrap_or(0),
            secret: meta.name,
        };
        let key = (meta.namespace, labels.name);
        if found.len() < MAX_ENTRIES || found.contains_key(&key) {
            let known = found.entry(key).or_default();
            *known = revision.max(std::mem::take(known));
        }
    })?;
    Ok(found)
}

/// What goes into a path must be a name that Kubernetes allows.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && !text.starts_with('.')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
}

fn chart(asker: &mut Asker<'_>, namespace: &str, secret: &str) -> Option<String> {
    let path = format!("/api/v1/namespaces/{namespace}/secrets/{secret}");
    let get = Get { path, accept: JSON, max_bytes: MAX_ANSWER_BYTES, ..Get::default() };
    let body = asker.get(&get).ok()?;
    let body: Body = serde_json::from_slice(&body).ok()?;
    chart_version(&body.data?.release?)
}

/// Helm 3: base64 of the API around base64 of Helm around gzip (or not) around JSON.
pub fn chart_version(data: &str) -> Option<String> {
    let outer = STANDARD.decode(data).ok()?;
    let inner = STANDARD.decode(outer).ok()?;
    let release: Release = if inner.starts_with(&GZIP) {
        let plain = std::io::BufReader::new(GzDecoder::new(inner.as_slice()).take(MAX_RELEASE_BYTES));
        serde_json::from_reader(plain).ok()?
    } else {
        serde_json::from_slice(&inner).ok()?
    };
    let version = release.chart.metadata.version;
    (!version.is_empty()).then(|| name(&version))
}
