//! Token bytes that cannot be printed.
//!
//! Invariant: neither Debug nor any error shows what is inside; there is no Display and no Serialize.
//! The one way out is [`TokenText::expose`], which a reader can search for.

use std::fmt;
use zeroize::Zeroizing;

/// A whole token, wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenText(Zeroizing<String>);

impl TokenText {
    /// Takes over the text of a token.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The bytes themselves, for an HTTP body or a file that holds tokens.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenText({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_only_the_length() {
        let shown = format!("{:?}", TokenText::new("eyJhbGciOiJ.x.y".to_owned()));
        assert_eq!(shown, "TokenText(15 bytes)");
    }
}
