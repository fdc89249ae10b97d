//! A volume's directory on disk: what core planned, done beneath a directory that nothing can lead out of.
//!
//! Invariant: no step follows a symbolic link, so a link planted in the volume moves no write outside. A failed update
//! leaves the old content in place; nothing is ever torn down under a reader.

mod dir;
mod give;
mod update;

pub use dir::{Dir, DiskError};
pub(crate) use give::givable;
pub use update::{UpdateError, Updated, Volume};
