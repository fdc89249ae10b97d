//! Room on the disk that is given up when the disk is full, so that what exists can still be deleted and revoked.
//!
//! A deletion writes before it frees: without a reserve a full disk would keep alive every token that an administrator
//! wants dead. While the reserve is spent, only transactions that [`Txn::frees`] are committed, so that nothing else
//! uses it up; before each that does not, it is tried whether there is room for a whole reserve again.
//!
//! After a restart on a disk that is still full there is no reserve: what was deleted stays deleted, and further
//! deletions work as long as the file has free pages of its own. Left out on purpose: other programs, which may take
//! the room in the moment it is given up.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{FallocateFlags, fallocate};

use super::Txn;
use super::limits::{RESERVE_BYTES, SPARE_BYTES};

/// Where room can be set aside.
pub(super) trait Keeper: Send + Sync + std::fmt::Debug {
    /// Sets it aside, unless it is.
    fn take(&self) -> io::Result<()>;
    /// Gives it up.
    fn give(&self) -> io::Result<()>;
}

/// The reserve of a store.
#[derive(Debug)]
pub(super) struct Reserve {
    keeper: Option<Box<dyn Keeper>>,
    spent: AtomicBool,
}

impl Reserve {
    /// Sets room aside; `None`: there is no disk that could be full.
    pub(super) fn new(keeper: Option<Box<dyn Keeper>>) -> Self {
        let reserve = Self { spent: AtomicBool::new(keeper.is_some()), keeper };
        if !reserve.restored() {
            tracing::warn!(
                "the disk has no room for the store's reserve of {} MiB: until it has, only deletions and revocations are accepted",
                RESERVE_BYTES / 1024 / 1024
            );
        }
        reserve
    }

    /// Whether it is there, or can be had again now.
    pub(super) fn restored(&self) -> bool {
        if !self.spent.load(Ordering::SeqCst) {
            return true;
        }
        let there = self.keeper.as_ref().is_none_or(|keeper| keeper.take().is_ok());
        self.spent.store(!there, Ordering::SeqCst);
        if there && self.keeper.is_some() {
            tracing::info!("the store's reserve of room on the disk is set aside");
        }
        there
    }

    /// Gives it up; whether that made room.
    pub(super) fn spend(&self) -> bool {
        let Some(keeper) = &self.keeper else { return false };
        if self.spent.swap(true, Ordering::SeqCst) {
            return false;
        }
        tracing::error!(
            "the disk is full: the store's reserve is given up, and only deletions and revocations are accepted"
        );
        keeper.give().is_ok()
    }
}

/// A file of the reserve's size beside the store's.
#[derive(Debug)]
pub(super) struct ReserveFile(PathBuf);

impl ReserveFile {
    /// Beside the store's file at `path`.
    pub(super) fn beside(path: &Path) -> Self {
        let mut name = path.as_os_str().to_owned();
        name.push(".reserve");
        Self(name.into())
    }

    fn open(&self) -> io::Result<File> {
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&self.0)
    }
}

impl Keeper for ReserveFile {
    fn take(&self) -> io::Result<()> {
        let file = self.open()?;
        // Blocks of 512 bytes, whatever the file system's own are: a sparse file keeps no room.
        let metadata = file.metadata()?;
        if metadata.len() == RESERVE_BYTES && metadata.blocks() * 512 >= RESERVE_BYTES {
            return Ok(());
        }
        let taken = fallocate(&file, FallocateFlags::empty(), 0, RESERVE_BYTES + SPARE_BYTES)
            .map_err(io::Error::from)
            .and_then(|()| file.set_len(RESERVE_BYTES));
        taken.inspect_err(|_| {
            // Half a reserve would be room that nobody can use. It is tried again before the next write.
            let _ = file.set_len(0);
        })
    }

    fn give(&self) -> io::Result<()> {
        self.open()?.set_len(0)
    }
}

/// Where revocations of single tokens stand.
const REVOCATIONS: &str = "jeton.dev/tokenrevocations";

impl Txn {
    /// Whether it removes something, brings that nearer, or revokes a token: what must work even on a full disk.
    pub(super) fn frees(&self) -> bool {
        self.changes.iter().any(|(change, _)| match change {
            super::Change::Delete { .. } => true,
            super::Change::Put { key, row, .. } => row.deletion.is_some() || key.split().0 == REVOCATIONS,
        })
    }
}
