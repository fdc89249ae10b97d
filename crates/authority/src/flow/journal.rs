//! Signing keys as objects in the store: what the next start of this process knows of them.
//!
//! Invariant: public halves only. A private half lies in a file of the data directory, which the entry names, for as
//! long as the key may sign.

use crate::store::{
    Change, CommitError, Expect, IndexRow, Key, KeyError as NameError, Store, StoreError, Txn,
};
use base64::{Engine, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use jeton_core::keys::PublicKey;
use jeton_core::keys::rotation::{ManagedKey, Phase};
use jeton_core::time::UnixTime;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::sync::Arc;
use uuid::Uuid;

/// Where signing keys stand in the store.
pub const STORED_AS: &str = "jeton.dev/signingkeys";
/// API version of a signing key.
pub const API_VERSION: &str = "jeton.dev/v1";
/// Kind of a signing key.
pub const KIND: &str = "SigningKey";

/// Bytes of a key id's hash that make the name of its object: 80 bits, which no two keys share.
const NAME_BYTES: usize = 10;
/// Entries read at a time; there are at most [`jeton_core::limits::MAX_SIGNING_KEYS`].
const PAGE_ITEMS: usize = 500;

/// Why the journal cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JournalError {
    /// The store failed.
    #[error("the signing keys cannot be read or written")]
    Store(#[from] StoreError),
    /// Somebody else changed an entry: there must be only one process.
    #[error("signing key {0:?} was changed by somebody else")]
    Conflict(String),
    /// An entry cannot be understood.
    #[error("signing key {name:?}: status.{field} is missing or makes no sense")]
    Entry {
        /// Its object's name.
        name: String,
        /// The member.
        field: &'static str,
    },
    /// A name that cannot be stored.
    #[error("a signing key cannot be stored")]
    Name(#[from] NameError),
}

/// A key with all that is journaled of it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// How far it has come.
    pub key: ManagedKey,
    /// Its public half.
    pub public: Arc<PublicKey>,
    /// File name of its private half, relative to the data directory.
    pub file: String,
    uid: Uuid,
    created: String,
    /// Revision of the object; `None`: not stored yet.
    revision: Option<u64>,
}

/// The name of a key's object and file: the start of its id's hash, as Kubernetes allows it in names.
pub fn name(id: &str) -> String {
    let hash = URL_SAFE_NO_PAD.decode(id).unwrap_or_default();
    hash.iter().take(NAME_BYTES).fold(String::new(), |mut name, byte| {
        // Writing to a String cannot fail.
        let _ = write!(name, "{byte:02x}");
        name
    })
}

impl Entry {
    /// A key that is not journaled yet.
    pub fn new(key: ManagedKey, public: Arc<PublicKey>, file: String, now: UnixTime) -> Self {
        Self { key, public, file, uid: Uuid::new_v4(), created: now.rfc3339(), revision: None }
    }

    /// The name of its object.
    pub fn name(&self) -> String {
        name(&self.key.id)
    }

    /// When it was made.
    pub fn created(&self) -> Option<UnixTime> {
        UnixTime::parse_rfc3339(&self.created)
    }

    /// Its object, as clients see it.
    pub fn object(&self) -> Value {
        let key = &self.key;
        let mut status = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                status.insert(name.to_owned(), value);
            }
        };
        let time = |at: Option<i64>| at.map(|at| json!(UnixTime::from_seconds(at).rfc3339()));
        put("phase", Some(json!(key.phase.name())));
        put("keyID", Some(json!(key.id)));
        put("algorithm", Some(json!(self.public.signing_algorithm().name())));
        put("publicKey", Some(json!(STANDARD.encode(self.public.spki()))));
        put("file", (key.phase != Phase::Retired).then(|| json!(self.file)));
        put("publishedTime", time(key.published));
        put("activationTime", time(key.activated.or_else(|| key.activates())));
        put("retiredTime", time(key.retired));
        put("tokensExpireBefore", time(key.covered_until));
        let mut object = json!({
            "kind": KIND, "apiVersion": API_VERSION,
            "metadata": {"name": self.name(), "uid": self.uid.hyphenated().to_string(), "creationTimestamp": self.created},
            "spec": {"activateAfterSeconds": key.activate_after},
            "status": status,
        });
        if let Some(revision) = self.revision {
            object["metadata"]["resourceVersion"] = json!(revision.to_string());
        }
        object
    }

    fn read(name: &str, body: &[u8], revision: u64) -> Result<Self, JournalError> {
        let wrong = |field| JournalError::Entry { name: name.to_owned(), field };
        let object: Value = serde_json::from_slice(body).map_err(|_| wrong("phase"))?;
        let status = &object["status"];
        let text = |field: &'static str| status[field].as_str().ok_or_else(|| wrong(field));
        let time = |field: &'static str| match &status[field] {
            Value::Null => Ok(None),
            value => match value.as_str().and_then(UnixTime::parse_rfc3339) {
                Some(time) => Ok(Some(time.seconds())),
                None => Err(wrong(field)),
            },
        };
        let phase = Phase::from_name(text("phase")?).ok_or_else(|| wrong("phase"))?;
        let spki = STANDARD.decode(text("publicKey")?).map_err(|_| wrong("publicKey"))?;
        let public = PublicKey::from_spki(&spki).map_err(|_| wrong("publicKey"))?;
        if public.id() != text("keyID")? {
            return Err(wrong("keyID"));
        }
        let has_signed = matches!(phase, Phase::Active | Phase::Retired);
        let metadata = |field: &str| object["metadata"][field].as_str().unwrap_or("").to_owned();
        let key = ManagedKey {
            id: public.id().to_owned(),
            phase,
            activate_after: object["spec"]["activateAfterSeconds"].as_i64().unwrap_or(0),
            published: time("publishedTime")?,
            activated: time("activationTime")?.filter(|_| has_signed),
            retired: time("retiredTime")?,
            covered_until: time("tokensExpireBefore")?,
        };
        Ok(Self {
            key,
            public: Arc::new(public),
            file: status["file"].as_str().unwrap_or("").to_owned(),
            uid: Uuid::try_parse(&metadata("uid")).unwrap_or_default(),
            created: metadata("creationTimestamp"),
            revision: Some(revision),
        })
    }

    fn row(&self) -> IndexRow {
        IndexRow {
            uid: self.uid,
            deletion: None,
            account: None,
            node: None,
            token_digest: None,
            terminating: false,
        }
    }
}

