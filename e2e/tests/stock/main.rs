//! Jeton against a stock control plane: kube-apiserver, kube-controller-manager and etcd as their Go modules build them.
//!
//! `cargo xtask test stock` builds them and runs this.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and tells what it saw"
)]

mod lab;
mod agent;
mod run;
mod tokens;
mod doctor;
mod legacy;
