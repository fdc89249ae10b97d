//! Gathers facts and judges nothing.

pub mod audit;
