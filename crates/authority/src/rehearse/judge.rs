//! Two releases of one workload to what changes, what must be done before, and what manifests cannot show.
//!
//! Work is only what the manifests prove. A question is never a finding. Left out on purpose: guesses about clients.

use super::manifests::{Manifests, Workload};
use super::play::{Given, MOUNT_PATH, TokenSource};
use crate::objects::admission::references;
use crate::objects::kind::text;
use crate::objects::kinds::TOKEN_TYPE;
use jeton_core::legacy::ACCOUNT_NAME_ANNOTATION;
use jeton_core::release::{Gate, Release};
use serde::Serialize;
use serde_json::Value;

/// Something that must be done before a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Work {
    /// The rule that found it.
    pub rule: &'static str,
    /// What the manifest shows.
    pub shows: String,
    /// What to do.
    pub remedy: &'static str,
}

/// What a step is to a workload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// What is different afterwards.
    pub changes: Vec<String>,
    /// What must be done before.
    pub work: Vec<Work>,
}

/// Judges one step.
pub(super) fn step(
    manifests: &Manifests,
    workload: &Workload,
    before: &Given,
    after: &Given,
    to: (u16, u16),
) -> Judged {
    let crossed = |gate: Gate| !Release::of(to.0).has(gate) && Release::of(to.1).has(gate);
    let mut judged = Judged { changes: changes(before, after), work: Vec::new() };
    if let (None, Some(why)) = (&before.refused, &after.refused) {
        judged.work.push(Work {
            rule: "pod-refused",
            shows: format!("its pod is refused in {}: {why}", after.version),
            remedy: "change the manifest until its pod is accepted",
        });
    }
    if crossed(Gate::BoundTokenVolume) {
        judged.work.extend(sub_paths(workload));
        judged.work.extend(lost_token(before, after));
    }
    if crossed(Gate::NoAutoGeneration) {
        judged.work.extend(generated_secrets(manifests, workload));
    }
    judged
}

/// A workload that the first release already refuses cannot be rehearsed.
pub(super) fn first(given: &Given) -> Option<Work> {
    given.refused.as_ref().map(|why| Work {
        rule: "pod-refused",
        shows: format!("its pod is refused in {} already: {why}", given.version),
        remedy: "change the manifest until its pod is accepted; what comes after cannot be told",
    })
}

fn changes(before: &Given, after: &Given) -> Vec<String> {
    let mut changes = Vec::new();
    for token in &after.tokens {
        let old = before.tokens.iter().find(|old| old.container == token.container);
        if let Some(old) = old.filter(|old| old.source != token.source) {
            let (name, old, new) = (&token.container, words(&old.source), words(&token.source));
            changes.push(format!("token of container {name}: {old} → {new}"));
        }
    }
    if before.account_secret && !after.account_secret {
        changes.push(
            "no Secret with a token is made for a new account any more; those there are stay".to_owned(),
        );
    }
    changes
}

/// A source in words.
pub(super) fn words(source: &TokenSource) -> String {
    match source {
        TokenSource::Secret { name } => format!("Secret {name}, without end"),
        TokenSource::Projected { requested_seconds, lifetime_seconds }
            if lifetime_seconds > requested_seconds =>
        {
            format!(
                "a file that is renewed, {requested_seconds} s asked for; one that is never read again lasts {} days",
                lifetime_seconds / 86_400
            )
        }
        TokenSource::Projected { lifetime_seconds, .. } => {
            format!("a file that is renewed; a token lasts {lifetime_seconds} s")
        }
        TokenSource::Other { volume } => format!("volume {volume} of its own, which holds no token"),
        TokenSource::Nothing => "none".to_owned(),
    }
}

fn containers(workload: &Workload) -> impl Iterator<Item = &Value> {
    let groups = ["initContainers", "containers"].into_iter();
    groups.flat_map(|group| workload.pod["spec"][group].as_array().into_iter().flatten())
}

/// Files mounted one by one never change, so a token that is renewed never arrives. Kubernetes: subPath volume mounts
/// receive no updates.
fn sub_paths(workload: &Workload) -> Vec<Work> {
    let mut found = Vec::new();
    for container in containers(workload) {
        for mount in container["volumeMounts"].as_array().into_iter().flatten() {
            let (at, part) = (text(mount, "/mountPath"), text(mount, "/subPath"));
            if !part.is_empty() && (at == MOUNT_PATH || at.starts_with(&format!("{MOUNT_PATH}/"))) {
                let name = text(container, "/name");
                found.push(Work {
                    rule: "sub-path",
                    shows: format!(
                        "container {name} mounts {at} with subPath {part:?}: it keeps the file of its start"
                    ),
                    remedy: "mount the whole directory without subPath",
                });
            }
        }
    }
    found
}

