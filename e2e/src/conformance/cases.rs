//! The cases, group by group.

use super::{Player, View, forge, managed, objects};
use crate::client::{Answer, As};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

const REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
const SELF_REVIEWS: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
const DEAD: &str = "00000000-0000-0000-0000-00000000dead";

/// Plays a group; what came back is in `player.records`.
pub fn play(player: &mut Player<'_>, group: &str) -> Result<(), String> {
    match group {
        "issue" => issue(player).map_err(|e| e.to_string()),
        "review" => review(player).map_err(|e| e.to_string()),
        "forge" => forged(player),
        "revoke" => revoke(player).map_err(|e| e.to_string()),
        "admit" => managed::admit(player).map_err(|e| e.to_string()),
        "discover" => objects::discover(player).map_err(|e| e.to_string()),
        "objects" => objects::objects(player).map_err(|e| e.to_string()),
        "legacy" => managed::legacy(player).map_err(|e| e.to_string()),
        other => Err(format!("no group {other}")),
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Of a Status, what a client acts on; of an object, what it is.
pub(super) fn verdict(answer: &Answer) -> Value {
    let got = answer.value();
    let Value::Object(map) = &got else { return got };
    let wanted: &[&str] = if map.get("kind") == Some(&json!("Status")) {
        &["kind", "status", "reason", "message", "code", "details"]
    } else {
        &["kind", "apiVersion"]
    };
    let kept = wanted.iter().filter_map(|key| Some(((*key).to_owned(), map.get(*key)?.clone())));
    Value::Object(kept.filter(|(_, v)| *v != json!({})).collect())
}

/// The status of a review.
fn status_of(answer: &Answer) -> Value {
    let got = answer.value();
    if got["kind"] == "Status" { verdict(answer) } else { got["status"].clone() }
}

/// What of an issued token every correct server answers alike.
fn issued(answer: &Answer) -> Value {
    let got = answer.value();
    if got["kind"] != "TokenRequest" {
        return verdict(answer);
    }
    let token = got["status"]["token"].as_str().unwrap_or_default();
    let audiences = super::symbols::decode(token).map(|(_, claims)| claims["aud"].clone());
    let mut spec = got["spec"].clone();
    if let Some(spec) = spec.as_object_mut()
        && spec.get("audiences") == audiences.as_ref()
    {
        spec.remove("audiences");
    }
    let expires = got["status"]["expirationTimestamp"].as_str().unwrap_or_default();
    let left = expires.parse::<jiff::Timestamp>().map_or(Value::Null, |at| {
        // To the nearest ten seconds: requests take time.
        json!((at.as_second() - now() + 5).div_euclid(10) * 10)
    });
    json!({
        "kind": got["kind"], "apiVersion": got["apiVersion"],
        "metadata": {"name": got["metadata"]["name"], "namespace": got["metadata"]["namespace"]},
        "spec": spec, "expires_in_about": left, "status": {"token": token},
    })
}

fn ask(spec: Value) -> Value {
    json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec})
}

