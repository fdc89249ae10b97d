//! The store's promises, on real files.

use super::gate::Disk;
use super::*;
use redb::StorageBackend;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use uuid::Uuid;

fn key(name: &str) -> Key {
    Key::new("core/pods", "a", name).unwrap()
}

fn row(n: u128) -> IndexRow {
    IndexRow {
        uid: Uuid::from_u128(n),
        deletion: None,
        account: Some("builder".into()),
        node: None,
        token_digest: None,
        terminating: false,
    }
}

fn put(name: &str, n: u128, expect: Expect) -> (Change, Expect) {
    (Change::Put { key: key(name), body: format!("body {n}").into_bytes(), row: row(n) }, expect)
}

fn one(change: (Change, Expect)) -> Txn {
    Txn { checks: Vec::new(), changes: vec![change] }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn what_was_acknowledged_is_there_after_opening_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = Embedded::open(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    runtime().block_on(async {
        assert_eq!(store.commit(one(put("x", 1, Expect::Absent))).await.unwrap().revision, 2);
        assert_eq!(store.commit(one(put("y", 2, Expect::Absent))).await.unwrap().revision, 3);
        store.commit(one((Change::Delete { key: key("y") }, Expect::Revision(3)))).await.unwrap();
    });
    drop(store);
    let store = Embedded::open(&path).unwrap();
    assert_eq!(store.revision(), 4);
    assert_eq!(&*store.get(&key("x")).unwrap().unwrap().body, b"body 1");
    assert_eq!(store.get(&key("y")).unwrap(), None);
    assert_eq!(store.index().row(&key("x")).unwrap(), row(1));
    assert_eq!(store.index().row(&key("y")), None);
}

#[test]
fn a_refused_transaction_leaves_no_trace_and_others_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = Embedded::open(&dir.path().join("store")).unwrap();
    runtime().block_on(async {
        store.commit(one(put("x", 1, Expect::Absent))).await.unwrap();
        let both =
            Txn { checks: vec![(key("ghost"), Expect::Present)], changes: vec![put("z", 3, Expect::Absent)] };
        for (txn, found) in [
            (one(put("x", 2, Expect::Absent)), Some(2)),
            (one(put("x", 2, Expect::Revision(9))), Some(2)),
            (one(put("w", 2, Expect::Present)), None),
            (one((Change::Delete { key: key("w") }, Expect::Any)), None),
            (both, None),
        ] {
            match store.commit(txn).await {
                Err(CommitError::Conflict { found: f, .. }) => assert_eq!(f, found),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(store.revision(), 2);
        assert_eq!(store.list(&Key::prefix_all("core/pods"), None, 10).unwrap().items.len(), 1);
    });
}

#[test]
fn of_many_that_want_one_name_exactly_one_gets_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Embedded::open(&dir.path().join("store")).unwrap());
    let won = runtime().block_on(async {
        let tasks: Vec<_> =
            (0..64).map(|n| tokio::spawn(store.commit(one(put("x", n, Expect::Absent))))).collect();
        let mut won = Vec::new();
        for task in tasks {
            won.extend(task.await.unwrap().ok());
        }
        won
    });
    assert_eq!(won.len(), 1);
    assert_eq!(store.revision(), won[0].revision);
}

#[test]
fn pages_follow_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let store = Embedded::open(&dir.path().join("store")).unwrap();
    runtime().block_on(async {
        for n in 0..5 {
            store.commit(one(put(&format!("p{n}"), n, Expect::Absent))).await.unwrap();
        }
    });
    let prefix = Key::prefix_ns("core/pods", "a");
    let first = store.list(&prefix, None, 2).unwrap();
    let names = |page: &Page| page.items.iter().map(|(k, _)| k.parts().2.to_owned()).collect::<Vec<_>>();
    assert_eq!((names(&first), first.more), (vec!["p0".to_owned(), "p1".to_owned()], true));
    let rest = store.list(&prefix, Some(&first.items[1].0), 10).unwrap();
    assert_eq!((names(&rest).len(), rest.more), (3, false));
    assert!(store.list(&Key::prefix_ns("core/pods", "b"), None, 10).unwrap().items.is_empty());
}

#[test]
fn watchers_see_every_change_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let store = Embedded::open(&dir.path().join("store")).unwrap();
    runtime().block_on(async {
        let mut watcher = store.watch(&Key::prefix_all("core/pods"), store.revision()).unwrap();
        store.commit(one(put("x", 1, Expect::Absent))).await.unwrap();
        store.commit(one(put("x", 2, Expect::Present))).await.unwrap();
        store.commit(one((Change::Delete { key: key("x") }, Expect::Present))).await.unwrap();
        let mut kinds = Vec::new();
        for revision in 2..=4 {
            let event = watcher.next().await.unwrap();
            assert_eq!(event.revision, revision);
            kinds.push(event.kind);
        }
        assert_eq!(kinds, [EventKind::Added, EventKind::Modified, EventKind::Deleted]);
        assert!(store.watch(&Key::prefix_all("core/pods"), 0).is_err(), "before the ring began");
    });
}

