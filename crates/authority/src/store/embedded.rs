//! The embedded store: one file, one writer thread, any number of readers.

use std::ops::Bound;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;

use redb::ReadableDatabase;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::batch::check_limits;
use super::database::{self, Found, META, META_REVISION, OBJECTS, Opened, guard, parse_key};
use super::error::{CommitError, OpenError, StoreError, TooOld};
use super::figures::Figures;
use super::gate::Disk;
use super::index::Index;
use super::key::{Key, Prefix};
use super::limits::{PAGE_MAX_BYTES, QUEUE_MAX_BYTES, QUEUE_MAX_TXNS};
use super::reserve::{Keeper, Reserve, ReserveFile};
use super::watch::{Ring, Watcher};
use super::writer::{self, Job};
use super::{CommitFuture, Page, Store, Stored, Txn, file, record};

/// A store in one file of this machine.
#[derive(Debug)]
pub struct Embedded {
    shared: Arc<Shared>,
    queue: Option<mpsc::UnboundedSender<Job>>,
    places: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    writer: Option<JoinHandle<()>>,
}

/// What readers and the writer share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) disk: Disk,
    pub(super) index: Index,
    pub(super) ring: Arc<Ring>,
    pub(super) figures: Figures,
    pub(super) reserve: Reserve,
    state: RwLock<Result<Arc<Opened>, StoreError>>,
    revision: AtomicU64,
}

impl Shared {
    pub(super) fn database(&self) -> Result<Arc<Opened>, StoreError> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn revision(&self) -> u64 {
        self.revision.load(Ordering::SeqCst)
    }

    pub(super) fn set_revision(&self, revision: u64) {
        self.revision.store(revision, Ordering::SeqCst);
    }

    pub(super) fn reopened(&self, opened: Opened) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Ok(Arc::new(opened));
    }

    pub(super) fn refuse(&self, remedy: &'static str, error: &StoreError) {
        let refusing = StoreError::Refusing { remedy, source: Arc::new(error.clone()) };
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Err(refusing);
    }
}

impl Embedded {
    /// Opens the store in `path`, or makes one where there is no file.
    ///
    /// # Errors
    /// [`OpenError`] says why: missing directory, permission, in use, foreign, newer, damaged, full or failing disk.
    /// The file is left as it was.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError { path: path.to_owned(), source };
        let (disk, found) = match file::open(path).map_err(failed)? {
            Some(disk) => (disk.clone(), database::open(disk).map_err(failed)?),
            None => {
                let (new, disk) = file::create(path).map_err(failed)?;
                let found = database::create(disk.clone()).map_err(failed)?;
                new.publish(path).map_err(failed)?;
                (disk, found)
            }
        };
        Self::start(disk, found, Some(Box::new(ReserveFile::beside(path)))).map_err(failed)
    }

    /// A store in memory, gone when it is dropped: for throw-away worlds.
    ///
    /// # Errors
    /// [`StoreError`] when its thread cannot be started.
    pub fn in_memory() -> Result<Self, StoreError> {
        let disk: Disk = Arc::new(redb::backends::InMemoryBackend::new());
        let found = database::create(disk.clone())?;
        Self::start(disk, found, None)
    }

    /// A store on any storage: an existing one, or a fresh one on empty storage.
    #[cfg(test)]
    pub(super) fn on_disk(disk: Disk) -> Result<Self, StoreError> {
        Self::on_disk_with(disk, None)
    }

    /// As [`Self::on_disk`], with a reserve.
    #[cfg(test)]
    pub(super) fn on_disk_with(disk: Disk, keeper: Option<Box<dyn Keeper>>) -> Result<Self, StoreError> {
        let length = disk.len().map_err(|error| StoreError::from_io("inspect", error))?;
        let found = if length == 0 { database::create(disk.clone())? } else { database::open(disk.clone())? };
        Self::start(disk, found, keeper)
    }

    fn start(disk: Disk, found: Found, keeper: Option<Box<dyn Keeper>>) -> Result<Self, StoreError> {
        let index = Index::default();
        index.replace(found.rows);
        let shared = Arc::new(Shared {
            disk,
            index,
            ring: Ring::new(found.revision),
            figures: Figures::new()
                .map_err(|error| StoreError::from_io("count the commits of", std::io::Error::other(error)))?,
            reserve: Reserve::new(keeper),
            state: RwLock::new(Ok(Arc::new(found.opened))),
            revision: AtomicU64::new(found.revision),
        });
        let (queue, mut jobs) = mpsc::unbounded_channel();
        let works_on = shared.clone();
        let writer = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || writer::run(&works_on, &mut jobs))
            .map_err(|error| StoreError::from_io("start the writer of", error))?;
        Ok(Self {
            shared,
            queue: Some(queue),
            places: Arc::new(Semaphore::new(QUEUE_MAX_TXNS)),
            bytes: Arc::new(Semaphore::new(QUEUE_MAX_BYTES)),
            writer: Some(writer),
        })
    }

    fn read<T>(
        &self,
        work: impl FnOnce(redb::ReadTransaction) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let opened = self.shared.database()?;
        guard("read", || {
            work(opened.database.begin_read().map_err(|error| StoreError::from_redb("read", error))?)
        })
    }
}

