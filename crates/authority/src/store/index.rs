//! What verification reads: a few facts of every object, in memory, always as new as the last acknowledged commit.
//!
//! Rows are packed (64 bytes with their key's pointer) in one sorted map per resource. Nothing here touches the disk.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError};

use crossbeam_utils::sync::ShardedLock;
use uuid::Uuid;

use super::key::{Key, Prefix};
use super::names::{NameId, Names};

/// The facts of one object that decisions need without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexRow {
    /// `metadata.uid`.
    pub uid: Uuid,
    /// `metadata.deletionTimestamp`, in seconds since the epoch.
    pub deletion: Option<i64>,
    /// A pod's service account, or the account a Secret belongs to.
    pub account: Option<Arc<str>>,
    /// The node a pod runs on.
    pub node: Option<Arc<str>>,
    /// SHA-256 of a token kept in a Secret.
    pub token_digest: Option<[u8; 32]>,
    /// Whether the object is a namespace in phase Terminating, a pod that has ended, or anything else that takes
    /// no new content.
    pub terminating: bool,
}

/// The index of a store. Its lock has a part for each of few threads, because one word that all readers write to would
/// travel between the processors with every token.
#[derive(Debug, Default)]
pub struct Index(ShardedLock<Rows>);

/// One consistent view of the index; commits wait while it is held, so hold it briefly.
#[derive(Debug)]
pub struct View<'a>(&'a Rows);

/// The row of one object, where it lies.
#[derive(Debug, Clone, Copy)]
pub struct Looked<'a> {
    row: &'a Packed,
    names: &'a Names,
}

/// The rows of every object.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    resources: BTreeMap<Box<str>, Resource>,
    names: Names,
}

/// Rows by `<namespace>/<name>`.
type Resource = BTreeMap<Box<str>, Packed>;

#[derive(Debug)]
struct Packed {
    uid: [u8; 16],
    deletion: i64,
    token_digest: Option<Box<[u8; 32]>>,
    account: NameId,
    node: NameId,
    flags: u8,
}

impl Packed {
    fn deletion(&self) -> Option<i64> {
        (self.flags & DELETION != 0).then_some(self.deletion)
    }
}

const DELETION: u8 = 1;
const TERMINATING: u8 = 2;

impl Index {
    /// The row of one object.
    pub fn row(&self, key: &Key) -> Option<IndexRow> {
        self.read(|view| view.row(key))
    }

    /// Several lookups in one consistent view. `look` must not call the index again, and must not wait for anything.
    pub fn read<T>(&self, look: impl FnOnce(&View<'_>) -> T) -> T {
        // A reader cannot leave the rows half changed, so a panic elsewhere does not make them wrong.
        look(&View(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Changes rows: all of one batch under one lock. None removes.
    pub(crate) fn apply<'a>(&self, changes: impl Iterator<Item = (&'a Key, Option<&'a IndexRow>)>) {
        let mut rows = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (key, row) in changes {
            rows.set(key, row);
        }
    }

    /// Replaces everything, after the file was opened again.
    pub(crate) fn replace(&self, rows: Rows) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = rows;
    }
}

impl<'a> Looked<'a> {
    /// [`IndexRow::uid`].
    pub fn uid(self) -> Uuid {
        Uuid::from_bytes(self.row.uid)
    }

    /// [`IndexRow::deletion`].
    pub fn deletion(self) -> Option<i64> {
        self.row.deletion()
    }

    /// [`IndexRow::account`].
    pub fn account(self) -> Option<&'a str> {
        self.names.text(self.row.account).map(|name| &**name)
    }

    /// [`IndexRow::node`].
    pub fn node(self) -> Option<&'a str> {
        self.names.text(self.row.node).map(|name| &**name)
    }

    /// [`IndexRow::token_digest`].
    pub fn token_digest(self) -> Option<[u8; 32]> {
        self.row.token_digest.as_deref().copied()
    }

    /// [`IndexRow::terminating`].
    pub fn terminating(self) -> bool {
        self.row.flags & TERMINATING != 0
    }
}

