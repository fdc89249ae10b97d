//! Definitions that are going away: first their objects, then they.

use super::Follow;
use crate::objects::delete::{DeleteOptions, Deleted};
use crate::objects::kind::text;
use crate::objects::kinds::{CLEANUP, CUSTOM_RESOURCE_DEFINITION};
use crate::objects::{Kind, ListOptions, Registry, Write};
use crate::status::ApiError;
use crate::store::Key;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Milliseconds until a round that left something is tried again.
const RETRY_MILLIS: u64 = 500;

/// Works for ever.
pub async fn run(registry: Arc<Registry>) {
    let mut definitions = Follow::new(&registry, Key::prefix_all(CUSTOM_RESOURCE_DEFINITION.stored_as));
    loop {
        definitions.changed().await;
        loop {
            match round(&registry).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => tracing::error!(error = error.message(), "custom resource controller"),
            }
            tokio::time::sleep(Duration::from_millis(RETRY_MILLIS)).await;
        }
    }
}

/// How many objects are left of definitions that are going away.
async fn round(registry: &Registry) -> Result<usize, ApiError> {
    let all = registry.list(&CUSTOM_RESOURCE_DEFINITION, "", &ListOptions::default())?;
    let mut left = 0;
    for definition in all.items.iter().filter(|d| d["metadata"]["deletionTimestamp"].is_string()) {
        let (group, plural) = (text(definition, "/spec/group"), text(definition, "/spec/names/plural"));
        let kinds = registry.kinds();
        let here = match kinds.iter().find(|k| k.group == group && k.plural == plural) {
            Some(kind) => delete_all(registry, kind).await?,
            None => 0,
        };
        if here == 0 {
            release(registry, definition.clone()).await?;
        }
        left += here;
    }
    Ok(left)
}

async fn delete_all(registry: &Registry, kind: &Kind) -> Result<usize, ApiError> {
    let mut left = 0;
    let mut after = None;
    loop {
        let options = ListOptions { limit: 500, after, ..ListOptions::default() };
        let page = registry.list(kind, "", &options)?;
        for object in &page.items {
            let (namespace, name) = (text(object, "/metadata/namespace"), text(object, "/metadata/name"));
            match registry.delete(kind, namespace, name, &DeleteOptions::default()).await {
                Ok(Deleted::Marked(_)) => left += 1,
                Ok(Deleted::Gone(_)) | Err(ApiError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(left);
        }
    }
}

/// Lets go of a definition.
async fn release(registry: &Registry, mut definition: Value) -> Result<(), ApiError> {
    let name = text(&definition, "/metadata/name").to_owned();
    if let Some(holders) = definition["metadata"]["finalizers"].as_array_mut() {
        holders.retain(|holder| holder != CLEANUP);
    }
    match registry.update(&CUSTOM_RESOURCE_DEFINITION, "", &name, definition, Write::default()).await {
        // Changed or gone meanwhile: the next round sees it.
        Ok(_) | Err(ApiError::NotFound(_) | ApiError::Conflict(..)) => Ok(()),
        Err(error) => Err(error),
    }
}
