//! What is wrong with a path inside a volume.

use crate::limits::{
    MAX_VOLUME_BYTES, MAX_VOLUME_FILES, MAX_VOLUME_NAME_BYTES, MAX_VOLUME_PATH_BYTES,
    MAX_VOLUME_PATH_ELEMENTS,
};

/// Why a volume's content cannot be written. Kubernetes 1.36: the API says the same of most of these; lengths are
/// checked by the writer alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nothing there, or only `.` elements.
    #[error("a path in a volume must not be empty")]
    Empty,
    /// Begins with `/`.
    #[error("{0:?}: must be a relative path")]
    Absolute(String),
    /// Has an element `..`.
    #[error("{0:?}: must not contain '..'")]
    Parent(String),
    /// Begins with `..`, which names the writer's own entries.
    #[error("{0:?}: must not start with '..'")]
    Reserved(String),
    /// Has a NUL byte.
    #[error("{0:?}: must not contain a NUL byte")]
    Nul(String),
    /// An element is too long.
    #[error("an element of a path has {0} bytes; {MAX_VOLUME_NAME_BYTES} is the most")]
    LongName(usize),
    /// The whole is too long.
    #[error("a path has {0} bytes; {MAX_VOLUME_PATH_BYTES} is the most")]
    LongPath(usize),
    /// Too many elements.
    #[error("a path has {0} elements; {MAX_VOLUME_PATH_ELEMENTS} is the most")]
    Deep(usize),
    /// One path is a file and another one lies below it.
    #[error("{0:?} is both a file and the directory of another file")]
    Conflict(String),
    /// Too many files.
    #[error("a volume has {0} files; {MAX_VOLUME_FILES} is the most")]
    TooMany(usize),
    /// Too many bytes.
    #[error("a volume has {0} bytes; {MAX_VOLUME_BYTES} is the most")]
    TooLarge(usize),
}
