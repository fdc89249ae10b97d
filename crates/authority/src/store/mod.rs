//! Objects on disk, a small index of them in memory, and the order in which they changed.
//!
//! Invariants: what [`Store::commit`] acknowledged is on the disk, in the index and on its way to every watcher before
//! the caller hears of it; what was refused leaves no trace; a revision is never used twice.
//!
//! Left out on purpose: bodies are opaque bytes, never parsed here; there is no history of an object beyond the short
//! ring of recent events; one process owns one file.

pub mod limits;
mod key;
mod error;
mod figures;
mod names;
mod index;
mod record;
mod gate;
mod file;
mod watch;
mod database;
mod reserve;
mod batch;
mod writer;
mod embedded;

#[cfg(test)]
mod sim;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod crash_tests;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub use embedded::Embedded;
pub use error::{CommitError, OpenError, StoreError, TooOld};
pub use figures::Figures;
pub use index::{Index, IndexRow, Looked, View};
pub use key::{Key, KeyError, Prefix};
pub use watch::{Event, EventKind, Watcher};

/// An object as it is on disk.
#[derive(Clone, PartialEq, Eq)]
pub struct Stored {
    /// The bytes that were put.
    pub body: Arc<[u8]>,
    /// Revision of the object's last change.
    pub revision: u64,
}

/// What must hold of a key for a transaction to happen, before its own changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// It does not exist.
    Absent,
    /// It exists.
    Present,
    /// It exists, last changed at this revision.
    Revision(u64),
    /// Anything; deleting what does not exist is a conflict even so.
    Any,
}

/// One change of one key.
#[derive(Clone)]
pub enum Change {
    /// Creates or replaces the object.
    Put {
        /// Whose.
        key: Key,
        /// The whole new body, at most [`limits::VALUE_MAX_BYTES`].
        body: Vec<u8>,
        /// What the index shall say about it.
        row: IndexRow,
    },
    /// Removes the object and its row.
    Delete {
        /// Whose.
        key: Key,
    },
}

/// Checks and changes that happen together or not at all.
#[derive(Debug, Clone, Default)]
pub struct Txn {
    /// Further conditions, on keys that need not be changed.
    pub checks: Vec<(Key, Expect)>,
    /// The changes, each with the condition on its key; a key may occur once.
    pub changes: Vec<(Change, Expect)>,
}

/// A durable transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Revision of the last change; the store's revision at that moment for a transaction of checks alone.
    pub revision: u64,
    /// Revision of each change, consecutive, in the order of [`Txn::changes`].
    pub revisions: Vec<u64>,
}

/// A part of a list.
#[derive(Debug, Clone)]
pub struct Page {
    /// Objects in key order.
    pub items: Vec<(Key, Stored)>,
    /// Whether objects follow: ask again after the last key.
    pub more: bool,
    /// Revision of the snapshot the page was read from.
    pub revision: u64,
}

/// A commit on its way. Dropping it neither undoes nor harms a transaction that the writer has already taken.
pub type CommitFuture = Pin<Box<dyn Future<Output = Result<Committed, CommitError>> + Send>>;

/// Where objects live.
pub trait Store: Send + Sync + 'static {
    /// Reads one object; may touch the disk.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails or the entry is damaged.
    fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError>;

    /// Reads up to `limit` objects under a prefix, those after `after`, from one consistent snapshot. A page also ends
    /// after [`limits::PAGE_MAX_BYTES`]. A `limit` of 0 tells only the revision and whether there is anything.
    ///
    /// # Errors
    /// As [`Store::get`].
    fn list(&self, prefix: &Prefix, after: Option<&Key>, limit: usize) -> Result<Page, StoreError>;

    /// Commits a transaction. The answer comes when it is on the disk and in the index.
    fn commit(&self, txn: Txn) -> CommitFuture;

    /// Revision of the last acknowledged change; 1 for a store in which nothing ever happened.
    fn revision(&self) -> u64;

    /// The index; memory only.
    fn index(&self) -> &Index;

    /// Figures of its commits.
    fn figures(&self) -> &Figures;

    /// Events under a prefix with a revision above `from`.
    ///
    /// # Errors
    /// [`TooOld`] if some of them are no longer known.
    fn watch(&self, prefix: &Prefix, from: u64) -> Result<Watcher, TooOld>;
}

impl Change {
    /// The key that changes.
    pub fn key(&self) -> &Key {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }
}

impl Expect {
    /// Whether a key at this revision (none: absent) is as expected.
    pub(crate) fn holds(self, found: Option<u64>) -> bool {
        match self {
            Self::Absent => found.is_none(),
            Self::Present => found.is_some(),
            Self::Revision(wanted) => found == Some(wanted),
            Self::Any => true,
        }
    }
}

// Bodies may be Secrets: Debug tells their size only.
impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stored {{ {} bytes, revision: {} }}", self.body.len(), self.revision)
    }
}

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Put { key, body, .. } => write!(f, "Put {{ {key}, {} bytes }}", body.len()),
            Self::Delete { key } => write!(f, "Delete {{ {key} }}"),
        }
    }
}
