//! The pages of the reference that come from types of this program: what can be typed, exit codes, first roles.
//!
//! Printed by a hidden command for `cargo xtask generate`, so that the pages cannot say what the program does not do.

use crate::args::Args;
use crate::process::{self, Failure};
use clap::{Arg, Command, CommandFactory, ValueEnum};
use jeton_authority::access::bootstrap;
use serde_json::Value;
use std::fmt::Write;
use std::process::ExitCode;

/// One page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Page {
    /// Commands, flags and exit codes.
    Commands,
    /// Roles and bindings of a fresh server.
    Roles,
    /// Kubernetes versions and their feature gates.
    Releases,
    /// What the doctor may find.
    Findings,
    /// What the doctor knows of libraries, add-ons and vendors.
    Knowledge,
}

/// Exit codes of one command: the command, then code and meaning.
type Exits = (&'static str, &'static [(u8, &'static str)]);

const MISUSE: (u8, &str) = (64, "the command line or the environment makes no sense");
const SERVES: &[(u8, &str)] =
    &[(0, "ended by SIGTERM or SIGINT"), (1, "could not start; standard error says why"), MISUSE];
const ASKS: &[(u8, &str)] = &[(0, "done"), (1, "the server refused, or could not be asked"), MISUSE];

const JUDGES: &[(u8, &str)] = &[
    (0, "nothing at or above `--fail-on`"),
    (1, "findings, or a kubeconfig, bundle or knowledge file cannot be used"),
    (2, "a source that `--require` names could not be read"),
    MISUSE,
];

/// Every command has its line; a test holds this against what can be typed.
const EXITS: &[Exits] = &[
    ("jeton serve", SERVES),
    ("jeton up", SERVES),
    (
        "jeton run",
        &[
            (0, "the program ended with 0; every other code of its own is passed on, too"),
            (64, "the command line or the environment makes no sense"),
            (125, "Jeton's own failure: no pod, no token, or the keeper was killed"),
            (126, "the program cannot be started"),
            (127, "the program is not there"),
            (128, "and the number of the signal that killed the program, such as 143"),
        ],
    ),
    ("jeton tour", &[(0, "all of it happened"), (1, "something did not; standard error says what"), MISUSE]),
    ("jeton token create", ASKS),
    ("jeton token inspect", &[(0, "explained"), (1, "the input is no token"), MISUSE]),
    ("jeton token review", &[(0, "accepted"), (1, "refused, or the server could not be asked"), MISUSE]),
    ("jeton token revoke", ASKS),
    ("jeton key list", ASKS),
    ("jeton key rotate", ASKS),
    (
        "jeton legacy plan",
        &[
            (0, "the next round changes nothing"),
            (1, "the next round marks or deletes a Secret"),
            (2, "the cluster could not be read"),
            MISUSE,
        ],
    ),
    (
        "jeton agent",
        &[
            (0, "asked to end, and ended; the files stay"),
            (1, "it could not start or go on; standard error says why"),
            MISUSE,
        ],
    ),
    ("jeton node add", &[(0, "written"), (1, "the kubeconfig could not be made or written"), MISUSE]),
    ("jeton doctor audit", JUDGES),
    ("jeton doctor demo", JUDGES),
    ("jeton doctor cluster", JUDGES),
    (
        "jeton doctor collect",
        &[
            (0, "written"),
            (1, "the kubeconfig or the place cannot be used"),
            (2, "no cluster could be read"),
            MISUSE,
        ],
    ),
    ("jeton doctor rbac", &[(0, "printed"), MISUSE]),
    (
        "jeton rehearse",
        &[
            (0, "no step needs work"),
            (1, "a step needs work"),
            (2, "the manifests cannot be read or played"),
            MISUSE,
        ],
    ),
    ("jeton completion", &[(0, "written"), MISUSE]),
];

/// Prints a page as Markdown.
pub(crate) fn run(page: Page) -> Result<ExitCode, Failure> {
    let text = match page {
        Page::Commands => commands(),
        Page::Roles => roles(),
        Page::Releases => crate::reference_releases::page(),
        Page::Findings => crate::reference_doctor::findings(),
        Page::Knowledge => crate::reference_doctor::knowledge(),
    };
    process::say(text.trim_end())?;
    Ok(ExitCode::SUCCESS)
}

/// Every command that does something, by its whole name, in the order of the help.
fn leaves(command: &Command, before: &str, found: &mut Vec<(String, Command)>) {
    let name = if before.is_empty() {
        command.get_name().to_owned()
    } else {
        format!("{before} {}", command.get_name())
    };
    let below = command.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help");
    if command.has_subcommands() {
        below.for_each(|c| leaves(c, &name, found));
    } else {
        found.push((name, command.clone()));
    }
}

fn all() -> Vec<(String, Command)> {
    let mut found = Vec::new();
    leaves(&Args::command(), "", &mut found);
    found
}

fn commands() -> String {
    let mut out = "# Commands, flags and exit codes\n".to_owned();
    for (name, command) in all() {
        let about =
            command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
        // Writing to memory has no way to fail, here and below.
        let _ = write!(out, "\n## {name}\n\n{}\n", about.trim_end());
        let rows: String = command.get_arguments().filter(|a| !a.is_hide_set()).filter_map(flag).collect();
        if !rows.is_empty() {
            let _ = write!(out, "\n| argument | default | what |\n|---|---|---|\n{rows}");
        }
        out.push_str("\n| exit code | when |\n|---|---|\n");
        for (code, when) in EXITS.iter().filter(|(of, _)| *of == name).flat_map(|(_, codes)| *codes) {
            let _ = writeln!(out, "| {code} | {when} |");
        }
        if let Some(after) = command.get_after_help() {
            let _ = write!(out, "\n```text\n{}\n```\n", after.to_string().trim_end());
        }
    }
    out
}

/// A row of the table of arguments.
fn flag(arg: &Arg) -> Option<String> {
    if matches!(arg.get_id().as_str(), "help" | "version") {
        return None;
    }
    let value = arg
        .get_value_names()
        .map(|names| names.join(" "))
        .unwrap_or_else(|| arg.get_id().to_string().to_uppercase());
    let takes = arg.get_action().takes_values();
    let name = match (arg.get_short(), arg.get_long()) {
        (_, None) => value,
        (short, Some(long)) => {
            let short = short.map(|c| format!("-{c}, ")).unwrap_or_default();
            format!("{short}--{long}{}", if takes { format!(" {value}") } else { String::new() })
        }
    };
    let defaults: Vec<String> =
        arg.get_default_values().iter().map(|v| format!("`{}`", v.to_string_lossy())).collect();
    let default = if arg.is_required_set() { "required".to_owned() } else { defaults.join(" ") };
    let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
    let values: Vec<String> = arg
        .get_possible_values()
        .iter()
        .filter(|v| !v.is_hide_set())
        .map(|v| format!("`{}`", v.get_name()))
        .collect();
    let help = cell(&help);
    let values = if takes && !values.is_empty() {
        let stop = if help.ends_with('.') { "" } else { "." };
        format!("{stop} One of {}.", values.join(", "))
    } else {
        String::new()
    };
    Some(format!("| `{name}` | {default} | {help}{values} |\n"))
}

/// Text that stays in its cell.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

fn roles() -> String {
    let mut out = "# Roles and bindings of a fresh server\n\nNames are Kubernetes 1.36's. A later start puts them right again, except where the annotation\n`rbac.authorization.kubernetes.io/autoupdate` is `false`.\n\n| cluster role | bound to | verbs | API groups | resources or paths |\n|---|---|---|---|---|\n".to_owned();
    let bound: Vec<Value> = bootstrap::bindings();
    for role in bootstrap::roles() {
        let name = role["metadata"]["name"].as_str().unwrap_or("");
        let of = |b: &&Value| b["roleRef"]["name"] == name;
        let subjects = bound.iter().filter(of).flat_map(|b| b["subjects"].as_array().into_iter().flatten());
        let groups = list(subjects.map(|s| s["name"].clone()).collect::<Vec<_>>().iter());
        for rule in role["rules"].as_array().into_iter().flatten() {
            let column = |key: &str| list(rule[key].as_array().into_iter().flatten());
            let what =
                if rule["resources"].is_null() { column("nonResourceURLs") } else { column("resources") };
            let (verbs, api) = (column("verbs"), column("apiGroups"));
            let _ = writeln!(out, "| `{name}` | {groups} | {verbs} | {api} | {what} |");
        }
    }
    out
}

fn list<'a>(values: impl Iterator<Item = &'a Value>) -> String {
    let shown = |v: &Value| match v.as_str() {
        Some("") => "core".to_owned(),
        text => format!("`{}`", text.unwrap_or_default()),
    };
    values.map(shown).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_its_exit_codes_and_no_other() {
        let commands: Vec<String> = all().into_iter().map(|(name, _)| name).collect();
        let listed: Vec<&str> = EXITS.iter().map(|(name, _)| *name).collect();
        assert_eq!(commands, listed);
        for (name, codes) in EXITS {
            assert_eq!(codes.first().map(|(code, _)| *code), Some(0), "{name}: 0 is fine");
            assert!(codes.contains(&MISUSE), "{name}");
        }
    }

    #[test]
    fn pages_hold_what_they_are_about() {
        let page = commands();
        for text in
            ["## jeton serve", "`--data-dir DIR` | required |", "`-o, --output OUTPUT` | `text` |", "| 64 |"]
        {
            assert!(page.contains(text), "{text}\n{page}");
        }
        assert!(!page.contains("reference"), "the command for this page is hidden");
        assert!(roles().contains("| `cluster-admin` | `system:masters` | `*` |"), "{}", roles());
    }
}
