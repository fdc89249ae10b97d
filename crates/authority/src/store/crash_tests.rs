//! What was acknowledged survives a power failure at any moment; what fails is said and leaves the store usable.

use super::sim::SimDisk;
use super::*;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use uuid::Uuid;

fn key(n: u64) -> Key {
    Key::new("core/configmaps", "a", &format!("k{n}")).unwrap()
}

fn put(n: u64, body: u64) -> Txn {
    let row = IndexRow {
        uid: Uuid::from_u128(u128::from(body)),
        deletion: None,
        account: None,
        node: None,
        token_digest: None,
        terminating: false,
    };
    let change = Change::Put { key: key(n), body: vec![u8::try_from(body % 251).unwrap(); 300], row };
    Txn { checks: Vec::new(), changes: vec![(change, Expect::Any)] }
}

fn delete(n: u64) -> Txn {
    Txn { checks: Vec::new(), changes: vec![(Change::Delete { key: key(n) }, Expect::Any)] }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

/// A small repeatable source of decisions.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

type Model = BTreeMap<u64, u8>;

/// One random change; the model learns of it only when it was acknowledged.
async fn step(store: &Embedded, model: &mut Model, dice: &mut Dice, n: u64) -> Result<(), CommitError> {
    let which = dice.roll(20);
    if model.contains_key(&which) && dice.roll(3) == 0 {
        store.commit(delete(which)).await?;
        model.remove(&which);
    } else {
        store.commit(put(which, n)).await?;
        model.insert(which, u8::try_from(n % 251).unwrap());
    }
    Ok(())
}

fn content(store: &Embedded) -> Model {
    let page = store.list(&Key::prefix_all("core/configmaps"), None, 1000).unwrap();
    let content: Model =
        page.items.iter().map(|(k, s)| (k.parts().2[1..].parse().unwrap(), s.body[0])).collect();
    let indexed = store.index().read(|view| view.count(&Key::prefix_all("core/configmaps")));
    assert_eq!(indexed, content.len(), "the index agrees with the disk");
    content
}

#[test]
fn a_power_failure_after_any_acknowledgement_loses_nothing() {
    runtime().block_on(async {
        let mut dice = Dice(0x9e37_79b9);
        for round in 0..12 {
            let disk = SimDisk::default();
            let store = Embedded::on_disk(disk.disk()).unwrap();
            let mut model = Model::new();
            for n in 0..20 {
                step(&store, &mut model, &mut dice, n).await.unwrap();
                // Nothing, everything, or a torn half of the unsynced writes reaches the disk.
                let after = disk.crash(|| round % 3 == 1 || (round % 3 == 2 && dice.roll(2) == 0));
                let again = Embedded::on_disk(after.disk()).unwrap();
                assert_eq!(content(&again), model, "round {round}, change {n}");
                assert_eq!(again.revision(), store.revision());
            }
        }
    });
}

#[test]
fn a_full_disk_is_named_and_the_store_works_again_once_there_is_room() {
    runtime().block_on(async {
        let mut dice = Dice(77);
        for after in 0..12 {
            let disk = SimDisk::default();
            let store = Embedded::on_disk(disk.disk()).unwrap();
            let mut model = Model::new();
            for n in 0..5 {
                step(&store, &mut model, &mut dice, n).await.unwrap();
            }
            disk.fail_after(after, io::ErrorKind::StorageFull);
            let mut failed = None;
            for n in 5..10 {
                if let Err(error) = store.commit(put(n, n)).await {
                    failed = Some(error);
                    break;
                }
                model.insert(n, u8::try_from(n).unwrap());
            }
            let error = failed.expect("twelve operations are fewer than five commits need");
            let CommitError::Store(error) = error else { panic!("{error:?}") };
            let full = |e: &StoreError| matches!(e, StoreError::DiskFull(_));
            let refusing = |e: &StoreError| matches!(e, StoreError::Refusing { source, .. } if full(source));
            assert!(full(&error) || refusing(&error), "{error:?}");
            disk.heal();
            match store.commit(put(50, 1)).await {
                // Nothing that was acknowledged before is lost, whether this store goes on or asks for a restart.
                Ok(_) => {
                    model.insert(50, 1);
                }
                Err(CommitError::Store(StoreError::Refusing { .. })) => {}
                Err(other) => panic!("{other:?}"),
            }
            drop(store);
            let again = Embedded::on_disk(disk.crash(|| true).disk()).unwrap();
            let found = content(&again);
            for (k, v) in &model {
                assert_eq!(found.get(k), Some(v), "acknowledged, then the disk was full after {after}");
            }
        }
    });
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_until_a_restart() {
    runtime().block_on(async {
        let disk = SimDisk::default();
        let store = Embedded::on_disk(disk.disk()).unwrap();
        store.commit(put(1, 1)).await.unwrap();
        store.commit(put(2, 2)).await.unwrap();
        disk.fail_syncs();
        assert!(store.commit(put(3, 3)).await.is_err());
        disk.heal();
        let refused = store.commit(put(4, 4)).await.unwrap_err();
        assert!(matches!(refused, CommitError::Store(StoreError::Refusing { .. })), "{refused:?}");
        assert!(store.get(&key(1)).is_err(), "nor is anything read that may not be true");
        drop(store);
        let again = Embedded::on_disk(disk.crash(|| false).disk()).unwrap();
        assert_eq!(content(&again).keys().copied().collect::<Vec<_>>(), [1, 2]);
    });
}

#[test]
fn commits_at_the_same_time_share_their_syncs() {
    runtime().block_on(async {
        let disk = SimDisk::default();
        let store = Embedded::on_disk(disk.disk()).unwrap();
        let before = disk.syncs();
        store.commit(put(1, 1)).await.unwrap();
        let alone = disk.syncs() - before;
        let tasks: Vec<_> = (0..200).map(|n| tokio::spawn(store.commit(put(n, n)))).collect();
        let before = disk.syncs();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        let together = disk.syncs() - before;
        assert!(together < 100 * alone, "{together} syncs for 200 commits, {alone} for one");
    });
}

/// A reserve on a simulated disk: what is given up is room for the store's file.
#[derive(Debug)]
struct SimReserve {
    disk: SimDisk,
    room: usize,
    given: AtomicBool,
    larger: Arc<AtomicBool>,
}

impl reserve::Keeper for SimReserve {
    fn take(&self) -> io::Result<()> {
        let there = !self.given.load(Ordering::SeqCst) || self.larger.load(Ordering::SeqCst);
        if there { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
    }

    fn give(&self) -> io::Result<()> {
        self.given.store(true, Ordering::SeqCst);
        self.disk.set_room(Some(self.room + usize::try_from(limits::RESERVE_BYTES).unwrap()));
        Ok(())
    }
}

fn large(n: u64) -> Txn {
    let mut txn = put(n, n);
    if let Some((Change::Put { body, .. }, _)) = txn.changes.first_mut() {
        body.resize(100_000, 0);
    }
    txn
}

fn is_full(result: Result<Committed, CommitError>) -> bool {
    match result {
        Ok(_) => false,
        Err(CommitError::Store(error)) if error.is_full() => true,
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn on_a_full_disk_deletions_still_work_and_nothing_else_uses_the_reserve_up() {
    runtime().block_on(async {
        let disk = SimDisk::default();
        drop(Embedded::on_disk(disk.disk()).unwrap());
        let room = usize::try_from(disk.disk().len().unwrap()).unwrap();
        disk.set_room(Some(room));
        let larger = Arc::new(AtomicBool::new(false));
        let given = AtomicBool::new(false);
        let keeper = SimReserve { disk: disk.clone(), room, given, larger: larger.clone() };
        let store = Embedded::on_disk_with(disk.disk(), Some(Box::new(keeper))).unwrap();
        let mut made = 0;
        while !is_full(store.commit(large(made)).await) {
            made += 1;
            assert!(made < 1000, "the disk never became full");
        }
        assert!(is_full(store.commit(put(2000, 1)).await), "the reserve is not for this");
        for n in 0..made / 2 {
            store.commit(delete(n)).await.unwrap();
            assert!(store.index().row(&key(n)).is_none());
        }
        assert!(is_full(store.commit(put(2000, 1)).await));
        let after = Embedded::on_disk(disk.crash(|| false).disk()).unwrap();
        assert_eq!(content(&after).len() as u64, made - made / 2, "what was deleted stays deleted");
        larger.store(true, Ordering::SeqCst);
        disk.set_room(None);
        store.commit(put(2000, 1)).await.unwrap();
    });
}
