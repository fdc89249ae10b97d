//! Laboratories that start real servers and real clients. Nothing here ships.

pub mod wait;
pub mod client;
pub mod server;
pub mod transcript;
pub mod agent;
pub mod stock;
pub mod conformance;
pub mod bench;
