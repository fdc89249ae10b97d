//! The file's tables, and opening them: format check, index, and only then the first byte written.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};

use super::error::StoreError;
use super::gate::{Disk, Gate};
use super::index::Rows;
use super::key::Key;
use super::limits::{CACHE_BYTES, CHECK_MAX_BYTES};
use super::record;

/// The format this program writes, and the newest it reads.
const FORMAT: u64 = 1;
/// What every database file of the library starts with.
const MAGIC: [u8; 9] = *b"redb\x1a\x0a\xa9\x0d\x0a";

pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("jeton/meta");
pub(super) const OBJECTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("jeton/objects");
pub(super) const ROWS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("jeton/rows");
const META_FORMAT: &str = "format";
pub(super) const META_REVISION: &str = "revision";
/// Revision of a store in which nothing ever happened. Not 0, which Kubernetes' clients take for "any".
const FIRST_REVISION: u64 = 1;

/// An open database and the gate it writes through.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) database: Database,
    pub(super) gate: Gate,
}

/// What an opening found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) opened: Opened,
    pub(super) rows: Rows,
    pub(super) revision: u64,
}

/// Opens what is on the disk. Changes nothing unless it succeeds.
pub(super) fn open(disk: Disk) -> Result<Found, StoreError> {
    check_magic(&disk)?;
    let opened = start(disk)?;
    let (rows, revision) = guard("open", || load(&opened.database))?;
    opened.gate.open().map_err(|error| StoreError::from_io("write", error))?;
    Ok(Found { opened, rows, revision })
}

/// Makes an empty store on an empty disk.
pub(super) fn create(disk: Disk) -> Result<Found, StoreError> {
    let opened = start(disk)?;
    guard("create", || {
        let txn = opened.database.begin_write().map_err(|error| StoreError::from_redb("create", error))?;
        initialize(&txn).map_err(|error| StoreError::from_redb("create", error))?;
        txn.commit().map_err(|error| StoreError::from_redb("create", error))
    })?;
    opened.gate.open().map_err(|error| StoreError::from_io("write", error))?;
    Ok(Found { opened, rows: Rows::default(), revision: FIRST_REVISION })
}

/// Runs the database library on bytes that may be damaged. It documents that it may panic on them, and a damaged
/// file must not take the process with it.
pub(super) fn guard<T>(
    doing: &'static str,
    work: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    quiet_panics();
    let outer = GUARDED.replace(true);
    // Sound to go on: whoever gets this error gives up what it was working on.
    let done = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(outer);
    done.unwrap_or_else(|_| Err(StoreError::damaged(format!("the tables contradict themselves on {doing}"))))
}

thread_local! {
    /// Whether this thread is inside [`guard`].
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Keeps the words of panics inside [`guard`] for the log's debug level: the error that is made of one says it better.
fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| match GUARDED.get() {
            true => tracing::debug!(%panic, "the database library gave up"),
            false => usual(panic),
        }));
    });
}

fn check_magic(disk: &Disk) -> Result<(), StoreError> {
    let length = disk.len().map_err(|error| StoreError::from_io("inspect", error))?;
    if length < MAGIC.len() as u64 {
        return Err(StoreError::Foreign { reason: "it is empty or too short" });
    }
    let mut found = [0; MAGIC.len()];
    disk.read(0, &mut found).map_err(|error| StoreError::from_io("read", error))?;
    if found != MAGIC { Err(StoreError::Foreign { reason: "it is not a database file" }) } else { Ok(()) }
}

fn start(disk: Disk) -> Result<Opened, StoreError> {
    let inspect = |error| StoreError::from_io("inspect", error);
    let length = disk.len().map_err(inspect)?;
    let gate = Gate::hold(disk).map_err(inspect)?;
    let database = guard("open", || {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES);
        // Entries carry checksums of their own. Without this, damage to what lies around them, such as the record of which
        // pages are free, is believed, and later commits may write over pages that are in use.
        builder.set_check_integrity_on_open(length <= CHECK_MAX_BYTES);
        builder.create_with_backend(gate.clone()).map_err(|error| StoreError::from_redb("open", error))
    })?;
    Ok(Opened { database, gate })
}

fn initialize(txn: &redb::WriteTransaction) -> Result<(), redb::Error> {
    let mut meta = txn.open_table(META)?;
    meta.insert(META_FORMAT, FORMAT)?;
    meta.insert(META_REVISION, FIRST_REVISION)?;
    txn.open_table(OBJECTS)?;
    txn.open_table(ROWS)?;
    Ok(())
}

fn load(database: &Database) -> Result<(Rows, u64), StoreError> {
    let redb = |error: redb::Error| StoreError::from_redb("read", error);
    let txn = database.begin_read().map_err(|error| redb(error.into()))?;
    let meta = txn.open_table(META).map_err(|error| redb(error.into()))?;
    let value = |name| Ok(meta.get(name).map_err(|error| redb(error.into()))?.map(|value| value.value()));
    match value(META_FORMAT)? {
        Some(FORMAT) => {}
        Some(found) if found > FORMAT => return Err(StoreError::NewerFormat { found, supported: FORMAT }),
        _ => return Err(StoreError::Foreign { reason: "it names no format of ours" }),
    }
    let revision = value(META_REVISION)?.ok_or_else(|| StoreError::damaged("the revision is missing"))?;
    let objects = txn.open_table(OBJECTS).map_err(|error| redb(error.into()))?;
    let rows = txn.open_table(ROWS).map_err(|error| redb(error.into()))?;
    let counts =
        (objects.len().map_err(|error| redb(error.into()))?, rows.len().map_err(|error| redb(error.into()))?);
    if counts.0 != counts.1 {
        return Err(StoreError::damaged(format!("{} objects have {} index rows", counts.0, counts.1)));
    }
    let rows = rows.iter().map_err(|error| redb(error.into()))?;
    let rows = Rows::from_sorted(rows.map(|entry| {
        let (key, row) = entry.map_err(|error| redb(error.into()))?;
        let row = record::decode_row(key.value(), row.value())?;
        Ok((parse_key(key.value())?, row))
    }))?;
    Ok((rows, revision))
}

/// A key as the file has it.
pub(super) fn parse_key(text: &str) -> Result<Key, StoreError> {
    Key::parse(text).ok_or_else(|| StoreError::damaged("an entry has an impossible key"))
}
