//! `jeton doctor cluster`, `collect` and `rbac`: clusters and bundles → facts.

use super::output;
use super::parts::Parts;
use crate::args_doctor_cluster::{ClusterArgs, Clusters, CollectArgs, RbacArgs, Sources};
use crate::process::cluster_api::Kubeconfig;
use crate::process::{self, Failure, client};
use jeton_doctor::collect::bundle;
use jeton_doctor::collect::cluster::{self, Outcome, Settings};
use jeton_doctor::facts::{Cluster, Facts, Source};
use jeton_doctor::knowledge::Knowledge;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// No cluster could be read.
const NOTHING_READ: u8 = 2;
/// Name of a bundle in a directory.
const BUNDLE: &str = "bundle.json";

/// `doctor cluster`: facts, judged.
pub(super) fn run(args: &ClusterArgs) -> Result<ExitCode, Failure> {
    let knowledge = output::knowledge(&args.common)?;
    if args.sources.from.is_empty() {
        // A minute of asking is long to wait for a word about the command line.
        let mut parts = Parts::named(contexts(&args.sources.clusters)?.1);
        parts.check("--audit-log", &args.audit_log)?;
        parts.read_addons(&args.addons)?;
    }
    let facts = facts(&args.sources, &knowledge)?;
    if args.facts {
        process::say(&text(&facts)?)?;
        return Ok(verdict(&facts));
    }
    let mut parts = Parts::of(facts);
    parts.read_logs(("--audit-log", &args.audit_log, false), false, None)?;
    parts.read_addons(&args.addons)?;
    output::finish(parts.into_facts(), &args.common, process::clock().now())
}

/// `doctor rbac`.
pub(super) fn rbac(args: &RbacArgs) -> Result<ExitCode, Failure> {
    process::say(jeton_doctor::rbac::manifests(args.with_secrets).trim_end())?;
    Ok(ExitCode::SUCCESS)
}

/// `doctor collect`.
pub(super) fn collect(args: &CollectArgs) -> Result<ExitCode, Failure> {
    let knowledge = Knowledge::built_in().map_err(|e| Failure::of(&e))?;
    let facts = ask(&args.clusters, &knowledge)?;
    let path = place(&args.out)?;
    write(&path, &text(&facts)?).map_err(|e| Failure::of(&e).at(&path))?;
    process::say(&path.display().to_string())?;
    Ok(verdict(&facts))
}

fn text(facts: &Facts) -> Result<String, Failure> {
    bundle::write(facts, process::clock().now()).map_err(|e| Failure::of(&e))
}

fn verdict(facts: &Facts) -> ExitCode {
    let read = facts.sources.iter().any(|source| source.error.is_none());
    if read { ExitCode::SUCCESS } else { ExitCode::from(NOTHING_READ) }
}

/// Facts of clusters, or of bundles.
fn facts(args: &Sources, knowledge: &Knowledge) -> Result<Facts, Failure> {
    if args.from.is_empty() {
        return ask(&args.clusters, knowledge);
    }
    let mut facts = Facts::default();
    for path in &args.from {
        let path = if path.is_dir() { path.join(BUNDLE) } else { path.clone() };
        let file = File::open(&path).map_err(|e| Failure::of(&e).at(&path))?;
        for (mut cluster, mut source) in bundle::read(file).map_err(|e| Failure::of(&e).at(&path))? {
            if facts.clusters.iter().any(|known| known.name == cluster.name) {
                // Most kubeconfigs have the same few names.
                cluster.name = format!("{} ({})", cluster.name, path.display());
                source.name.clone_from(&cluster.name);
            }
            facts.clusters.push(cluster);
            facts.sources.push(source);
        }
    }
    Ok(facts)
}

/// The kubeconfig, and the contexts that are meant.
fn contexts(args: &Clusters) -> Result<(Kubeconfig, Vec<String>), Failure> {
    let kubeconfig = Kubeconfig::read(&client::find(args.kubeconfig.as_ref())?)?;
    let contexts = kubeconfig.contexts(&args.context)?;
    Ok((kubeconfig, contexts))
}

/// Asks every context at the same time: one that is slow or gone does not hold the others.
fn ask(args: &Clusters, knowledge: &Knowledge) -> Result<Facts, Failure> {
    let (kubeconfig, contexts) = contexts(args)?;
    let mut releases: Vec<String> =
        knowledge.addons.iter().filter_map(|addon| addon.release.clone()).collect();
    releases.sort_unstable();
    releases.dedup();
    let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
        let one = |context: String| {
            let settings = Settings { name: context, qps: args.qps, releases: releases.clone() };
            let kubeconfig = &kubeconfig;
            scope.spawn(move || examine(kubeconfig, &settings))
        };
        let running: Vec<_> = contexts.into_iter().map(one).collect();
        running.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let mut facts = Facts::default();
    for outcome in outcomes {
        facts.clusters.push(outcome.cluster);
        facts.sources.push(outcome.source);
    }
    Ok(facts)
}

fn examine(kubeconfig: &Kubeconfig, settings: &Settings) -> Outcome {
    let begun = Instant::now();
    let outcome = match kubeconfig.cluster(&settings.name) {
        Ok(mut api) => cluster::collect(&mut api, settings),
        Err(failure) => Outcome {
            cluster: Cluster { name: settings.name.clone(), ..Cluster::default() },
            source: Source { name: settings.name.clone(), error: Some(failure.message), ..Source::default() },
            requests: 0,
        },
    };
    let Outcome { cluster, source, requests } = &outcome;
    process::note(&format!(
        "{}: {requests} requests in {:.1} s; {} pods, {} token Secrets, {} API servers",
        settings.name,
        begun.elapsed().as_secs_f64(),
        cluster.pods.len(),
        cluster.secrets.len(),
        cluster.replicas.len(),
    ));
    for gap in &source.missing {
        process::note(&format!("{}: {}: {}", settings.name, gap.id, gap.detail));
    }
    if let Some(error) = &source.error {
        process::note(&format!("{}: could not be read: {error}", settings.name));
    }
    outcome
}

/// The file of a bundle; makes the directory when one is meant.
fn place(out: &Path) -> Result<PathBuf, Failure> {
    let slash = out.as_os_str().as_encoded_bytes().ends_with(b"/");
    if slash && !out.exists() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(out);
        made.map_err(|e| Failure::of(&e).at(out))?;
    }
    Ok(if out.is_dir() { out.join(BUNDLE) } else { out.to_owned() })
}

/// Written whole beside its place, then renamed into it: half a bundle is never seen.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.tmp", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    })();
    if written.is_err() {
        // Nothing to lose: it is half a file at most.
        let _ = std::fs::remove_file(&beside);
    }
    written
}
