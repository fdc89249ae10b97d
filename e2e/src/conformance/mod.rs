//! The same requests that were recorded from a real kube-apiserver 1.36, and the comparison with its answers.
//!
//! What differs between two correct servers (uids, times, token bytes, key ids) is replaced by a symbol on both sides.

mod symbols;
mod cases;
mod forge;
mod managed;
mod objects;

pub use cases::play;
pub use symbols::matches;

use crate::client::{Access, Answer, As};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use symbols::Symbols;

/// The recorded answers.
pub const RECORDED: &str = include_str!("../../../fixtures/conformance/kube-apiserver-1.36.jsonl");

/// The recorded answers of a group, by case.
pub fn recorded(group: &str) -> BTreeMap<String, Value> {
    let start = format!("{group}/");
    RECORDED
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|record| Some((record["case"].as_str()?.to_owned(), record)))
        .filter(|(case, _)| case.starts_with(&start))
        .collect()
}

/// What of an answer is compared.
pub type View = fn(&Answer) -> Value;

/// Plays cases in one namespace and keeps what came back.
#[derive(Debug)]
pub struct Player<'a> {
    /// How to reach the server.
    pub access: &'a Access,
    /// PEM file of the server's signing key, for forged tokens.
    pub signing_key: &'a [u8],
    /// The namespace.
    pub namespace: String,
    symbols: Symbols,
    /// What came back, by case.
    pub records: BTreeMap<String, Value>,
}

impl<'a> Player<'a> {
    /// Makes a namespace with the account `builder`, the pod `web` and the secret `lease`.
    pub fn new(access: &'a Access, signing_key: &'a [u8], namespace: &str) -> Self {
        let mut player = Self {
            access,
            signing_key,
            namespace: namespace.to_owned(),
            symbols: Symbols::default(),
            records: BTreeMap::new(),
        };
        player.symbols.learn(namespace, "<ns>");
        player.make(
            "/api/v1/namespaces",
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
        );
        for (plural, name) in [("serviceaccounts", "builder"), ("pods", "web"), ("secrets", "lease")] {
            let made = player.create(plural, name);
            let uid = made["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
            player.symbols.learn(&uid, &format!("<uid:{name}>"));
        }
        let token = player.token("builder", json!({}));
        if let Some(claims) = symbols::decode(&token).map(|(_, claims)| claims) {
            for audience in claims["aud"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                player.symbols.learn(audience, "<api-audience>");
            }
        }
        player
    }

    /// Records something that is no answer, under the name of a case.
    pub fn note(&mut self, case: &str, value: &Value) {
        let body = self.symbols.scrub(value);
        self.records.insert(case.to_owned(), json!({"case": case, "status": null, "body": body}));
    }

    /// The path of a collection in the namespace.
    pub fn path(&self, rest: &str) -> String {
        format!("/api/v1/namespaces/{}/{rest}", self.namespace)
    }

    fn make(&self, path: &str, body: Value) -> Value {
        self.access.ask(&As::Admin, "POST", path, Some(&body)).map(|a| a.value()).unwrap_or_default()
    }

    /// Creates a small account, pod or secret.
    pub fn create(&self, plural: &str, name: &str) -> Value {
        let body = match plural {
            "pods" => json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
                "spec": {"serviceAccountName": "builder", "containers": [{"name": "c", "image": "i"}]}}),
            "secrets" => json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}),
            _ => json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}),
        };
        self.make(&self.path(plural), body)
    }

    /// Removes an object at once.
    pub fn remove(&self, rest: &str) {
        let path = self.path(rest);
        // An answer that is no success shows in the case that follows.
        let _ = self.access.ask(&As::Admin, "DELETE", &path, None);
    }

    /// A new token of an account.
    pub fn token(&self, account: &str, spec: Value) -> String {
        let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec});
        let got = self.make(&self.path(&format!("serviceaccounts/{account}/token")), body);
        got["status"]["token"].as_str().unwrap_or_default().to_owned()
    }

    /// The uid that a name stands for.
    pub fn uid(&self, name: &str) -> String {
        self.symbols.uid(name)
    }

    /// Records an answer under the name of a case.
    pub fn record(&mut self, case: &str, answer: &Answer, view: View) {
        let body = self.symbols.scrub(&view(answer));
        self.records.insert(case.to_owned(), json!({"case": case, "status": answer.status, "body": body}));
    }
}
