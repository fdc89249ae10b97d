//! The Kubernetes API over HTTP: thin adapters around flows and objects.

pub mod status;
pub mod path;