impl View<'_> {
    /// The row of one object.
    pub fn row(&self, key: &Key) -> Option<IndexRow> {
        let (resource, rest) = key.split();
        self.0.resources.get(resource)?.get(rest).map(|row| self.0.unpack(row))
    }

    /// The row of one object by its parts: a name that cannot be a key's finds nothing. Its names are lent, because
    /// taking them counts their holders, which every processor would then write to.
    pub fn look(&self, group_resource: &str, namespace: &str, name: &str) -> Option<Looked<'_>> {
        self.packed(group_resource, namespace, name).map(|row| Looked { row, names: &self.0.names })
    }

    fn packed(&self, group_resource: &str, namespace: &str, name: &str) -> Option<&Packed> {
        let rows = self.0.resources.get(group_resource).filter(|rows| !rows.is_empty())?;
        // A stored key has one `/` here, so no other split of the same text can meet it.
        let mut rest = String::with_capacity(namespace.len() + 1 + name.len());
        rest.push_str(namespace);
        rest.push('/');
        rest.push_str(name);
        rows.get(rest.as_str())
    }

    /// Whether an object exists.
    pub fn contains(&self, key: &Key) -> bool {
        let (resource, rest) = key.split();
        self.0.resources.get(resource).is_some_and(|rows| rows.contains_key(rest))
    }

    /// Number of objects under a prefix.
    pub fn count(&self, prefix: &Prefix) -> usize {
        match prefix.split() {
            (resource, "") => self.0.resources.get(resource).map_or(0, BTreeMap::len),
            _ => self.range(prefix).count(),
        }
    }

    /// Every object under a prefix, in key order.
    pub fn rows(&self, prefix: &Prefix) -> impl Iterator<Item = (Key, IndexRow)> {
        let resource = prefix.split().0;
        self.range(prefix).filter_map(move |(rest, row)| Some((whole(resource, rest)?, self.0.unpack(row))))
    }

    /// Every object under a prefix after a key, in key order: for those who look at many, a part at a time.
    pub fn rows_after<'a>(
        &'a self,
        prefix: &'a Prefix,
        after: Option<&'a Key>,
    ) -> impl Iterator<Item = (Key, IndexRow)> + use<'a> {
        let (resource, start) = prefix.split();
        let rows = self.0.resources.get(resource);
        let from = match after {
            Some(key) => Bound::Excluded(key.split().1),
            None => Bound::Included(start),
        };
        rows.into_iter()
            .flat_map(move |rows| rows.range::<str, _>((from, Bound::Unbounded)))
            .take_while(move |(rest, _)| rest.starts_with(start))
            .filter_map(move |(rest, row)| Some((whole(resource, rest)?, self.0.unpack(row))))
    }

    /// Every object under a prefix whose row names this node, in key order.
    pub fn on_node(&self, prefix: &Prefix, node: &str) -> impl Iterator<Item = (Key, IndexRow)> {
        let resource = prefix.split().0;
        let wanted = self.0.names.find(node);
        self.range(prefix)
            .filter(move |(_, row)| Some(row.node) == wanted)
            .filter_map(move |(rest, row)| Some((whole(resource, rest)?, self.0.unpack(row))))
    }

    fn range(&self, prefix: &Prefix) -> impl Iterator<Item = (&str, &Packed)> {
        let (resource, start) = prefix.split();
        let rows = self.0.resources.get(resource);
        rows.into_iter()
            .flat_map(move |rows| rows.range::<str, _>((Bound::Included(start), Bound::Unbounded)))
            .map(|(rest, row)| (&**rest, row))
            .take_while(move |(rest, _)| rest.starts_with(start))
    }
}

impl Rows {
    /// Rows from a file, already in key order; each resource's map is built full instead of half-split.
    pub(crate) fn from_sorted<E>(rows: impl Iterator<Item = Result<(Key, IndexRow), E>>) -> Result<Self, E> {
        let mut all = Self::default();
        let mut current: (Box<str>, Vec<(Box<str>, Packed)>) = ("".into(), Vec::new());
        for item in rows {
            let (key, row) = item?;
            let (resource, rest) = key.split();
            if *current.0 != *resource {
                all.add(std::mem::replace(&mut current, (resource.into(), Vec::new())));
            }
            let packed = all.pack(&row);
            current.1.push((rest.into(), packed));
        }
        all.add(current);
        Ok(all)
    }

    fn add(&mut self, (resource, rows): (Box<str>, Vec<(Box<str>, Packed)>)) {
        if !rows.is_empty() {
            self.resources.entry(resource).or_default().append(&mut rows.into_iter().collect());
        }
    }

    fn set(&mut self, key: &Key, row: Option<&IndexRow>) {
        let (resource, rest) = key.split();
        let packed = row.map(|row| self.pack(row));
        let old = match packed {
            Some(packed) => match self.resources.get_mut(resource) {
                Some(rows) => rows.insert(rest.into(), packed),
                None => self.resources.entry(resource.into()).or_default().insert(rest.into(), packed),
            },
            None => self.resources.get_mut(resource).and_then(|rows| rows.remove(rest)),
        };
        if let Some(old) = old {
            self.names.give(old.account);
            self.names.give(old.node);
        }
    }

    fn pack(&mut self, row: &IndexRow) -> Packed {
        Packed {
            uid: *row.uid.as_bytes(),
            deletion: row.deletion.unwrap_or(0),
            token_digest: row.token_digest.map(Box::new),
            account: self.names.take(row.account.as_deref()),
            node: self.names.take(row.node.as_deref()),
            flags: if row.deletion.is_some() { DELETION } else { 0 }
                | if row.terminating { TERMINATING } else { 0 },
        }
    }

    fn unpack(&self, row: &Packed) -> IndexRow {
        let name = |id: NameId| self.names.text(id).cloned();
        IndexRow {
            uid: Uuid::from_bytes(row.uid),
            deletion: row.deletion(),
            account: name(row.account),
            node: name(row.node),
            token_digest: row.token_digest.as_deref().copied(),
            terminating: row.flags & TERMINATING != 0,
        }
    }
}

/// None cannot happen: every part was taken from a key.
fn whole(resource: &str, rest: &str) -> Option<Key> {
    let (namespace, name) = rest.split_once('/')?;
    Key::new(resource, namespace, name).ok()
}
