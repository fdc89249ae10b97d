//! What an answer consists of: all of it at once, or parts as they come.

use crate::exchange::Exchange;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::Full;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// Parts of an answer that may wait for a slow client; then their maker waits.
pub const MAX_WAITING_PARTS: usize = 16;

/// The body of an answer.
#[derive(Debug)]
pub enum Body {
    /// Known from the start.
    Whole(Full<Bytes>),
    /// Sent as it comes; ends when its sender is gone, and then its exchange is over.
    Parts(mpsc::Receiver<Bytes>, Option<Box<Exchange>>),
}

impl Body {
    /// A body that is known from the start.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self::Whole(Full::new(bytes.into()))
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::Whole(Full::default())
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(context),
            Self::Parts(parts, _) => {
                parts.poll_recv(context).map(|part| part.map(|bytes| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Parts(..) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Parts(..) => SizeHint::default(),
        }
    }
}
