//! Jeton's authority: objects, private keys and the Kubernetes API in front of them.

pub mod store;
pub mod status;
pub mod pki;
pub mod renew;
pub mod signer;
pub mod flow;
pub mod objects;
pub mod request_info;
pub mod token_uses;
pub mod metrics;
pub mod audit;
pub mod exchange;
pub mod answer;
pub mod access;
pub mod controllers;
pub mod world;
pub mod rehearse;
#[cfg(test)]
mod world_tests;
#[cfg(test)]
mod year_tests;
#[cfg(test)]
mod cleaner_tests;
pub mod health;
pub mod config;
pub mod edge;
pub mod api;
pub mod server;
