//! Shell sessions as text: what is typed, what must be printed, and with which exit code.
//!
//! A transcript is Markdown. Prose explains; lines that are indented by four spaces are the session: `$ ` begins a
//! command and `> ` continues it, as in a terminal, and what follows is its output, standard output and standard error
//! as they came. `[3]` at the end says an exit code that is not 0. In expected lines `<*>` stands for any text and a
//! line `...` for any lines; `{old} ` before a command or a line says that only that program runs or prints it.
//!
//! Invariant: output that nobody expected fails, whatever the exit code. Blank lines are not compared, and what differs
//! between two runs (uids, times, ages, widths of columns) is a symbol on both sides.

mod parse;
mod symbols;
mod run;
mod bless;

pub use parse::{Step, parse};
pub use run::{Outcome, Shell};

/// What is wrong with an outcome of a step under a program's name, or nothing.
pub fn judge(step: &Step, program: &str, outcome: &Outcome) -> Option<String> {
    let want = step.expected(program);
    if outcome.code == Some(step.code) && matches(&want, &outcome.lines) {
        return None;
    }
    let show = |lines: &[String]| lines.iter().map(|line| format!("\n      {line}")).collect::<String>();
    let code = outcome.code.map_or("no end in time".to_owned(), |code| format!("exit code {code}"));
    Some(format!(
        "line {}, {program}: {}\n    want exit code {}:{}\n    have {code}:{}",
        step.line,
        step.command,
        step.code,
        show(&want),
        show(&outcome.lines)
    ))
}

/// The transcript with what was printed in place of what was expected, for steps that differ. A person reads the diff.
pub fn blessed(text: &str, steps: &[Step], outcomes: &[(&str, Vec<Option<Outcome>>)]) -> String {
    bless::rewrite(text, steps, outcomes)
}

/// Whether lines are those that are wanted.
fn matches(want: &[String], have: &[String]) -> bool {
    match want.split_first() {
        None => have.is_empty(),
        Some((first, rest)) if first == "..." => {
            (0..=have.len()).any(|skipped| matches(rest, &have[skipped..]))
        }
        Some((first, rest)) => {
            have.split_first().is_some_and(|(line, more)| line_matches(first, line) && matches(rest, more))
        }
    }
}

/// `<*>` stands for any text within a line.
fn line_matches(want: &str, have: &str) -> bool {
    let mut parts = want.split("<*>");
    let Some(rest) = have.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    let mut rest = rest;
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.split('|').filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn wildcards() {
        for (want, have, same) in [
            ("a|b", "a|b", true),
            ("a|b", "a", false),
            ("a", "a|b", false),
            ("...", "", true),
            ("a|...|d", "a|b|c|d", true),
            ("a|...|d", "a|b|c", false),
            ("x<*>y<*>z", "x1y2z", true),
            ("x<*>y<*>z", "x1z", false),
            ("x<*>", "x", true),
            ("<*>x", "wx", true),
            ("<*>x", "wxy", false),
        ] {
            assert_eq!(matches(&lines(want), &lines(have)), same, "{want} {have}");
        }
    }
}
