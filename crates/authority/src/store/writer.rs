//! The one thread that writes: it takes whatever waits, commits it in one durable transaction, and answers.
//!
//! When the disk is full, the reserve is given up and what frees something is tried once more.
//!
//! Invariant: index, events and revision are up to date before the first answer of a batch leaves. After an error of
//! the disk nothing is acknowledged until the file has been opened anew and read back; after a failed sync, when the
//! system may have dropped what it could not write, nothing at all until the process starts again.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::embedded::Shared;
use super::error::{CommitError, StoreError};
use super::limits::{BATCH_MAX_BYTES, BATCH_MAX_TXNS};
use super::{Committed, Txn, batch, database};

pub(super) type Answer = Result<Committed, CommitError>;

/// A transaction that waits, with the room it takes in the queue.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) txn: Txn,
    pub(super) bytes: usize,
    pub(super) answer: oneshot::Sender<Answer>,
    pub(super) _room: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

/// Works until every sender is gone.
pub(super) fn run(shared: &Arc<Shared>, queue: &mut mpsc::UnboundedReceiver<Job>) {
    while let Some(first) = queue.blocking_recv() {
        let mut bytes = first.bytes;
        let mut jobs = vec![first];
        while jobs.len() < BATCH_MAX_TXNS && bytes < BATCH_MAX_BYTES {
            let Ok(job) = queue.try_recv() else { break };
            bytes += job.bytes;
            jobs.push(job);
        }
        commit(shared, jobs);
    }
}

fn commit(shared: &Arc<Shared>, jobs: Vec<Job>) {
    let Some(jobs) = admitted(shared, jobs) else { return };
    let again: Vec<Txn> = jobs.iter().filter(|job| job.txn.frees()).map(|job| job.txn.clone()).collect();
    let (txns, answers): (Vec<_>, Vec<_>) =
        jobs.into_iter().map(|job| ((job.txn.frees(), job.txn), (job.answer, job._room))).unzip();
    let (frees, txns): (Vec<bool>, Vec<Txn>) = txns.into_iter().unzip();
    let transactions = txns.len();
    let (mut answers, mut result) = (answers, timed(shared, transactions, txns));
    if let Err(error) = &result
        && error.is_full()
        && shared.reserve.spend()
    {
        let error = recover(shared, error.clone());
        let mut kept = frees.into_iter();
        let refused = answers.extract_if(.., |_| !kept.next().unwrap_or(false));
        refused.for_each(|(answer, _room)| refuse(answer, &error));
        if again.is_empty() {
            return;
        }
        result = timed(shared, again.len(), again);
    }
    let result = result.map_err(|error| recover(shared, error));
    match result {
        Ok(done) => {
            let rows = done.effects.iter().map(|(event, row)| (&event.key, row.as_ref()));
            shared.index.apply(rows);
            let newest = done.effects.last().map(|(event, _)| event.revision);
            shared.ring.publish(done.effects.into_iter().map(|(event, _)| event));
            if let Some(newest) = newest {
                shared.set_revision(newest);
            }
            for ((answer, _room), result) in answers.into_iter().zip(done.answers) {
                // The asker may have gone away; the transaction stands all the same.
                let _ = answer.send(result);
            }
        }
        Err(error) => answers.into_iter().for_each(|(answer, _room)| refuse(answer, &error)),
    }
}

/// What may be committed now: while the reserve is spent, only what frees something. `None`: nothing is left.
fn admitted(shared: &Shared, jobs: Vec<Job>) -> Option<Vec<Job>> {
    if jobs.iter().all(|job| job.txn.frees()) || shared.reserve.restored() {
        return Some(jobs);
    }
    let (admitted, refused): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.txn.frees());
    let full = StoreError::DiskFull(Arc::new(std::io::ErrorKind::StorageFull.into()));
    refused.into_iter().for_each(|job| refuse(job.answer, &full));
    Some(admitted).filter(|jobs| !jobs.is_empty())
}

fn refuse(answer: oneshot::Sender<Answer>, error: &StoreError) {
    // The asker may have gone away.
    let _ = answer.send(Err(CommitError::Store(error.clone())));
}

fn timed(shared: &Shared, transactions: usize, txns: Vec<Txn>) -> Result<batch::Done, StoreError> {
    let begun = Instant::now();
    let applied =
        shared.database().and_then(|opened| batch::apply(&opened.database, txns, shared.revision()));
    shared.figures.committed(transactions, begun.elapsed(), applied.is_ok());
    applied
}

/// Opens the file anew after an error that may have left the database in an unknown state.
fn recover(shared: &Arc<Shared>, error: StoreError) -> StoreError {
    let Ok(opened) = shared.database() else { return error };
    if !opened.gate.failed() && !matches!(error, StoreError::Damaged { .. }) {
        return error;
    }
    opened.gate.shut();
    if opened.gate.sync_failed() {
        shared.refuse("a sync failed, so it is unknown what the disk holds; start the process again", &error);
        return error;
    }
    drop(opened);
    match database::open(shared.disk.clone()) {
        Ok(found) => {
            shared.index.replace(found.rows);
            if found.revision != shared.revision() {
                shared.ring.forget(found.revision);
                shared.set_revision(found.revision);
            }
            shared.reopened(found.opened);
        }
        Err(again) => shared.refuse("repair the disk, then start the process again", &again),
    }
    error
}
