//! `jeton rehearse`: reads manifests, has them played, and prints what was found.

use crate::args::Output;
use crate::args_rehearse::{Rehearse, Steps};
use crate::process::{self, Failure};
use jeton_authority::rehearse::{
    self, MAX_MANIFEST_BYTES, Manifests, Profile, Rehearsed, Report, Work, steps,
};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Directories in directories that are read.
const MAX_DEPTH: usize = 32;

/// Exit 0: no step needs work; 1: one does; 2: it could not be played or shown, so that a script never takes that for
/// work.
pub(crate) fn run(args: &Rehearse) -> Result<ExitCode, Failure> {
    played(args)
        .map_err(|failure| Failure { code: if failure.code == 1 { 2 } else { failure.code }, ..failure })
}

fn played(args: &Rehearse) -> Result<ExitCode, Failure> {
    let profile = match args.profile {
        Steps::Kubernetes => Profile::Kubernetes,
        Steps::Cce => Profile::Cce,
    };
    let minors = steps(&args.from, &args.to, profile).map_err(|e| Failure::misuse(e.to_string()))?;
    let manifests = read(args)?;
    if manifests.workloads.is_empty() {
        let what = "no Pod, apps/v1 or batch/v1 object in";
        let paths: Vec<String> = args.filename.iter().map(|p| p.display().to_string()).collect();
        return Err(unplayed(format!("{what} {}", paths.join(", "))));
    }
    // The store asks for threads to block in.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|e| Failure::of(&e))?;
    let played = runtime.block_on(rehearse::rehearse(&manifests, &minors, profile, &process::clock()));
    let report = played.map_err(|e| Failure::of(&e))?;
    match args.output {
        Output::Json => {
            let text = serde_json::to_string_pretty(&report).map_err(|e| Failure::of(&e))?;
            process::say(&text)?;
        }
        Output::Text => lines(&report).iter().try_for_each(|line| process::say(line))?,
    }
    Ok(if report.needs_work { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Manifests that cannot be read or played: exit 1 says that there is work to do, so this is another.
fn unplayed(message: String) -> Failure {
    Failure { code: 2, message }
}

/// The manifests, within bounds.
fn read(args: &Rehearse) -> Result<Manifests, Failure> {
    let mut files = Vec::new();
    for path in &args.filename {
        find(path, args.recursive, MAX_DEPTH, &mut files)?;
    }
    let mut manifests = Manifests::default();
    let mut left = MAX_MANIFEST_BYTES;
    for path in files {
        let name = path.display().to_string();
        let content = content(&path, left)?;
        left -= content.len();
        manifests.add(&name, &content, &args.namespace).map_err(|e| unplayed(e.to_string()))?;
    }
    Ok(manifests)
}

fn find(path: &Path, deeper: bool, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let failed = |e: std::io::Error| unplayed(format!("{}: {e}", path.display()));
    if path.as_os_str() == "-" || !path.metadata().map_err(failed)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let entries: Result<Vec<_>, _> = std::fs::read_dir(path).map_err(failed)?.collect();
    let mut entries: Vec<PathBuf> = entries.map_err(failed)?.iter().map(std::fs::DirEntry::path).collect();
    entries.sort();
    for entry in entries {
        let known = entry.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json");
        if entry.is_dir() {
            if deeper && depth > 0 {
                find(&entry, deeper, depth - 1, files)?;
            }
        } else if known {
            files.push(entry);
        }
    }
    Ok(())
}

fn content(path: &Path, left: usize) -> Result<String, Failure> {
    let failed = |e: std::io::Error| unplayed(format!("{}: {e}", path.display()));
    let limit = u64::try_from(left).unwrap_or(u64::MAX).saturating_add(1);
    let mut text = String::new();
    if path.as_os_str() == "-" {
        std::io::stdin().lock().take(limit).read_to_string(&mut text).map_err(failed)?;
    } else {
        File::open(path).map_err(failed)?.take(limit).read_to_string(&mut text).map_err(failed)?;
    }
    if text.len() > left {
        let most = MAX_MANIFEST_BYTES >> 20;
        return Err(unplayed(format!("{}: more than {most} MiB of manifests", path.display())));
    }
    Ok(text)
}

fn lines(report: &Report) -> Vec<String> {
    let mut out = vec![format!("Played: {}", report.versions.join(" → "))];
    for workload in &report.workloads {
        out.push(String::new());
        out.extend(about(workload));
    }
    if !report.questions.is_empty() {
        out.push("\nWhat manifests cannot show:".to_owned());
        for question in &report.questions {
            out.push(format!("  {} → {}  {}", question.from, question.to, question.text));
        }
    }
    if !report.skipped.is_empty() {
        out.push(format!("\nLeft out: {}", report.skipped.join(", ")));
    }
    let needing = report.workloads.iter().filter(|w| w.needs_work()).count();
    out.push(format!("\n{needing} of {} workloads need work before a step.", report.workloads.len()));
    out
}

fn about(workload: &Rehearsed) -> Vec<String> {
    let Rehearsed { namespace, kind, name, service_account, .. } = workload;
    let mut out = vec![format!("{namespace}/{kind}/{name} (account {service_account})")];
    if let Some(first) = workload.versions.first() {
        for token in &first.tokens {
            out.push(format!("  {}  container {}: {}", first.version, token.container, token.source.words()));
        }
    }
    out.extend(workload.work.iter().flat_map(to_do));
    for secret in &workload.permanent_secrets {
        out.push(format!(
            "  Secret {secret} was made by hand: its token works in every version, without end"
        ));
    }
    for step in &workload.steps {
        let fine = step.judged.changes.is_empty() && step.judged.work.is_empty();
        let first = if fine { "nothing changes" } else { "" };
        out.push(format!("  {} → {}  {first}", step.from, step.to).trim_end().to_owned());
        out.extend(step.judged.changes.iter().map(|change| format!("    {change}")));
        out.extend(step.judged.work.iter().flat_map(to_do));
    }
    out
}

fn to_do(work: &Work) -> [String; 2] {
    [format!("    WORK {}: {}", work.rule, work.shows), format!("         {}", work.remedy)]
}
