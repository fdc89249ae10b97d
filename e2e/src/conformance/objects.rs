//! Cases of the kinds a token depends on, and of what a server says of itself.

use super::cases::verdict;
use super::{Player, View};
use crate::client::{Answer, As};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Name, path and what is compared.
type Look = (&'static str, &'static str, View);

/// The discovery of a path, without where the server is.
fn versions(answer: &Answer) -> Value {
    let got = answer.value();
    if got["kind"] != "APIGroupList" {
        return if got.is_string() { got } else { json!({"kind": got["kind"], "versions": got["versions"]}) };
    }
    let names = got["groups"].as_array().into_iter().flatten().map(|group| group["name"].clone());
    let wanted = ["authentication.k8s.io", "authorization.k8s.io", "rbac.authorization.k8s.io"];
    names.filter(|name| wanted.iter().any(|w| name == w)).collect()
}

fn resources(answer: &Answer) -> Vec<Value> {
    let mut all = answer.value()["resources"].as_array().cloned().unwrap_or_default();
    all.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
    all
}

fn core_resources(answer: &Answer) -> Value {
    let wanted =
        ["serviceaccounts", "serviceaccounts/token", "secrets", "configmaps", "namespaces", "pods", "nodes"];
    let rows = resources(answer).into_iter().filter(|r| wanted.iter().any(|w| r["name"] == *w)).map(|r| {
        let mut verbs: Vec<&str> =
            r["verbs"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        verbs.sort_unstable();
        let short = if r["shortNames"].is_null() { json!([]) } else { r["shortNames"].clone() };
        json!([r["name"], r["namespaced"], r["kind"], verbs, short])
    });
    rows.collect()
}

fn plain_resources(answer: &Answer) -> Value {
    let rows = resources(answer).into_iter();
    rows.map(|r| json!([r["name"], r["namespaced"], r["kind"], r["verbs"]])).collect()
}

fn openid(answer: &Answer) -> Value {
    let got = answer.value();
    let Some(members) = got.as_object().filter(|m| m.contains_key("issuer")) else { return verdict(answer) };
    let keys: BTreeSet<&String> = members.keys().collect();
    json!({
        "keys": keys, "types": got["response_types_supported"], "subjects": got["subject_types_supported"],
        "algs": got["id_token_signing_alg_values_supported"],
        "ctype": answer.header("content-type"), "cache": answer.header("cache-control"),
    })
}

fn jwks(answer: &Answer) -> Value {
    let got = answer.value();
    let Some(keys) = got["keys"].as_array() else { return verdict(answer) };
    let members = keys.iter().filter_map(Value::as_object).flat_map(|key| key.keys());
    let uses: BTreeSet<&str> = keys.iter().filter_map(|key| key["use"].as_str()).collect();
    json!({
        "shape": members.collect::<BTreeSet<_>>(), "use": uses,
        "ctype": answer.header("content-type"), "cache": answer.header("cache-control"),
    })
}

pub(super) fn discover(player: &mut Player<'_>) -> std::io::Result<()> {
    let looks: [Look; 11] = [
        ("api", "/api", versions),
        ("groups", "/apis", versions),
        ("healthz", "/healthz", versions),
        ("livez", "/livez", versions),
        ("readyz", "/readyz", versions),
        ("core resources", "/api/v1", core_resources),
        ("authentication resources", "/apis/authentication.k8s.io/v1", plain_resources),
        ("openid configuration", "/.well-known/openid-configuration", openid),
        ("keys", "/openid/v1/jwks", jwks),
        ("a path that is not there", "/no/such/path", verdict),
        ("a resource that is not there", "/api/v1/no-such-things", verdict),
    ];
    for (name, path, view) in looks {
        let accept = if name == "keys" { "*/*" } else { "application/json" };
        let answer = player.access.send(&As::Admin, "GET", path, &[("Accept", accept)], None)?;
        player.record(&format!("discover/{name}"), &answer, view);
    }
    Ok(())
}

/// An object's kind and one fact of it.
fn fact(answer: &Answer, name: &str, of: impl Fn(&Value) -> Value) -> Value {
    let got = answer.value();
    json!({"kind": got["kind"], name: of(&got)})
}

fn labels(answer: &Answer) -> Value {
    fact(answer, "labels", |o| o["metadata"]["labels"].clone())
}

fn pull_secrets(answer: &Answer) -> Value {
    fact(answer, "pull", |o| o["imagePullSecrets"].clone())
}

fn names(list: &Value) -> Value {
    list["items"].as_array().into_iter().flatten().map(|item| item["metadata"]["name"].clone()).collect()
}

fn sorted_members(object: &Value) -> Value {
    json!(object.as_object().into_iter().flatten().map(|(key, _)| key).collect::<BTreeSet<_>>())
}

fn generated(answer: &Answer) -> Value {
    let got = answer.value();
    let name = got["metadata"]["name"].as_str().unwrap_or_default();
    json!({"kind": got["kind"], "prefix": name.get(..4), "length": name.len()})
}

fn members(answer: &Answer) -> Value {
    fact(answer, "metadata", |o| {
        let mut metadata = o["metadata"].clone();
        drop(metadata.as_object_mut().map(|m| m.remove("managedFields")));
        sorted_members(&metadata)
    })
}

fn table(answer: &Answer) -> Value {
    let got = answer.value();
    let of = |key: &str| got[key].as_array().cloned().unwrap_or_default().into_iter();
    let columns: Vec<Value> = of("columnDefinitions").map(|c| c["name"].clone()).collect();
    let cells: Vec<Value> = of("rows").map(|row| json!([row["cells"][0]])).collect();
    json!({"kind": got["kind"], "columns": columns, "cells": cells})
}

fn part(answer: &Answer) -> Value {
    let got = answer.value();
    let more = got["metadata"]["continue"].as_str().is_some_and(|token| !token.is_empty());
    json!({"kind": got["kind"], "items": got["items"].as_array().map(Vec::len), "continue": more})
}

fn account(metadata: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
}

pub(super) fn objects(player: &mut Player<'_>) -> std::io::Result<()> {
    writes(player)?;
    patches(player)?;
    reads(player)
}

fn writes(player: &mut Player<'_>) -> std::io::Result<()> {
    let base = player.path("serviceaccounts");
    let one = player.path("serviceaccounts/crud");
    for (name, metadata, view) in [
        ("create", json!({"name": "crud"}), verdict as View),
        ("create again", json!({"name": "crud"}), verdict),
        ("create with a bad name", json!({"name": "Bad_Name"}), verdict),
        ("create with no name", json!({}), verdict),
        ("generateName", json!({"generateName": "gen-"}), generated),
    ] {
        let answer = player.access.ask(&As::Admin, "POST", &base, Some(&account(metadata)))?;
        player.record(&format!("objects/{name}"), &answer, view);
    }
    let answer = player.access.ask(&As::Admin, "GET", &one, None)?;
    player.record("objects/get", &answer, members);
    let got = answer.value();
    let answer = player.access.ask(&As::Admin, "GET", &player.path("serviceaccounts/ghost"), None)?;
    player.record("objects/get what is not there", &answer, verdict);
    let mut labelled = got.clone();
    labelled["metadata"]["labels"] = json!({"a": "b"});
    for (name, body, view) in
        [("update", labelled, labels as View), ("update with an old version", got, verdict)]
    {
        let answer = player.access.ask(&As::Admin, "PUT", &one, Some(&body))?;
        player.record(&format!("objects/{name}"), &answer, view);
    }
    Ok(())
}

fn patches(player: &mut Player<'_>) -> std::io::Result<()> {
    let one = player.path("serviceaccounts/crud");
    for (name, media, body, view) in [
        ("merge", "merge", r#"{"metadata":{"labels":{"c":"d"}}}"#, labels as View),
        ("json", "json", r#"[{"op":"remove","path":"/metadata/labels/c"}]"#, labels),
        ("strategic merge", "strategic-merge", r#"{"imagePullSecrets":[{"name":"reg"}]}"#, pull_secrets),
    ] {
        let media = format!("application/{media}-patch+json");
        let headers = [("Accept", "application/json"), ("Content-Type", media.as_str())];
        let answer = player.access.send(&As::Admin, "PATCH", &one, &headers, Some(body.as_bytes()))?;
        player.record(&format!("objects/{name} patch"), &answer, view);
    }
    Ok(())
}

fn reads(player: &mut Player<'_>) -> std::io::Result<()> {
    let base = player.path("serviceaccounts");
    let one = player.path("serviceaccounts/crud");
    let field = format!("{base}?fieldSelector=metadata.name%3Dcrud");
    let as_table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let by_label: View = |answer| {
        let got = answer.value();
        json!({"kind": got["kind"], "apiVersion": got["apiVersion"], "items": names(&got)})
    };
    let ended: View = |answer| {
        let got = answer.value();
        let status = got["status"].as_str().map_or(Value::Null, |status| json!(status));
        json!({"kind": got["kind"], "status": status})
    };
    let data: View = |answer| fact(answer, "data", |o| sorted_members(&o["data"]));
    for (name, method, path, accept, view) in [
        ("list by label", "GET", format!("{base}?labelSelector=a%3Db"), "application/json", by_label),
        ("list by field", "GET", field.clone(), "application/json", |answer| fact(answer, "items", names)),
        ("list as a table", "GET", field, as_table, table),
        ("list with a limit", "GET", format!("{base}?limit=1"), "application/json", part),
        ("delete", "DELETE", one.clone(), "application/json", ended),
        ("delete again", "DELETE", one, "application/json", verdict),
        ("root certificate", "GET", player.path("configmaps/kube-root-ca.crt"), "application/json", data),
    ] {
        let answer = player.access.send(&As::Admin, method, &path, &[("Accept", accept)], None)?;
        player.record(&format!("objects/{name}"), &answer, view);
    }
    Ok(())
}
