//! The token volume of a pod that brings none: values in, a changed pod out.
//!
//! Kubernetes 1.36 (plugin/pkg/admission/serviceaccount): mount paths are compared as texts, and the first volume whose
//! name begins with `kube-api-access-` is taken for the token volume whatever its source.

use crate::objects::kind::text;
use jeton_core::limits::INJECTED_LIFETIME_SECONDS;
use serde_json::{Value, json};

/// Where programs look for token, certificate and namespace.
pub(super) const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// How injected volumes are named; five letters follow.
const VOLUME_PREFIX: &str = "kube-api-access-";
/// Mode of the files, 0644.
const FILE_MODE: i64 = 0o644;

/// Whether a pod gets a token: the pod's word, then the account's, then yes.
pub(super) fn wanted(pod: &Value, account: &Value) -> bool {
    let said = |value: Option<&Value>| value.and_then(Value::as_bool);
    said(pod.pointer("/spec/automountServiceAccountToken"))
        .or_else(|| said(account.get("automountServiceAccountToken")))
        .unwrap_or(true)
}

/// Adds the volume and its mounts; `suffix` ends the name of a new volume.
pub(super) fn inject(pod: &mut Value, suffix: &str) {
    let existing = find_volume(pod, |volume| text(volume, "/name").starts_with(VOLUME_PREFIX));
    place(pod, existing, &format!("{VOLUME_PREFIX}{suffix}"), volume);
}

/// Adds the Secret of the account and its mounts. Kubernetes 1.20: the volume has the Secret's name, unless another
/// volume has it; a volume of the same Secret is used as it is.
pub(super) fn inject_secret(pod: &mut Value, secret: &str, suffix: &str) {
    let existing = find_volume(pod, |volume| text(volume, "/secret/secretName") == secret);
    let taken = find_volume(pod, |volume| text(volume, "/name") == secret).is_some();
    let name = if taken { format!("{secret}-{suffix}") } else { secret.to_owned() };
    place(
        pod,
        existing,
        &name,
        |name| json!({"name": name, "secret": {"secretName": secret, "defaultMode": FILE_MODE}}),
    );
}

/// The name of the first volume of that sort.
fn find_volume(pod: &Value, fits: impl Fn(&Value) -> bool) -> Option<String> {
    let volumes = pod.pointer("/spec/volumes").and_then(Value::as_array);
    let found = volumes.into_iter().flatten().find(|volume| fits(volume));
    found.map(|volume| text(volume, "/name").to_owned())
}

/// Mounts a volume in every container, and adds it when it is new and mounted.
fn place(pod: &mut Value, existing: Option<String>, new: &str, volume: impl FnOnce(&str) -> Value) {
    let Some(spec) = pod.get_mut("spec").filter(|s| s.is_object()) else { return };
    let name = existing.clone().unwrap_or_else(|| new.to_owned());
    let mut mounted = false;
    for group in ["initContainers", "containers"] {
        for container in spec.get_mut(group).and_then(Value::as_array_mut).into_iter().flatten() {
            mounted |= mount(container, &name);
        }
    }
    if mounted && existing.is_none() {
        push(spec, "volumes", volume(&name));
    }
}

/// Mounts the volume in a container unless something stands there already.
fn mount(container: &mut Value, volume: &str) -> bool {
    let taken = container["volumeMounts"].as_array().into_iter().flatten();
    if !container.is_object() || taken.into_iter().any(|m| text(m, "/mountPath") == MOUNT_PATH) {
        return false;
    }
    let mount = json!({"name": volume, "readOnly": true, "mountPath": MOUNT_PATH});
    push(container, "volumeMounts", mount);
    true
}

fn push(object: &mut Value, list: &str, item: Value) {
    match object[list].as_array_mut() {
        Some(items) => items.push(item),
        None => object[list] = json!([item]),
    }
}

