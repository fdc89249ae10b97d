//! Signing keys that this process manages: made, published, put to work, retired and forgotten, without a restart.
//!
//! Each step is journaled before it is acted on, so a process that ends at any moment starts again in a state in which
//! tokens are signed and verified. A private half is deleted as soon as its key has signed its last token. Left out on
//! purpose: which step is due when; core says so.

use super::issue::{self, IssueFailure, Issued};
use super::journal::{self, Entry, JournalError};
use super::{Keyring, Tokens, in_use};
use crate::pki::{self, PkiError};
use crate::signer::local::{self, PrivateKeyError};
use crate::signer::{LocalSigner, Signer};
use crate::store::Store;
use jeton_core::issue::Ask;
use jeton_core::keys::rotation::{self, ManagedKey, Phase, RotationError, Step, Wish};
use jeton_core::keys::{KeySet, PublicKey};
use jeton_core::policy::Policy;
use jeton_core::time::UnixTime;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{Mutex, Notify};

/// File of the first key.
pub const FIRST_FILE: &str = "sa.key";
/// Directory of the keys after it.
pub const KEYS_DIR: &str = "keys";
/// Longest time in seconds by which a key is kept longer than its tokens need it, so that not every token is journaled.
const MAX_SLACK_SECONDS: i64 = 3600;

/// Times that the reach of a key's tokens is journaled for one request.
const MAX_COVERS: usize = 4;

/// Where the signing key comes from.
#[derive(Debug)]
pub enum Source {
    /// This process makes and replaces it.
    Managed(Rotation),
    /// Somebody gave it, in this file.
    Given(PathBuf),
}

/// Why keys cannot be read, or not be changed.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// Files.
    #[error(transparent)]
    File(#[from] PkiError),
    /// A private key cannot be used.
    #[error("the signing key in {} cannot be used", .0.display())]
    Private(PathBuf, #[source] PrivateKeyError),
    /// The file of a key that must sign is not there.
    #[error("{} is missing; it held the signing key {id}: restore it from a backup of the data directory", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The key.
        id: String,
    },
    /// A file holds another key.
    #[error("{} holds another key than {id}: restore it from a backup of the data directory", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// The key it should hold.
        id: String,
    },
    /// The journal cannot be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journal contradicts itself.
    #[error("the journal of signing keys makes no sense: {0}")]
    Fault(&'static str),
    /// The wish is refused.
    #[error(transparent)]
    Refused(#[from] RotationError),
    /// The key was given.
    #[error(
        "the signing key was given as a file (--service-account-signing-key-file={}), so it is yours to rotate: add the new public key with --service-account-key-file, wait an hour, then give the new signing key",
        .0.display()
    )]
    Given(PathBuf),
}

/// Managed keys.
#[derive(Debug)]
pub struct Rotation {
    dir: PathBuf,
    leeway: i64,
    slack: i64,
    /// Keys that verify beside the managed ones.
    further: Vec<Arc<PublicKey>>,
    entries: Mutex<Vec<Entry>>,
    /// Rings when something may be due earlier than expected.
    pub wake: Notify,
}

/// Reads the managed keys, or makes the first one; puts right what an ended process left behind.
///
/// # Errors
/// A file is missing or unusable, or the journal cannot be read or makes no sense.
pub async fn open(
    store: &dyn Store,
    dir: &Path,
    policy: &Policy,
    further: Vec<Arc<PublicKey>>,
    now: UnixTime,
) -> Result<(Keyring, Rotation), KeysError> {
    let mut entries = journal::read(store)?;
    let first_start = entries.is_empty();
    if first_start {
        let first = adopt(dir, policy, now)?;
        entries = journal::write(store, &[], vec![first]).await?;
    }
    let keys: Vec<ManagedKey> = entries.iter().map(|e| e.key.clone()).collect();
    if let Some(fault) = rotation::fault(&keys) {
        return Err(KeysError::Fault(fault));
    }
    let active = entries.iter().find(|e| e.key.phase == Phase::Active);
    let active = active.ok_or(KeysError::Fault("no key is active"))?;
    let signer = load(dir, active)?;
    let slack = policy.lifetimes.injected.min(MAX_SLACK_SECONDS);
    let rotation = Rotation {
        dir: dir.to_owned(),
        leeway: policy.lifetimes.leeway,
        slack,
        further,
        entries: Mutex::default(),
        wake: Notify::new(),
    };
    let ring = Keyring {
        signer: Signer::Local(Arc::new(signer)),
        keys: rotation.published(&entries),
        seen: Arc::default(),
        covered_until: Some(active.key.covered_until.unwrap_or(i64::MIN)),
    };
    if !first_start {
        rotation.sweep(&entries);
    }
    *rotation.entries.lock().await = entries;
    Ok((ring, rotation))
}

