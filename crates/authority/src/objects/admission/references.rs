//! Which Secrets a pod names, and whether its account lets it.

use crate::objects::kind::text;
use serde_json::Value;

/// Containers of every sort, with the words that begin a refusal.
const CONTAINERS: [(&str, &str); 3] = [
    ("initContainers", "init container"),
    ("containers", "container"),
    ("ephemeralContainers", "ephemeral container"),
];

/// Where a volume names a Secret. Kubernetes 1.36: pkg/api/pod/util.go.
const IN_VOLUMES: [&str; 10] = [
    "/secret/secretName",
    "/azureFile/secretName",
    "/cephfs/secretRef/name",
    "/cinder/secretRef/name",
    "/flexVolume/secretRef/name",
    "/rbd/secretRef/name",
    "/scaleIO/secretRef/name",
    "/iscsi/secretRef/name",
    "/storageos/secretRef/name",
    "/csi/nodePublishSecretRef/name",
];

fn items<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

/// Every Secret a pod names anywhere: pulls, environments and volumes.
pub fn secrets(pod: &Value) -> impl Iterator<Item = &str> {
    let pulls = items(pod, "/spec/imagePullSecrets").map(|s| text(s, "/name"));
    let environments = CONTAINERS.into_iter().flat_map(|(group, _)| {
        items(pod, &format!("/spec/{group}")).flat_map(|c| environment(c).map(|(_, name)| name))
    });
    let volumes = items(pod, "/spec/volumes").flat_map(|volume| {
        let plain = IN_VOLUMES.into_iter().map(|pointer| text(volume, pointer));
        plain.chain(items(volume, "/projected/sources").map(|s| text(s, "/secret/name")))
    });
    pulls.chain(environments).chain(volumes).filter(|name| !name.is_empty())
}

/// Every ConfigMap a pod names anywhere: environments and volumes.
pub fn config_maps(pod: &Value) -> impl Iterator<Item = &str> {
    let environments = CONTAINERS.into_iter().flat_map(|(group, _)| {
        items(pod, &format!("/spec/{group}")).flat_map(|c| {
            let single = items(c, "/env").map(|e| text(e, "/valueFrom/configMapKeyRef/name"));
            single.chain(items(c, "/envFrom").map(|e| text(e, "/configMapRef/name")))
        })
    });
    let volumes = items(pod, "/spec/volumes").flat_map(|volume| {
        let sources = items(volume, "/projected/sources").map(|s| text(s, "/configMap/name"));
        std::iter::once(text(volume, "/configMap/name")).chain(sources)
    });
    environments.chain(volumes).filter(|name| !name.is_empty())
}

/// Whether a pod asks for a token volume of its own.
pub(super) fn has_token_volume(pod: &Value) -> bool {
    items(pod, "/spec/volumes")
        .flat_map(|v| items(v, "/projected/sources"))
        .any(|source| source["serviceAccountToken"].is_object())
}

/// Variable and Secret of every reference in a container's environment; no variable: all of a Secret.
fn environment(container: &Value) -> impl Iterator<Item = (Option<&str>, &str)> {
    let single =
        items(container, "/env").map(|e| (Some(text(e, "/name")), text(e, "/valueFrom/secretKeyRef/name")));
    single.chain(items(container, "/envFrom").map(|e| (None, text(e, "/secretRef/name"))))
}

/// The first Secret that a pod mounts and its account does not list. Kubernetes 1.36: only plain Secret volumes,
/// environments and pulls are looked at.
pub(super) fn not_mountable(pod: &Value, account: &Value, account_name: &str) -> Result<(), String> {
    let listed = |list: &str, name: &str| lists(account, list, name);
    let wanted = |name: &str| !name.is_empty() && !listed("/secrets", name);
    let missing = missing(account_name);
    let mut volumes = items(pod, "/spec/volumes").map(|v| text(v, "/secret/secretName"));
    if let Some(name) = volumes.find(|name| wanted(name)) {
        return Err(format!("volume with secret.secretName={name:?} {missing} secret"));
    }
    environments(pod, &CONTAINERS[..2], account, account_name)?;
    for (at, name) in items(pod, "/spec/imagePullSecrets").map(|s| text(s, "/name")).enumerate() {
        if !listed("/imagePullSecrets", name) {
            return Err(format!("imagePullSecrets[{at}].name={name:?} {missing} imagePullSecret"));
        }
    }
    Ok(())
}

