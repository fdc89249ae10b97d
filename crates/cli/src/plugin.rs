//! `kubectl jeton …`: the same program under the names by which kubectl finds it.
//!
//! kubectl runs `kubectl-jeton` for `kubectl jeton`, and `kubectl_complete-jeton` for what a shell wants to complete behind
//! it. Both are links to the program (`cargo xtask dist` makes them).

use crate::args::Args;
use crate::complete;
use clap::{Command, CommandFactory};
use std::ffi::OsStr;
use std::path::Path;

const PLUGIN: &str = "kubectl-jeton";
const COMPLETER: &str = "kubectl_complete-jeton";
/// As its user types it.
const TYPED: &str = "kubectl jeton";

/// As what the program was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// `jeton`.
    Own,
    /// `kubectl jeton`.
    Plugin,
    /// kubectl wants candidates for a shell.
    Completer,
}

impl Name {
    /// From the first word of the command line.
    pub(crate) fn of(program: Option<&OsStr>) -> Self {
        let file = program.and_then(|program| Path::new(program).file_name());
        match file.and_then(OsStr::to_str) {
            Some(PLUGIN) => Self::Plugin,
            Some(COMPLETER) => Self::Completer,
            _ => Self::Own,
        }
    }

    /// The command line; its help says what is typed.
    pub(crate) fn command(self) -> Command {
        match self {
            Self::Own => Args::command(),
            Self::Plugin | Self::Completer => spoken(Args::command()).bin_name(TYPED),
        }
    }
}

/// What kubectl reads: candidates for the last word, one a line, and what the shell is to do besides.
pub(crate) fn candidates(words: &[String]) -> String {
    let mut root = Name::Completer.command();
    // Subcommands get the flags that all have.
    root.build();
    complete::answer(&root, words)
}

/// Examples as they are typed behind kubectl.
fn spoken(command: Command) -> Command {
    let examples = command.get_after_help().map(|help| examples(&help.to_string()));
    let command = match examples {
        Some(examples) => command.after_help(examples),
        None => command,
    };
    command.mut_subcommands(spoken)
}

fn examples(help: &str) -> String {
    ["  jeton ", "| jeton "]
        .into_iter()
        .fold(help.to_owned(), |text, typed| text.replace(typed, &typed.replace("jeton", TYPED)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_tell_what_is_wanted() {
        for (program, want) in [
            (Some("/usr/bin/kubectl-jeton"), Name::Plugin),
            (Some("kubectl-jeton"), Name::Plugin),
            (Some("./kubectl_complete-jeton"), Name::Completer),
            (Some("/opt/kubectl-jeton/jeton"), Name::Own),
            (Some("jeton"), Name::Own),
            (None, Name::Own),
        ] {
            assert_eq!(Name::of(program.map(OsStr::new)), want, "{program:?}");
        }
    }

    #[test]
    fn help_says_what_is_typed() {
        let mut command = Name::Plugin.command();
        let help = |command: &mut Command, words: &[&str]| {
            command.try_get_matches_from_mut(words).unwrap_err().to_string()
        };
        let audit = help(&mut command, &["/x/kubectl-jeton", "doctor", "audit", "--help"]);
        assert!(audit.contains("Usage: kubectl jeton doctor audit"), "{audit}");
        assert!(audit.contains("\n  kubectl jeton doctor audit --quick"), "{audit}");
        assert!(audit.contains("| kubectl jeton doctor audit -"), "{audit}");
        let top = help(&mut command, &["/x/kubectl-jeton", "--help"]);
        assert!(top.contains("Usage: kubectl jeton <COMMAND>"), "{top}");
        let misuse = help(&mut command, &["/x/kubectl-jeton", "doctor", "autopsy"]);
        assert!(misuse.contains("Usage: kubectl jeton doctor"), "{misuse}");
    }

    #[test]
    fn no_example_is_left_as_it_is_typed_without_kubectl() {
        fn check(command: &Command) {
            let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for line in text.lines().map(str::trim_start) {
                assert!(!line.starts_with("jeton ") && !line.contains("kubectl kubectl"), "{line}");
            }
            command.get_subcommands().for_each(check);
        }
        check(&Name::Plugin.command());
    }
}
