//! The page of releases, from the table that decides.

use jeton_core::release::{FEATURES, Feature, NEWEST, OLDEST, Stage};
use std::fmt::Write;

/// Every gate and every version.
pub(crate) fn page() -> String {
    let mut out = format!(
        "# Releases\n\n`--emulated-version` takes 1.{OLDEST} to 1.{NEWEST}; `--feature-gates` switches a gate where it is known and not locked.\n\n| feature gate | what | on by default | locked on | switch known | source |\n|---|---|---|---|---|---|\n"
    );
    for row in &FEATURES {
        let (on, locked) = (first_on(row), first_locked(row));
        let locked = locked.map_or("-".to_owned(), |minor| format!("1.{minor}"));
        let (name, effect, source) = (row.name, row.effect, row.source);
        // Writing to memory has no way to fail.
        let _ = writeln!(out, "| `{name}` | {effect} | {on} | {locked} | {} | {source} |", known(row));
    }
    out.push_str("\nBeside the gates: `--service-account-extend-token-expiration` is on by default from 1.20 on (Kubernetes #96273);\n`kubectl get serviceaccounts` has the column SECRETS until 1.34 (Kubernetes #117160); `/version` tells the release.\n");
    out
}

fn first_on(row: &Feature) -> String {
    let first = (OLDEST..=NEWEST).find(|minor| row.default_at(*minor));
    first.map_or("-".to_owned(), |minor| format!("1.{minor}"))
}

fn first_locked(row: &Feature) -> Option<u16> {
    row.steps.iter().find(|step| step.stage == Stage::Ga).map(|step| step.since)
}

/// The versions whose command line knows the gate.
fn known(row: &Feature) -> String {
    let first = row.steps.first().map_or(OLDEST, |step| step.since.max(OLDEST));
    format!("1.{first} to 1.{}", row.last.unwrap_or(NEWEST))
}
