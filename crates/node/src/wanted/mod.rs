//! What shall lie on disk for a pod: its object, read into values.
//!
//! Invariant: a path that leads out of its volume never gets further than here; it costs its own source, no other one.

mod downward;
mod owner;
mod parse;

use jeton_core::deliver::{Ownership, Part, VolumePath};
use std::fmt;

pub use parse::wanted;

/// Which pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PodRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

impl fmt::Display for PodRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A pod, and what shall be on disk for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The pod.
    pub pod: PodRef,
    /// Its service account; empty: none.
    pub account: String,
    /// Whose files they are.
    pub owner: Ownership,
    /// Its volumes, in their order.
    pub volumes: Vec<WantedVolume>,
}

/// A volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedVolume {
    /// Its name in the pod.
    pub name: String,
    /// What kind it is.
    pub plugin: Plugin,
    /// What is in it, in order.
    pub sources: Vec<Source>,
}

/// A kind of volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Plugin {
    /// `projected`.
    Projected,
    /// `secret`.
    Secret,
    /// `configMap`.
    ConfigMap,
    /// `downwardAPI`.
    DownwardApi,
}

impl Plugin {
    /// The directory of its volumes. Kubernetes 1.36: the plugin's name with `~` for `/`.
    pub fn dir(self) -> &'static str {
        match self {
            Self::Projected => "kubernetes.io~projected",
            Self::Secret => "kubernetes.io~secret",
            Self::ConfigMap => "kubernetes.io~configmap",
            Self::DownwardApi => "kubernetes.io~downward-api",
        }
    }
}

/// A token that is asked for: everything that tells it from others of the same pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenKey {
    /// Its audience; empty: the API server's.
    pub audience: String,
    /// Its lifetime in seconds; `None`: the server's default.
    pub seconds: Option<i64>,
}

/// A kind of object whose data become files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ObjectKind {
    /// ConfigMap.
    ConfigMap,
    /// Secret.
    Secret,
}

impl ObjectKind {
    /// As messages name it.
    pub fn word(self) -> &'static str {
        match self {
            Self::ConfigMap => "configmap",
            Self::Secret => "secret",
        }
    }

    /// How messages name one of them. The API server lets a pod name what no object is called.
    fn named(self, name: &str) -> String {
        format!("{} {}", self.word(), name.escape_debug())
    }
}

/// One key of an object, and the file it becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The key.
    pub key: String,
    /// The file.
    pub path: VolumePath,
    /// Its permission bits.
    pub mode: u32,
}

/// What becomes files of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A token.
    Token {
        /// Which one.
        key: TokenKey,
        /// The file.
        path: VolumePath,
        /// Its permission bits.
        mode: u32,
    },
    /// The data of an object.
    Object {
        /// Its kind.
        kind: ObjectKind,
        /// Its name, in the pod's namespace.
        name: String,
        /// Whether it and its keys may be missing.
        optional: bool,
        /// Which keys; `None`: all of them, each under its own name.
        items: Option<Vec<Item>>,
        /// Permission bits where `items` say nothing.
        mode: u32,
    },
    /// What the pod itself says.
    Fields(Part),
    /// What cannot be delivered, and why.
    Refused {
        /// What it is.
        what: String,
        /// Why.
        why: String,
    },
}

impl Source {
    /// How messages name it.
    pub fn label(&self) -> String {
        match self {
            Self::Token { path, .. } => format!("token {}", path.as_str().escape_debug()),
            Self::Object { kind, name, .. } => kind.named(name),
            Self::Fields(_) => "downwardAPI".to_owned(),
            Self::Refused { what, .. } => what.clone(),
        }
    }
}
