//! Until Kubernetes 1.23: every account has a Secret with a token that nobody asked for, and lists it.
//!
//! Kubernetes 1.23 (tokens_controller.go, ensureReferencedToken): an account that lists a token Secret of its own needs no
//! other; a Secret that could not be listed is deleted again, so that none lies about unlisted.

use super::token_secret::filled;
use super::{Controller, Next};
use crate::flow::Tokens;
use crate::objects::admission::token_secret;
use crate::objects::delete::DeleteOptions;
use crate::objects::kind::text;
use crate::objects::kinds::{SECRET, SERVICE_ACCOUNT, TOKEN_TYPE};
use crate::objects::{Registry, Write};
use crate::status::ApiError;
use crate::store::{Event, EventKind, Key, Prefix};
use jeton_core::legacy::{ACCOUNT_NAME_ANNOTATION, ACCOUNT_UID_ANNOTATION};
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

pub(super) struct AccountSecret {
    registry: Arc<Registry>,
    tokens: Arc<Tokens>,
    ca_pem: Arc<str>,
}

impl AccountSecret {
    pub(super) fn new(registry: Arc<Registry>, tokens: Arc<Tokens>, ca_pem: Arc<str>) -> Self {
        Self { registry, tokens, ca_pem }
    }

    /// A Secret that is whole from its first moment: its name is in its token.
    fn secret(&self, namespace: &str, account: &Value) -> Result<Value, ApiError> {
        let name = text(account, "/metadata/name");
        let uid = Uuid::try_parse(text(account, "/metadata/uid")).unwrap_or_default();
        let secret = json!({
            "metadata": {
                "name": crate::objects::meta::generated(&format!("{name}-token-"), Uuid::new_v4()),
                "namespace": namespace,
                "annotations": {ACCOUNT_NAME_ANNOTATION: name, ACCOUNT_UID_ANNOTATION: text(account, "/metadata/uid")},
            },
            "type": TOKEN_TYPE,
        });
        filled(&self.tokens, &self.ca_pem, &secret, uid)
    }
}

impl Controller for AccountSecret {
    type Item = (String, String);
    const NAME: &'static str = "account_secret";

    fn prefixes(&self) -> (Prefix, Option<Prefix>) {
        (Key::prefix_all(SERVICE_ACCOUNT.stored_as), None)
    }

    fn all(&self) -> Vec<Self::Item> {
        let all = Key::prefix_all(SERVICE_ACCOUNT.stored_as);
        self.registry.store().index().read(|view| view.rows(&all).map(|(key, _)| item(&key)).collect())
    }

    fn touched(&self, event: &Event) -> Vec<Self::Item> {
        // A Secret that is deleted leaves its account's list, which is a change of the account.
        if event.kind == EventKind::Deleted { Vec::new() } else { vec![item(&event.key)] }
    }

    async fn work(&self, (namespace, name): &Self::Item) -> Result<Next, ApiError> {
        let mut account = self.registry.get(&SERVICE_ACCOUNT, namespace, name)?;
        let going = account["metadata"]["deletionTimestamp"].is_string();
        if going || token_secret(&self.registry, namespace, &account)?.is_some() {
            return Ok(Next::Done);
        }
        let secret = self.secret(namespace, &account)?;
        let made = self.registry.create(&SECRET, namespace, secret, false).await?;
        let made_name = text(&made, "/metadata/name");
        match account["secrets"].as_array_mut() {
            Some(listed) => listed.push(json!({"name": made_name})),
            None => account["secrets"] = json!([{"name": made_name}]),
        }
        // The account still has its version, so that a change meanwhile is a conflict.
        match self.registry.update(&SERVICE_ACCOUNT, namespace, name, account, Write::default()).await {
            Ok(_) => Ok(Next::Done),
            Err(error) => {
                self.registry.delete(&SECRET, namespace, made_name, &DeleteOptions::default()).await?;
                if matches!(error, ApiError::Conflict(..)) { Ok(Next::Again) } else { Err(error) }
            }
        }
    }
}

fn item(key: &Key) -> (String, String) {
    let (_, namespace, name) = key.parts();
    (namespace.to_owned(), name.to_owned())
}
