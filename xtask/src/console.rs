//! The one place that prints. A chore's terminal may be a closed pipe, which is no reason to panic.

use std::io::Write;

/// Writes one line to standard output and lets it out at once, so that progress shows in a log.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
