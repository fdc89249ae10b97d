//! What becomes of an object when its owners go: values in, a fate out.
//!
//! Kubernetes 1.36 (pkg/controller/garbagecollector): one owner that stays is enough to stay; an owner is the one with
//! exactly that uid; an owner whose kind is not known is never taken for gone.

use crate::objects::delete::{FOREGROUND, ORPHAN};
use crate::objects::kind::text;
use serde_json::Value;

/// How an owner stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// It is there, or nobody can tell.
    Solid,
    /// It is deleted once what it owns is gone.
    Waiting,
    /// No object of that name has that uid.
    Absent,
}

/// What is to be done with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing.
    Keep,
    /// It stays, without the owners of these uids.
    Release(Vec<String>),
    /// It goes; what it owns goes first when `foreground`.
    Delete { foreground: bool },
}

/// One entry of `metadata.ownerReferences`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference<'a> {
    pub(super) api_version: &'a str,
    pub(super) kind: &'a str,
    pub(super) name: &'a str,
    pub(super) uid: &'a str,
    /// Whether the owner waits for this object when it is deleted in the foreground.
    pub(super) blocks: bool,
}

/// The owners an object names.
pub(super) fn references(object: &Value) -> impl Iterator<Item = Reference<'_>> {
    object["metadata"]["ownerReferences"].as_array().into_iter().flatten().map(|entry| Reference {
        api_version: text(entry, "/apiVersion"),
        kind: text(entry, "/kind"),
        name: text(entry, "/name"),
        uid: text(entry, "/uid"),
        blocks: entry["blockOwnerDeletion"] == true,
    })
}

/// Whether an object is being deleted, and held by this finalizer.
pub(super) fn held_by(object: &Value, finalizer: &str) -> bool {
    let finalizers = object["metadata"]["finalizers"].as_array();
    is_going(object) && finalizers.is_some_and(|all| all.iter().any(|one| one == finalizer))
}

/// Whether an object is being deleted.
pub(super) fn is_going(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

/// Whether an object waits for the collector.
pub(super) fn is_waiting(object: &Value) -> bool {
    held_by(object, FOREGROUND) || held_by(object, ORPHAN)
}

/// Decides about an object by its owners; `owns`: whether it may own something itself.
pub(super) fn fate(object: &Value, owners: &[(String, Owner)], owns: bool) -> Fate {
    // One that is on its way out already is left to it.
    if owners.is_empty() || is_going(object) {
        return Fate::Keep;
    }
    let lost: Vec<String> =
        owners.iter().filter(|(_, owner)| *owner != Owner::Solid).map(|(uid, _)| uid.clone()).collect();
    if lost.len() < owners.len() {
        return if lost.is_empty() { Fate::Keep } else { Fate::Release(lost) };
    }
    let waited_for = owners.iter().any(|(_, owner)| *owner == Owner::Waiting);
    Fate::Delete { foreground: waited_for && owns }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_owner_that_stays_is_enough() {
        use Owner::{Absent, Solid, Waiting};
        let release = |uids: &[&str]| Fate::Release(uids.iter().map(|u| (*u).to_owned()).collect());
        for (owners, owns, want) in [
            (vec![], false, Fate::Keep),
            (vec![Solid], false, Fate::Keep),
            (vec![Solid, Absent], false, release(&["1"])),
            (vec![Absent, Solid, Waiting], true, release(&["0", "2"])),
            (vec![Absent], true, Fate::Delete { foreground: false }),
            (vec![Absent, Waiting], false, Fate::Delete { foreground: false }),
            (vec![Absent, Waiting], true, Fate::Delete { foreground: true }),
        ] {
            let owners: Vec<_> = owners.into_iter().enumerate().map(|(at, o)| (at.to_string(), o)).collect();
            assert_eq!(fate(&json!({"metadata": {}}), &owners, owns), want, "{owners:?}");
        }
        let going = json!({"metadata": {"deletionTimestamp": "2026-07-25T10:00:00Z"}});
        assert_eq!(fate(&going, &[("u".to_owned(), Absent)], false), Fate::Keep);
    }
}
