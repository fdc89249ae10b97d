//! Tokens and files on one machine.
//!
//! Purpose: what a kubelet does for tokens, for machines without one. [`volume`] writes directories, [`wanted`] says what
//! a pod wants in them, [`api`] asks for it, [`keep`] keeps it fresh, and
//! [`agent`] does that for all pods of a node.
//! Invariant: nothing here can reach a signing key; everything comes from a Kubernetes API with the rights of a node or
//! of whoever runs a program.

pub mod clock;
pub mod volume;
pub mod wanted;
pub mod happening;
pub mod api;
pub mod keep;
pub mod agent;
pub mod run;
