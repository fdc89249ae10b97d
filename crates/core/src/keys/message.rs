//! What a signature is about, hashed once for all who need the hash.
//!
//! Purpose: signing, verifying and remembering a token each begin with a SHA-256 over nearly all of it.
//!
//! Invariant: a [`Mark`] stands for exactly one `header.payload` with one signature, as surely as SHA-256 does.

use aws_lc_rs::digest::{Digest, SHA256, digest};
use std::borrow::Cow;

/// `header.payload` of a token, both base64url.
#[derive(Clone)]
pub struct Message<'a> {
    text: Cow<'a, str>,
    sha256: Digest,
}

/// What a signed message is remembered by: SHA-256 over the message's hash and the signature's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark(pub(crate) [u8; 32]);

impl<'a> Message<'a> {
    /// A message, with its hash.
    pub fn new(text: impl Into<Cow<'a, str>>) -> Self {
        let text = text.into();
        let sha256 = digest(&SHA256, text.as_bytes());
        Self { text, sha256 }
    }

    /// `header.payload`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// `header.payload`, to be continued.
    pub fn into_text(self) -> String {
        self.text.into_owned()
    }

    /// Its SHA-256.
    pub fn sha256(&self) -> &Digest {
        &self.sha256
    }

    /// What it is remembered by together with this signature.
    pub fn mark(&self, signature: &[u8]) -> Mark {
        let hash = digest(&SHA256, &[self.sha256.as_ref(), signature].concat());
        let mut mark = Mark::default();
        mark.0.copy_from_slice(hash.as_ref());
        mark
    }
}

impl std::fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Together with a signature it is a token.
        write!(f, "Message({} bytes)", self.text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_of_one_message_with_one_signature() {
        let mark = |text: &str, signature: &[u8]| Message::new(text).mark(signature);
        assert_eq!(mark("a.b", &[1, 2]), mark("a.b", &[1, 2]));
        for other in [mark("a.c", &[1, 2]), mark("a.b", &[1]), mark("a.b", &[]), mark("", &[1, 2])] {
            assert_ne!(mark("a.b", &[1, 2]), other);
        }
    }

    #[test]
    fn debug_shows_only_the_length() {
        assert_eq!(format!("{:?}", Message::new("eyJ.eyJ")), "Message(7 bytes)");
    }
}
