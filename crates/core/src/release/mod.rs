//! Which behaviours a Kubernetes minor version has: one table of its feature gates.
//!
//! Sources of the rows: Kubernetes 1.36, `pkg/features/kube_features.go` and
//! `test/compatibility_lifecycle/reference/feature_list.md`, for gates that are gone KEP-1205, KEP-2799 and
//! `kube_features.go` of the release named. A gate that reached GA cannot be switched off; one that is gone is on for
//! ever. Left out on purpose: gates whose behaviour this project does not have.

mod table;

pub use table::{FEATURES, Feature, Gate, Stage, Step};

use std::fmt;
use table::GATES;

/// The oldest minor version that can be emulated.
pub const OLDEST: u16 = 15;
/// The newest one, and what is emulated when nothing is said.
pub const NEWEST: u16 = 36;

/// Gates of Kubernetes whose behaviour is always on here: a command line that states the default is understood.
const ALWAYS_ON: [(&str, u16); 3] =
    [("TokenRequest", 21), ("TokenRequestProjection", 21), ("ServiceAccountIssuerDiscovery", 23)];

/// A release that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// No version.
    #[error("--emulated-version {0:?} is no version: write 1.{OLDEST} … 1.{NEWEST}")]
    NoVersion(String),
    /// A version outside the table.
    #[error("--emulated-version {0:?} is not known: 1.{OLDEST} … 1.{NEWEST} are")]
    UnknownVersion(String),
    /// Not `name=true` or `name=false`.
    #[error("--feature-gates: {0:?} is not NAME=true or NAME=false")]
    NoPair(String),
    /// A gate this server does not know at all.
    #[error("--feature-gates: unrecognized feature gate: {name}; known at 1.{minor}: {known}")]
    Unknown {
        /// The gate.
        name: String,
        /// The version.
        minor: u16,
        /// The gates of that version.
        known: String,
    },
    /// The version does not have the gate.
    #[error("--feature-gates: Kubernetes 1.{minor} has no feature gate {name}: {why}")]
    NotAt {
        /// The gate.
        name: &'static str,
        /// The version.
        minor: u16,
        /// Since or until when there is one.
        why: String,
    },
    /// The gate is locked.
    #[error("--feature-gates: cannot set feature gate {name} to {wanted}, feature is locked to {} in 1.{minor}", !.wanted)]
    Locked {
        /// The gate.
        name: String,
        /// The version.
        minor: u16,
        /// What was wanted.
        wanted: bool,
    },
    /// A gate without one it needs.
    #[error("--feature-gates: {name}=true needs {needs}=true, which is off")]
    Needs {
        /// The gate.
        name: &'static str,
        /// What it needs.
        needs: &'static str,
    },
}

/// A Kubernetes version whose behaviours are had.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Release {
    minor: u16,
    on: [bool; GATES],
}

impl fmt::Debug for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = FEATURES.iter().filter(|row| self.has(row.gate)).map(|row| row.name);
        write!(f, "Release(1.{}", self.minor)?;
        on.into_iter().try_for_each(|name| write!(f, " {name}"))?;
        f.write_str(")")
    }
}

impl Default for Release {
    fn default() -> Self {
        Self::of(NEWEST)
    }
}

impl Release {
    /// A minor version with its defaults; one outside the table is the nearest inside.
    pub fn of(minor: u16) -> Self {
        let minor = minor.clamp(OLDEST, NEWEST);
        let mut on = [false; GATES];
        for row in &FEATURES {
            on[row.gate as usize] = row.default_at(minor);
        }
        Self { minor, on }
    }

    /// From `--emulated-version` (`1.20`; `None`: the newest) and `--feature-gates` (`A=true,B=false`).
    ///
    /// # Errors
    /// A version that is not known, a gate that the version does not have or has locked, a gate without another that
    /// it needs.
    pub fn parse(version: Option<&str>, gates: &str) -> Result<Self, ReleaseError> {
        let minor = version.map_or(Ok(NEWEST), minor_of)?;
        let mut release = Self::of(minor);
        for pair in gates.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or_else(|| ReleaseError::NoPair(pair.to_owned()))?;
            let wanted = match value.trim() {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => true,
                "0" | "f" | "F" | "false" | "FALSE" | "False" => false,
                _ => return Err(ReleaseError::NoPair(pair.to_owned())),
            };
            release.set(name.trim(), wanted)?;
        }
        release.consistent()
    }

    fn set(&mut self, name: &str, wanted: bool) -> Result<(), ReleaseError> {
        let minor = self.minor;
        if let Some((_, last)) = ALWAYS_ON.iter().find(|(known, last)| *known == name && minor <= *last) {
            debug_assert!(minor <= *last);
            return if wanted {
                Ok(())
            } else {
                Err(ReleaseError::Locked { name: name.to_owned(), minor, wanted })
            };
        }
        let Some(row) = FEATURES.iter().find(|row| row.name == name) else {
            let known = FEATURES.iter().filter(|row| row.at(minor).is_some()).map(|row| row.name);
            let known = known.collect::<Vec<_>>().join(", ");
            return Err(ReleaseError::Unknown { name: name.to_owned(), minor, known });
        };
        let Some(step) = row.at(minor) else {
            let first = row.steps.first().map_or(0, |step| step.since);
            let why = match row.last {
                Some(last) if minor > last => {
                    format!("it was removed after 1.{last} and its behaviour is on")
                }
                _ => format!("it came with 1.{first}"),
            };
            return Err(ReleaseError::NotAt { name: row.name, minor, why });
        };
        if step.stage == Stage::Ga && wanted != step.on {
            return Err(ReleaseError::Locked { name: name.to_owned(), minor, wanted });
        }
        self.on[row.gate as usize] = wanted;
        Ok(())
    }

    /// Kubernetes 1.29 (cmd/kube-apiserver): node-bound tokens are not issued where nobody would check them. A token
    /// volume without its certificate never mounts.
    fn consistent(self) -> Result<Self, ReleaseError> {
        for (gate, needed) in [
            (Gate::NodeBinding, Gate::NodeBindingValidation),
            (Gate::BoundTokenVolume, Gate::RootCaConfigMap),
        ] {
            if self.has(gate) && !self.has(needed) {
                return Err(ReleaseError::Needs { name: gate.row().name, needs: needed.row().name });
            }
        }
        Ok(self)
    }

    /// The minor version.
    pub fn minor(self) -> u16 {
        self.minor
    }

    /// Whether a behaviour is had.
    pub fn has(self, gate: Gate) -> bool {
        self.on[gate as usize]
    }

    /// `--service-account-extend-token-expiration` when nothing is said. Kubernetes: true since 1.20 (#96273).
    pub fn extends_by_default(self) -> bool {
        self.minor >= 20
    }

    /// Whether `kubectl get serviceaccounts` shows a column of Secrets. Kubernetes: until 1.34 (#117160).
    pub fn shows_secrets(self) -> bool {
        self.minor < 35
    }
}

