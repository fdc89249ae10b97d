//! Stands between the database library and the disk, for three promises the library does not make:
//!
//! - an opening that fails has changed no byte: writes are held back until the content has proved to be ours;
//! - a database that was given up after an error can never write again, while its successor already does;
//! - it is known whether a sync failed: after that, what the system's cache shows may not be on the disk.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

use super::limits::OPEN_MAX_WRITES_BYTES;

/// Where the bytes are; shared between a database and its successor after a reopening.
pub(crate) type Disk = Arc<dyn StorageBackend>;

const HELD: u8 = 0;
const OPEN: u8 = 1;
const SHUT: u8 = 2;

/// The gate; clones are the same gate.
#[derive(Debug, Clone)]
pub(super) struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    disk: Disk,
    mode: AtomicU8,
    failed: AtomicBool,
    sync_failed: AtomicBool,
    held: Mutex<Held>,
}

/// Writes that wait for the verdict about the file.
#[derive(Debug, Default)]
struct Held {
    operations: Vec<Operation>,
    length: u64,
    bytes: usize,
}

#[derive(Debug)]
enum Operation {
    Write(u64, Vec<u8>),
    SetLength(u64),
    Sync,
}

impl Gate {
    /// A gate that holds writes back.
    pub(super) fn hold(disk: Disk) -> io::Result<Self> {
        let held = Mutex::new(Held { length: disk.len()?, ..Held::default() });
        let flag = AtomicBool::new(false);
        Ok(Self(Arc::new(Inner {
            disk,
            mode: AtomicU8::new(HELD),
            failed: flag,
            sync_failed: AtomicBool::new(false),
            held,
        })))
    }

    /// Lets held writes through, in their order, and every later one at once.
    pub(super) fn open(&self) -> io::Result<()> {
        let operations = std::mem::take(&mut self.held().operations);
        for operation in operations {
            self.note(matches!(operation, Operation::Sync), self.perform(&operation))?;
        }
        self.0.mode.store(OPEN, Ordering::SeqCst);
        Ok(())
    }

    /// Lets nothing through any more.
    pub(super) fn shut(&self) {
        self.0.mode.store(SHUT, Ordering::SeqCst);
    }

    /// Whether the disk has failed since the gate exists.
    pub(super) fn failed(&self) -> bool {
        self.0.failed.load(Ordering::SeqCst)
    }

    /// Whether a sync has failed since the gate exists.
    pub(super) fn sync_failed(&self) -> bool {
        self.0.sync_failed.load(Ordering::SeqCst)
    }

    fn perform(&self, operation: &Operation) -> io::Result<()> {
        match operation {
            Operation::Write(offset, data) => self.0.disk.write(*offset, data),
            Operation::SetLength(length) => self.0.disk.set_len(*length),
            Operation::Sync => self.0.disk.sync_data(),
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mode(&self) -> io::Result<u8> {
        match self.0.mode.load(Ordering::SeqCst) {
            SHUT => Err(io::Error::other("the database was given up after an earlier error")),
            mode => Ok(mode),
        }
    }

    fn note<T>(&self, sync: bool, result: io::Result<T>) -> io::Result<T> {
        if result.is_err() {
            self.0.failed.store(true, Ordering::SeqCst);
            self.0.sync_failed.fetch_or(sync, Ordering::SeqCst);
        }
        result
    }
}

impl Held {
    fn push(&mut self, operation: Operation) -> io::Result<()> {
        if let Operation::Write(offset, data) = &operation {
            self.bytes += data.len();
            self.length = self.length.max(offset + data.len() as u64);
        }
        if let Operation::SetLength(length) = operation {
            self.length = length;
        }
        if self.bytes > OPEN_MAX_WRITES_BYTES {
            return Err(io::Error::other("opening wants to rewrite more of the file than is allowed"));
        }
        self.operations.push(operation);
        Ok(())
    }

    /// What a read would see if the held operations had been done.
    fn read(&self, disk: &Disk, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let end = offset.saturating_add(out.len() as u64);
        if end > self.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        out.fill(0);
        let on_disk = disk.len()?.saturating_sub(offset).min(out.len() as u64) as usize;
        if on_disk > 0 {
            disk.read(offset, &mut out[..on_disk])?;
        }
        for operation in &self.operations {
            match operation {
                Operation::Write(at, data) => overlay(out, offset, *at, data),
                Operation::SetLength(length) if *length < end => {
                    let kept = length.saturating_sub(offset) as usize;
                    out[kept..].fill(0);
                }
                Operation::SetLength(_) | Operation::Sync => {}
            }
        }
        Ok(())
    }
}

/// Copies the part of `data` (which starts at `at`) that lies in `out` (which starts at `offset`).
fn overlay(out: &mut [u8], offset: u64, at: u64, data: &[u8]) {
    let start = at.max(offset);
    let end = (at + data.len() as u64).min(offset + out.len() as u64);
    if start < end {
        let length = (end - start) as usize;
        let (to, from) = ((start - offset) as usize, (start - at) as usize);
        out[to..to + length].copy_from_slice(&data[from..from + length]);
    }
}

impl StorageBackend for Gate {
    fn len(&self) -> io::Result<u64> {
        match self.mode()? {
            HELD => Ok(self.held().length),
            _ => self.note(false, self.0.disk.len()),
        }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match self.mode()? {
            HELD => self.held().read(&self.0.disk, offset, out),
            _ => self.note(false, self.0.disk.read(offset, out)),
        }
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        match self.mode()? {
            HELD => self.held().push(Operation::SetLength(length)),
            _ => self.note(false, self.0.disk.set_len(length)),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.mode()? {
            HELD => self.held().push(Operation::Sync),
            _ => self.note(true, self.0.disk.sync_data()),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        match self.mode()? {
            HELD => self.held().push(Operation::Write(offset, data.to_vec())),
            _ => self.note(false, self.0.disk.write(offset, data)),
        }
    }
}
