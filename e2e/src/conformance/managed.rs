//! Cases of what the server does by itself: what admission adds to a pod, and tokens out of Secrets.

use super::Player;
use super::cases::{review_spec, verdict};
use crate::client::{Answer, As};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Times a controller's work is looked for, 100 ms apart.
const ATTEMPTS: u32 = 100;
/// How injected volumes are named; five letters follow.
const INJECTED: &str = "kube-api-access-";

/// What admission decides of a pod, with a symbol for the random name.
fn admitted(answer: &Answer) -> Value {
    let got = answer.value();
    if got["kind"] != "Pod" {
        return verdict(answer);
    }
    let symbol = |name: &Value| match name.as_str() {
        Some(name) if name.len() == INJECTED.len() + 5 && name.starts_with(INJECTED) => {
            json!("kube-api-access-<5>")
        }
        _ => name.clone(),
    };
    let renamed = |list: &Value| -> Value {
        let all = list.as_array().cloned().unwrap_or_default();
        let each = all.into_iter().map(|mut item| {
            item["name"] = symbol(&item["name"]);
            item
        });
        Value::Array(each.collect())
    };
    let spec = &got["spec"];
    let mut mounts = Map::new();
    for group in ["initContainers", "containers"] {
        for container in spec[group].as_array().into_iter().flatten() {
            let name = container["name"].as_str().unwrap_or_default().to_owned();
            mounts.insert(name, renamed(&container["volumeMounts"]));
        }
    }
    json!({
        "serviceAccountName": spec["serviceAccountName"], "serviceAccount": spec["serviceAccount"],
        "volumes": renamed(&spec["volumes"]), "mounts": mounts,
    })
}

fn token_volume(sources: Value) -> Value {
    json!({"volumes": [{"name": "v", "projected": {"sources": sources}}]})
}

pub(super) fn admit(player: &mut Player<'_>) -> std::io::Result<()> {
    let place = "/var/run/secrets/kubernetes.io/serviceaccount";
    let own = json!({"name": "c", "image": "i", "volumeMounts": [{"name": "own", "mountPath": place}]});
    let two = json!({
        "containers": [{"name": "c", "image": "i"}, {"name": "d", "image": "i"}],
        "initContainers": [{"name": "first", "image": "i"}],
    });
    let vault = json!({"path": "vault-token", "audience": "vault", "expirationSeconds": 7200});
    let quiet = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "quiet"}, "automountServiceAccountToken": false});
    let accounts = player.path("serviceaccounts");
    player.access.ask(&As::Admin, "POST", &accounts, Some(&quiet))?;
    let off = json!({"automountServiceAccountToken": false});
    for (at, (name, more)) in [
        ("the plainest pod", json!({})),
        ("two containers and an init container", two),
        ("automount off in the pod", off),
        (
            "a mount already at the place",
            json!({"volumes": [{"name": "own", "emptyDir": {}}], "containers": [own]}),
        ),
        ("an account that is not there", json!({"serviceAccountName": "ghost"})),
        ("automount off in the account", json!({"serviceAccountName": "quiet"})),
        (
            "automount off in the account, on in the pod",
            json!({"serviceAccountName": "quiet", "automountServiceAccountToken": true}),
        ),
        ("a token volume of its own", token_volume(json!([{"serviceAccountToken": vault}]))),
        (
            "a token volume that is too short",
            token_volume(json!([{"serviceAccountToken": {"path": "t", "expirationSeconds": 60}}])),
        ),
        (
            "a token volume that leaves its folder",
            token_volume(json!([{"serviceAccountToken": {"path": "../t"}}])),
        ),
        (
            "two tokens at one path",
            token_volume(json!([
                {"serviceAccountToken": {"path": "t"}}, {"serviceAccountToken": {"path": "t", "audience": "b"}}
            ])),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let mut spec = json!({"containers": [{"name": "c", "image": "i"}]});
        for (key, value) in more.as_object().into_iter().flatten() {
            spec[key] = value.clone();
        }
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("a{}", at + 1)}, "spec": spec});
        let answer = player.access.ask(&As::Admin, "POST", &player.path("pods"), Some(&pod))?;
        player.record(&format!("admit/{name}"), &answer, admitted);
    }
    Ok(())
}

/// A Secret that asks for a token.
fn token_secret(name: &str, account: Option<&str>) -> Value {
    let annotations = account.map_or(json!({}), |a| json!({"kubernetes.io/service-account.name": a}));
    json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "metadata": {"name": name, "annotations": annotations}})
}

/// Asks again until the answer is as wanted; gives back the last one.
fn until(player: &Player<'_>, path: &str, wanted: fn(&Answer) -> bool) -> std::io::Result<Answer> {
    let mut answer = player.access.ask(&As::Admin, "GET", path, None)?;
    for _ in 0..ATTEMPTS {
        if wanted(&answer) {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
        answer = player.access.ask(&As::Admin, "GET", path, None)?;
    }
    Ok(answer)
}

fn keys(value: &Value) -> Vec<String> {
    let mut keys: Vec<String> = value.as_object().into_iter().flat_map(|m| m.keys().cloned()).collect();
    keys.sort();
    keys
}

pub(super) fn legacy(player: &mut Player<'_>) -> std::io::Result<()> {
    let secrets = player.path("secrets");
    let secret = |name: &str| format!("{secrets}/{name}");
    player.access.ask(&As::Admin, "POST", &secrets, Some(&token_secret("forever", Some("builder"))))?;
    let filled = until(player, &secret("forever"), |a| a.value()["data"]["token"].is_string())?.value();
    let token = STANDARD.decode(filled["data"]["token"].as_str().unwrap_or_default()).unwrap_or_default();
    let token = String::from_utf8(token).unwrap_or_default();
    player.note(
        "legacy/secret filled in",
        &json!({
            "data_keys": keys(&filled["data"]), "annotations": keys(&filled["metadata"]["annotations"]),
            "type": filled["type"], "token": token,
        }),
    );
    let spec = json!({"token": token});
    review_spec(player, "legacy/its token", spec.clone())?;
    let used = player.access.ask(&As::Admin, "GET", &secret("forever"), None)?.value();
    player.note("legacy/use leaves a date", &json!({"labels": keys(&used["metadata"]["labels"])}));
    let orphan = token_secret("orphan", Some("ghost"));
    let answer = player.access.ask(&As::Admin, "POST", &secrets, Some(&orphan))?;
    player.record("legacy/for an account that is not there", &answer, verdict);
    let answer = until(player, &secret("orphan"), |a| a.status == 404)?;
    player.record("legacy/orphan is collected", &answer, verdict);
    let answer = player.access.ask(&As::Admin, "POST", &secrets, Some(&token_secret("nobody", None)))?;
    player.record("legacy/no account named", &answer, verdict);
    player.remove("secrets/forever");
    review_spec(player, "legacy/its secret is gone", spec)?;
    let account = player.path("serviceaccounts/builder");
    let account = player.access.ask(&As::Admin, "GET", &account, None)?.value();
    player.note("legacy/no secret by itself", &json!({"secrets": account["secrets"]}));
    Ok(())
}
