//! The shapes of a bundle, apart from those of the facts, so that facts can change and old bundles stay readable.

use crate::collect::cluster::limits::MAX_ENTRIES;
use crate::collect::cluster::name;
use crate::facts::{Pod, Replica, SourceKind, TokenSecret, TokenSource};
use jeton_core::time::UnixTime;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReplicaRow {
    name: String,
    started: Option<String>,
    stale_tokens: Option<u64>,
    valid_tokens: Option<u64>,
    legacy_tokens: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodRow {
    namespace: String,
    name: String,
    uid: String,
    service_account: String,
    node: String,
    owner: String,
    addresses: Vec<String>,
    labels: BTreeMap<String, String>,
    images: Vec<String>,
    started: BTreeMap<String, String>,
    tokens: Vec<TokenRow>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenRow {
    container: String,
    source: KindRow,
    sub_path: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum KindRow {
    Injected,
    #[serde(rename_all = "camelCase")]
    Projected {
        audience: Option<String>,
        expiration_seconds: i64,
    },
    SecretVolume(String),
    SecretEnv(String),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SecretRow {
    namespace: String,
    name: String,
    service_account: String,
    auto: Option<bool>,
    last_used: Option<String>,
    invalid_since: Option<String>,
    roles: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReleaseRow {
    pub(super) release: String,
    pub(super) chart_version: Option<String>,
}

fn names(list: &[String]) -> Vec<String> {
    list.iter().take(MAX_ENTRIES).map(|text| name(text)).collect()
}

impl From<&Replica> for ReplicaRow {
    fn from(of: &Replica) -> Self {
        Self {
            name: of.name.clone(),
            started: of.started.map(UnixTime::rfc3339_micros),
            stale_tokens: of.stale,
            valid_tokens: of.valid,
            legacy_tokens: of.legacy,
        }
    }
}

impl From<ReplicaRow> for Replica {
    fn from(of: ReplicaRow) -> Self {
        Self {
            name: name(&of.name),
            started: of.started.as_deref().and_then(UnixTime::parse_rfc3339),
            stale: of.stale_tokens,
            valid: of.valid_tokens,
            legacy: of.legacy_tokens,
        }
    }
}

impl From<&Pod> for PodRow {
    fn from(of: &Pod) -> Self {
        Self {
            namespace: of.namespace.clone(),
            name: of.name.clone(),
            uid: of.uid.clone(),
            service_account: of.account.clone(),
            node: of.node.clone(),
            owner: of.owner.clone(),
            addresses: of.addresses.clone(),
            labels: of.labels.clone(),
            images: of.images.clone(),
            started: of.started.iter().map(|(container, at)| (container.clone(), at.rfc3339())).collect(),
            tokens: of.tokens.iter().map(TokenRow::from).collect(),
        }
    }
}

impl From<PodRow> for Pod {
    fn from(of: PodRow) -> Self {
        let started = of.started.iter().take(MAX_ENTRIES);
        Self {
            namespace: name(&of.namespace),
            name: name(&of.name),
            uid: name(&of.uid),
            account: name(&of.service_account),
            node: name(&of.node),
            owner: name(&of.owner),
            addresses: names(&of.addresses),
            labels: of.labels.iter().take(MAX_ENTRIES).map(|(key, value)| (name(key), name(value))).collect(),
            images: names(&of.images),
            started: started.filter_map(|(c, at)| Some((name(c), UnixTime::parse_rfc3339(at)?))).collect(),
            tokens: of.tokens.into_iter().take(MAX_ENTRIES).map(TokenSource::from).collect(),
        }
    }
}

impl From<&TokenSource> for TokenRow {
    fn from(of: &TokenSource) -> Self {
        let source = match &of.kind {
            SourceKind::Injected => KindRow::Injected,
            SourceKind::Projected { audience, seconds } => {
                KindRow::Projected { audience: audience.clone(), expiration_seconds: *seconds }
            }
            SourceKind::SecretVolume(secret) => KindRow::SecretVolume(secret.clone()),
            SourceKind::SecretEnv(secret) => KindRow::SecretEnv(secret.clone()),
        };
        Self { container: of.container.clone(), source, sub_path: of.sub_path }
    }
}

impl From<TokenRow> for TokenSource {
    fn from(of: TokenRow) -> Self {
        let kind = match of.source {
            KindRow::Injected => SourceKind::Injected,
            KindRow::Projected { audience, expiration_seconds } => {
                SourceKind::Projected { audience: audience.as_deref().map(name), seconds: expiration_seconds }
            }
            KindRow::SecretVolume(secret) => SourceKind::SecretVolume(name(&secret)),
            KindRow::SecretEnv(secret) => SourceKind::SecretEnv(name(&secret)),
        };
        Self { container: name(&of.container), kind, sub_path: of.sub_path }
    }
}

impl From<&TokenSecret> for SecretRow {
    fn from(of: &TokenSecret) -> Self {
        Self {
            namespace: of.namespace.clone(),
            name: of.name.clone(),
            service_account: of.account.clone(),
            auto: of.auto,
            last_used: of.last_used.clone(),
            invalid_since: of.invalid_since.clone(),
            roles: of.roles.clone(),
        }
    }
}

impl From<SecretRow> for TokenSecret {
    fn from(of: SecretRow) -> Self {
        Self {
            namespace: name(&of.namespace),
            name: name(&of.name),
            account: name(&of.service_account),
            auto: of.auto,
            last_used: of.last_used.as_deref().map(name),
            invalid_since: of.invalid_since.as_deref().map(name),
            roles: names(&of.roles),
        }
    }
}
