//! Versions, each compared by its own ecosystem's order and never by bare semver.

use std::cmp::Ordering;

/// Which order a library's versions follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// client-go: `v8.0.0+incompatible` is Kubernetes 1.11 and older than `v0.15.7`, which is 1.15.7.
    Go,
    /// Python: `12.0.0b1` < `12.0.0` < `12.0.0.post1`.
    Pep440,
    /// `1.0.0-rc1` < `1.0.0`.
    SemVer,
    /// Maven: `-SNAPSHOT` and `-M1` come before the release, `.Final` is the release.
    Maven,
    /// RubyGems: letters mark a pre-release.
    Gem,
    /// Haskell: `0.3` < `0.3.0.0`.
    Pvp,
    /// NuGet: four numbers, then as semver.
    NuGet,
}

/// A version that can be compared with others of the same order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    numbers: Vec<u64>,
    /// Before the release (-1), the release (0), after it (1); then which one.
    stage: (i8, Vec<u64>),
    order: Order,
}

impl Order {
    /// Reads the name of an order.
    pub fn parse(text: &str) -> Result<Self, String> {
        Ok(match text {
            "go" => Self::Go,
            "pep440" => Self::Pep440,
            "semver" => Self::SemVer,
            "maven" => Self::Maven,
            "gem" => Self::Gem,
            "pvp" => Self::Pvp,
            "nuget" => Self::NuGet,
            _ => {
                return Err(format!("order {text:?} is not go, pep440, semver, maven, gem, pvp or nuget"));
            }
        })
    }
}

/// Kubernetes tags by the commit of client-go's `.0` release, as pseudo-versions name them. A date alone is unsafe:
/// release branches run beside each other.
const PSEUDO: [(&str, u64); 6] = [
    ("7d04d0e2a0a1", 11),
    ("1638f8970cef", 12),
    ("e64494209f55", 13),
    ("6ee68ca5fd83", 14),
    ("78d2af792bab", 15),
    ("1fbdaa4c8d90", 16),
];

/// Seconds-precise date before which no commit of client-go re-read the token (2018-08-13, eb0f6510e).
const FIRST_RELOADING_COMMIT: &str = "20180813000000";

impl Version {
    /// Reads a version; `None` when its place in the order cannot be told.
    pub fn parse(order: Order, text: &str) -> Option<Self> {
        if order == Order::Go { go(text) } else { dotted(order, text) }
    }

    /// Compares two versions of the same order.
    pub fn compare(&self, other: &Self) -> Ordering {
        self.compare_numbers(other).then_with(|| self.stage.cmp(&other.stage))
    }

    fn compare_numbers(&self, other: &Self) -> Ordering {
        if self.order == Order::Pvp {
            return self.numbers.cmp(&other.numbers);
        }
        let longest = self.numbers.len().max(other.numbers.len());
        let number = |v: &Self, at: usize| v.numbers.get(at).copied().unwrap_or(0);
        (0..longest)
            .map(|at| number(self, at).cmp(&number(other, at)))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }

    /// The Kubernetes minor that a version of client-go belongs to.
    pub fn kubernetes_minor(&self) -> Option<u64> {
        (self.order == Order::Go).then(|| self.numbers.get(1).copied()).flatten()
    }
}

/// client-go by Kubernetes version: `vN.x.y` is 1.(N+3), `v0.X.Y` is 1.X.Y, `kubernetes-1.X.Y` is itself.
fn go(text: &str) -> Option<Version> {
    let text = text.trim().trim_end_matches("+incompatible");
    let make = |numbers: Vec<u64>, stage| Some(Version { numbers, stage, order: Order::Go });
    if let Some(tag) = text.strip_prefix("kubernetes-") {
        let version = dotted(Order::SemVer, tag)?;
        return make(version.numbers, version.stage);
    }
    if let Some(rest) = text.strip_prefix("v0.0.0-") {
        let (date, commit) = rest.split_once('-')?;
        if let Some((_, minor)) = PSEUDO.iter().find(|(known, _)| *known == commit) {
            return make(vec![1, *minor, 0], (0, Vec::new()));
        }
        let dated = date.len() == 14 && date.bytes().all(|b| b.is_ascii_digit());
        let old = dated && date < FIRST_RELOADING_COMMIT;
        return if old { make(vec![1, 0, 0], (0, Vec::new())) } else { None };
    }
    let version = dotted(Order::SemVer, text)?;
    let [major, minor, patch] = [0, 1, 2].map(|at| version.numbers.get(at).copied().unwrap_or(0));
    match major {
        0 if minor >= 15 => make(vec![1, minor, patch], version.stage),
        // v2.0.0 (1.5) … v12.0.0 (1.15); later releases are v0.x alone.
        2..=12 => make(vec![1, major + 3, patch], version.stage),
        _ => None,
    }
}

/// Numbers between dots, then whatever marks a pre-release or post-release.
fn dotted(order: Order, text: &str) -> Option<Version> {
    let text = text.trim().trim_start_matches(['v', 'V']);
    // Build metadata says nothing about order.
    let text = text.split('+').next().unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (head, tail) = text.split_at(end);
    let numbers: Option<Vec<u64>> =
        head.split('.').filter(|part| !part.is_empty()).map(|part| part.parse().ok()).collect();
    let numbers = numbers.filter(|numbers| !numbers.is_empty() && numbers.len() <= 8)?;
    let stage = stage(order, &tail.to_ascii_lowercase());
    Some(Version { numbers, stage, order })
}

fn stage(order: Order, tail: &str) -> (i8, Vec<u64>) {
    let digits: Vec<u64> =
        tail.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect();
    let word = tail.trim_start_matches(['-', '.', '_']);
    if word.is_empty() || (order == Order::Maven && (word == "final" || word == "ga")) {
        return (0, Vec::new());
    }
    if order == Order::Pep440 && word.starts_with("post") {
        return (1, digits);
    }
    // dev < alpha < beta < rc, as every ecosystem here has it.
    let rank = match word.as_bytes().first() {
        Some(b'd') => 0,
        Some(b'a') => 1,
        Some(b'b') => 2,
        Some(b'm') => 3,
        Some(b'p') => 4,
        Some(b'r' | b'c') => 5,
        Some(b's') => 6,
        _ => 4,
    };
    (-1, std::iter::once(rank).chain(digits).collect())
}