/// Every entry, in the order of names.
///
/// # Errors
/// The store fails, or an entry cannot be understood.
pub fn read(store: &dyn Store) -> Result<Vec<Entry>, JournalError> {
    let page = store.list(&Key::prefix_all(STORED_AS), None, PAGE_ITEMS)?;
    page.items.iter().map(|(key, stored)| Entry::read(key.parts().2, &stored.body, stored.revision)).collect()
}

/// Journals what became of `old`, in one transaction; gives back the entries as they are stored.
///
/// # Errors
/// The store fails: then it is as it was, or, after a failure of the disk, as it will be.
pub async fn write(
    store: &dyn Store,
    old: &[Entry],
    mut new: Vec<Entry>,
) -> Result<Vec<Entry>, JournalError> {
    let key = |entry: &Entry| Key::new(STORED_AS, "", &entry.name());
    let expect = |entry: &Entry| entry.revision.map_or(Expect::Absent, Expect::Revision);
    let mut changes = Vec::new();
    let mut changed = Vec::new();
    for (at, entry) in new.iter().enumerate() {
        let same = old.iter().any(|o| o.key == entry.key && o.file == entry.file);
        if same && entry.revision.is_some() {
            continue;
        }
        let mut object = entry.object();
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("resourceVersion");
        }
        let body = object.to_string().into_bytes();
        changes.push((Change::Put { key: key(entry)?, body, row: entry.row() }, expect(entry)));
        changed.push(at);
    }
    for gone in old.iter().filter(|o| new.iter().all(|n| n.key.id != o.key.id)) {
        changes.push((Change::Delete { key: key(gone)? }, expect(gone)));
    }
    if changes.is_empty() {
        return Ok(new);
    }
    let done = store.commit(Txn { checks: Vec::new(), changes }).await.map_err(|error| match error {
        CommitError::Store(error) => JournalError::Store(error),
        CommitError::Conflict { key, .. } => JournalError::Conflict(key.parts().2.to_owned()),
    })?;
    for (at, revision) in changed.into_iter().zip(done.revisions) {
        new[at].revision = Some(revision);
    }
    Ok(new)
}
