//! Candidates for the last word of a command line, in the form that kubectl (cobra) reads from its plugins.

use clap::{Arg, Command};

/// Cobra: the shell offers files when there is no candidate.
const FILES: &str = ":0";
/// Cobra: the candidates are all there is.
const NOTHING_ELSE: &str = ":4";

/// Where a command line stands before its last word.
struct Place<'c> {
    command: &'c Command,
    /// The last word is the value of this flag.
    flag: Option<&'c Arg>,
    /// Words so far that are no flags.
    positional: usize,
    /// After `--` nothing is a flag or a command.
    rest: bool,
}

/// Candidates with what they mean behind a tab, one a line, and a line for the shell.
pub(crate) fn answer(root: &Command, words: &[String]) -> String {
    let (last, before) = words.split_last().map_or(("", [].as_slice()), |(l, b)| (l.as_str(), b));
    let place = walk(root, before);
    let (found, closed) = place.candidates(last);
    let mut out: String = found
        .into_iter()
        .filter(|(word, _)| word.starts_with(last))
        .map(|(word, help)| if help.is_empty() { format!("{word}\n") } else { format!("{word}\t{help}\n") })
        .collect();
    out += if closed { NOTHING_ELSE } else { FILES };
    out
}

fn walk<'c>(root: &'c Command, words: &[String]) -> Place<'c> {
    let mut place = Place { command: root, flag: None, positional: 0, rest: false };
    for word in words {
        if place.flag.take().is_some() {
            continue;
        }
        if place.rest {
            place.positional += 1;
        } else if word == "--" {
            place.rest = true;
        } else if let Some(long) = word.strip_prefix("--") {
            place.flag = place.find(|arg| arg.get_long() == Some(long));
        } else if let Some(short) = word.strip_prefix('-').filter(|short| short.chars().count() == 1) {
            place.flag = place.find(|arg| arg.get_short().is_some_and(|own| short.starts_with(own)));
        } else if let Some(next) = place.command.find_subcommand(word).filter(|_| place.positional == 0) {
            place.command = next;
        } else {
            place.positional += 1;
        }
    }
    place
}

impl<'c> Place<'c> {
    /// A flag that has its value in the next word.
    fn find(&self, is: impl Fn(&Arg) -> bool) -> Option<&'c Arg> {
        let takes =
            |arg: &&Arg| arg.get_num_args().map_or(arg.get_action().takes_values(), |n| n.min_values() > 0);
        self.command.get_arguments().find(|arg| is(arg)).filter(takes)
    }

    /// Candidates, and whether there is nothing else that could stand here.
    fn candidates(&self, last: &str) -> (Vec<(String, String)>, bool) {
        if let Some(flag) = self.flag {
            return values(flag, "");
        }
        if self.rest {
            return (Vec::new(), false);
        }
        if let Some((long, _)) = last.strip_prefix("--").and_then(|flag| flag.split_once('=')) {
            let flag = self.find(|arg| arg.get_long() == Some(long));
            return flag.map_or((Vec::new(), true), |flag| values(flag, &format!("--{long}=")));
        }
        if last.starts_with('-') {
            let shown = self.command.get_arguments().filter(|arg| !arg.is_hide_set());
            return (
                shown.filter_map(|arg| Some((format!("--{}", arg.get_long()?), help(arg)))).collect(),
                true,
            );
        }
        let shown = self.command.get_subcommands().filter(|command| !command.is_hide_set());
        let mut found: Vec<(String, String)> = shown
            .map(|command| {
                (
                    command.get_name().to_owned(),
                    command.get_about().map(|a| line(&a.to_string())).unwrap_or_default(),
                )
            })
            .collect();
        let mut closed = !found.is_empty();
        let positional = self.command.get_positionals().nth(self.positional);
        if let Some(arg) = positional.or_else(|| self.command.get_positionals().last()) {
            let (more, all) = values(arg, "");
            closed = all;
            found.extend(more);
        }
        (found, closed)
    }
}

fn values(arg: &Arg, before: &str) -> (Vec<(String, String)>, bool) {
    let shown = arg.get_possible_values().into_iter().filter(|value| !value.is_hide_set());
    let found: Vec<(String, String)> = shown
        .map(|value| {
            let help = value.get_help().map(|help| line(&help.to_string())).unwrap_or_default();
            (format!("{before}{}", value.get_name()), help)
        })
        .collect();
    let closed = !found.is_empty();
    (found, closed)
}

fn help(arg: &Arg) -> String {
    arg.get_help().map(|help| line(&help.to_string())).unwrap_or_default()
}

/// The first sentence: a shell has one line for it.
fn line(text: &str) -> String {
    let text = text.replace(['\n', '\t'], " ");
    text.split_once(". ").map_or(text.as_str(), |(first, _)| first).to_owned()
}

#[cfg(test)]
mod tests {
    use crate::plugin::candidates;

    /// Words alone, and the line for the shell.
    fn offered(words: &[&str]) -> (Vec<String>, String) {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let text = candidates(&words);
        let mut lines: Vec<String> =
            text.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect();
        let directive = lines.pop().unwrap();
        (lines, directive)
    }

    #[test]
    fn each_place_has_its_candidates() {
        let (nothing_else, files) = (":4", ":0");
        for (words, want, directive) in [
            (&["doc"][..], &["doctor"][..], nothing_else),
            (&["doctor", "c"], &["cluster", "collect"], nothing_else),
            (&["doctor", "demo", "--lang", ""], &["en", "zh"], nothing_else),
            (&["doctor", "demo", "--lang=z"], &["--lang=zh"], nothing_else),
            (&["doctor", "demo", "-o", "m"], &["markdown"], nothing_else),
            (&["doctor", "demo", "--lang", "zh", "--fail"], &["--fail-on"], nothing_else),
            (&["doctor", "audit", "--quick", "a"], &[], files),
            (&["doctor", "audit", "--knowledge", ""], &[], files),
            (&["completion", "z"], &["zsh"], nothing_else),
            (&["run", "--", "doc"], &[], files),
            (&["autopsy", "x"], &[], nothing_else),
        ] {
            let (found, line) = offered(words);
            assert_eq!(
                (found.as_slice(), line.as_str()),
                (want.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>().as_slice(), directive),
                "{words:?}"
            );
        }
        let (all, _) = offered(&[]);
        assert!(
            all.contains(&"doctor".to_owned()) && !all.iter().any(|word| word.contains("reference")),
            "{all:?}"
        );
        let text = candidates(&["doctor".to_owned(), "de".to_owned()]);
        assert!(text.starts_with("demo\tReport on a small log that comes with the program"), "{text}");
    }
}