impl Store for Embedded {
    fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        if !self.shared.index.read(|view| view.contains(key)) {
            return self.shared.database().map(|_| None);
        }
        self.read(|txn| {
            let table = txn.open_table(OBJECTS).map_err(|error| StoreError::from_redb("read", error))?;
            let found = table.get(key.as_str()).map_err(|error| StoreError::from_redb("read", error))?;
            found.map(|bytes| record::decode_object(key.as_str(), bytes.value())).transpose()
        })
    }

    fn list(&self, prefix: &Prefix, after: Option<&Key>, limit: usize) -> Result<Page, StoreError> {
        self.read(|txn| {
            let redb = |error: redb::Error| StoreError::from_redb("read", error);
            let meta = txn.open_table(META).map_err(|error| redb(error.into()))?;
            let revision = meta.get(META_REVISION).map_err(|error| redb(error.into()))?;
            let revision = revision.ok_or_else(|| StoreError::damaged("the revision is missing"))?.value();
            let table = txn.open_table(OBJECTS).map_err(|error| redb(error.into()))?;
            let start = match after {
                Some(key) => Bound::Excluded(key.as_str()),
                None => Bound::Included(prefix.as_str()),
            };
            let range = table.range::<&str>((start, Bound::Unbounded)).map_err(|error| redb(error.into()))?;
            let mut page = Page { items: Vec::new(), more: false, revision };
            let mut bytes = 0;
            for entry in range {
                let (key, value) = entry.map_err(|error| redb(error.into()))?;
                if !key.value().starts_with(prefix.as_str()) {
                    break;
                }
                if page.items.len() >= limit || bytes >= PAGE_MAX_BYTES {
                    page.more = true;
                    break;
                }
                let stored = record::decode_object(key.value(), value.value())?;
                bytes += stored.body.len();
                page.items.push((parse_key(key.value())?, stored));
            }
            Ok(page)
        })
    }

    fn commit(&self, txn: Txn) -> CommitFuture {
        let (queue, places, bytes_left) = (self.queue.clone(), self.places.clone(), self.bytes.clone());
        Box::pin(async move {
            let bytes = check_limits(&txn)?;
            let closed = |_| CommitError::Store(StoreError::Closed);
            let queue = queue.ok_or(CommitError::Store(StoreError::Closed))?;
            let weight = u32::try_from(bytes).unwrap_or(u32::MAX);
            let room = (
                places.acquire_owned().await.map_err(closed)?,
                bytes_left.acquire_many_owned(weight).await.map_err(closed)?,
            );
            let (answer, told) = oneshot::channel();
            let job = Job { txn, bytes, answer, _room: room };
            queue.send(job).map_err(|_| CommitError::Store(StoreError::Closed))?;
            drop(queue);
            told.await.unwrap_or(Err(CommitError::Store(StoreError::Closed)))
        })
    }

    fn revision(&self) -> u64 {
        self.shared.revision()
    }

    fn index(&self) -> &Index {
        &self.shared.index
    }

    fn figures(&self) -> &Figures {
        &self.shared.figures
    }

    fn watch(&self, prefix: &Prefix, from: u64) -> Result<Watcher, TooOld> {
        self.shared.ring.watch(prefix, from)
    }
}

impl Drop for Embedded {
    /// Finishes what was queued.
    fn drop(&mut self) {
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has nothing left to finish.
            let _ = writer.join();
        }
    }
}