/// The first key: made now, or found from a time without a journal. Of a found one it is not known what it signed, so
/// it is kept for as long as the longest usual token lives.
fn adopt(dir: &Path, policy: &Policy, now: UnixTime) -> Result<Entry, KeysError> {
    let path = dir.join(FIRST_FILE);
    let unusable = |error| KeysError::Private(path.clone(), error);
    let (signer, covered_until) = match pki::read(&path)? {
        Some(pem) => {
            let longest = policy.lifetimes.extended.max(policy.max_lifetime.unwrap_or(0));
            let signer = LocalSigner::from_pem(&pem).map_err(unusable)?;
            (signer, Some(now.plus_seconds(longest).seconds()))
        }
        None => {
            let pem = local::new_key_pem().map_err(unusable)?;
            pki::write(&path, pem.as_bytes())?;
            (LocalSigner::from_pem(pem.as_bytes()).map_err(unusable)?, None)
        }
    };
    let at = Some(now.seconds());
    let key = ManagedKey {
        phase: Phase::Active,
        published: at,
        activated: at,
        covered_until,
        ..ManagedKey::prepared(signer.public().id(), 0)
    };
    Ok(Entry::new(key, signer.public().clone(), FIRST_FILE.to_owned(), now))
}

/// The private half of a key that signs, or is about to.
fn load(dir: &Path, entry: &Entry) -> Result<LocalSigner, KeysError> {
    let (path, id) = (dir.join(&entry.file), entry.key.id.clone());
    let Some(pem) = pki::read(&path)? else { return Err(KeysError::Missing { path, id }) };
    let signer = LocalSigner::from_pem(&pem).map_err(|error| KeysError::Private(path.clone(), error))?;
    if signer.public().id() == id { Ok(signer) } else { Err(KeysError::Other { path, id }) }
}

/// Does everything that is due; gives back when time alone makes the next step due, in seconds since the epoch.
///
/// # Errors
/// A step that failed is due again.
pub async fn advance(tokens: &Tokens) -> Result<Option<i64>, KeysError> {
    let Source::Managed(rotation) = &tokens.source else { return Ok(None) };
    let mut entries = rotation.entries.lock().await;
    loop {
        let now = tokens.clock.now();
        let keys: Vec<ManagedKey> = entries.iter().map(|e| e.key.clone()).collect();
        let held = |key: &ManagedKey| in_use::by_secret(&*tokens.store, &key.id);
        // Whether a Secret holds a token of a key takes reading Secrets.
        let due = tokio::task::block_in_place(|| rotation::due(&keys, now, rotation.leeway, held));
        let Some(step) = due else { return Ok(rotation::next_due(&keys, rotation.leeway)) };
        let ready = match &step {
            Step::Activate(id) => match entries.iter().find(|e| e.key.id == *id) {
                Some(entry) => Some(load(&rotation.dir, entry)?),
                None => None,
            },
            Step::Publish(_) | Step::Prune(_) => None,
        };
        let after = rotation::after(&keys, &step, now);
        rotation.journal(tokens, &mut entries, after, ready).await?;
        tracing::info!(?step, "signing keys");
    }
}

