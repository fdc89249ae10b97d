//! Jeton's authority: objects, private keys and the Kubernetes API in front of them.

pub mod store;
