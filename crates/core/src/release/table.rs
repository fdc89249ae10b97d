//! The rows: a gate, its stages, and where that is written.

/// How far a gate has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Off unless switched on.
    Alpha,
    /// On or off, as the row says.
    Beta,
    /// On, and locked.
    Ga,
}

/// From which minor version on a gate has a stage and a default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Minor version.
    pub since: u16,
    /// Stage.
    pub stage: Stage,
    /// Whether it is on when nothing is said.
    pub on: bool,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Which.
    pub gate: Gate,
    /// Kubernetes' name of the gate.
    pub name: &'static str,
    /// What it does, in a few words.
    pub effect: &'static str,
    /// Its stages, oldest first.
    pub steps: &'static [Step],
    /// The last minor version that knows the gate; `None`: all of them.
    pub last: Option<u16>,
    /// Where the row comes from.
    pub source: &'static str,
}

const fn alpha(since: u16) -> Step {
    Step { since, stage: Stage::Alpha, on: false }
}
const fn beta(since: u16, on: bool) -> Step {
    Step { since, stage: Stage::Beta, on }
}
const fn ga(since: u16) -> Step {
    Step { since, stage: Stage::Ga, on: true }
}

/// The gates whose behaviour can be had or not. The order is that of [`FEATURES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// `RootCAConfigMap`.
    RootCaConfigMap,
    /// `BoundServiceAccountTokenVolume`.
    BoundTokenVolume,
    /// `LegacyServiceAccountTokenNoAutoGeneration`.
    NoAutoGeneration,
    /// `LegacyServiceAccountTokenTracking`.
    Tracking,
    /// `LegacyServiceAccountTokenCleanUp`.
    CleanUp,
    /// `ServiceAccountTokenJTI`.
    Jti,
    /// `ServiceAccountTokenPodNodeInfo`.
    PodNodeInfo,
    /// `ServiceAccountTokenNodeBindingValidation`.
    NodeBindingValidation,
    /// `ServiceAccountTokenNodeBinding`.
    NodeBinding,
    /// `ServiceAccountNodeAudienceRestriction`.
    NodeAudienceRestriction,
    /// `TokenRequestServiceAccountUIDValidation`.
    UidValidation,
}

pub(super) const GATES: usize = 11;

/// The table.
pub static FEATURES: [Feature; GATES] = [
    Feature {
        gate: Gate::RootCaConfigMap,
        name: "RootCAConfigMap",
        effect: "every namespace has the ConfigMap kube-root-ca.crt",
        steps: &[alpha(13), beta(20, true), ga(21)],
        last: Some(22),
        source: "KEP-1205",
    },
    Feature {
        gate: Gate::BoundTokenVolume,
        name: "BoundServiceAccountTokenVolume",
        effect: "pods get a projected token that rotates, instead of the Secret of their account",
        steps: &[alpha(13), beta(21, true), ga(22)],
        last: Some(23),
        source: "KEP-1205",
    },
    Feature {
        gate: Gate::NoAutoGeneration,
        name: "LegacyServiceAccountTokenNoAutoGeneration",
        effect: "no Secret is made for an account by itself",
        steps: &[beta(24, true), ga(26)],
        last: Some(28),
        source: "KEP-2799; GA locked: kube_features.go of 1.26",
    },
    Feature {
        gate: Gate::Tracking,
        name: "LegacyServiceAccountTokenTracking",
        effect: "uses of tokens out of Secrets are written down, and marked ones are refused",
        steps: &[alpha(26), beta(27, true), ga(28)],
        last: Some(29),
        source: "KEP-2799",
    },
    Feature {
        gate: Gate::CleanUp,
        name: "LegacyServiceAccountTokenCleanUp",
        effect: "tokens out of Secrets that nobody uses are marked, then deleted",
        steps: &[alpha(28), beta(29, true), ga(30)],
        last: Some(31),
        source: "KEP-2799",
    },
    Feature {
        gate: Gate::Jti,
        name: "ServiceAccountTokenJTI",
        effect: "tokens have an id (jti), which reviews and the audit log tell",
        steps: &[alpha(29), beta(30, true), ga(32)],
        last: None,
        source: "KEP-4193; kube_features.go of 1.36",
    },
    Feature {
        gate: Gate::PodNodeInfo,
        name: "ServiceAccountTokenPodNodeInfo",
        effect: "tokens of pods name their node",
        steps: &[alpha(29), beta(30, true), ga(32)],
        last: None,
        source: "KEP-4193; kube_features.go of 1.36",
    },
    Feature {
        gate: Gate::NodeBindingValidation,
        name: "ServiceAccountTokenNodeBindingValidation",
        effect: "tokens bound to a node are held against it",
        steps: &[alpha(29), beta(30, true), ga(32)],
        last: None,
        source: "KEP-4193; kube_features.go of 1.36",
    },
    Feature {
        gate: Gate::NodeBinding,
        name: "ServiceAccountTokenNodeBinding",
        effect: "tokens can be bound to a node",
        steps: &[alpha(29), beta(31, true), ga(33)],
        last: None,
        source: "KEP-4193; kube_features.go of 1.36",
    },
    Feature {
        gate: Gate::NodeAudienceRestriction,
        name: "ServiceAccountNodeAudienceRestriction",
        effect: "a node gets tokens only for audiences that its pods name",
        steps: &[beta(32, false), beta(33, true)],
        last: None,
        source: "KEP-4412; kube_features.go of 1.36",
    },
    Feature {
        gate: Gate::UidValidation,
        name: "TokenRequestServiceAccountUIDValidation",
        effect: "a TokenRequest with another uid than its account's is refused instead of warned of",
        steps: &[beta(34, true)],
        last: None,
        source: "kube_features.go of 1.36",
    },
];

impl Feature {
    /// The stage of a minor version; `None`: the gate is not known there.
    pub fn at(&self, minor: u16) -> Option<Step> {
        if self.last.is_some_and(|last| minor > last) {
            return None;
        }
        self.steps.iter().rev().find(|step| step.since <= minor).copied()
    }

    /// Whether its behaviour is had at a minor version when nothing is said.
    pub fn default_at(&self, minor: u16) -> bool {
        match self.at(minor) {
            Some(step) => step.on,
            None => self.last.is_some_and(|last| minor > last),
        }
    }
}

impl Gate {
    /// Its row.
    pub fn row(self) -> &'static Feature {
        &FEATURES[self as usize]
    }
}