/// Wants a key that signs `activate_after` seconds after it is published, or one that waits already to begin earlier;
/// gives back its object.
///
/// # Errors
/// [`KeysError::Refused`] and [`KeysError::Given`] say why there will be none.
pub async fn wish(tokens: &Tokens, activate_after: i64) -> Result<Value, KeysError> {
    let rotation = match &tokens.source {
        Source::Managed(rotation) => rotation,
        Source::Given(path) => return Err(KeysError::Given(path.clone())),
    };
    let id = rotation.wish(tokens, activate_after).await?;
    advance(tokens).await?;
    rotation.wake.notify_one();
    let entries = rotation.entries.lock().await;
    let found = entries.iter().find(|e| e.key.id == id).map(Entry::object);
    found.ok_or(KeysError::Fault("the new key is gone"))
}

/// Issues a token; first journals how far the tokens of its key reach, where that is not far enough.
///
/// # Errors
/// The outer one when that cannot be journaled, the inner one when there is no token for another reason.
pub async fn issue(tokens: &Tokens, ask: &Ask<'_>) -> Result<Result<Issued, IssueFailure>, KeysError> {
    // Once, and once more where the key was replaced meanwhile.
    for _ in 0..MAX_COVERS {
        match issue::issue(tokens, ask) {
            Err(IssueFailure::Uncovered { key_id, expires }) => cover(tokens, &key_id, expires).await?,
            outcome => return Ok(outcome),
        }
    }
    Err(KeysError::Fault("the key that signs is not the one that is journaled as active"))
}

/// Journals that tokens of a key reach to `expires`, before one does. When the key no longer signs, there is nothing
/// to journal: the next one is asked to sign.
///
/// # Errors
/// The journal cannot be written: then the token must not leave.
async fn cover(tokens: &Tokens, id: &str, expires: i64) -> Result<(), KeysError> {
    let Source::Managed(rotation) = &tokens.source else { return Ok(()) };
    let mut entries = rotation.entries.lock().await;
    let mut keys: Vec<ManagedKey> = entries.iter().map(|e| e.key.clone()).collect();
    let signing = keys.iter_mut().find(|k| k.id == id && k.phase == Phase::Active);
    let Some(key) = signing else { return Ok(()) };
    let Some(until) = rotation::cover(key.covered_until, expires, rotation.slack) else { return Ok(()) };
    key.covered_until = Some(until);
    rotation.journal(tokens, &mut entries, keys, None).await
}

impl Rotation {
    async fn wish(&self, tokens: &Tokens, activate_after: i64) -> Result<String, KeysError> {
        let mut entries = self.entries.lock().await;
        let mut keys: Vec<ManagedKey> = entries.iter().map(|e| e.key.clone()).collect();
        let now = tokens.clock.now();
        match rotation::wish(&keys, activate_after, now)? {
            Wish::BringForward { id, activate_after } => {
                for key in keys.iter_mut().filter(|k| k.id == id) {
                    key.activate_after = activate_after;
                }
                self.journal(tokens, &mut entries, keys, None).await?;
                Ok(id)
            }
            Wish::Prepare => {
                let (signer, file) = tokio::task::block_in_place(|| self.make())?;
                let public = signer.public().clone();
                let id = public.id().to_owned();
                let key = ManagedKey::prepared(&id, activate_after);
                let mut new = entries.clone();
                new.push(Entry::new(key, public, file, now));
                *entries = journal::write(&*tokens.store, &entries, new).await?;
                Ok(id)
            }
        }
    }

    /// A new key, and the file it is in.
    fn make(&self) -> Result<(LocalSigner, String), KeysError> {
        let dir = self.dir.join(KEYS_DIR);
        pki::make_dir(&dir)?;
        let unusable = |error| KeysError::Private(dir.clone(), error);
        let pem = local::new_key_pem().map_err(unusable)?;
        let signer = LocalSigner::from_pem(pem.as_bytes()).map_err(unusable)?;
        let file = format!("{KEYS_DIR}/{}.key", journal::name(signer.public().id()));
        pki::write(&self.dir.join(&file), pem.as_bytes())?;
        Ok((signer, file))
    }

