//! Walls between crates, on cargo's own graph of normal dependencies: what must be impossible to import.

use super::Problem;
use crate::workspace;
use cargo_metadata::{DependencyKind, MetadataCommand};
use std::collections::{BTreeMap, BTreeSet};

/// Package name → the packages it depends on when it ships, direct ones only.
pub(super) type Graph = BTreeMap<String, BTreeSet<String>>;

/// A package, and what it must never reach, directly or through others.
struct Wall {
    package: &'static str,
    never: &'static [&'static str],
    why: &'static str,
}

const WALLS: [Wall; 7] = [
    Wall {
        package: "jeton-core",
        never: &[
            "tokio",
            "mio",
            "hyper",
            "rustls",
            "rcgen",
            "redb",
            "rand",
            "tracing",
            "jeton-schema",
            "jeton-authority",
            "jeton-client",
            "jeton-node",
            "jeton-doctor",
            "jeton-probe",
            "jeton",
        ],
        why: "core decides; it does no I/O and reads no randomness",
    },
    Wall {
        package: "jeton-schema",
        never: &[
            "tokio",
            "mio",
            "hyper",
            "rustls",
            "redb",
            "jeton-authority",
            "jeton-node",
            "jeton-doctor",
            "jeton",
        ],
        why: "schema describes objects; it does no I/O",
    },
    Wall {
        package: "jeton-authority",
        never: &["jeton-node", "jeton-doctor", "jeton-probe", "jeton"],
        why: "the authority knows no later stage",
    },
    Wall {
        package: "jeton-client",
        never: &["jeton-authority", "jeton-schema", "jeton-node", "jeton-doctor", "jeton-probe", "jeton"],
        why: "users link it: of ours it may bring core alone",
    },
    Wall {
        package: "jeton-node",
        never: &["jeton-authority", "jeton-doctor", "jeton-probe", "jeton"],
        why: "what runs as root beside workloads cannot name a signing key",
    },
    Wall {
        package: "jeton-doctor",
        never: &["jeton-authority", "jeton-probe", "jeton"],
        why: "a doctor cannot change anything",
    },
    Wall { package: "jeton-probe", never: &["jeton"], why: "the command line holds no decision" },
];

/// The workspace's graph as cargo resolves it, with normal dependencies alone.
pub(super) fn graph() -> Result<Graph, String> {
    let metadata = MetadataCommand::new()
        .current_dir(workspace::root())
        .other_options(vec!["--offline".to_owned()])
        .exec()
        .or_else(|_| MetadataCommand::new().current_dir(workspace::root()).exec())
        .map_err(|e| format!("cargo metadata: {e}"))?;
    let names: BTreeMap<_, _> = metadata.packages.iter().map(|p| (&p.id, p.name.to_string())).collect();
    let resolve = metadata.resolve.as_ref().ok_or("cargo metadata gave no graph")?;
    let mut graph = Graph::new();
    for node in &resolve.nodes {
        let Some(name) = names.get(&node.id) else { continue };
        let normal = node
            .deps
            .iter()
            .filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal))
            .filter_map(|dep| names.get(&dep.pkg).cloned());
        graph.entry(name.clone()).or_default().extend(normal);
    }
    Ok(graph)
}

/// Walls with a way through, each with the way.
pub(super) fn check(graph: &Graph) -> Vec<Problem> {
    let mut found = Vec::new();
    for wall in &WALLS {
        for forbidden in wall.never {
            if let Some(way) = way(graph, wall.package, forbidden) {
                found.push(Problem::of(
                    wall.package,
                    format!("reaches `{forbidden}` through {way}; {}", wall.why),
                ));
            }
        }
    }
    found
}

/// The shortest chain of dependencies from one package to another.
fn way(graph: &Graph, from: &str, to: &str) -> Option<String> {
    let mut paths = std::collections::VecDeque::from([vec![from.to_owned()]]);
    let mut seen = BTreeSet::from([from.to_owned()]);
    while let Some(path) = paths.pop_front() {
        for next in path.last().and_then(|last| graph.get(last)).into_iter().flatten() {
            let longer: Vec<String> = path.iter().cloned().chain([next.clone()]).collect();
            if next == to {
                return Some(longer.join(" → "));
            }
            if seen.insert(next.clone()) {
                paths.push_back(longer);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(edges: &[(&str, &str)]) -> Graph {
        let mut graph = Graph::new();
        for (from, to) in edges {
            graph.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        graph
    }

    #[test]
    fn a_way_through_a_wall_is_found_and_named() {
        let found = check(&sample(&[("jeton-node", "helper"), ("helper", "jeton-authority")]));
        assert_eq!(found.len(), 1);
        assert!(found[0].message.contains("jeton-node → helper → jeton-authority"), "{found:?}");
    }

    #[test]
    fn imports_towards_core_are_fine() {
        let graph = sample(&[
            ("jeton-node", "jeton-core"),
            ("jeton", "jeton-authority"),
            ("jeton-authority", "tokio"),
        ]);
        assert_eq!(check(&graph), []);
    }

    #[test]
    fn a_cycle_of_development_dependencies_ends() {
        assert_eq!(way(&sample(&[("a", "b"), ("b", "a")]), "a", "c"), None);
    }
}