#[test]
fn what_cannot_be_opened_is_named_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let missing = Embedded::open(&dir.path().join("no/store")).unwrap_err();
    assert!(matches!(missing.source, StoreError::DirectoryMissing(_)), "{missing:?}");
    let open = Embedded::open(&path).unwrap();
    assert!(matches!(Embedded::open(&path).unwrap_err().source, StoreError::InUse));
    runtime().block_on(async {
        for n in 0..200 {
            open.commit(one(put(&format!("p{n}"), n, Expect::Absent))).await.unwrap();
        }
    });
    drop(open);
    let good = std::fs::read(&path).unwrap();
    for (bytes, what) in [
        (b"hello".to_vec(), "foreign"),
        (Vec::new(), "foreign"),
        (vec![7; 70_000], "foreign"),
        (good[..good.len() / 2].to_vec(), "damaged"),
    ] {
        std::fs::write(&path, &bytes).unwrap();
        let error = Embedded::open(&path).unwrap_err().source;
        let got = match error {
            StoreError::Foreign { .. } => "foreign",
            StoreError::Damaged { .. } => "damaged",
            _ => "something else",
        };
        assert_eq!(got, what, "{error:?}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "left as it was");
    }
}

/// A disk in memory with these bytes on it.
fn disk_of(bytes: &[u8]) -> Disk {
    let disk = redb::backends::InMemoryBackend::new();
    disk.set_len(bytes.len() as u64).unwrap();
    disk.write(0, bytes).unwrap();
    Arc::new(disk)
}

fn bytes_of(disk: &Disk) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(disk.len().unwrap()).unwrap()];
    disk.read(0, &mut bytes).unwrap();
    bytes
}

/// Wherever the damage lies, it is refused and left alone, or it lies where nothing is, and then nothing is ever lost.
#[test]
fn damage_anywhere_is_refused_or_lies_where_nothing_is() {
    let runtime = runtime();
    let add = |store: &Embedded, names: std::ops::Range<u128>| {
        for n in names {
            runtime.block_on(store.commit(one(put(&format!("p{n}"), n, Expect::Absent)))).unwrap();
        }
    };
    let content = |store: &Embedded| store.list(&Key::everything(), None, 1000).unwrap().items;
    let disk = disk_of(&[]);
    let store = Embedded::on_disk(disk.clone()).unwrap();
    add(&store, 0..20);
    let before = content(&store);
    drop(store);
    let good = bytes_of(&disk);
    let (mut refused, mut opened) = (0, 0);
    for place in (0..good.len()).step_by(128) {
        let mut bad = good.clone();
        bad[place..place + 16].fill(b'm');
        let disk = disk_of(&bad);
        match Embedded::on_disk(disk.clone()) {
            Err(error) => {
                refused += 1;
                let known = matches!(error, StoreError::Damaged { .. } | StoreError::Foreign { .. });
                assert!(known && bytes_of(&disk) == bad, "{place}: {error:?}");
            }
            Ok(store) => {
                opened += 1;
                assert_eq!(content(&store), before, "{place}");
                add(&store, 20..25);
                drop(store);
                let after = content(&Embedded::on_disk(disk).unwrap());
                assert!(after.len() == 25 && before.iter().all(|one| after.contains(one)), "{place}");
            }
        }
    }
    assert!(refused > 0 && opened > 0, "{refused} {opened}");
}

#[test]
fn a_flipped_bit_in_an_entry_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = Embedded::open(&path).unwrap();
    runtime().block_on(async {
        let body = vec![b'q'; 2000];
        let change = Change::Put { key: key("x"), body, row: row(1) };
        store.commit(one((change, Expect::Absent))).await.unwrap();
    });
    drop(store);
    let bytes = std::fs::read(&path).unwrap();
    let places: Vec<usize> = (0..bytes.len() - 100).filter(|i| bytes[*i..*i + 100] == [b'q'; 100]).collect();
    assert!(!places.is_empty());
    let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    let mut bad = bytes.clone();
    for place in places {
        bad[place] = b'r';
    }
    file.write_all(&bad).unwrap();
    let read = Embedded::open(&path).map_err(|e| e.source).and_then(|store| store.get(&key("x")));
    assert!(matches!(read, Err(StoreError::Damaged { .. })), "{read:?}");
}
