//! Jeton's authority: objects, private keys and the Kubernetes API in front of them.

pub mod store;
pub mod clock;
pub mod signer;
pub mod flow;
pub mod objects;
pub mod access;
pub mod controllers;
pub mod api;
