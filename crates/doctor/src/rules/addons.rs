//! Add-ons of vendors whose old versions never read their token again: which are there, in which version, and which
//! workloads are theirs.

use super::case::Case;
use super::hit::{Hit, named, plain};
use super::names::{Kind, Said};
use crate::facts::{Cluster, Facts, Pod};
use crate::knowledge::Knowledge;
use crate::knowledge::addon::Addon;
use std::collections::BTreeSet;

/// Labels by which Helm charts name the release of a pod.
const RELEASE_LABELS: [&str; 2] = ["app.kubernetes.io/instance", "release"];

/// Versions of one add-on in one cluster, from all sources; `None`: there, and not readable.
fn versions(cluster: &Cluster, addon: &Addon) -> BTreeSet<Option<String>> {
    let listed: BTreeSet<Option<String>> = cluster
        .listed
        .iter()
        .filter(|one| one.platform == addon.platform && one.name == addon.name)
        .map(|one| one.version.clone())
        .collect();
    let by_release = cluster.releases.iter().filter(|(name, _)| Some(name) == addon.release.as_ref());
    let by_release = by_release.map(|(_, version)| version.clone());
    let told = by_release.chain(images(cluster, addon.image.as_deref()).map(Some));
    let readable = |version: &Option<String>| judged(addon, version).is_some();
    // One source that can tell is enough: a Secret that may not be read leaves nothing open then, and the other way round.
    if listed.iter().any(readable) {
        return told.filter(readable).chain(listed.iter().filter(|v| readable(v)).cloned()).collect();
    }
    let mut told: BTreeSet<Option<String>> = told.collect();
    if told.is_empty() {
        told.extend(listed);
    }
    told
}

fn judged(addon: &Addon, version: &Option<String>) -> Option<bool> {
    version.as_deref().and_then(|version| addon.affects(version))
}

/// Add-ons that are affected (`Some(true)`), or whose version cannot be read (`None`): one for each cluster, however many
/// of its releases, pods or lists tell it.
pub(super) fn hits(facts: &Facts, knowledge: &Knowledge, wanted: Option<bool>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for cluster in &facts.clusters {
        for addon in &knowledge.addons {
            let all = versions(cluster, addon).into_iter();
            let versions: BTreeSet<_> = all.filter(|version| judged(addon, version) == wanted).collect();
            if versions.is_empty() {
                continue;
            }
            let versions = versions.into_iter().flatten().collect();
            hits.push(Hit {
                object: vec![named(Kind::Source, &cluster.name), plain("/"), named(Kind::Addon, &addon.name)],
                values: vec![
                    ("addon", named(Kind::Addon, &addon.name)),
                    ("version", Said::List(Kind::Version, versions)),
                    ("through", named(Kind::Version, &addon.through)),
                    ("fixed", named(Kind::Version, &addon.fixed)),
                    ("successor", named(Kind::Addon, addon.successor.as_deref().unwrap_or_default())),
                ],
                link: Some((addon.name.clone(), addon.link.clone())),
                ..Hit::default()
            });
        }
    }
    hits
}

/// Add-ons that will fail.
pub(super) fn outdated<'k>(facts: &Facts, knowledge: &'k Knowledge) -> Vec<&'k Addon> {
    let bad = |cluster: &Cluster, addon: &Addon| {
        versions(cluster, addon).iter().any(|version| judged(addon, version) == Some(true))
    };
    let each = facts.clusters.iter().flat_map(|cluster| knowledge.addons.iter().map(move |a| (cluster, a)));
    each.filter(|(cluster, addon)| bad(cluster, addon)).map(|(_, addon)| addon).collect()
}

/// Whether a workload is the add-on, or a part of it.
pub(super) fn is_of(case: &Case<'_>, addon: &Addon) -> bool {
    let own = case.owner.split_once('/').map_or("", |(_, own)| own);
    let begins = |name: &str| {
        let rest = addon.release.as_deref().and_then(|release| name.strip_prefix(release));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    let place = format!("{}/{own}", case.account.namespace);
    begins(own)
        || begins(&case.account.name)
        || addon.workloads.contains(&place)
        || case.pods.iter().any(|pod| labelled(pod, addon) || runs(pod, addon.image.as_deref()))
}

fn labelled(pod: &Pod, addon: &Addon) -> bool {
    let release = addon.release.as_ref();
    release.is_some() && RELEASE_LABELS.iter().any(|label| pod.labels.get(*label) == release)
}

fn runs(pod: &Pod, end: Option<&str>) -> bool {
    pod.images.iter().any(|image| tag(image, end).is_some())
}

/// Tags of the images whose repository ends so.
fn images<'a>(cluster: &'a Cluster, end: Option<&'a str>) -> impl Iterator<Item = String> + 'a {
    let all = cluster.pods.iter().flat_map(|pod| &pod.images);
    all.filter_map(move |image| Some(tag(image, end)?.trim_start_matches('v').to_owned()))
}

/// Only vendors' own repositories carry the add-on's number.
fn tag<'a>(image: &'a str, end: Option<&str>) -> Option<&'a str> {
    let (repository, tag) = image.split('@').next()?.rsplit_once(':')?;
    let vendor = repository.contains(".amazonaws.com/") || repository.starts_with("public.ecr.aws/");
    (vendor && repository.ends_with(end?)).then_some(tag)
}
