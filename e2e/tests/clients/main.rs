//! Real client libraries, the newest of each language and unmodified, against a real server: see clients/README.md.
//!
//! Needs the feature `clients`, which `cargo xtask test` turns on once it has installed them under target/clients. It
//! leaves out, by name, the languages it could not install; so every test's name begins with its language.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod program;
mod journey;
mod lab;
mod rotation;
mod worlds;
