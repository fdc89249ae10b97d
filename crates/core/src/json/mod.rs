//! JSON of the token path, read and written in one pass each.
//!
//! Purpose: tokens, and the bodies that hold one, are most of what a server reads and writes. A general reader looks at
//! each byte for an escape, and finds the next member by its rules for all types; a general writer looks at each byte,
//! too. Here a text that is plain is found, or copied, as a whole.
//!
//! Invariant: what [`Reader`] reads, `serde_json` reads the same, and it gives up on everything else; what [`Writer`]
//! writes, `serde_json` or Go would write.

mod read;
mod write;

pub use read::{Reader, once};
pub use write::{Escapes, Writer};
