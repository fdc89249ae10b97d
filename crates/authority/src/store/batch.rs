//! Many transactions in one durable commit. Each sees those before it in the batch; one that is refused leaves
//! nothing behind and does not stop the others.

use std::collections::HashSet;
use std::sync::Arc;

use redb::{ReadableTable, Table, WriteTransaction};

use super::database::{META, META_REVISION, OBJECTS, ROWS, guard};
use super::error::{CommitError, StoreError};
use super::index::IndexRow;
use super::key::Key;
use super::limits::{ROW_NAME_MAX_BYTES, TXN_MAX_BYTES, TXN_MAX_ITEMS, VALUE_MAX_BYTES};
use super::watch::{Event, EventKind};
use super::{Change, Committed, Expect, Txn, record};

/// A batch that is on the disk.
#[derive(Debug)]
pub(super) struct Done {
    /// One answer for each transaction.
    pub(super) answers: Vec<Result<Committed, CommitError>>,
    /// What happened, in order, with the new index rows.
    pub(super) effects: Vec<(Event, Option<IndexRow>)>,
}

/// Checks what can be checked without the store. Returns the bytes of all bodies.
pub(super) fn check_limits(txn: &Txn) -> Result<usize, StoreError> {
    let limit = |what, found, allowed| {
        if found > allowed { Err(StoreError::TooLarge { what, found, allowed }) } else { Ok(()) }
    };
    limit("transaction", txn.checks.len() + txn.changes.len(), TXN_MAX_ITEMS)?;
    let mut bytes = 0;
    let mut keys = HashSet::new();
    for (change, _) in &txn.changes {
        if !keys.insert(change.key()) {
            return Err(StoreError::DuplicateKey(change.key().clone()));
        }
        if let Change::Put { body, row, .. } = change {
            limit("body", body.len(), VALUE_MAX_BYTES)?;
            limit("account", row.account.as_deref().map_or(0, str::len), ROW_NAME_MAX_BYTES)?;
            limit("node", row.node.as_deref().map_or(0, str::len), ROW_NAME_MAX_BYTES)?;
            bytes += body.len();
        }
    }
    limit("sum of bodies", bytes, TXN_MAX_BYTES)?;
    Ok(bytes)
}

/// Applies transactions that follow revision `last`, durably. An error means that none of them is acknowledged.
pub(super) fn apply(database: &redb::Database, txns: Vec<Txn>, last: u64) -> Result<Done, StoreError> {
    guard("write", || {
        let mut write = database.begin_write().map_err(|error| StoreError::from_redb("write", error))?;
        // After a kill the file opens at once instead of after a walk over everything.
        write.set_quick_repair(true);
        let done = apply_all(&write, txns, last)?;
        if done.effects.is_empty() {
            write.abort().map_err(|error| StoreError::from_redb("write", error))?;
        } else {
            write.commit().map_err(|error| StoreError::from_redb("write", error))?;
        }
        Ok(done)
    })
}

struct Tables<'t> {
    objects: Table<'t, &'static str, &'static [u8]>,
    rows: Table<'t, &'static str, &'static [u8]>,
}

fn apply_all(write: &WriteTransaction, txns: Vec<Txn>, last: u64) -> Result<Done, StoreError> {
    let open = |error: redb::TableError| StoreError::from_redb("write", error);
    let mut tables = Tables {
        objects: write.open_table(OBJECTS).map_err(open)?,
        rows: write.open_table(ROWS).map_err(open)?,
    };
    let mut done = Done { answers: Vec::with_capacity(txns.len()), effects: Vec::new() };
    let mut revision = last;
    for txn in txns {
        if let Some((key, found)) = tables.conflict(&txn)? {
            done.answers.push(Err(CommitError::Conflict { key, found }));
            continue;
        }
        let first = revision + 1;
        for (change, _) in txn.changes {
            revision += 1;
            done.effects.push(tables.change(change, revision)?);
        }
        done.answers.push(Ok(Committed { revision, revisions: (first..=revision).collect() }));
    }
    let mut meta = write.open_table(META).map_err(open)?;
    meta.insert(META_REVISION, revision).map_err(|error| StoreError::from_redb("write", error))?;
    Ok(done)
}

impl Tables<'_> {
    /// The first key that is not as expected, and what it is.
    fn conflict(&self, txn: &Txn) -> Result<Option<(Key, Option<u64>)>, StoreError> {
        let checks = txn.checks.iter().map(|(key, expect)| (key, *expect, false));
        let changes = txn
            .changes
            .iter()
            .map(|(change, expect)| (change.key(), *expect, matches!(change, Change::Delete { .. })));
        for (key, expect, must_exist) in checks.chain(changes) {
            if expect == Expect::Any && !must_exist {
                continue;
            }
            let found =
                self.objects.get(key.as_str()).map_err(|error| StoreError::from_redb("read", error))?;
            let found = match found {
                Some(bytes) => Some(record::decode_object(key.as_str(), bytes.value())?.revision),
                None => None,
            };
            if !expect.holds(found) || (must_exist && found.is_none()) {
                return Ok(Some((key.clone(), found)));
            }
        }
        Ok(None)
    }

    fn change(&mut self, change: Change, revision: u64) -> Result<(Event, Option<IndexRow>), StoreError> {
        let redb = |error: redb::StorageError| StoreError::from_redb("write", error);
        let (key, new) = match change {
            Change::Put { key, body, row } => (key, Some((body, row))),
            Change::Delete { key } => (key, None),
        };
        let name = key.as_str();
        let old = match &new {
            Some((body, row)) => {
                self.rows.insert(name, record::encode_row(name, row).as_slice()).map_err(redb)?;
                let object = record::encode_object(name, revision, body);
                self.objects.insert(name, object.as_slice()).map_err(redb)?
            }
            None => {
                self.rows.remove(name).map_err(redb)?;
                self.objects.remove(name).map_err(redb)?
            }
        };
        let prev = match old {
            Some(old) => Some(record::decode_object(name, old.value())?.body),
            None => None,
        };
        let (body, row, kind) = match new {
            Some((body, row)) if prev.is_some() => (body.into(), Some(row), EventKind::Modified),
            Some((body, row)) => (body.into(), Some(row), EventKind::Added),
            None => (prev.clone().unwrap_or_else(|| Arc::from([])), None, EventKind::Deleted),
        };
        Ok((Event { revision, key, kind, body, prev_body: prev }, row))
    }
}
