//! Events go after an hour. Kubernetes 1.36: `--event-ttl` 1h.

use crate::objects::delete::DeleteOptions;
use crate::objects::kind::text;
use crate::objects::kinds::EVENT;
use crate::objects::{ListOptions, Registry};
use crate::status::ApiError;
use jeton_core::time::UnixTime;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Seconds an event is kept after it was last seen.
pub const EVENT_TTL_SECONDS: i64 = 3600;
/// Seconds between two rounds.
const ROUND_SECONDS: u64 = 300;
/// Events read at a time.
const PAGE_ITEMS: usize = 500;

/// Works for ever.
pub async fn run(registry: Arc<Registry>) {
    loop {
        if let Err(error) = round(&registry).await {
            tracing::error!(error = error.message(), "event controller");
        }
        tokio::time::sleep(Duration::from_secs(ROUND_SECONDS)).await;
    }
}

/// Deletes what is too old; gives back how many.
///
/// # Errors
/// When the store fails.
pub async fn round(registry: &Registry) -> Result<usize, ApiError> {
    let now = registry.clock().now();
    let mut deleted = 0;
    let mut after = None;
    loop {
        let options = ListOptions { limit: PAGE_ITEMS, after, ..ListOptions::default() };
        let page = registry.list(&EVENT, "", &options)?;
        for event in page.items.iter().filter(|event| is_old(event, now)) {
            let of = |key: &str| event["metadata"][key].as_str().unwrap_or("");
            // One that was seen again meanwhile has another version, and stays.
            let seen =
                DeleteOptions { version: Some(of("resourceVersion").to_owned()), ..DeleteOptions::default() };
            match registry.delete(&EVENT, of("namespace"), of("name"), &seen).await {
                Ok(_) => deleted += 1,
                Err(ApiError::NotFound(_) | ApiError::Conflict(..)) => {}
                Err(error) => return Err(error),
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(deleted);
        }
    }
}

/// Whether the newest time of an event is too long ago; one without any time is.
fn is_old(event: &Value, now: UnixTime) -> bool {
    let times = ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"];
    let newest = times.iter().filter_map(|at| UnixTime::parse_rfc3339(text(event, at))).max();
    newest.is_none_or(|at| now.seconds() - at.seconds() > EVENT_TTL_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_newest_time_counts() {
        let now = UnixTime::parse_rfc3339("2026-07-25T12:00:00Z").unwrap();
        for (event, old) in [
            (json!({"metadata": {"creationTimestamp": "2026-07-25T11:30:00Z"}}), false),
            (json!({"metadata": {"creationTimestamp": "2026-07-25T10:59:59Z"}}), true),
            (
                json!({"metadata": {"creationTimestamp": "2026-07-25T09:00:00Z"}, "lastTimestamp": "2026-07-25T11:59:00Z"}),
                false,
            ),
            (
                json!({"metadata": {"creationTimestamp": "2026-07-25T09:00:00Z"}, "series": {"lastObservedTime": "2026-07-25T11:59:00.123456Z"}}),
                false,
            ),
            (json!({}), true),
        ] {
            assert_eq!(is_old(&event, now), old, "{event}");
        }
    }
}
