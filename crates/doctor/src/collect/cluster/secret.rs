//! Token Secrets from their metadata, their accounts, and what those may do.

use super::limits::MAX_ENTRIES;
use super::text::name;
use crate::facts::TokenSecret;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Metadata of a token Secret. Of the annotations only the account is read: another one can hold a copy of the data.
#[derive(Debug, Default, Deserialize)]
pub(super) struct SecretMeta {
    #[serde(default)]
    metadata: TokenMeta,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TokenMeta {
    name: String,
    namespace: String,
    annotations: Option<TokenAnnotations>,
    labels: Option<TokenLabels>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TokenAnnotations {
    #[serde(rename = "kubernetes.io/service-account.name")]
    account: String,
}

/// Kubernetes 1.36: dates in UTC, `YYYY-MM-DD`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TokenLabels {
    #[serde(rename = "kubernetes.io/legacy-token-last-used")]
    last_used: Option<String>,
    #[serde(rename = "kubernetes.io/legacy-token-invalid-since")]
    invalid_since: Option<String>,
}

/// Reads one.
pub(super) fn secret(of: SecretMeta) -> TokenSecret {
    let meta = of.metadata;
    let labels = meta.labels.unwrap_or_default();
    let kept = |label: Option<String>| label.filter(|l| !l.is_empty()).map(|l| name(&l));
    TokenSecret {
        namespace: name(&meta.namespace),
        name: name(&meta.name),
        account: name(&meta.annotations.unwrap_or_default().account),
        auto: None,
        last_used: kept(labels.last_used),
        invalid_since: kept(labels.invalid_since),
        roles: Vec::new(),
    }
}

/// An account and the Secrets it lists.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Account {
    metadata: super::wire::Meta,
    secrets: Option<Vec<Named>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Named {
    name: String,
}

/// Accounts by (namespace, name) → Secrets they list; only accounts of token Secrets are kept.
#[derive(Debug, Default)]
pub(super) struct Accounts(BTreeMap<(String, String), BTreeSet<String>>);

impl Accounts {
    /// The accounts of some Secrets.
    pub(super) fn of(secrets: &[TokenSecret]) -> Self {
        Self(secrets.iter().map(|s| ((s.namespace.clone(), s.account.clone()), BTreeSet::new())).collect())
    }

    /// Takes over what one account lists.
    pub(super) fn add(&mut self, account: Account) {
        let key = (account.metadata.namespace, account.metadata.name);
        if let Some(listed) = self.0.get_mut(&key) {
            listed.extend(account.secrets.into_iter().flatten().map(|s| s.name));
        }
    }

    /// Marks the Secrets. Kubernetes 1.36: one that its account lists counts as made by a controller.
    pub(super) fn mark(&self, secrets: &mut [TokenSecret]) {
        for secret in secrets {
            let listed = self.0.get(&(secret.namespace.clone(), secret.account.clone()));
            secret.auto = Some(listed.is_some_and(|names| names.contains(&secret.name)));
        }
    }
}

/// A RoleBinding or ClusterRoleBinding.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Binding {
    metadata: super::wire::Meta,
    role_ref: RoleRef,
    subjects: Option<Vec<Subject>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RoleRef {
    kind: String,
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Subject {
    kind: String,
    name: String,
    namespace: String,
}

/// Roles by whom bindings name; only the accounts of token Secrets are kept.
#[derive(Debug, Default)]
pub(super) struct Roles {
    accounts: BTreeMap<(String, String), BTreeSet<String>>,
    namespaces: BTreeMap<String, BTreeSet<String>>,
    everyone: BTreeSet<String>,
}

impl Roles {
    /// For the accounts of some Secrets.
    pub(super) fn of(secrets: &[TokenSecret]) -> Self {
        let accounts = secrets.iter().map(|s| ((s.namespace.clone(), s.account.clone()), BTreeSet::new()));
        let namespaces = secrets.iter().map(|s| (s.namespace.clone(), BTreeSet::new()));
        Self { accounts: accounts.collect(), namespaces: namespaces.collect(), everyone: BTreeSet::new() }
    }

    /// Takes over one binding.
    pub(super) fn add(&mut self, binding: Binding) {
        let place = binding.metadata.namespace;
        let mut role = format!("{}/{}", binding.role_ref.kind, binding.role_ref.name);
        if !place.is_empty() {
            role.push_str(&format!(" in namespace {place}"));
        }
        let role = name(&role);
        for subject in binding.subjects.into_iter().flatten() {
            if let Some(roles) = self.of_subject(subject, &place, &binding.role_ref.name)
                && roles.len() < MAX_ENTRIES
            {
                roles.insert(role.clone());
            }
        }
    }

    fn of_subject(&mut self, subject: Subject, place: &str, role: &str) -> Option<&mut BTreeSet<String>> {
        match subject.kind.as_str() {
            "ServiceAccount" if subject.namespace.is_empty() => {
                self.accounts.get_mut(&(place.to_owned(), subject.name))
            }
            "ServiceAccount" => self.accounts.get_mut(&(subject.namespace, subject.name)),
            "User" => {
                let (namespace, account) =
                    subject.name.strip_prefix("system:serviceaccount:")?.split_once(':')?;
                self.accounts.get_mut(&(namespace.to_owned(), account.to_owned()))
            }
            "Group" => match subject.name.as_str() {
                // Every cluster lets everyone discover its API and keys, which tells nothing about one account.
                "system:serviceaccounts" | "system:authenticated" => {
                    (!role.starts_with("system:")).then_some(&mut self.everyone)
                }
                group => self.namespaces.get_mut(group.strip_prefix("system:serviceaccounts:")?),
            },
            _ => None,
        }
    }

    /// Writes them into the Secrets.
    pub(super) fn mark(&self, secrets: &mut [TokenSecret]) {
        for secret in secrets {
            let own = self.accounts.get(&(secret.namespace.clone(), secret.account.clone()));
            let namespace = self.namespaces.get(&secret.namespace);
            let all = own.into_iter().chain(namespace).flatten().chain(&self.everyone);
            let all: BTreeSet<&String> = all.take(MAX_ENTRIES).collect();
            secret.roles = all.into_iter().cloned().collect();
        }
    }
}