fn pod_bound(more: Value) -> Value {
    let mut spec = json!({"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "web"}});
    for (key, value) in more.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    spec
}

fn bound_to(kind: &str, version: &str, name: &str) -> Value {
    json!({"boundObjectRef": {"kind": kind, "apiVersion": version, "name": name}})
}

/// Name, account, query, body.
type Ask = (&'static str, &'static str, &'static str, Value);

fn issue_cases(player: &Player<'_>) -> Vec<Ask> {
    let seconds = |n: i64| ask(json!({"expirationSeconds": n}));
    let plain = |name, body| (name, "builder", "", body);
    let by_uid = |uid: &str| {
        let mut spec = pod_bound(json!({}));
        spec["boundObjectRef"]["uid"] = json!(uid);
        ask(spec)
    };
    let mut other_name = ask(json!({}));
    other_name["metadata"] = json!({"name": "other"});
    let mut other_namespace = ask(json!({}));
    other_namespace["metadata"] = json!({"namespace": "other"});
    vec![
        plain("defaults", ask(json!({}))),
        plain("600 seconds, the shortest", seconds(600)),
        plain("599 seconds", seconds(599)),
        plain("zero seconds", seconds(0)),
        plain("negative seconds", seconds(-1)),
        plain("2^32 seconds, the longest", seconds(1 << 32)),
        plain("2^32 + 1 seconds", seconds((1 << 32) + 1)),
        plain("one audience", ask(json!({"audiences": ["vault"]}))),
        plain("two audiences", ask(json!({"audiences": ["vault", "factors.example"]}))),
        plain("bound to a pod", ask(pod_bound(json!({})))),
        plain("bound to a pod by uid", by_uid(&player.uid("web"))),
        plain("bound to a pod with another uid", by_uid(DEAD)),
        plain("bound to a pod that is not there", ask(bound_to("Pod", "v1", "ghost"))),
        ("bound to a pod of another account", "default", "", ask(pod_bound(json!({})))),
        plain("bound to a secret", ask(bound_to("Secret", "v1", "lease"))),
        plain("bound to a kind that cannot be", ask(bound_to("ConfigMap", "v1", "x"))),
        plain("bound with a wrong api version", ask(bound_to("Pod", "apps/v1", "web"))),
        plain("bound with no name", ask(json!({"boundObjectRef": {"kind": "Pod", "apiVersion": "v1"}}))),
        plain("3607 seconds, bound to a pod: extended", ask(pod_bound(json!({"expirationSeconds": 3607})))),
        plain("3607 seconds, not bound", seconds(3607)),
        plain(
            "3607 seconds, bound, another audience",
            ask(pod_bound(json!({"expirationSeconds": 3607, "audiences": ["vault"]}))),
        ),
        plain("3600 seconds, bound to a pod", ask(pod_bound(json!({"expirationSeconds": 3600})))),
        ("an account that is not there", "ghost", "", ask(json!({}))),
        plain("a body named for another account", other_name),
        plain("a body named for another namespace", other_namespace),
        plain(
            "a body of another kind",
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}),
        ),
        plain("a body with no kind", json!({"spec": {}})),
        ("a dry run", "builder", "?dryRun=All", ask(json!({}))),
        (
            "an unknown field, strict",
            "builder",
            "?fieldValidation=Strict",
            ask(json!({"expirationSecs": 600})),
        ),
        plain("expirationSeconds as text", ask(json!({"expirationSeconds": "600"}))),
    ]
}

fn issue(player: &mut Player<'_>) -> std::io::Result<()> {
    let admin = As::Admin;
    for (name, account, query, body) in issue_cases(player) {
        let path = player.path(&format!("serviceaccounts/{account}/token{query}"));
        let answer = player.access.ask(&admin, "POST", &path, Some(&body))?;
        player.record(&format!("issue/{name}"), &answer, issued);
    }
    let elsewhere = "/api/v1/namespaces/no-such-namespace/serviceaccounts/x/token";
    let answer = player.access.ask(&admin, "POST", elsewhere, Some(&ask(json!({}))))?;
    player.record("issue/a namespace that is not there", &answer, issued);
    let path = player.path("serviceaccounts/builder/token");
    let json_type = ("Content-Type", "application/json");
    for (name, who, method, content, body) in [
        ("broken json", As::Admin, "POST", json_type, Some(&b"{\"spec\":"[..])),
        ("empty body", As::Admin, "POST", json_type, Some(&b""[..])),
        (
            "another content type",
            As::Admin,
            "POST",
            ("Content-Type", "application/x-www-form-urlencoded"),
            Some(&b"x=1"[..]),
        ),
        ("get instead of post", As::Admin, "GET", json_type, None),
        ("delete instead of post", As::Admin, "DELETE", json_type, None),
        ("anonymous", As::Anonymous, "POST", json_type, Some(&b"{}"[..])),
    ] {
        let headers = [("Accept", "application/json"), content];
        let answer = player.access.send(&who, method, &path, &headers, body)?;
        player.record(&format!("issue/{name}"), &answer, verdict);
    }
    Ok(())
}

/// Name, who asks, method, path, body, and what is compared.
type Request<'a> = (&'static str, As<'a>, &'static str, &'a str, Option<&'a Value>, View);