fn minor_of(text: &str) -> Result<u16, ReleaseError> {
    let plain = text.strip_prefix('v').unwrap_or(text);
    let minor = plain.strip_prefix("1.").and_then(|minor| minor.parse::<u16>().ok());
    let Some(minor) = minor else { return Err(ReleaseError::NoVersion(text.to_owned())) };
    let known = (OLDEST..=NEWEST).contains(&minor);
    if known { Ok(minor) } else { Err(ReleaseError::UnknownVersion(text.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_where_their_gate_says_and_steps_go_forward() {
        for (at, row) in FEATURES.iter().enumerate() {
            assert_eq!(row.gate as usize, at);
            assert!(row.steps.is_sorted_by(|a, b| a.since < b.since), "{}", row.name);
            assert!(!row.source.is_empty() && !row.effect.is_empty());
            let (alphas, gas) = (Stage::Alpha, Stage::Ga);
            assert!(row.steps.iter().all(|s| (s.stage == alphas) <= !s.on && (s.stage == gas) <= s.on));
        }
    }

    #[test]
    fn the_eras() {
        // Spec: minor → gates that are on.
        let on = |minor: u16| FEATURES.map(|row| u8::from(Release::of(minor).has(row.gate)));
        for (minors, want) in [
            (15..=19, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            (20..=20, [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            (21..=23, [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            (24..=26, [1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
            (27..=28, [1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0]),
            (29..=29, [1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0]),
            (30..=30, [1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0]),
            (31..=32, [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0]),
            (33..=33, [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0]),
            (34..=36, [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
        ] {
            for minor in minors {
                assert_eq!(on(minor), want, "1.{minor}");
            }
        }
    }

    #[test]
    fn what_can_be_said() {
        let parse = |version: &str, gates: &str| Release::parse(Some(version), gates);
        assert_eq!(Release::parse(None, "").unwrap(), Release::default());
        assert_eq!(parse("1.20", "TokenRequest=true").unwrap(), Release::of(20));
        assert!(!parse("v1.21", "BoundServiceAccountTokenVolume=false").unwrap().has(Gate::BoundTokenVolume));
        let early = parse("1.19", "RootCAConfigMap=true, BoundServiceAccountTokenVolume=true").unwrap();
        assert!(early.has(Gate::BoundTokenVolume) && !early.extends_by_default());
        assert!(
            !parse("1.24", "LegacyServiceAccountTokenNoAutoGeneration=false")
                .unwrap()
                .has(Gate::NoAutoGeneration)
        );
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_reason() {
        for (version, gates, want) in [
            ("20", "", "is no version"),
            ("1.20.1", "", "is no version"),
            ("1.14", "", "is not known: 1.15 … 1.36 are"),
            ("1.37", "", "is not known"),
            (
                "1.20",
                "Nonsense=true",
                "unrecognized feature gate: Nonsense; known at 1.20: RootCAConfigMap, Bound",
            ),
            ("1.20", "RootCAConfigMap", "is not NAME=true or NAME=false"),
            ("1.20", "RootCAConfigMap=yes", "is not NAME=true or NAME=false"),
            ("1.20", "ServiceAccountTokenJTI=true", "it came with 1.29"),
            ("1.25", "BoundServiceAccountTokenVolume=false", "it was removed after 1.23"),
            ("1.22", "BoundServiceAccountTokenVolume=false", "feature is locked to true in 1.22"),
            ("1.36", "ServiceAccountTokenJTI=false", "feature is locked to true in 1.36"),
            ("1.20", "TokenRequest=false", "feature is locked to true in 1.20"),
            ("1.22", "TokenRequest=true", "unrecognized feature gate"),
            (
                "1.29",
                "ServiceAccountTokenNodeBinding=true",
                "needs ServiceAccountTokenNodeBindingValidation=true",
            ),
            (
                "1.31",
                "ServiceAccountTokenNodeBindingValidation=false",
                "needs ServiceAccountTokenNodeBindingValidation=true",
            ),
            (
                "1.20",
                "RootCAConfigMap=false,BoundServiceAccountTokenVolume=true",
                "needs RootCAConfigMap=true",
            ),
        ] {
            let error = Release::parse(Some(version), gates).unwrap_err().to_string();
            assert!(error.contains(want), "{version} {gates}: {error}");
        }
    }
}
