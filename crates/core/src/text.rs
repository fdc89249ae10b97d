//! Text from elsewhere, before it is shown to people.

/// Whether a character is none to be read: it drives a terminal, or turns the direction of the line.
pub fn is_hidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text that is safe on a terminal: lines and tabs stay, other hidden characters are shown as `\u{fffd}`.
pub fn printable(text: &str) -> String {
    let keeps = |c: char| matches!(c, '\n' | '\t') || !is_hidden(c);
    text.chars().map(|c| if keeps(c) { c } else { '\u{fffd}' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_drives_a_terminal() {
        assert_eq!(
            printable("a\tb\n\u{1b}[2J\u{202e}\u{9b}é\r"),
            "a\tb\n\u{fffd}[2J\u{fffd}\u{fffd}é\u{fffd}"
        );
    }
}