/// A volume whose name begins with `kube-api-access-` is taken for the token volume, whatever it is.
fn lost_token(before: &Given, after: &Given) -> Vec<Work> {
    let lost = after.tokens.iter().filter(|new| {
        let old = before.tokens.iter().find(|old| old.container == new.container);
        let had = old.is_some_and(|old| matches!(old.source, TokenSource::Secret { .. }));
        had && matches!(new.source, TokenSource::Other { .. })
    });
    lost.map(|token| Work {
        rule: "volume-name",
        shows: format!("container {} gets {} instead of a token", token.container, words(&token.source)),
        remedy: "rename the volume: names that begin with kube-api-access- are taken for the token volume",
    })
    .collect()
}

/// Secrets that only existed because they were made by themselves.
fn generated_secrets(manifests: &Manifests, workload: &Workload) -> Vec<Work> {
    let mut names: Vec<&str> = references::secrets(&workload.pod).chain(projected(workload)).collect();
    names.sort_unstable();
    names.dedup();
    let made_by_hand = |name: &str| {
        let same = |s: &&Value| {
            text(s, "/metadata/name") == name && text(s, "/metadata/namespace") == workload.namespace
        };
        manifests.secrets.iter().any(|secret| same(&secret))
    };
    let generated = names.into_iter().filter(|name| is_generated(name) && !made_by_hand(name));
    generated
        .map(|name| Work {
            rule: "generated-secret",
            shows: format!("it names Secret {name}, which looks as if it was made for an account by itself, and no manifest brings it"),
            remedy: "use the mounted token; or make a Secret of type kubernetes.io/service-account-token by hand, with a name of its own, and name that",
        })
        .collect()
}

/// Secrets in projected volumes.
fn projected(workload: &Workload) -> impl Iterator<Item = &str> {
    let volumes = workload.pod["spec"]["volumes"].as_array().into_iter().flatten();
    let sources =
        volumes.flat_map(|v| v.pointer("/projected/sources").and_then(Value::as_array).into_iter().flatten());
    sources.map(|source| text(source, "/secret/name")).filter(|name| !name.is_empty())
}

/// `<account>-token-<five letters>`.
fn is_generated(name: &str) -> bool {
    let letters =
        |end: &str| end.len() == 5 && end.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    name.rsplit_once("-token-").is_some_and(|(account, end)| !account.is_empty() && letters(end))
}

/// Secrets of the manifests that hold a token of an account without end: they work in every release.
pub(super) fn permanent(manifests: &Manifests, workload: &Workload) -> Vec<String> {
    let own = |s: &&Value| {
        text(s, "/metadata/namespace") == workload.namespace
            && text(s, "/type") == TOKEN_TYPE
            && s["metadata"]["annotations"][ACCOUNT_NAME_ANNOTATION] == workload.account()
    };
    manifests.secrets.iter().filter(own).map(|s| text(s, "/metadata/name").to_owned()).collect()
}

/// What manifests cannot show, for one step.
pub(super) fn questions(from: u16, to: u16) -> Vec<&'static str> {
    let (before, after) = (Release::of(from), Release::of(to));
    let crossed = |gate: Gate| !before.has(gate) && after.has(gate);
    let mut all = Vec::new();
    if crossed(Gate::BoundTokenVolume) {
        all.extend([
            "Does each program read its token file again? It depends on the client library and its version; one that never does is refused a year after its pod began, or after an hour where the extension is off.",
            "Does anything check issuer or audience of the tokens itself? The issuer is no longer kubernetes/serviceaccount, and there is an audience.",
            "Does a PodSecurityPolicy or another admission rule list the volume types that are allowed? projected must be among them.",
            "Does anything keep a token longer than its pod lives, such as a copy in a file or in another system? It dies with the pod.",
        ]);
    }
    if crossed(Gate::NoAutoGeneration) {
        all.extend([
            "Does any code or script read secrets[0] of a service account? There is none for a new account.",
            "Does anything outside the cluster, such as a CI system or a kubeconfig, use the token out of an account's Secret? In a new cluster it must be made by hand.",
        ]);
    }
    if crossed(Gate::CleanUp) {
        all.push("Is a token out of a Secret that was made by itself used less than once a year? It is marked after a year without use, and deleted after another.");
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_generated_secrets() {
        for (name, want) in [
            ("app-token-x2vzq", true),
            ("my-token-app-token-abc12", true),
            ("app-token-long", false),
            ("app-token-LONGX", false),
            ("-token-x2vzq", false),
            ("registry", false),
        ] {
            assert_eq!(is_generated(name), want, "{name}");
        }
    }
}
