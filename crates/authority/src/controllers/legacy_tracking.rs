//! Since when the uses of legacy tokens are written down: one ConfigMap with a day in it, which the cleaner waits by.

use super::{Controller, Next};
use crate::flow::{Used, Uses};
use crate::objects::kinds::{CONFIG_MAP, NAMESPACE, SECRET};
use crate::objects::{Registry, Write};
use crate::status::ApiError;
use crate::store::{Event, Key, Prefix};
use jeton_core::legacy::{LAST_USED_LABEL, SINCE, TRACKING, TRACKING_RECREATE_SECONDS, day, use_is_old};
use jeton_core::time::UnixTime;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};

/// Times a use is written when others write the same Secret.
const USE_ATTEMPTS: u32 = 4;

pub(super) struct Tracking {
    registry: Arc<Registry>,
    created: Mutex<Option<UnixTime>>,
}

impl Tracking {
    pub(super) fn new(registry: Arc<Registry>) -> Self {
        Self { registry, created: Mutex::new(None) }
    }

    /// Whether it may be made now: once in half an hour, so that a quarrel about it costs little.
    fn may_create(&self, now: UnixTime) -> bool {
        let mut created = self.created.lock().unwrap_or_else(PoisonError::into_inner);
        let due = created.is_none_or(|at| now >= at.plus_seconds(TRACKING_RECREATE_SECONDS));
        if due {
            *created = Some(now);
        }
        due
    }
}

/// The day in the ConfigMap, when it is one.
pub(super) fn since(map: &Value) -> Option<&str> {
    map["data"][SINCE].as_str().filter(|text| day(text).is_some())
}

/// Writes down the uses that reviews noted: today's date on each Secret. A failure is logged; the next use tries again.
pub async fn write_uses(registry: &Registry, uses: &Uses) {
    for used in uses.take() {
        if let Err(error) = write_use(registry, &used).await {
            tracing::warn!(
                namespace = used.namespace,
                secret = used.secret,
                error = error.message(),
                "last use"
            );
        }
    }
}

async fn write_use(registry: &Registry, used: &Used) -> Result<(), ApiError> {
    for _ in 0..USE_ATTEMPTS {
        let mut secret = match registry.get(&SECRET, &used.namespace, &used.secret) {
            Err(ApiError::NotFound(_)) => return Ok(()),
            other => other?,
        };
        let now = registry.clock().now();
        if !use_is_old(secret["metadata"]["labels"][LAST_USED_LABEL].as_str(), now) {
            return Ok(());
        }
        secret["metadata"]["labels"][LAST_USED_LABEL] = json!(now.date());
        match registry.update(&SECRET, &used.namespace, &used.secret, secret, Write::default()).await {
            Err(ApiError::Conflict(..)) => {}
            Err(ApiError::NotFound(_)) => return Ok(()),
            other => return other.map(|_| ()),
        }
    }
    Ok(())
}

impl Controller for Tracking {
    type Item = ();
    const NAME: &'static str = "legacy_tracking";

    fn prefixes(&self) -> (Prefix, Option<Prefix>) {
        (Key::prefix_ns(CONFIG_MAP.stored_as, TRACKING.0), Some(Key::prefix_all(NAMESPACE.stored_as)))
    }

    fn all(&self) -> Vec<()> {
        vec![()]
    }

    fn touched(&self, event: &Event) -> Vec<()> {
        let (_, namespace, name) = event.key.parts();
        let ours = (namespace, name) == TRACKING || (namespace, name) == ("", TRACKING.0);
        if ours { vec![()] } else { Vec::new() }
    }

    async fn work(&self, (): &()) -> Result<Next, ApiError> {
        let (namespace, name) = TRACKING;
        let now = self.registry.clock().now();
        match self.registry.get(&CONFIG_MAP, namespace, name) {
            Ok(found) if since(&found).is_some() => {}
            Ok(mut odd) => {
                if !odd["data"].is_object() {
                    odd["data"] = json!({});
                }
                odd["data"][SINCE] = json!(now.date());
                self.registry.update(&CONFIG_MAP, namespace, name, odd, Write::default()).await?;
            }
            Err(ApiError::NotFound(_)) if self.may_create(now) => {
                let map = json!({"metadata": {"name": name}, "data": {SINCE: now.date()}});
                self.registry.create(&CONFIG_MAP, namespace, map, false).await?;
            }
            Err(ApiError::NotFound(_)) => return Ok(Next::Again),
            Err(error) => return Err(error),
        }
        Ok(Next::Done)
    }
}
