//! From an audit log and a cluster to names, dates and remedies.
//!
//! Purpose: collectors gather facts, rules turn facts into findings, renderers turn a report into text. A rule is
//! data: id, severity, a pure check, and words in `knowledge/texts.json`.
//!
//! Invariant: nothing here can change anything anywhere, and nothing prints token bytes. `rules` and `report` are pure
//! and get the time as a value. A report never says more than its coverage allows.
//!
//! Left out on purpose: network clients and clocks; the command line brings them.

pub mod limits;
pub mod knowledge;
pub mod facts;
pub mod collect;
pub mod report;
pub mod rules;
pub mod render;
pub mod rbac;