pub(super) fn review_spec(player: &mut Player<'_>, case: &str, spec: Value) -> std::io::Result<()> {
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec});
    let answer = player.access.ask(&As::Admin, "POST", REVIEWS, Some(&body))?;
    player.record(case, &answer, status_of);
    Ok(())
}

fn review(player: &mut Player<'_>) -> std::io::Result<()> {
    let plain = player.token("builder", json!({}));
    let vault = player.token("builder", json!({"audiences": ["vault"]}));
    let bound = player.token("builder", pod_bound(json!({})));
    let secret = player.token("builder", bound_to("Secret", "v1", "lease"));
    let mut parts = plain.rsplitn(2, '.');
    let (signature, input) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let cut = signature.get(..signature.len().saturating_sub(8)).unwrap_or_default();
    let changed = format!("{}AAAAAA", input.get(..input.len().saturating_sub(6)).unwrap_or_default());
    for (name, spec) in [
        ("a good token", json!({"token": plain})),
        ("a pod-bound token", json!({"token": bound})),
        ("a secret-bound token", json!({"token": secret})),
        ("another audience's token, none asked", json!({"token": vault})),
        ("another audience's token, asked", json!({"token": vault, "audiences": ["vault"]})),
        ("another audience's token, two asked", json!({"token": vault, "audiences": ["vault", "other"]})),
        ("a good token for an audience it lacks", json!({"token": plain, "audiences": ["vault"]})),
        ("no token", json!({})),
        ("text that is no token", json!({"token": "hello"})),
        ("three empty parts", json!({"token": ".."})),
        ("a cut signature", json!({"token": format!("{input}.{cut}")})),
        ("no signature", json!({"token": format!("{input}.")})),
        ("a changed payload", json!({"token": format!("{changed}.{signature}")})),
    ] {
        review_spec(player, &format!("review/{name}"), spec)?;
    }
    let secrets = player.path("secrets");
    let who = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let requests: [Request<'_>; 5] = [
        ("whoami", As::Token(&bound), "POST", SELF_REVIEWS, Some(&who), status_of),
        ("a request with a bad token", As::Token("hello"), "GET", "/api/v1/namespaces", None, verdict),
        (
            "a request with another audience's token",
            As::Token(&vault),
            "GET",
            "/api/v1/namespaces",
            None,
            verdict,
        ),
        ("a request that is forbidden", As::Token(&plain), "GET", &secrets, None, verdict),
        ("a request with no token", As::Anonymous, "GET", "/api/v1/namespaces", None, verdict),
    ];
    for (name, who, method, path, body, view) in requests {
        let answer = player.access.ask(&who, method, path, body)?;
        player.record(&format!("review/{name}"), &answer, view);
    }
    Ok(())
}

fn forged(player: &mut Player<'_>) -> Result<(), String> {
    for (name, token) in forge::tokens(player, now())? {
        review_spec(player, &format!("forge/{name}"), json!({"token": token})).map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// An object goes, its token is refused; it comes back under the same name, the token is still refused.
fn revoke(player: &mut Player<'_>) -> std::io::Result<()> {
    player.create("pods", "brief");
    let token = player.token("builder", bound_to("Pod", "v1", "brief"));
    player.remove("pods/brief?gracePeriodSeconds=0");
    review_spec(player, "revoke/the pod is gone", json!({"token": token}))?;
    player.create("pods", "brief");
    review_spec(player, "revoke/the pod came back with another uid", json!({"token": token}))?;
    player.create("secrets", "brief");
    let token = player.token("builder", bound_to("Secret", "v1", "brief"));
    player.remove("secrets/brief");
    review_spec(player, "revoke/the secret is gone", json!({"token": token}))?;
    player.create("serviceaccounts", "brief");
    let token = player.token("brief", json!({}));
    player.remove("serviceaccounts/brief");
    review_spec(player, "revoke/the account is gone", json!({"token": token}))?;
    player.create("serviceaccounts", "brief");
    review_spec(player, "revoke/the account came back with another uid", json!({"token": token}))
}
