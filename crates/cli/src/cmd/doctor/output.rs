//! From facts to text, tickets and exit code.

use crate::args_doctor::{Common, FailOn, Format, Language};
use crate::process::{Failure, write_out};
use jeton_core::time::UnixTime;
use jeton_doctor::facts::Facts;
use jeton_doctor::knowledge::Knowledge;
use jeton_doctor::knowledge::texts::Lang;
use jeton_doctor::limits::MAX_KNOWLEDGE_BYTES;
use jeton_doctor::render;
use jeton_doctor::report::{Report, Severity};
use jeton_doctor::rules::{Settings, reports};
use std::path::Path;
use std::process::ExitCode;

/// Findings at or above `--fail-on`.
const FINDINGS: u8 = 1;
/// A source that `--require` names could not be read.
const UNREAD: u8 = 2;

pub(crate) fn finish(facts: Vec<Facts>, common: &Common, now: UnixTime) -> Result<ExitCode, Failure> {
    let knowledge = knowledge(common)?;
    let lang = match common.lang {
        Language::En => Lang::En,
        Language::Zh => Lang::Zh,
    };
    let mut settings = Settings::new(now);
    settings.lang = lang;
    if let Some(seconds) = common.extended_lifetime {
        if seconds <= 0 {
            return Err(Failure::misuse("--extended-lifetime must be longer than 0"));
        }
        (settings.extended_lifetime, settings.extended_given) = (seconds, true);
    }
    settings.redact = common.redact;
    let report = reports(&facts, &knowledge, &settings);
    let code = code(&facts, &report, common)?;
    // The text of a long report needs the room.
    drop(facts);
    if let (Some(by), Some(dir)) = (&common.split_by, &common.split_dir) {
        tickets(&report, by, dir, lang)?;
    }
    let text = match common.output {
        Format::Table => render::table(&report, lang),
        Format::Json => render::json(&report),
        Format::Markdown => render::markdown(&report, lang),
        Format::Sarif => render::sarif(&report, lang),
    };
    write_out(&text)?;
    Ok(ExitCode::from(code))
}

/// The tables that ship, and the user's own rows before them.
pub(super) fn knowledge(common: &Common) -> Result<Knowledge, Failure> {
    let mut knowledge = Knowledge::built_in().map_err(|e| Failure::of(&e))?;
    // The first file named wins, so it is put in front last.
    for path in common.knowledge.iter().rev() {
        let name = path.display().to_string();
        let wrong = |e: std::io::Error| Failure::misuse(format!("--knowledge {name}: {e}"));
        if std::fs::metadata(path).map_err(wrong)?.len() > MAX_KNOWLEDGE_BYTES {
            return Err(Failure::misuse(format!(
                "--knowledge {name}: more than {MAX_KNOWLEDGE_BYTES} bytes"
            )));
        }
        let text = std::fs::read_to_string(path).map_err(wrong)?;
        knowledge.extend(&name, &text).map_err(|e| Failure::misuse(format!("--knowledge {e}")))?;
    }
    Ok(knowledge)
}

fn code(facts: &[Facts], report: &Report, common: &Common) -> Result<u8, Failure> {
    let worst = match common.fail_on {
        FailOn::Critical => Some(Severity::Critical),
        FailOn::Warning => Some(Severity::Warning),
        FailOn::Info => Some(Severity::Info),
        FailOn::Never => None,
    };
    let mut sources = facts.iter().flat_map(|facts| &facts.sources);
    for wanted in common.require.iter().filter(|w| *w != "all") {
        if !sources.clone().any(|source| source.name == *wanted) {
            return Err(Failure::misuse(format!(
                "--require {wanted}: there is no such source; all is allowed too"
            )));
        }
    }
    // Severities are declared from the worst to the mildest.
    if worst.is_some_and(|worst| report.findings.iter().any(|finding| finding.severity <= worst)) {
        return Ok(FINDINGS);
    }
    let needed = |name: &String| common.require.iter().any(|w| w == "all" || w == name);
    let unread = sources.any(|source| source.error.is_some() && needed(&source.name));
    Ok(if unread { UNREAD } else { 0 })
}

fn tickets(report: &Report, by: &str, dir: &Path, lang: Lang) -> Result<(), Failure> {
    std::fs::create_dir_all(dir).map_err(|e| Failure::misuse(format!("{}: {e}", dir.display())))?;
    for (name, text) in render::split(report, by, lang) {
        let path = dir.join(name);
        std::fs::write(&path, text).map_err(|e| Failure::misuse(format!("{}: {e}", path.display())))?;
    }
    Ok(())
}
