//! The store's file on a real disk: made whole or not at all, 0600 from its first moment, one process at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::StorageBackend;

use super::error::StoreError;
use super::gate::Disk;

/// Owner may read and write, nobody else anything: bodies hold tokens and certificates.
const MODE: u32 = 0o600;

/// A locked file; the lock lives as long as the file is open.
#[derive(Debug)]
pub(super) struct LockedFile(File);

/// A new file under a name of its own until [`NewFile::publish`].
#[derive(Debug)]
pub(super) struct NewFile {
    temporary: PathBuf,
}

/// Opens an existing file and locks it. None if there is none.
pub(super) fn open(path: &Path) -> Result<Option<Disk>, StoreError> {
    match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => {
            if !file.metadata().map_err(|error| StoreError::from_io("inspect", error))?.is_file() {
                return Err(StoreError::Foreign { reason: "it is not a regular file" });
            }
            lock(file).map(Some)
        }
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
            Err(StoreError::Foreign { reason: "it is a directory" })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => match directory(path).metadata() {
            Ok(_) => Ok(None),
            Err(_) => Err(StoreError::DirectoryMissing(Arc::new(error))),
        },
        Err(error) => Err(StoreError::from_io("open", error)),
    }
}

/// Makes an empty, locked file beside `path`.
pub(super) fn create(path: &Path) -> Result<(NewFile, Disk), StoreError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    // A name nobody else has: two first starts at once must not write into the same file.
    name.push(format!(".{}.new", uuid::Uuid::new_v4()));
    let temporary = directory(path).join(name);
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(MODE).open(&temporary);
    let new = NewFile { temporary };
    let file = file.map_err(|error| StoreError::from_io("create", error))?;
    Ok((new, lock(file)?))
}

impl NewFile {
    /// Gives the finished file its name. Refuses if another process was first.
    pub(super) fn publish(self, path: &Path) -> Result<(), StoreError> {
        // A link, not a rename: a rename would replace a file that another process has just made.
        std::fs::hard_link(&self.temporary, path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => StoreError::InUse,
            _ => StoreError::from_io("name", error),
        })?;
        std::fs::remove_file(&self.temporary).map_err(|error| StoreError::from_io("name", error))?;
        let synced = File::open(directory(path)).and_then(|directory| directory.sync_all());
        synced.map_err(|error| StoreError::from_io("sync the directory of", error))
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // After `publish` it is already gone; after a failure it holds nothing anybody was promised.
        let _ = std::fs::remove_file(&self.temporary);
    }
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn lock(file: File) -> Result<Disk, StoreError> {
    match file.try_lock() {
        Ok(()) => Ok(Arc::new(LockedFile(file))),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse),
        Err(TryLockError::Error(error)) => Err(StoreError::from_io("lock", error)),
    }
}

impl StorageBackend for LockedFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }
}