    /// Journals keys, then acts on what is journaled, also when it is only known after a failure.
    async fn journal(
        &self,
        tokens: &Tokens,
        entries: &mut Vec<Entry>,
        keys: Vec<ManagedKey>,
        ready: Option<LocalSigner>,
    ) -> Result<(), KeysError> {
        let changed = keys.into_iter().filter_map(|key| {
            let mut entry = entries.iter().find(|e| e.key.id == key.id)?.clone();
            entry.key = key;
            Some(entry)
        });
        let written = journal::write(&*tokens.store, entries, changed.collect()).await;
        let failed = match written {
            Ok(new) => {
                *entries = new;
                None
            }
            Err(error) => {
                *entries = journal::read(&*tokens.store)?;
                Some(error)
            }
        };
        self.install(tokens, entries, ready)?;
        self.sweep(entries);
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Makes the journaled keys those that sign and verify.
    fn install(
        &self,
        tokens: &Tokens,
        entries: &[Entry],
        ready: Option<LocalSigner>,
    ) -> Result<(), KeysError> {
        let old = tokens.ring.load();
        let active = entries.iter().find(|e| e.key.phase == Phase::Active);
        let active = active.ok_or(KeysError::Fault("no key is active"))?;
        let signer = match ready.filter(|signer| signer.public().id() == active.key.id) {
            Some(signer) => Signer::Local(Arc::new(signer)),
            None if old.signer.public().id() == active.key.id => old.signer.clone(),
            None => Signer::Local(Arc::new(load(&self.dir, active)?)),
        };
        let keys = self.published(entries);
        // A signature that held goes on holding for as long as its key is there.
        let all_there = old.keys.iter().all(|key| keys.candidates(Some(key.id())).next().is_some());
        let seen = if all_there { old.seen.clone() } else { Arc::default() };
        let covered_until = Some(active.key.covered_until.unwrap_or(i64::MIN));
        tokens.ring.store(Arc::new(Keyring { signer, keys, seen, covered_until }));
        Ok(())
    }

    /// What verifies: the key that signs, the one that will, those that did, then those that were given.
    fn published(&self, entries: &[Entry]) -> KeySet {
        let mut managed: Vec<&Entry> = entries.iter().filter(|e| e.key.phase != Phase::Prepared).collect();
        managed
            .sort_by_key(|e| (e.key.phase != Phase::Active, e.key.phase, std::cmp::Reverse(e.key.retired)));
        let mut keys: Vec<Arc<PublicKey>> = managed.iter().map(|e| e.public.clone()).collect();
        let further = self.further.iter().filter(|k| managed.iter().all(|e| e.key.id != k.id()));
        keys.extend(further.cloned());
        KeySet::new(keys)
    }

    /// Deletes private halves that will never sign again: those of retired keys, and those of keys that no journal
    /// has heard of, because their maker ended in between. What cannot be deleted is told, and tried again at the next step.
    fn sweep(&self, entries: &[Entry]) {
        let living = |file: &str| entries.iter().any(|e| e.key.phase != Phase::Retired && e.file == file);
        let mut files = vec![FIRST_FILE.to_owned()];
        let listed = std::fs::read_dir(self.dir.join(KEYS_DIR)).into_iter().flatten().flatten();
        let names = listed.filter_map(|entry| entry.file_name().into_string().ok());
        files.extend(names.filter(|n| n.ends_with(".key")).map(|name| format!("{KEYS_DIR}/{name}")));
        for file in files.iter().filter(|file| !living(file)) {
            let path = self.dir.join(file);
            match std::fs::remove_file(&path) {
                Ok(()) => {
                    tracing::info!(path = %path.display(), "deleted the private half of a key that no longer signs")
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    tracing::error!(%error, path = %path.display(), "a private key was not deleted")
                }
            }
        }
    }
}
