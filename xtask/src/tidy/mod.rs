//! The rules that no compiler checks. Each rule is a function from files (or cargo's graph) to problems,
//! with a test that shows it a bad sample: a rule that cannot fail would be worse than none.
//!
//! Function length and purity of core are clippy's (`clippy.toml`, `crates/core/clippy.toml`).

mod order;
mod text;
mod keys;
mod walls;
mod reasons;
mod translation;

use crate::{console, workspace};
use std::process::ExitCode;

/// One broken rule: where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) place: String,
    pub(crate) message: String,
}

impl Problem {
    fn at(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { place: format!("{path}:{line}"), message: message.into() }
    }

    fn of(path: &str, message: impl Into<String>) -> Self {
        Self { place: path.to_owned(), message: message.into() }
    }
}

/// Every problem of the workspace as it is on disk.
pub(crate) fn problems() -> Result<Vec<Problem>, String> {
    let files = workspace::files()?;
    let mut found = order::check(&files);
    found.extend(text::too_long(&files));
    found.extend(text::leftovers(&files));
    found.extend(text::machine_paths(&files));
    found.extend(keys::check(&files));
    found.extend(reasons::check(&files));
    found.extend(translation::check(&files));
    found.extend(walls::check(&walls::graph()?));
    Ok(found)
}

/// Prints the problems; fails when there is one.
pub(crate) fn chore() -> Result<ExitCode, String> {
    let found = problems()?;
    for problem in &found {
        console::say(&format!("tidy: {}: {}", problem.place, problem.message));
    }
    console::say(&format!("tidy: {} problems", found.len()));
    Ok(if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
