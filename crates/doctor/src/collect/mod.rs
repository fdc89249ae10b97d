//! Gathers facts and judges nothing.

pub mod audit;
pub mod cluster;
pub mod bundle;
pub mod addons;
