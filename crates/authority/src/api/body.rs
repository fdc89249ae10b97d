//! Request bodies: bounded in size, time and memory taken together.

use crate::status::ApiError;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of one request's body. Kubernetes 1.36: 3 MiB.
pub(super) const MAX_BODY_BYTES: usize = 3 * 1024 * 1024;
/// Bytes of all bodies that are read at the same time; more clients wait.
pub(super) const MAX_BODIES_BYTES: usize = 64 * 1024 * 1024;
/// Seconds in which a body must have arrived, waiting for room included.
pub(super) const BODY_SECONDS: u64 = 30;
/// Seconds that a body which has begun to arrive waits for room.
const ROOM_SECONDS: u64 = 5;
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
        let mut read = std::pin::pin!(self.collect(body));
        if let Some(read) = soon(read.as_mut()).await {
            return read;
        }
        let read = tokio::time::timeout(Duration::from_secs(BODY_SECONDS), read);
        read.await.unwrap_or_else(|_| Err(slow()))
    }

    /// Room is taken as bytes arrive: what a client only announces holds nobody up.
    async fn collect<B>(&self, body: B) -> Result<Read, ApiError>
    where
        B: http_body::Body<Data = Bytes> + Send,
    {
        let mut body = std::pin::pin!(body);
        let (mut whole, mut room) = (BytesMut::new(), None::<OwnedSemaphorePermit>);
        while let Some(frame) = body.frame().await {
            let broken = |_| ApiError::BadRequest("the request's body broke off".to_owned());
            let Ok(part) = frame.map_err(broken)?.into_data() else { continue };
            let size = whole.len().saturating_add(part.len());
            if size > MAX_BODY_BYTES {
                return Err(ApiError::TooLarge(MAX_BODY_BYTES));
            }
            let (has, wants) = (room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits), units(size));
            if wants > has {
                let more = self.more(wants - has).await?;
                match &mut room {
                    Some(room) => room.merge(more),
                    None => room = Some(more),
                }
            }
            if whole.is_empty() && body.is_end_stream() {
                return Ok(Read { bytes: part, _room: room });
            }
            // Copied, not kept: a client may send its bytes in as many parts as there are bytes.
            whole.extend_from_slice(&part);
        }
        Ok(Read { bytes: whole.freeze(), _room: room })
    }

    /// Waits a while for room. Bodies that each have a part and wait for more must not wait for each other for long.
    async fn more(&self, units: usize) -> Result<OwnedSemaphorePermit, ApiError> {
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let more = self.0.clone().acquire_many_owned(units);
        match tokio::time::timeout(Duration::from_secs(ROOM_SECONDS), more).await {
            Ok(Ok(more)) => Ok(more),
            Ok(Err(_)) | Err(_) => Err(ApiError::TooManyRequests(1)),
        }
    }
}

/// What a future comes to within two looks; `None`: it takes longer. The first look tells the connection that its body
/// is wanted, and most bodies are there by the second: a timer for each would cost more than reading it.
async fn soon<T>(mut future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    let mut looked = false;
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if looked => Poll::Ready(None),
        Poll::Pending => {
            looked = true;
            context.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await
}

/// Permits for a body of so many bytes.
fn units(bytes: usize) -> usize {
    if bytes > SMALL_BYTES { bytes.div_ceil(UNIT) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use std::task::Context;

    /// So many parts of so many bytes, and then its end or nothing more for ever.
    struct Sender(usize, usize, bool);

    impl http_body::Body for Sender {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
            match (self.0, self.2) {
                (0, true) => Poll::Ready(None),
                (0, false) => Poll::Pending,
                _ => {
                    self.0 -= 1;
                    Poll::Ready(Some(Ok(http_body::Frame::data(vec![b'x'; self.1].into()))))
                }
            }
        }
    }

    async fn read(room: &Room, announced: usize, sender: Sender) -> Result<usize, ApiError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_LENGTH, announced.into());
        room.read(&headers, sender).await.map(|read| read.bytes.len())
    }

    #[tokio::test(start_paused = true)]
    async fn clients_that_announce_much_and_send_little_hold_nobody_up() {
        let room = Room::default();
        for _ in 0..1000 {
            let room = room.clone();
            tokio::spawn(async move { read(&room, MAX_BODY_BYTES, Sender(1, SMALL_BYTES, false)).await });
        }
        tokio::task::yield_now().await;
        let begun = tokio::time::Instant::now();
        assert_eq!(read(&room, MAX_BODY_BYTES, Sender(48, 64 * 1024, true)).await, Ok(MAX_BODY_BYTES));
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert_eq!(read(&room, 0, Sender(5000, 1, true)).await, Ok(5000), "in many small parts");
    }

    #[tokio::test(start_paused = true)]
    async fn room_ends_and_comes_back() {
        let room = Room::default();
        let most = MAX_BODIES_BYTES / MAX_BODY_BYTES;
        for _ in 0..=most {
            let room = room.clone();
            tokio::spawn(async move { read(&room, MAX_BODY_BYTES, Sender(1, MAX_BODY_BYTES, false)).await });
        }
        tokio::task::yield_now().await;
        assert_eq!(read(&room, 10, Sender(1, 10, true)).await, Ok(10), "small bodies need none");
        let large = || read(&room, MAX_BODY_BYTES, Sender(1, MAX_BODY_BYTES, true));
        assert_eq!(large().await, Err(ApiError::TooManyRequests(1)));
        tokio::time::sleep(Duration::from_secs(BODY_SECONDS)).await;
        assert_eq!(large().await, Ok(MAX_BODY_BYTES));
    }

    #[tokio::test(start_paused = true)]
    async fn too_large_and_too_slow() {
        let room = Room::default();
        let more = Sender(2, MAX_BODY_BYTES, true);
        assert_eq!(read(&room, 0, more).await, Err(ApiError::TooLarge(MAX_BODY_BYTES)));
        let slow = read(&room, 10, Sender(1, 5, false)).await;
        assert!(matches!(slow, Err(ApiError::Timeout(_))), "{slow:?}");
    }
}
