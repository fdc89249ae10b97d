//! Tokens and files on one machine.
//!
//! Purpose: what a kubelet does for tokens, for machines without one. [`volume`] keeps directories.
//! Invariant: nothing here can reach a signing key; everything comes from a Kubernetes API with the rights of a node or
//! of whoever runs a program.

pub mod volume;
