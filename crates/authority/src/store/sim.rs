//! A disk that forgets what was not synced, and one that fails when it is told to.

use std::io;
use std::sync::{Arc, Mutex};

use redb::StorageBackend;

use super::gate::Disk;

#[derive(Debug, Clone)]
enum Write {
    At(u64, Vec<u8>),
    Length(u64),
}

#[derive(Debug, Default)]
struct State {
    synced: Vec<u8>,
    unsynced: Vec<Write>,
    operations: u64,
    syncs: u64,
    /// Operation from which on every write and sync fails, and how.
    fails: Option<(u64, io::ErrorKind)>,
    syncs_fail: bool,
    /// Bytes that the disk has; none: enough.
    room: Option<usize>,
}

/// A disk in memory.
#[derive(Debug, Clone, Default)]
pub(super) struct SimDisk(Arc<Mutex<State>>);

fn perform(bytes: &mut Vec<u8>, write: &Write) {
    match write {
        Write::At(offset, data) => {
            let start = usize::try_from(*offset).unwrap();
            let end = start + data.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[start..end].copy_from_slice(data);
        }
        Write::Length(length) => bytes.resize(usize::try_from(*length).unwrap(), 0),
    }
}

impl SimDisk {
    pub(super) fn disk(&self) -> Disk {
        Arc::new(self.clone())
    }

    /// What a power failure leaves: the synced bytes, and of the unsynced writes those that `kept` picks.
    pub(super) fn crash(&self, mut kept: impl FnMut() -> bool) -> Self {
        let state = self.0.lock().unwrap();
        let mut bytes = state.synced.clone();
        for write in &state.unsynced {
            if kept() {
                perform(&mut bytes, write);
            }
        }
        Self(Arc::new(Mutex::new(State { synced: bytes, ..State::default() })))
    }

    /// From now on, after `operations` further ones, every change fails.
    pub(super) fn fail_after(&self, operations: u64, kind: io::ErrorKind) {
        let mut state = self.0.lock().unwrap();
        state.fails = Some((state.operations + operations, kind));
    }

    /// From now on the disk has so many bytes; `None`: enough.
    pub(super) fn set_room(&self, room: Option<usize>) {
        self.0.lock().unwrap().room = room;
    }

    /// From now on every sync fails.
    pub(super) fn fail_syncs(&self) {
        self.0.lock().unwrap().syncs_fail = true;
    }

    pub(super) fn heal(&self) {
        let mut state = self.0.lock().unwrap();
        state.fails = None;
        state.syncs_fail = false;
    }

    pub(super) fn syncs(&self) -> u64 {
        self.0.lock().unwrap().syncs
    }

    fn change(&self, write: Write) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.step()?;
        let end = match &write {
            Write::At(offset, data) => usize::try_from(*offset).unwrap() + data.len(),
            Write::Length(_) => 0,
        };
        if state.room.is_some_and(|room| end > room) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.unsynced.push(write);
        Ok(())
    }
}

impl State {
    fn step(&mut self) -> io::Result<()> {
        self.operations += 1;
        match self.fails {
            Some((from, kind)) if self.operations > from => Err(kind.into()),
            _ => Ok(()),
        }
    }

    fn current(&self) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        self.unsynced.iter().for_each(|write| perform(&mut bytes, write));
        bytes
    }
}

impl StorageBackend for SimDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().current().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let bytes = self.0.lock().unwrap().current();
        let start = usize::try_from(offset).unwrap();
        let found = bytes.get(start..start + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.change(Write::Length(length))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.step()?;
        if state.syncs_fail {
            return Err(io::ErrorKind::Other.into());
        }
        state.syncs += 1;
        state.synced = state.current();
        state.unsynced.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(Write::At(offset, data.to_vec()))
    }
}
