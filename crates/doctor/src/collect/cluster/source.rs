//! How the containers of a pod get a token, from its spec.
//!
//! Invariant: only files that hold a token count. A mount of `ca.crt` alone with `subPath` is none.

use super::limits::MAX_ENTRIES;
use super::text::name;
use super::wire::{Container, Mount, PodSpec, SecretFiles, TokenFile, Volume};
use crate::facts::{SourceKind, TokenSource};
use std::collections::{BTreeMap, BTreeSet};

/// Where admission mounts tokens, and where clients look for them.
const MOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Kubernetes 1.36: admission names its volume `kube-api-access-` and five letters.
const INJECTED_NAME: &str = "kube-api-access-";
/// Kubernetes 1.36: the lifetime admission asks for, seconds.
const INJECTED_SECONDS: i64 = 3607;
/// Kubernetes 1.36: lifetime of a projected token that names none, seconds.
const DEFAULT_SECONDS: i64 = 3600;
/// Key of the token in a token Secret.
const TOKEN_KEY: &str = "token";

/// Names of the token Secrets of each namespace, when they could be listed.
#[derive(Debug)]
pub(super) struct Tokens(pub(super) Option<BTreeMap<String, BTreeSet<String>>>);

impl Tokens {
    /// Whether a Secret holds a token. Without the list its name must look like one that a controller made, or the
    /// place where it is mounted be that of a token.
    fn holds(&self, namespace: &str, secret: &str, at_token_place: bool) -> bool {
        match &self.0 {
            Some(known) => known.get(namespace).is_some_and(|names| names.contains(secret)),
            None => at_token_place || looks_generated(secret),
        }
    }
}

/// `default-token-x7k2p`. Kubernetes before 1.24 named Secrets so.
fn looks_generated(secret: &str) -> bool {
    secret.rsplit_once("-token-").is_some_and(|(_, end)| {
        end.len() == 5 && end.bytes().all(|b| b"bcdfghjklmnpqrstvwxz2456789".contains(&b))
    })
}

/// A file of a volume that holds a token.
struct File {
    kind: SourceKind,
    path: String,
}

/// Every way into every container.
pub(super) fn sources(namespace: &str, spec: &PodSpec, tokens: &Tokens) -> Vec<TokenSource> {
    let lists = [&spec.init_containers, &spec.containers, &spec.ephemeral_containers];
    let containers = || lists.iter().flat_map(|list| list.iter().flatten()).take(MAX_ENTRIES);
    let mut volumes: BTreeMap<&str, Vec<File>> = BTreeMap::new();
    for volume in spec.volumes.iter().flatten().take(MAX_ENTRIES) {
        let mut mounts = containers().flat_map(|c| c.volume_mounts.iter().flatten());
        let at_place = mounts.any(|m| m.name == volume.name && m.mount_path.trim_end_matches('/') == MOUNT);
        let holds = |secret: &str| tokens.holds(namespace, secret, at_place);
        let files = files(volume, &holds);
        if !files.is_empty() {
            volumes.insert(&volume.name, files);
        }
    }
    let mut found = Vec::new();
    for container in containers() {
        let mut add = |kind: &SourceKind, sub_path| {
            let source = TokenSource { container: name(&container.name), kind: kind.clone(), sub_path };
            if !found.contains(&source) && found.len() < MAX_ENTRIES {
                found.push(source);
            }
        };
        for mount in container.volume_mounts.iter().flatten() {
            for file in volumes.get(mount.name.as_str()).into_iter().flatten() {
                if let Some(sub_path) = reaches(mount, &file.path) {
                    add(&file.kind, sub_path);
                }
            }
        }
        for secret in env_secrets(container).filter(|s| tokens.holds(namespace, s, false)) {
            add(&SourceKind::SecretEnv(name(secret)), false);
        }
    }
    found
}

/// Files of a volume that hold tokens.
fn files(volume: &Volume, holds: &dyn Fn(&str) -> bool) -> Vec<File> {
    let mut found = Vec::new();
    let secrets = volume.projected.iter().flat_map(|p| p.sources.iter().flatten());
    let secrets = secrets.filter_map(|source| source.secret.as_ref()).chain(&volume.secret);
    for secret in secrets.filter(|s| holds(&s.secret_name)) {
        found.extend(token_path(secret).map(|path| File {
            kind: SourceKind::SecretVolume(name(&secret.secret_name)),
            path: path.to_owned(),
        }));
    }
    let sources = volume.projected.iter().flat_map(|p| p.sources.iter().flatten());
    for token in sources.filter_map(|source| source.service_account_token.as_ref()).take(MAX_ENTRIES) {
        found.push(File { kind: projected(&volume.name, token), path: token.path.clone() });
    }
    found
}

fn projected(volume: &str, token: &TokenFile) -> SourceKind {
    let audience = token.audience.as_deref().filter(|a| !a.is_empty());
    let seconds = token.expiration_seconds.unwrap_or(DEFAULT_SECONDS);
    if audience.is_none() && seconds == INJECTED_SECONDS && volume.starts_with(INJECTED_NAME) {
        return SourceKind::Injected;
    }
    SourceKind::Projected { audience: audience.map(name), seconds }
}

/// The file that holds the token of a Secret, unless `items` leaves it out.
fn token_path(secret: &SecretFiles) -> Option<&str> {
    match &secret.items {
        None => Some(TOKEN_KEY),
        Some(items) if items.is_empty() => Some(TOKEN_KEY),
        Some(items) => items.iter().find(|item| item.key == TOKEN_KEY).map(|item| item.path.as_str()),
    }
}

/// Whether a mount shows a file, and whether through a `subPath`, which stays as it was when the container started.
fn reaches(mount: &Mount, path: &str) -> Option<bool> {
    let set = |text: &Option<String>| text.as_deref().is_some_and(|t| !t.is_empty());
    if set(&mount.sub_path_expr) {
        // What it becomes is known to the kubelet alone.
        return Some(true);
    }
    let Some(sub) = mount.sub_path.as_deref().filter(|s| !s.is_empty()) else { return Some(false) };
    let sub = sub.trim_start_matches("./").trim_end_matches('/');
    let inside = path.strip_prefix(sub).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    (inside || sub == ".").then_some(true)
}

/// Secrets whose token may come into the environment.
fn env_secrets(container: &Container) -> impl Iterator<Item = &str> {
    let keys =
        container.env.iter().flatten().filter_map(|env| env.value_from.as_ref()?.secret_key_ref.as_ref());
    let whole = container.env_from.iter().flatten().filter_map(|env| env.secret_ref.as_ref());
    keys.filter(|key| key.key == TOKEN_KEY).chain(whole).map(|key| key.name.as_str())
}
