//! Request bodies: bounded in size, time and memory taken together.

use crate::status::ApiError;
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of one request's body. Kubernetes 1.36: 3 MiB.
pub(super) const MAX_BODY_BYTES: usize = 3 * 1024 * 1024;
/// Bytes of all bodies that are read at the same time; more clients wait.
pub(super) const MAX_BODIES_BYTES: usize = 64 * 1024 * 1024;
/// Seconds in which a body must have arrived, waiting for room included.
pub(super) const BODY_SECONDS: u64 = 30;
/// Bytes of a body that is too large which are read and dropped, so that its sender gets to see the refusal.
const MAX_DRAINED_BYTES: usize = 16 * 1024 * 1024;
/// Seconds for that.
const DRAIN_SECONDS: u64 = 5;
/// A body below this many bytes needs no room reserved.
const SMALL_BYTES: usize = 16 * 1024;
/// Bytes of one permit.
const UNIT: usize = 1024;

/// Room for the bodies that are being read.
#[derive(Debug, Clone)]
pub(super) struct Room(Arc<Semaphore>);

/// A body, and the room it takes while it lives.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_BODIES_BYTES / UNIT)))
    }
}

/// Reads and drops; a sender that is slow or lies about the length is cut off all the same.
async fn drain<B>(body: B)
where
    B: http_body::Body<Data = Bytes> + Send,
{
    let mut body = std::pin::pin!(body);
    let mut left = MAX_DRAINED_BYTES;
    let read = async {
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                break;
            }
        }
    };
    // Whatever was not read by then is not waited for.
    let _ = tokio::time::timeout(Duration::from_secs(DRAIN_SECONDS), read).await;
}

impl Room {
    /// Reads a whole body.
    ///
    /// # Errors
    /// TooLarge, Timeout, or BadRequest when it breaks off.
    pub(super) async fn read<B>(&self, headers: &HeaderMap, body: B) -> Result<Read, ApiError>
    where
        B: http_body::Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let announced = headers.get(CONTENT_LENGTH).and_then(|l| l.to_str().ok()?.parse::<usize>().ok());
        let size = announced.unwrap_or(if body.is_end_stream() { 0 } else { MAX_BODY_BYTES });
        if size > MAX_BODY_BYTES {
            if size <= MAX_DRAINED_BYTES {
                drain(body).await;
            }
            return Err(ApiError::TooLarge(MAX_BODY_BYTES));
        }
        let slow = || ApiError::Timeout(format!("the request's body did not arrive within {BODY_SECONDS} s"));
        let read = async {
            let room = if size > SMALL_BYTES {
                let units = u32::try_from(size.div_ceil(UNIT)).unwrap_or(u32::MAX);
                Some(self.0.clone().acquire_many_owned(units).await.map_err(|_| slow())?)
            } else {
                None
            };
            let collected = Limited::new(body, MAX_BODY_BYTES).collect().await.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    ApiError::TooLarge(MAX_BODY_BYTES)
                } else {
                    ApiError::BadRequest("the request's body broke off".to_owned())
                }
            })?;
            Ok(Read { bytes: collected.to_bytes(), _room: room })
        };
        tokio::time::timeout(Duration::from_secs(BODY_SECONDS), read).await.unwrap_or_else(|_| Err(slow()))
    }
}
