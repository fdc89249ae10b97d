//! Objects: one generic registry, in which a kind is one small file.
//!
//! Invariant: nothing is stored that its kind's checks refused, and every answer shows the object as it was
//! committed. Left out on purpose: HTTP, and who may do what.

pub mod table;
pub mod kind;
pub mod kinds;
pub mod meta;
pub mod selector;
pub mod admission;
pub mod delete;
pub mod registry;
pub mod list;
mod bind;
mod custom;

pub use kind::Kind;
pub use list::{List, ListOptions};
pub use registry::{Part, Registry, Write};
