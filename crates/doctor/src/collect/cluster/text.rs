//! Foreign text is cut and cleaned when it comes in, so that nothing later has to.

use crate::limits::MAX_TEXT_BYTES;
use jeton_core::text::is_hidden;

/// At most `max` bytes; control characters, which can drive a terminal, become spaces.
pub fn clean(text: &str, max: usize) -> String {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].replace(is_hidden, " ")
}

/// A name.
pub fn name(text: &str) -> String {
    clean(text, MAX_TEXT_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_at_a_character_and_cannot_drive_a_terminal() {
        assert_eq!(clean("añb", 2), "a");
        assert_eq!(clean("a\u{1b}[2Jb\n\u{202e}c", 99), "a [2Jb  c");
        assert_eq!(clean("web", 99), "web");
    }
}
