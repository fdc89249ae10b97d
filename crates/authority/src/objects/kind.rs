//! What the registry must know of a kind. A kind is one constant in one small file of `kinds/`.

use super::table::{Column, PLAIN_COLUMNS};
use crate::status::Cause;
use crate::store::IndexRow;
use jeton_core::ident;
use serde_json::{Value, json};
use uuid::Uuid;

/// The facts of an object that its index row adds to uid and deletion time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// A pod's service account, or the account a token Secret belongs to.
    pub account: Option<String>,
    /// The node a pod runs on.
    pub node: Option<String>,
    /// SHA-256 of the token in a Secret.
    pub token_digest: Option<[u8; 32]>,
    /// A namespace that takes no new content; a pod that has ended.
    pub terminating: bool,
}

/// A kind of object, as data and small pure functions.
#[derive(Clone, Copy)]
pub struct Kind {
    /// API group; empty: core.
    pub group: &'static str,
    /// API version.
    pub version: &'static str,
    /// Kind, as in `kind:`.
    pub kind: &'static str,
    /// Plural, as in URLs.
    pub plural: &'static str,
    /// Singular, as kubectl accepts it.
    pub singular: &'static str,
    /// Short names, as kubectl accepts them.
    pub short_names: &'static [&'static str],
    /// Groups of kinds, such as `all`.
    pub categories: &'static [&'static str],
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Where its objects stand in the store: `<group or core>/<plural>`.
    pub stored_as: &'static str,
    /// Whether a whole collection can be deleted at once.
    pub deletes_collections: bool,
    /// Whether deleting answers with the object instead of a Status.
    pub returns_deleted: bool,
    /// The rule for its names; the error is Kubernetes' text.
    pub name: fn(&str) -> Result<(), String>,
    /// Fills in defaults and takes out what clients may not set. Second: the object before an update.
    pub prepare: fn(&mut Value, Option<&Value>),
    /// Finds what is wrong. Second: the object before an update.
    pub check: fn(&Value, Option<&Value>, &mut Vec<Cause>),
    /// What the writer of an object that was accepted is warned of. Second: the object before an update.
    pub warnings: fn(&Value, Option<&Value>) -> Vec<String>,
    /// The facts for the index.
    pub facts: fn(&Value) -> Facts,
    /// Seconds a deletion waits for the object to end by itself; first the object, then what was asked for.
    pub grace: fn(&Value, Option<i64>) -> i64,
    /// Whether something beside `metadata.finalizers` holds the object when it is deleted.
    pub held: fn(&Value) -> bool,
    /// What else changes when an object is marked as going away.
    pub on_mark: fn(&mut Value),
    /// Whether `status` is a subresource: other writes leave it alone, and it is written by itself.
    pub has_status: bool,
    /// Further subresources.
    pub subresources: &'static [&'static str],
    /// Whether `metadata.generation` counts the changes of everything but metadata and status.
    pub has_generation: bool,
    /// What a table shows.
    pub columns: &'static [Column],
    /// The schema that came with it, for a kind of a definition.
    pub schema: Option<&'static Value>,
    /// Whether members that no schema names are kept, and no strategic merge is known.
    pub open: bool,
    /// Whether clients only read its objects, but for a create that starts a flow.
    pub read_only: bool,
    /// Whether its objects are stored nowhere and made when somebody looks: they can be read and listed, no more.
    pub computed: bool,
    /// Whether it takes no new objects any more.
    pub closed: bool,
    /// Members that are stored under another name: as clients of this kind know them, as they are stored.
    pub renamed: &'static [(&'static str, &'static str)],
    /// A field that a field selector may name, beside `metadata.name` and `metadata.namespace`; `None`: no such field.
    pub field: fn(&Value, &str) -> Option<String>,
}

/// What most kinds have.
pub const PLAIN: Kind = Kind {
    group: "",
    version: "v1",
    kind: "",
    plural: "",
    singular: "",
    short_names: &[],
    categories: &[],
    namespaced: true,
    stored_as: "",
    deletes_collections: true,
    returns_deleted: false,
    name: ident::dns_subdomain,
    prepare: |_, _| {},
    check: |_, _, _| {},
    warnings: |_, _| Vec::new(),
    facts: |_| Facts { account: None, node: None, token_digest: None, terminating: false },
    grace: |_, _| 0,
    held: |_| false,
    on_mark: |_| {},
    has_status: false,
    subresources: &[],
    has_generation: false,
    columns: PLAIN_COLUMNS,
    schema: None,
    open: false,
    read_only: false,
    computed: false,
    closed: false,
    renamed: &[],
    field: |_, _| None,
};

impl Kind {
    /// `v1`, or `rbac.authorization.k8s.io/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// Whether an object has this part at a path of its own; the empty one is the object itself.
    pub fn has_subresource(&self, name: &str) -> bool {
        match name {
            "" => true,
            "status" => self.has_status,
            _ => self.subresources.contains(&name),
        }
    }

    /// A stored object as clients of this kind know it.
    pub fn present(&self, object: &mut Value) {
        self.rename(object, |(known, stored)| (stored, known));
    }

    /// An object as it is stored.
    pub fn store(&self, object: &mut Value) {
        self.rename(object, |(known, stored)| (known, stored));
    }

    fn rename(
        &self,
        object: &mut Value,
        way: fn((&'static str, &'static str)) -> (&'static str, &'static str),
    ) {
        object["kind"] = json!(self.kind);
        object["apiVersion"] = json!(self.api_version());
        let Some(map) = object.as_object_mut().filter(|_| !self.renamed.is_empty()) else { return };
        for (from, to) in self.renamed.iter().copied().map(way) {
            if let Some(value) = map.remove(from) {
                map.insert(to.to_owned(), value);
            }
        }
    }

    /// The index row of an object of this kind.
    pub fn row(&self, object: &Value) -> IndexRow {
        let facts = (self.facts)(object);
        let metadata = &object["metadata"];
        let deletion = metadata["deletionTimestamp"].as_str();
        IndexRow {
            uid: metadata["uid"].as_str().and_then(|u| Uuid::try_parse(u).ok()).unwrap_or_default(),
            deletion: deletion
                .and_then(jeton_core::time::UnixTime::parse_rfc3339)
                .map(jeton_core::time::UnixTime::seconds),
            account: facts.account.map(Into::into),
            node: facts.node.map(Into::into),
            token_digest: facts.token_digest,
            terminating: facts.terminating,
        }
    }
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kind({} {})", self.api_version(), self.kind)
    }
}

/// Sets a member of an object where it is absent, null or an empty text.
pub fn default_to(object: &mut Value, key: &str, value: impl Into<Value>) {
    if let Some(map) = object.as_object_mut() {
        let empty = map.get(key).is_none_or(|v| v.is_null() || v.as_str() == Some(""));
        if empty {
            map.insert(key.to_owned(), value.into());
        }
    }
}

/// A text member; empty when absent.
pub fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}
