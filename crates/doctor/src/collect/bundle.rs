//! Facts of clusters as a file that can be carried to where there is no network.
//!
//! Invariant: facts hold no value of a token or Secret, so a bundle holds none. A bundle that comes from elsewhere is
//! hostile: bounded, cleaned, and every id in it is one that this version knows.

mod row;

use super::cluster::gap;
use super::cluster::limits::{MAX_ENTRIES, MAX_PODS, MAX_REASON_BYTES, MAX_REPLICAS, MAX_SECRETS};
use super::cluster::{clean, name};
use crate::facts::{Cluster, Facts, Missing, Pod, Replica, Source, TokenSecret};
use crate::limits::MAX_BUNDLE_FILE_BYTES;
use jeton_core::time::UnixTime;
use row::{PodRow, ReleaseRow, ReplicaRow, SecretRow};
use serde::{Deserialize, Serialize};
use std::io::Read;

const API_VERSION: &str = "jeton.dev/v1";
const KIND: &str = "DoctorBundle";
/// Clusters in one bundle.
const MAX_CLUSTERS: usize = 256;

/// Why a bundle cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The disk said no.
    #[error("the bundle cannot be read")]
    Io(#[from] std::io::Error),
    /// It is larger than a bundle may be.
    #[error("the bundle has more than {MAX_BUNDLE_FILE_BYTES} bytes")]
    TooLarge,
    /// It is something else.
    #[error("this is no bundle of `jeton doctor collect`")]
    Json(#[from] serde_json::Error),
    /// Another version wrote it.
    #[error(
        "apiVersion {0:?}, kind {1:?}: expected {API_VERSION:?}, {KIND:?}; collect it again with this version"
    )]
    Version(String, String),
    /// More than a cluster can hold.
    #[error("{0}: more than {1} entries")]
    TooMany(&'static str, usize),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    api_version: String,
    kind: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    api_version: String,
    kind: String,
    created: String,
    clusters: Vec<ClusterRow>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClusterRow {
    name: String,
    version: Option<String>,
    platform: Option<String>,
    read: u64,
    skipped: u64,
    error: Option<String>,
    replicas: Vec<ReplicaRow>,
    pods: Vec<PodRow>,
    token_secrets: Vec<SecretRow>,
    releases: Vec<ReleaseRow>,
    unknown: Vec<GapRow>,
}

#[derive(Serialize, Deserialize)]
struct GapRow {
    id: String,
    detail: String,
}

/// Writes the clusters of the facts; uses of tokens and what else comes from logs are left out.
///
/// # Errors
/// When memory for the text cannot be had.
pub fn write(facts: &Facts, now: UnixTime) -> Result<String, BundleError> {
    let clusters = facts.clusters.iter().map(|cluster| {
        let source = facts.sources.iter().find(|source| source.name == cluster.name);
        ClusterRow {
            name: cluster.name.clone(),
            version: cluster.version.clone(),
            platform: cluster.platform.clone(),
            read: source.map_or(0, |s| s.read),
            skipped: source.map_or(0, |s| s.skipped),
            error: source.and_then(|s| s.error.clone()),
            replicas: cluster.replicas.iter().map(ReplicaRow::from).collect(),
            pods: cluster.pods.iter().map(PodRow::from).collect(),
            token_secrets: cluster.secrets.iter().map(SecretRow::from).collect(),
            releases: cluster
                .releases
                .iter()
                .map(|(release, version)| ReleaseRow {
                    release: release.clone(),
                    chart_version: version.clone(),
                })
                .collect(),
            unknown: cluster
                .unknown
                .iter()
                .map(|gap| GapRow { id: gap.id.to_owned(), detail: gap.detail.clone() })
                .collect(),
        }
    });
    let (api_version, kind) = (API_VERSION.to_owned(), KIND.to_owned());
    let created = now.rfc3339();
    Ok(serde_json::to_string(&Bundle { api_version, kind, created, clusters: clusters.collect() })?)
}

/// Reads a bundle: the clusters, and how far each was seen.
///
/// # Errors
/// When it is none, or too large.
pub fn read(from: impl Read) -> Result<Vec<(Cluster, Source)>, BundleError> {
    let mut text = Vec::new();
    from.take(MAX_BUNDLE_FILE_BYTES + 1).read_to_end(&mut text)?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_BUNDLE_FILE_BYTES {
        return Err(BundleError::TooLarge);
    }
    let head: Head = serde_json::from_slice(&text)?;
    if head.api_version != API_VERSION || head.kind != KIND {
        return Err(BundleError::Version(clean(&head.api_version, 64), clean(&head.kind, 64)));
    }
    let bundle: Bundle = serde_json::from_slice(&text)?;
    within("clusters", bundle.clusters.len(), MAX_CLUSTERS)?;
    bundle.clusters.into_iter().map(cluster).collect()
}

fn within(what: &'static str, count: usize, most: usize) -> Result<(), BundleError> {
    if count > most { Err(BundleError::TooMany(what, most)) } else { Ok(()) }
}

fn cluster(row: ClusterRow) -> Result<(Cluster, Source), BundleError> {
    within("pods", row.pods.len(), MAX_PODS)?;
    within("tokenSecrets", row.token_secrets.len(), MAX_SECRETS)?;
    within("replicas", row.replicas.len(), MAX_REPLICAS)?;
    within("releases", row.releases.len(), MAX_ENTRIES)?;
    within("unknown", row.unknown.len(), MAX_ENTRIES)?;
    let cluster = Cluster {
        name: name(&row.name),
        version: row.version.as_deref().map(name),
        platform: row.platform.as_deref().map(name),
        replicas: row.replicas.into_iter().map(Replica::from).collect(),
        pods: row.pods.into_iter().map(Pod::from).collect(),
        secrets: row.token_secrets.into_iter().map(TokenSecret::from).collect(),
        releases: row
            .releases
            .iter()
            .map(|one| (name(&one.release), one.chart_version.as_deref().map(name)))
            .collect(),
        listed: Vec::new(),
        unknown: row.unknown.iter().map(missing).collect(),
    };
    let access =
        cluster.unknown.iter().filter(|gap| gap.id != gap::EXTENSION_OFF && gap.id != gap::EXTENSION_UNKNOWN);
    let source = Source {
        name: cluster.name.clone(),
        read: row.read,
        skipped: row.skipped,
        missing: access.cloned().collect(),
        error: row.error.map(|why| clean(&why, MAX_REASON_BYTES)),
        ..Source::default()
    };
    Ok((cluster, source))
}

/// An id that is not known stands in the detail.
fn missing(row: &GapRow) -> Missing {
    let detail = clean(&row.detail, MAX_REASON_BYTES);
    match gap::IDS.into_iter().find(|id| *id == row.id) {
        Some(id) => Missing { id, detail },
        None => {
            let detail = clean(&format!("{}: {detail}", name(&row.id)), MAX_REASON_BYTES);
            Missing { id: gap::OTHER, detail }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{SourceKind, TokenSource};
    use std::collections::BTreeMap;

    fn facts() -> Facts {
        let kinds = [
            SourceKind::Injected,
            SourceKind::Projected { audience: Some("vault".to_owned()), seconds: 600 },
            SourceKind::SecretVolume("a".to_owned()),
            SourceKind::SecretEnv("b".to_owned()),
        ];
        let token = |kind| TokenSource { container: "c".to_owned(), kind, sub_path: true };
        let pod = Pod {
            name: "web".to_owned(),
            owner: "Deployment/web".to_owned(),
            started: BTreeMap::from([("c".to_owned(), UnixTime::from_seconds(1_784_973_600))]),
            tokens: kinds.into_iter().map(token).collect(),
            ..Pod::default()
        };
        let replica = Replica {
            name: "r".to_owned(),
            started: Some(UnixTime::from_millis(1_250)),
            stale: Some(3),
            ..Replica::default()
        };
        let secret = TokenSecret {
            name: "s".to_owned(),
            auto: Some(true),
            roles: vec!["r".to_owned()],
            ..TokenSecret::default()
        };
        let cluster = Cluster {
            name: "lab".to_owned(),
            version: Some("v1.33.1".to_owned()),
            replicas: vec![replica],
            pods: vec![pod],
            secrets: vec![secret],
            releases: vec![("cceaddon-npd".to_owned(), Some("1.15.0".to_owned())), ("x".to_owned(), None)],
            unknown: vec![
                Missing { id: "not-granted", detail: "403".to_owned() },
                Missing { id: gap::EXTENSION_UNKNOWN, detail: String::new() },
            ],
            ..Cluster::default()
        };
        let source = Source { name: "lab".to_owned(), read: 2, skipped: 1, ..Source::default() };
        Facts { sources: vec![source], clusters: vec![cluster], ..Facts::default() }
    }

    #[test]
    fn what_is_written_is_read() {
        let facts = facts();
        let text = write(&facts, UnixTime::from_seconds(0)).unwrap();
        let (cluster, source) = read(text.as_bytes()).unwrap().remove(0);
        assert_eq!(format!("{cluster:?}"), format!("{:?}", facts.clusters[0]));
        assert_eq!((source.read, source.skipped), (2, 1));
        assert_eq!(source.missing, facts.clusters[0].unknown[..1]);
    }

    #[test]
    fn what_is_no_bundle_is_refused_in_words() {
        let other = r#"{"apiVersion":"jeton.dev/v9","kind":"DoctorBundle","clusters":[]}"#;
        for (text, want) in [
            ("", "this is no bundle"),
            ("[]", "this is no bundle"),
            ("{\"apiVersion\":\"jeton.dev/v1\"", "this is no bundle"),
            (other, "expected \"jeton.dev/v1\""),
        ] {
            let error = read(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(want), "{error}");
        }
        let endless = std::io::repeat(b' ');
        assert!(matches!(read(endless), Err(BundleError::TooLarge)));
    }

    #[test]
    fn a_hostile_bundle_is_cleaned() {
        let text = write(&facts(), UnixTime::from_seconds(0)).unwrap();
        let text = text.replace("\"web\"", &format!("\"w\\u001b[2J{}\"", "x".repeat(5000)));
        let text = text.replace("not-granted", "invented");
        let (cluster, _) = read(text.as_bytes()).unwrap().remove(0);
        let got = &cluster.pods[0].name;
        assert!(got.len() <= crate::limits::MAX_TEXT_BYTES && got.starts_with("w [2J"), "{got}");
        assert_eq!(cluster.unknown[0], Missing { id: gap::OTHER, detail: "invented: 403".to_owned() });
    }
}
