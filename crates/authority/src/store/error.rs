//! What can go wrong in the store. Errors are cloned to every caller whose transaction shared the failed commit, so
//! causes are shared, not owned.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::key::Key;

/// Why the store could not do what was asked. Nothing was overwritten, whichever it is.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The directory that should hold the file does not exist.
    #[error("the directory of the store does not exist")]
    DirectoryMissing(#[source] Arc<io::Error>),
    /// The file or its directory may not be used by this user.
    #[error("permission to the store's file or directory is denied")]
    PermissionDenied(#[source] Arc<io::Error>),
    /// Another process holds the file.
    #[error("the store is in use by another process")]
    InUse,
    /// The file holds something else.
    #[error("the file is not a store of this program: {reason}")]
    Foreign {
        /// What shows it.
        reason: &'static str,
    },
    /// A newer program wrote the file.
    #[error(
        "the store has format version {found}, this program reads up to {supported}: use a newer program"
    )]
    NewerFormat {
        /// The file's format version.
        found: u64,
        /// The newest format version this program reads.
        supported: u64,
    },
    /// The file is ours, but its content contradicts itself.
    #[error("the store's file is damaged ({detail}): restore it from a backup")]
    Damaged {
        /// Where the contradiction is; never holds a body.
        detail: Arc<str>,
    },
    /// The disk or quota is full; the store accepts writes again as soon as there is room.
    #[error("the disk of the store is full")]
    DiskFull(#[source] Arc<io::Error>),
    /// Any other error of the disk.
    #[error("the store could not {doing} its file")]
    Io {
        /// The operation: "read", "write" …
        doing: &'static str,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// An earlier error left the file in an unknown state; it is refused until the store has been reopened.
    #[error("the store refuses to work after an earlier error: {remedy}")]
    Refusing {
        /// What ends it.
        remedy: &'static str,
        /// The earlier error.
        #[source]
        source: Arc<StoreError>,
    },
    /// A request is over a limit.
    #[error("{what} has {found} bytes or items, at most {allowed} are allowed")]
    TooLarge {
        /// The field.
        what: &'static str,
        /// Its size.
        found: usize,
        /// The limit.
        allowed: usize,
    },
    /// One transaction changes the same key twice.
    #[error("the transaction changes key {0} twice, each key may be changed once")]
    DuplicateKey(Key),
    /// The store is being closed.
    #[error("the store is closed")]
    Closed,
}

/// An opening that failed, with the file it was about.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot open the store {}", path.display())]
pub struct OpenError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: StoreError,
}

/// Why a transaction changed nothing (a [`CommitError::Store`] of an I/O error may leave it done after a restart, as
/// a power failure at that moment may).
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// A check or expectation does not hold.
    #[error("{key} is not as expected: {}", describe(.found))]
    Conflict {
        /// The first key that differs.
        key: Key,
        /// Its revision, or none if it does not exist.
        found: Option<u64>,
    },
    /// The store failed.
    #[error("the store could not commit")]
    Store(#[from] StoreError),
}

/// The events asked for are gone: list again and watch from the list's revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("events up to revision {compacted} are gone, the watch wanted those after {from}")]
pub struct TooOld {
    /// Where the watch stood.
    pub from: u64,
    /// The newest revision that can no longer be told.
    pub compacted: u64,
}

fn describe(found: &Option<u64>) -> String {
    match found {
        Some(revision) => format!("it exists at revision {revision}"),
        None => "it does not exist".into(),
    }
}

impl StoreError {
    /// Sorts an error of the system into its kind; `doing` names the operation as a verb.
    pub(crate) fn from_io(doing: &'static str, error: io::Error) -> Self {
        let full = matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
        );
        match error.kind() {
            _ if full => Self::DiskFull(Arc::new(error)),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::PermissionDenied(Arc::new(error))
            }
            // Only a file shorter than its own header says can end inside a page.
            io::ErrorKind::UnexpectedEof => Self::damaged("the file ends early"),
            _ => Self::Io { doing, source: Arc::new(error) },
        }
    }

    /// Sorts an error of the database library into its kind.
    pub(crate) fn from_redb(doing: &'static str, error: impl Into<redb::Error>) -> Self {
        match error.into() {
            redb::Error::Io(error) => Self::from_io(doing, error),
            redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => Self::InUse,
            redb::Error::UpgradeRequired(_) => {
                Self::Foreign { reason: "it has a file format older than the first release wrote" }
            }
            redb::Error::TableDoesNotExist(_)
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TableIsMultimap(_)
            | redb::Error::TableIsNotMultimap(_) => Self::Foreign { reason: "its tables are not ours" },
            redb::Error::Corrupted(detail) => Self::damaged(detail),
            other => Self::Io { doing, source: Arc::new(io::Error::other(other)) },
        }
    }

    /// Whether there is no room on the disk.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::DiskFull(_))
    }

    /// A contradiction in the file.
    pub(crate) fn damaged(detail: impl Into<Arc<str>>) -> Self {
        Self::Damaged { detail: detail.into() }
    }
}
