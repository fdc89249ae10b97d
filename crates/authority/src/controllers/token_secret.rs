//! Secrets of the token type: filled when they name an account that is there, deleted when they do not.
//!
//! Kubernetes 1.36 (tokens_controller.go): a token that is there is never looked at, nothing is written for the sake of
//! annotations alone, and a Secret that goes leaves its account's `secrets[]`. The token has no end and the same bytes
//! each time (with an RSA key): it is revoked by deleting the Secret or the account.

use super::{Controller, Next};
use crate::flow::Tokens;
use crate::flow::issue::legacy;
use crate::objects::delete::DeleteOptions;
use crate::objects::kind::text;
use crate::objects::kinds::{SECRET, SERVICE_ACCOUNT, TOKEN_TYPE};
use crate::objects::registry::key;
use crate::objects::{Registry, Write};
use crate::status::ApiError;
use crate::store::{Event, EventKind, Key, Prefix};
use base64::{Engine, engine::general_purpose::STANDARD};
use jeton_core::claims::LegacyClaims;
use jeton_core::ident::account_username;
use jeton_core::legacy::{ACCOUNT_NAME_ANNOTATION, ACCOUNT_UID_ANNOTATION, Held, Upkeep, upkeep};
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

pub(super) struct TokenSecret {
    registry: Arc<Registry>,
    tokens: Arc<Tokens>,
    ca_pem: Arc<str>,
}

/// A Secret to look at, or the account of one that is gone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Item {
    Secret { namespace: String, name: String },
    Gone { namespace: String, name: String, account: String, uid: String },
}

impl TokenSecret {
    pub(super) fn new(registry: Arc<Registry>, tokens: Arc<Tokens>, ca_pem: Arc<str>) -> Self {
        Self { registry, tokens, ca_pem }
    }

    /// Secrets under a prefix that name an account (that one, when it is given); from the index, no bodies.
    fn secrets(&self, prefix: &Prefix, account: Option<&str>) -> Vec<Item> {
        self.registry.store().index().read(|view| {
            let rows = view.rows(prefix).filter(|(_, row)| match account {
                Some(wanted) => row.account.as_deref() == Some(wanted),
                None => row.account.is_some(),
            });
            rows.map(|(key, _)| secret_item(&key)).collect()
        })
    }

    async fn look(&self, namespace: &str, name: &str) -> Result<Next, ApiError> {
        let secret = self.registry.get(&SECRET, namespace, name)?;
        if text(&secret, "/type") != TOKEN_TYPE || secret["metadata"]["deletionTimestamp"].is_string() {
            return Ok(Next::Done);
        }
        let account = annotation(&secret, ACCOUNT_NAME_ANNOTATION);
        // A name that no account can have is one that is not there.
        let row = key(&SERVICE_ACCOUNT, namespace, account).ok();
        let uid = row.and_then(|key| self.registry.store().index().row(&key)).map(|row| row.uid);
        let uid = match (upkeep(&held(&secret, &self.ca_pem), uid), uid) {
            (Upkeep::Keep, _) => return Ok(Next::Done),
            (Upkeep::Fill, Some(uid)) => uid,
            (Upkeep::Fill | Upkeep::Delete, _) => {
                let same = Some(text(&secret, "/metadata/uid").to_owned());
                let options = DeleteOptions { uid: same, ..DeleteOptions::default() };
                self.registry.delete(&SECRET, namespace, name, &options).await?;
                return Ok(Next::Done);
            }
        };
        let filled = filled(&self.tokens, &self.ca_pem, &secret, uid)?;
        self.registry.update(&SECRET, namespace, name, filled, Write::default()).await?;
        Ok(Next::Done)
    }

    /// Takes the name of a Secret that is gone out of its account.
    async fn forget(&self, namespace: &str, name: &str, account: &str, uid: &str) -> Result<Next, ApiError> {
        if self.registry.store().index().row(&key(&SECRET, namespace, name)?).is_some() {
            return Ok(Next::Done);
        }
        let mut found = self.registry.get(&SERVICE_ACCOUNT, namespace, account)?;
        if !uid.is_empty() && uid != text(&found, "/metadata/uid") {
            return Ok(Next::Done);
        }
        let Some(listed) = found["secrets"].as_array_mut() else { return Ok(Next::Done) };
        let before = listed.len();
        listed.retain(|secret| text(secret, "/name") != name);
        if listed.len() == before {
            return Ok(Next::Done);
        }
        match self.registry.update(&SERVICE_ACCOUNT, namespace, account, found, Write::default()).await {
            Err(ApiError::Conflict(..)) => Ok(Next::Again),
            other => other.map(|_| Next::Done),
        }
    }
}

