//! What could be seen: sources and clusters, as they are told.

use super::names::{Kind, Names};
use super::verdict::MIN_WINDOW_SECONDS;
use crate::collect::cluster::extended;
use crate::facts::{Cluster, Facts, Missing, Replica, Source};
use crate::report::{ApiServer, ClusterFacts, Coverage, Gap, Window};
use jeton_core::time::UnixTime;

/// Platforms whose name tells nothing of a user.
const PLATFORMS: [&str; 2] = ["cce", "eks"];

/// Sources, each with what it cannot tell.
pub(super) fn coverage(facts: &Facts, names: &mut Names) -> Vec<Coverage> {
    let gaps = |source: &Source, names: &Names| {
        let mut all: Vec<&Missing> = source.missing.iter().collect();
        // What a cluster leaves open about the extension stands beside what was not granted.
        let more = facts.clusters.iter().filter(|c| c.name == source.name).flat_map(|c| &c.unknown);
        all.extend(more.filter(|gap| !source.missing.contains(gap)));
        let mut gaps: Vec<Gap> =
            all.iter().map(|gap| Gap { id: gap.id, detail: names.detail(&gap.detail) }).collect();
        let short = source.window.filter(|(a, b)| b.seconds() - a.seconds() < MIN_WINDOW_SECONDS);
        if let Some((from, to)) = short {
            gaps.push(Gap { id: "short-window", detail: format!("{} s", to.seconds() - from.seconds()) });
        }
        gaps
    };
    let cover = |source: &Source| Coverage {
        source: names.of(Kind::Source, &source.name),
        cluster: facts.name().map(|name| names.of(Kind::Source, name)),
        window: source.window.map(|(from, to)| Window { from: from.rfc3339(), to: to.rfc3339() }),
        read: source.read,
        skipped: source.skipped,
        missing: gaps(source, names),
        error: source.error.as_deref().map(|error| names.error(error)),
    };
    facts.sources.iter().map(cover).collect()
}

/// Clusters that answered. One that could not be reached, or that only a list of add-ons tells of, said nothing of itself.
pub(super) fn clusters(facts: &Facts, names: &mut Names) -> Vec<ClusterFacts> {
    let answered = |cluster: &&Cluster| {
        cluster.version.is_some() || !cluster.pods.is_empty() || !cluster.replicas.is_empty()
    };
    let one = |cluster: &Cluster| ClusterFacts {
        name: names.of(Kind::Source, &cluster.name),
        version: cluster.version.as_ref().map(|version| names.of(Kind::Version, version)),
        platform: cluster.platform.clone().filter(|platform| PLATFORMS.contains(&platform.as_str())),
        extension: match extended(cluster) {
            Some(true) => "on",
            Some(false) => "off",
            None => "unknown",
        },
        api_servers: cluster.replicas.iter().map(|replica| api_server(replica, names)).collect(),
    };
    facts.clusters.iter().filter(answered).map(one).collect()
}

fn api_server(replica: &Replica, names: &mut Names) -> ApiServer {
    ApiServer {
        name: names.of(Kind::Replica, &replica.name),
        started: replica.started.map(UnixTime::rfc3339),
        stale_tokens: replica.stale,
        valid_tokens: replica.valid,
        legacy_tokens: replica.legacy,
    }
}
