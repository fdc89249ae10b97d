//! Manifests played against one release after another: what each gives their pods, and what must be done in between.
//!
//! Each release is a throw-away world in memory, so nothing depends on a cluster or on time. Left out on purpose: what
//! happens to pods that run while a cluster is upgraded; they keep what they were given until they are made again.

mod judge;
mod manifests;
mod play;
#[cfg(test)]
mod tests;

pub use judge::{Judged, Work};
pub use manifests::{MAX_MANIFEST_BYTES, ManifestError, Manifests, Workload};
pub use play::{ContainerToken, Given, TokenSource};

use crate::world::{WorldError, signer};
use jeton_core::clock::Clock;
use jeton_core::release::{NEWEST, OLDEST};
use serde::Serialize;

/// Steps of Huawei's CCE. Only these are known here.
const CCE: [u16; 4] = [19, 21, 23, 25];

/// Which versions lie between two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Every minor version.
    Kubernetes,
    /// Those of Huawei's CCE: 1.19, 1.21, 1.23, 1.25.
    Cce,
}

/// Why there is no rehearsal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepsError {
    /// A version outside the table.
    #[error("{0:?} is no version that can be rehearsed: 1.{OLDEST} … 1.{NEWEST} are")]
    Version(String),
    /// Backwards, or nowhere.
    #[error("--to must be a later version than --from")]
    Order,
    /// A version that the profile does not have.
    #[error(
        "the profile cce has the versions 1.19, 1.21, 1.23 and 1.25, not {0:?}; without it every version is played"
    )]
    Cce(String),
}

/// The versions to play, oldest first: at least two.
///
/// # Errors
/// [`StepsError`].
pub fn steps(from: &str, to: &str, profile: Profile) -> Result<Vec<u16>, StepsError> {
    let minor = |text: &str| {
        let minor = text.strip_prefix('v').unwrap_or(text).strip_prefix("1.")?.parse::<u16>().ok()?;
        (OLDEST..=NEWEST).contains(&minor).then_some(minor)
    };
    let read = |text: &str| minor(text).ok_or_else(|| StepsError::Version(text.to_owned()));
    let (first, last) = (read(from)?, read(to)?);
    if first >= last {
        return Err(StepsError::Order);
    }
    match profile {
        Profile::Kubernetes => Ok((first..=last).collect()),
        Profile::Cce => {
            for (text, minor) in [(from, first), (to, last)] {
                if !CCE.contains(&minor) {
                    return Err(StepsError::Cce(text.to_owned()));
                }
            }
            Ok(CCE.into_iter().filter(|minor| (first..=last).contains(minor)).collect())
        }
    }
}

/// One step of a workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Such as `1.21`.
    pub from: String,
    /// Such as `1.23`.
    pub to: String,
    /// What it is to the workload.
    #[serde(flatten)]
    pub judged: Judged,
}

/// One workload through all versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rehearsed {
    /// Namespace.
    pub namespace: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Account of its pods.
    pub service_account: String,
    /// Secrets of the manifests with tokens of that account that never end: they stay as they are in every version.
    pub permanent_secrets: Vec<String>,
    /// What must be done although no step is the reason.
    pub work: Vec<Work>,
    /// What each version gives it.
    pub versions: Vec<Given>,
    /// What each step is to it.
    pub steps: Vec<Step>,
}

/// Something that manifests cannot show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Question {
    /// The version before.
    pub from: String,
    /// The version it is about.
    pub to: String,
    /// The question.
    pub text: &'static str,
}

/// A whole rehearsal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// `jeton.dev/v1`.
    pub api_version: &'static str,
    /// `RehearsalReport`.
    pub kind: &'static str,
    /// Which versions lie between.
    pub profile: Profile,
    /// The versions.
    pub versions: Vec<String>,
    /// Whether something must be done before a step.
    pub needs_work: bool,
    /// The workloads, in the order of the manifests.
    pub workloads: Vec<Rehearsed>,
    /// What manifests cannot show.
    pub questions: Vec<Question>,
    /// Documents that play no part.
    pub skipped: Vec<String>,
}

/// Plays manifests through versions, as [`steps`] gives them.
///
/// # Errors
/// [`WorldError`] when a world cannot be made.
pub async fn rehearse(
    manifests: &Manifests,
    minors: &[u16],
    profile: Profile,
    clock: &Clock,
) -> Result<Report, WorldError> {
    let signer = signer()?;
    let mut given: Vec<Vec<Given>> = vec![Vec::new(); manifests.workloads.len()];
    for minor in minors {
        let played = play::play(manifests, *minor, clock.clone(), signer.clone()).await?;
        given.iter_mut().zip(played).for_each(|(all, one)| all.push(one));
    }
    let workloads: Vec<Rehearsed> =
        manifests.workloads.iter().zip(given).map(|(w, all)| rehearsed(manifests, w, all, minors)).collect();
    let version = |minor: &u16| format!("1.{minor}");
    let pairs = || minors.iter().zip(minors.iter().skip(1));
    let questions = pairs().flat_map(|(from, to)| {
        let ask = move |text| Question { from: version(from), to: version(to), text };
        judge::questions(*from, *to).into_iter().map(ask)
    });
    Ok(Report {
        api_version: "jeton.dev/v1",
        kind: "RehearsalReport",
        profile,
        versions: minors.iter().map(version).collect(),
        needs_work: workloads.iter().any(Rehearsed::needs_work),
        questions: questions.collect(),
        workloads,
        skipped: manifests.skipped.clone(),
    })
}

fn rehearsed(manifests: &Manifests, workload: &Workload, versions: Vec<Given>, minors: &[u16]) -> Rehearsed {
    let pairs = versions.iter().zip(versions.iter().skip(1)).zip(minors.iter().zip(minors.iter().skip(1)));
    let steps = pairs.map(|((before, after), (from, to))| Step {
        from: before.version.clone(),
        to: after.version.clone(),
        judged: judge::step(manifests, workload, before, after, (*from, *to)),
    });
    Rehearsed {
        namespace: workload.namespace.clone(),
        kind: workload.kind.clone(),
        name: workload.name.clone(),
        service_account: workload.account().to_owned(),
        permanent_secrets: judge::permanent(manifests, workload),
        work: versions.first().and_then(judge::first).into_iter().collect(),
        steps: steps.collect(),
        versions,
    }
}

impl Rehearsed {
    /// Whether something must be done.
    pub fn needs_work(&self) -> bool {
        !self.work.is_empty() || self.steps.iter().any(|step| !step.judged.work.is_empty())
    }
}

impl TokenSource {
    /// The source in words.
    pub fn words(&self) -> String {
        judge::words(self)
    }
}