/// The same of a pod's ephemeral containers, which bring no volumes and no pulls.
pub(super) fn ephemeral_not_mountable(
    pod: &Value,
    account: &Value,
    account_name: &str,
) -> Result<(), String> {
    environments(pod, &CONTAINERS[2..], account, account_name)
}

fn lists(account: &Value, list: &str, name: &str) -> bool {
    items(account, list).any(|s| text(s, "/name") == name)
}

fn missing(account_name: &str) -> String {
    format!("is not allowed because service account {account_name} does not reference that")
}

/// The first Secret in an environment that is not listed.
fn environments(
    pod: &Value,
    groups: &[(&str, &str)],
    account: &Value,
    account_name: &str,
) -> Result<(), String> {
    let wanted = |name: &str| !name.is_empty() && !lists(account, "/secrets", name);
    for (group, words) in groups {
        for container in items(pod, &format!("/spec/{group}")) {
            let whose = format!("{words} {}", text(container, "/name"));
            if let Some((variable, name)) = environment(container).find(|(_, name)| wanted(name)) {
                let how = variable.map_or("with envFrom".to_owned(), |v| format!("with envVar {v}"));
                let missing = missing(account_name);
                return Err(format!("{whose} {how} referencing secret.secretName={name:?} {missing} secret"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_place_that_names_a_secret_is_found() {
        let pod = json!({"spec": {
            "imagePullSecrets": [{"name": "pull"}],
            "initContainers": [{"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "env"}}}, {"name": "B", "value": "x"}]}],
            "containers": [{"envFrom": [{"secretRef": {"name": "from"}}, {"configMapRef": {"name": "no"}}]}],
            "ephemeralContainers": [{"envFrom": [{"secretRef": {"name": "debug"}}]}],
            "volumes": [
                {"secret": {"secretName": "plain"}},
                {"csi": {"nodePublishSecretRef": {"name": "csi"}}},
                {"configMap": {"name": "no"}},
                {"projected": {"sources": [{"secret": {"name": "projected"}}, {"configMap": {"name": "no"}}]}},
            ],
        }});
        let found: Vec<&str> = secrets(&pod).collect();
        assert_eq!(found, ["pull", "env", "from", "debug", "plain", "csi", "projected"]);
        assert_eq!(secrets(&json!({"spec": 1})).count(), 0);
    }

    #[test]
    fn what_an_account_does_not_list_is_named() {
        let account = json!({"secrets": [{"name": "ok"}], "imagePullSecrets": [{"name": "reg"}]});
        let env = |name: &str| json!([{"name": "c", "env": [{"name": "V", "valueFrom": {"secretKeyRef": {"name": name}}}]}]);
        for (spec, want) in [
            (json!({"volumes": [{"secret": {"secretName": "ok"}}]}), None),
            (json!({"volumes": [{"projected": {"sources": [{"secret": {"name": "other"}}]}}]}), None),
            (
                json!({"volumes": [{"secret": {"secretName": "s"}}]}),
                Some(
                    "volume with secret.secretName=\"s\" is not allowed because service account sa does not reference that secret",
                ),
            ),
            (
                json!({"initContainers": env("s")}),
                Some(
                    "init container c with envVar V referencing secret.secretName=\"s\" is not allowed because service account sa does not reference that secret",
                ),
            ),
            (
                json!({"containers": [{"name": "c", "envFrom": [{"secretRef": {"name": "s"}}]}]}),
                Some(
                    "container c with envFrom referencing secret.secretName=\"s\" is not allowed because service account sa does not reference that secret",
                ),
            ),
            (json!({"imagePullSecrets": [{"name": "reg"}]}), None),
            (
                json!({"imagePullSecrets": [{"name": "reg"}, {"name": "s"}]}),
                Some(
                    "imagePullSecrets[1].name=\"s\" is not allowed because service account sa does not reference that imagePullSecret",
                ),
            ),
        ] {
            let found = not_mountable(&json!({"spec": spec}), &account, "sa").err();
            assert_eq!(found.as_deref(), want);
        }
        let pod = json!({"spec": {"containers": env("s"), "ephemeralContainers": env("t")}});
        let words = "ephemeral container c with envVar V referencing secret.secretName=\"t\" is not allowed because service account sa does not reference that secret";
        assert_eq!(ephemeral_not_mountable(&pod, &account, "sa").err().as_deref(), Some(words));
    }
}
