//! Speed and size: builds the shipped binary and the laboratory as users get them, and lets the laboratory measure.

use crate::workspace;
use std::process::{Command, ExitCode};

/// Builds, measures, and fails as the laboratory does.
pub(crate) fn chore(arguments: &[String]) -> Result<ExitCode, String> {
    let build =
        ["build", "--release", "--locked", "-p", "jeton", "-p", "e2e", "--bin", "jeton", "--bin", "bench"];
    let built = workspace::cargo().args(build).status().map_err(|e| format!("cargo: {e}"))?;
    if !built.success() {
        return Err("the release build failed".to_owned());
    }
    let release = workspace::target().join("release");
    let measured = Command::new(release.join("bench"))
        .args(arguments)
        .env("JETON_BIN", release.join("jeton"))
        .status()
        .map_err(|e| format!("bench: {e}"))?;
    Ok(ExitCode::from(measured.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}