/// Gives every token that asks for the injected lifetime another one.
pub(super) fn shorten(pod: &mut Value, seconds: i64) {
    let volumes = pod.pointer_mut("/spec/volumes").and_then(Value::as_array_mut);
    for volume in volumes.into_iter().flatten() {
        let sources = volume.pointer_mut("/projected/sources").and_then(Value::as_array_mut);
        for source in sources.into_iter().flatten() {
            let lifetime = source.pointer_mut("/serviceAccountToken/expirationSeconds");
            if let Some(lifetime) = lifetime.filter(|l| **l == INJECTED_LIFETIME_SECONDS) {
                *lifetime = json!(seconds);
            }
        }
    }
}

fn volume(name: &str) -> Value {
    json!({"name": name, "projected": {"defaultMode": FILE_MODE, "sources": [
        {"serviceAccountToken": {"expirationSeconds": INJECTED_LIFETIME_SECONDS, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace",
            "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
    ]}})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounts(pod: &Value) -> Vec<String> {
        let of = |group: &str| pod["spec"][group].as_array().cloned().unwrap_or_default();
        let all = of("initContainers").into_iter().chain(of("containers"));
        all.map(|c| {
            let mounts = c["volumeMounts"].as_array().cloned().unwrap_or_default();
            mounts.iter().map(|m| text(m, "/name").to_owned()).collect::<Vec<_>>().join("+")
        })
        .collect()
    }

    #[test]
    fn who_says_whether_a_token_is_mounted() {
        for (pod, account, want) in [
            (json!(null), json!(null), true),
            (json!(null), json!(false), false),
            (json!(true), json!(false), true),
            (json!(false), json!(true), false),
        ] {
            let of = |value: &Value| json!({"automountServiceAccountToken": value});
            let pod = json!({"spec": of(&pod)});
            assert_eq!(wanted(&pod, &of(&account)), want, "{pod} {account}");
        }
    }

    #[test]
    fn the_volume_is_mounted_where_nothing_is() {
        let at = |path: &str| json!([{"name": "own", "mountPath": path}]);
        let odd = json!([{"name": "kube-api-access-mine", "emptyDir": {}}]);
        for (volumes, first, second, names, added) in [
            (json!(null), json!(null), json!(null), ["kube-api-access-xxxxx", "kube-api-access-xxxxx"], true),
            (json!([]), at(MOUNT_PATH), json!(null), ["own", "kube-api-access-xxxxx"], true),
            (json!([]), at(MOUNT_PATH), at(MOUNT_PATH), ["own", "own"], false),
            // Paths are texts: a slash more is another place.
            (
                json!([]),
                at(&format!("{MOUNT_PATH}/")),
                at(MOUNT_PATH),
                ["own+kube-api-access-xxxxx", "own"],
                true,
            ),
            (odd, json!(null), json!(null), ["kube-api-access-mine", "kube-api-access-mine"], false),
        ] {
            let before = volumes.as_array().map_or(0, Vec::len);
            let mut pod = json!({"spec": {
                "volumes": volumes,
                "initContainers": [{"name": "a", "volumeMounts": first}],
                "containers": [{"name": "b", "volumeMounts": second}],
            }});
            inject(&mut pod, "xxxxx");
            assert_eq!(mounts(&pod), names);
            let after = pod["spec"]["volumes"].as_array().map_or(0, Vec::len);
            assert_eq!(after - before, usize::from(added), "{pod}");
        }
    }

    #[test]
    fn a_laboratory_shortens_what_was_injected_and_nothing_else() {
        let mut pod = json!({"spec": {"containers": [{"name": "c"}], "volumes": [{"name": "own", "projected":
            {"sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 7200}}]}}]}});
        inject(&mut pod, "xxxxx");
        shorten(&mut pod, 20);
        let seconds = |n: usize| {
            pod["spec"]["volumes"][n]["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"]
                .clone()
        };
        assert_eq!((seconds(0), seconds(1)), (json!(7200), json!(20)));
    }

    #[test]
    fn nothing_is_added_to_what_is_no_pod() {
        for mut odd in [json!({}), json!({"spec": 1}), json!({"spec": {"containers": [1, null]}})] {
            let before = odd.clone();
            inject(&mut odd, "xxxxx");
            assert_eq!(odd["spec"].get("containers"), before["spec"].get("containers"));
        }
    }
}