/// The Secret with all that it lacks; it still has its version, so that a change meanwhile is a conflict.
pub(super) fn filled(tokens: &Tokens, ca_pem: &str, secret: &Value, uid: Uuid) -> Result<Value, ApiError> {
    let (namespace, name) = (text(secret, "/metadata/namespace"), text(secret, "/metadata/name"));
    let account = annotation(secret, ACCOUNT_NAME_ANNOTATION);
    let uid = uid.hyphenated().to_string();
    let mut filled = secret.clone();
    if !filled["data"].is_object() {
        filled["data"] = json!({});
    }
    filled["data"]["ca.crt"] = json!(STANDARD.encode(ca_pem.as_bytes()));
    if text(secret, "/data/namespace").is_empty() {
        filled["data"]["namespace"] = json!(STANDARD.encode(namespace));
    }
    if text(secret, "/data/token").is_empty() {
        let claims = LegacyClaims {
            subject: account_username(namespace, account),
            namespace: namespace.to_owned(),
            secret: name.to_owned(),
            account: account.to_owned(),
            account_uid: uid.clone(),
            audiences: Vec::new(),
        };
        let token = legacy(tokens, &claims).map_err(|e| ApiError::Internal(e.to_string()))?;
        filled["data"]["token"] = json!(STANDARD.encode(token.expose()));
    }
    filled["metadata"]["annotations"][ACCOUNT_UID_ANNOTATION] = json!(uid);
    Ok(filled)
}

fn annotation<'a>(object: &'a Value, name: &str) -> &'a str {
    object["metadata"]["annotations"][name].as_str().unwrap_or("")
}

fn held<'a>(secret: &'a Value, ca_pem: &str) -> Held<'a> {
    let there = |key: &str| secret["data"][key].as_str().is_some_and(|value| !value.is_empty());
    Held {
        account_uid: annotation(secret, ACCOUNT_UID_ANNOTATION),
        certificate: secret["data"]["ca.crt"] == STANDARD.encode(ca_pem.as_bytes()),
        namespace: there("namespace"),
        token: there("token"),
    }
}

fn secret_item(key: &Key) -> Item {
    let (_, namespace, name) = key.parts();
    Item::Secret { namespace: namespace.to_owned(), name: name.to_owned() }
}

impl Controller for TokenSecret {
    type Item = Item;
    const NAME: &'static str = "token_secret";

    fn prefixes(&self) -> (Prefix, Option<Prefix>) {
        (Key::prefix_all(SECRET.stored_as), Some(Key::prefix_all(SERVICE_ACCOUNT.stored_as)))
    }

    fn all(&self) -> Vec<Item> {
        self.secrets(&Key::prefix_all(SECRET.stored_as), None)
    }

    fn touched(&self, event: &Event) -> Vec<Item> {
        let (resource, namespace, name) = event.key.parts();
        if resource == SERVICE_ACCOUNT.stored_as {
            // A change of an account does not change which Secrets are its own.
            if event.kind == EventKind::Modified {
                return Vec::new();
            }
            return self.secrets(&Key::prefix_ns(SECRET.stored_as, namespace), Some(name));
        }
        if event.kind != EventKind::Deleted {
            return vec![secret_item(&event.key)];
        }
        let Ok(last) = serde_json::from_slice::<Value>(&event.body) else { return Vec::new() };
        if text(&last, "/type") != TOKEN_TYPE {
            return Vec::new();
        }
        vec![Item::Gone {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            account: annotation(&last, ACCOUNT_NAME_ANNOTATION).to_owned(),
            uid: annotation(&last, ACCOUNT_UID_ANNOTATION).to_owned(),
        }]
    }

    async fn work(&self, item: &Item) -> Result<Next, ApiError> {
        match item {
            Item::Secret { namespace, name } => self.look(namespace, name).await,
            Item::Gone { namespace, name, account, uid } => self.forget(namespace, name, account, uid).await,
        }
    }
}
