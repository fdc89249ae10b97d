//! Bytes of a token to [`Verified`] or [`Rejected`].
//!
//! Three steps, each a value: [`open`] (is it ours at all?), [`Candidate::prove`] (what does the
//! signature prove? [`Seen`] remembers which signatures held), [`decide`] (does it hold now, against the live objects? this
//! may never be cached).
//!
//! Invariant: `Verified` has no public constructor. A refusal holds its evidence as fields, and its
//! Display is Kubernetes 1.36's text.

mod claimed;
mod verified;
mod rejected;
mod seen;
mod candidate;
mod binding;
mod legacy;
mod decide;

pub use candidate::{Candidate, Proven, open, presented};
pub use decide::decide;
pub use rejected::Rejected;
pub use seen::Seen;
pub use verified::{Account, Extra, Kind, LegacyUse, Staleness, Verified};

#[cfg(test)]
mod tests;
