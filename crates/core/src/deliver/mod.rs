//! Tokens on their way to a program: when to ask for the next one, and how a directory changes.
//!
//! Purpose: the decisions of a kubelet's token manager and volume writer, as values. Invariant: at every prefix of a
//! volume's plan a reader finds the whole old content or the whole new content. Left out on purpose: the API, the clock
//! and the disk; `jeton-node` has those.

mod error;
mod mode;
mod path;
mod plan;
mod pulse;
mod assemble;
mod schedule;

pub use assemble::{LeftOut, Part, assemble};
pub use error::PathError;
pub use mode::{Ownership, dir_mode, file_mode, token_mode};
pub use path::VolumePath;
pub use plan::{Bytes, DATA, DATA_TMP, Entry, File, LINK_TMP, Payload, Plan, Seen, SeenFile, Step, plan};
pub use pulse::{LOOK_SECONDS, Pulses, RENEW_SECONDS, RENEWED_ANNOTATION, RUN_SCHEDULER, SILENT_SECONDS};
pub use schedule::{Draw, Freshness, Lease, retry_after_millis};

#[cfg(test)]
mod plan_tests;
