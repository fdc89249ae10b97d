//! What happened to a token, as rows to count and as lines of an audit log.
//!
//! Purpose: the flows say what they saw as an [`Event`]; here it becomes counters and annotations under Kubernetes'
//! names. Left out on purpose: registries, files and clocks; the shell adds up and writes down.

mod event;
mod metric;
mod audit;
mod usage;

pub use audit::{Annotation, annotations, reviewed_annotations};
pub use event::Event;
pub use metric::{Counter, counters};
pub use usage::{UseKind, family, stem};

#[cfg(test)]
mod tests;
