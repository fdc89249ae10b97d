//! Reading and writing objects of any kind.
//!
//! Invariant: a write is one transaction that names what it assumes (absent, or a revision), so two writers cannot
//! overwrite each other unseen; a create also assumes its namespace.

use super::admission;
use super::kind::Kind;
use super::kinds::{CUSTOM_RESOURCE_DEFINITION, NAMESPACE, with_ephemeral};
use super::meta;
use crate::status::{About, ApiError, Cause, Fault};
use crate::store::{Change, CommitError, Expect, Key, Looked, Prefix, Store, StoreError, Stored, Txn, View};
use arc_swap::ArcSwap;
use jeton_core::clock::Clock;
use jeton_core::limits::INJECTED_LIFETIME_SECONDS;
use jeton_core::release::Release;
use jeton_schema::structural::{self, Broken};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use uuid::Uuid;

/// Times a write is tried again when another writer came first and the client assumed nothing.
pub(super) const MAX_RETRIES: usize = 32;

/// The objects of a server.
pub struct Registry {
    store: Arc<dyn Store>,
    clock: Clock,
    /// The Kubernetes version whose behaviours are had.
    pub release: Release,
    /// Seconds that tokens of injected volumes ask for; other than Kubernetes' only in a laboratory.
    pub injected_seconds: i64,
    rbac_changes: AtomicU64,
    pub(super) definition_changes: AtomicU64,
    /// Every kind, and the change of the definitions it was made after.
    pub(super) kinds: ArcSwap<(u64, Arc<Vec<&'static Kind>>)>,
}

/// Which part of an object a write changes; the rest stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// All but `status`, where that is a subresource.
    #[default]
    Main,
    /// `status` alone.
    Status,
    /// The list of those who hold a namespace, `spec.finalizers`.
    Finalizers,
    /// The containers that join a pod later.
    Ephemeral,
}

/// May refuse an update, by the new object and the one it replaces.
pub type Guard<'a> = &'a (dyn Fn(&Value, &Value) -> Result<(), ApiError> + Send + Sync);

/// How an object is written.
#[derive(Clone, Copy, Default)]
pub struct Write<'a> {
    /// What of it.
    pub part: Part,
    /// Whether to check everything and store nothing.
    pub dry_run: bool,
    /// Asked about exactly the two objects that the write is about.
    pub guard: Option<Guard<'a>>,
}

impl std::fmt::Debug for Write<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Write({:?}, dry run: {}, guarded: {})", self.part, self.dry_run, self.guard.is_some())
    }
}

impl Registry {
    /// Objects in `store`.
    pub fn new(store: Arc<dyn Store>, clock: Clock) -> Self {
        Self {
            store,
            clock,
            release: Release::default(),
            injected_seconds: INJECTED_LIFETIME_SECONDS,
            rbac_changes: AtomicU64::new(1),
            definition_changes: AtomicU64::new(1),
            kinds: ArcSwap::from_pointee((0, Arc::default())),
        }
    }

    /// The same with the behaviours of a release.
    #[must_use]
    pub fn with_release(self, release: Release) -> Self {
        Self { release, ..self }
    }

    /// The same with another lifetime of injected volumes, in seconds.
    #[must_use]
    pub fn with_injected(self, injected_seconds: i64) -> Self {
        Self { injected_seconds, ..self }
    }

    /// The store behind it.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The clock that stamps objects.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Grows with every change of a role or binding.
    pub fn rbac_changes(&self) -> u64 {
        self.rbac_changes.load(Ordering::SeqCst)
    }

    /// Reads one object.
    ///
    /// # Errors
    /// NotFound; Unavailable when the store fails.
    pub fn get(&self, kind: &Kind, namespace: &str, name: &str) -> Result<Value, ApiError> {
        let stored = self.stored(kind, namespace, name)?;
        decode(kind, &stored)
    }

    pub(super) fn stored(&self, kind: &Kind, namespace: &str, name: &str) -> Result<Stored, ApiError> {
        let key = key(kind, namespace, name)?;
        let found = self.store.get(&key).map_err(unavailable)?;
        found.ok_or_else(|| ApiError::NotFound(about(kind, name)))
    }

    /// Creates an object; gives back what was stored.
    ///
    /// # Errors
    /// AlreadyExists, Invalid, NotFound for the namespace, Forbidden while it is terminating.
    pub async fn create(
        &self,
        kind: &Kind,
        namespace: &str,
        body: Value,
        dry_run: bool,
    ) -> Result<Value, ApiError> {
        meta::check_namespace(&body, namespace)?;
        if kind.closed {
            return Err(ApiError::MethodNotAllowed);
        }
        for _ in 0..MAX_RETRIES {
            let mut object = body.clone();
            meta::stamp_new(&mut object, namespace, self.clock.now(), Uuid::new_v4());
            (kind.prepare)(&mut object, None);
            if kind.has_generation {
                object["metadata"]["generation"] = json!(1);
            }
            self.namespace_open(kind, namespace, admission::shown_name(&object))?;
            let mut checks = Vec::new();
            if kind.namespaced {
                checks.push((key(&NAMESPACE, "", namespace)?, Expect::Present));
            }
            admission::create(self, kind, namespace, &mut object).await?;
            checked(kind, &mut object, None)?;
            admission::compress(self, kind, &mut object);
            let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let key = key(kind, namespace, &name)?;
            if dry_run {
                if self.store.index().row(&key).is_some() {
                    return Err(ApiError::AlreadyExists(about(kind, &name)));
                }
                return Ok(object);
            }
            match self.put(kind, &key, object, Expect::Absent, checks).await {
                Ok(object) => return Ok(object),
                Err(CommitError::Store(error)) => return Err(unavailable(error)),
                Err(CommitError::Conflict { key: clash, .. }) if clash != key => {
                    return Err(ApiError::NotFound(about(&NAMESPACE, namespace)));
                }
                Err(CommitError::Conflict { .. }) => {
                    let generated = body["metadata"]["name"].as_str().unwrap_or("").is_empty();
                    if !generated {
                        return Err(ApiError::AlreadyExists(about(kind, &name)));
                    }
                }
            }
        }
        Err(ApiError::TooManyRequests(1))
    }

    /// The namespace must be there, and not be going away.
    ///
    /// # Errors
    /// NotFound, NamespaceTerminating, or BadRequest for what no namespace can be called.
    pub fn namespace_open(&self, kind: &Kind, namespace: &str, name: &str) -> Result<(), ApiError> {
        if !kind.namespaced {
            return Ok(());
        }
        let look = |view: &View<'_>| view.look(NAMESPACE.stored_as, "", namespace).map(Looked::terminating);
        match self.store.index().read(look) {
            Some(false) => Ok(()),
            Some(true) => {
                let why = format!(
                    "unable to create new content in namespace {namespace} because it is being terminated"
                );
                Err(ApiError::NamespaceTerminating(about(kind, name), why))
            }
            None => {
                key(&NAMESPACE, "", namespace)?;
                Err(ApiError::NotFound(about(&NAMESPACE, namespace)))
            }
        }
    }

    /// Replaces an object; gives back what was stored. A body without `resourceVersion` replaces whatever is there.
    ///
    /// # Errors
    /// NotFound, Conflict, Invalid, BadRequest.
    pub async fn update(
        &self,
        kind: &Kind,
        namespace: &str,
        name: &str,
        body: Value,
        write: Write<'_>,
    ) -> Result<Value, ApiError> {
        meta::check_namespace(&body, namespace)?;
        let given = body["metadata"]["name"].as_str().unwrap_or("");
        if given != name {
            return Err(ApiError::BadRequest(format!(
                "the name of the object ({given}) does not match the name on the URL ({name})"
            )));
        }
        let assumed =
            body["metadata"]["resourceVersion"].as_str().filter(|v| !v.is_empty()).map(str::to_owned);
        for _ in 0..MAX_RETRIES {
            let stored = self.stored(kind, namespace, name)?;
            let old = decode(kind, &stored)?;
            assumptions(kind, name, &body, &old)?;
            let object = changed(kind, &body, &old, write.part)?;
            write.guard.map_or(Ok(()), |guard| guard(&object, &old))?;
            if write.dry_run || same(&object, &old) {
                let mut object = object;
                object["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"].clone();
                return Ok(object);
            }
            let key = key(kind, namespace, name)?;
            let result = if super::delete::is_released(kind, &object) {
                self.remove(kind, &key, object, stored.revision).await
            } else {
                self.put(kind, &key, object, Expect::Revision(stored.revision), Vec::new()).await
            };
            match result {
                Ok(object) => return Ok(object),
                Err(CommitError::Store(error)) => return Err(unavailable(error)),
                Err(CommitError::Conflict { .. }) if assumed.is_some() => return Err(modified(kind, name)),
                Err(CommitError::Conflict { .. }) => {}
            }
        }
        Err(modified(kind, name))
    }

    pub(super) async fn put(
        &self,
        kind: &Kind,
        key: &Key,
        mut object: Value,
        expect: Expect,
        checks: Vec<(Key, Expect)>,
    ) -> Result<Value, CommitError> {
        kind.store(&mut object);
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("resourceVersion");
        }
        let body = serde_json::to_vec(&object).unwrap_or_default();
        let change = Change::Put { key: key.clone(), body, row: kind.row(&object) };
        let done = self.store.commit(Txn { checks, changes: vec![(change, expect)] }).await?;
        self.changed(kind);
        object["metadata"]["resourceVersion"] = json!(done.revision.to_string());
        kind.present(&mut object);
        Ok(object)
    }

    pub(super) async fn remove(
        &self,
        kind: &Kind,
        key: &Key,
        mut object: Value,
        revision: u64,
    ) -> Result<Value, CommitError> {
        let change = (Change::Delete { key: key.clone() }, Expect::Revision(revision));
        let done = self.store.commit(Txn { checks: Vec::new(), changes: vec![change] }).await?;
        self.changed(kind);
        object["metadata"]["resourceVersion"] = json!(done.revision.to_string());
        Ok(object)
    }

    fn changed(&self, kind: &Kind) {
        if kind.group == "rbac.authorization.k8s.io" {
            self.rbac_changes.fetch_add(1, Ordering::SeqCst);
        }
        if kind.stored_as == CUSTOM_RESOURCE_DEFINITION.stored_as {
            self.definition_changes.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Registry(revision {})", self.store.revision())
    }
}

/// Where an object stands in the store.
///
/// # Errors
/// BadRequest for a name or namespace that cannot be one.
pub fn key(kind: &Kind, namespace: &str, name: &str) -> Result<Key, ApiError> {
    let namespace = if kind.namespaced { namespace } else { "" };
    Key::new(kind.stored_as, namespace, name).map_err(|error| ApiError::BadRequest(error.to_string()))
}

/// The words of an answer about an object.
pub fn about(kind: &Kind, name: &str) -> About {
    About::new(kind.group, kind.plural, name)
}

/// Where the objects of a kind stand; `namespace` empty: all of them.
pub fn prefix(kind: &Kind, namespace: &str) -> Prefix {
    match namespace {
        "" => Key::prefix_all(kind.stored_as),
        _ => Key::prefix_ns(kind.stored_as, namespace),
    }
}

/// An object with its revision, as clients of `kind` know it.
///
/// # Errors
/// Internal when the stored bytes are not an object.
pub fn decode(kind: &Kind, stored: &Stored) -> Result<Value, ApiError> {
    decode_bytes(kind, &stored.body, stored.revision)
}

/// The same from bytes and a revision.
///
/// # Errors
/// As [`decode`].
pub fn decode_bytes(kind: &Kind, body: &[u8], revision: u64) -> Result<Value, ApiError> {
    let mut object: Value = serde_json::from_slice(body)
        .map_err(|_| ApiError::Internal("a stored object cannot be read".to_owned()))?;
    object["metadata"]["resourceVersion"] = json!(revision.to_string());
    kind.present(&mut object);
    Ok(object)
}

/// The object after a write of one part of it, checked.
fn changed(kind: &Kind, body: &Value, old: &Value, part: Part) -> Result<Value, ApiError> {
    let mut object = match part {
        Part::Main => body.clone(),
        Part::Status | Part::Finalizers => old.clone(),
        Part::Ephemeral => {
            let (object, causes) = with_ephemeral(body, old);
            meta::refuse(kind, &object, causes)?;
            object
        }
    };
    match part {
        Part::Status => object["status"] = body["status"].clone(),
        Part::Finalizers => object["spec"]["finalizers"] = body["spec"]["finalizers"].clone(),
        Part::Main => {
            meta::stamp_update(&mut object, old);
            (kind.prepare)(&mut object, Some(old));
            if kind.has_status {
                meta::keep(&mut object, old, "status");
            }
            checked(kind, &mut object, Some(old))?;
        }
        Part::Ephemeral => {}
    }
    let counted = kind.has_generation && matches!(part, Part::Main | Part::Ephemeral);
    if counted && meta::content_differs(&object, old) {
        let before = old["metadata"]["generation"].as_i64().unwrap_or(0);
        object["metadata"]["generation"] = json!(before.saturating_add(1));
    }
    Ok(object)
}

/// Holds an object against the rules and the schema of its kind.
fn checked(kind: &Kind, object: &mut Value, old: Option<&Value>) -> Result<(), ApiError> {
    let mut causes = Vec::new();
    meta::check(kind, object, &mut causes);
    (kind.check)(object, old, &mut causes);
    if let Some(schema) = kind.schema {
        structural::fill(schema, object);
        causes.extend(structural::check(schema, object).into_iter().map(|(path, broken)| match broken {
            Broken::Required => Cause::required(path, ""),
            Broken::Type(shown, wanted) => {
                let why = format!("{path} in body must be of type {wanted}: {shown:?}");
                Cause::invalid(path, &shown, why)
            }
            Broken::Enum(shown, list) => Cause { field: path, fault: Fault::NotSupported(shown, list) },
            Broken::Range(shown, rule) => Cause::invalid_value(path, shown, rule),
        }));
    }
    meta::refuse(kind, object, causes)
}

/// What to do about it.
pub(crate) const DISK_FULL: &str =
    "the disk of the store is full: make room on it; until then only deletions and revocations are accepted";

pub(super) fn unavailable(error: StoreError) -> ApiError {
    tracing::error!(error = &error as &dyn std::error::Error, "store");
    match error {
        StoreError::TooLarge { .. } => ApiError::BadRequest(error.to_string()),
        StoreError::DiskFull(_) => ApiError::Unavailable(DISK_FULL.to_owned()),
        _ => ApiError::Unavailable("the store cannot be used; the server's log says why".to_owned()),
    }
}

pub(super) fn modified(kind: &Kind, name: &str) -> ApiError {
    let why = "the object has been modified; please apply your changes to the latest version and try again";
    ApiError::Conflict(about(kind, name), why.to_owned())
}

/// Version and uid in a body must be those of the object.
fn assumptions(kind: &Kind, name: &str, body: &Value, old: &Value) -> Result<(), ApiError> {
    let given = |key: &str| body["metadata"][key].as_str().filter(|v| !v.is_empty());
    let live = |key: &str| old["metadata"][key].as_str().unwrap_or("");
    if given("resourceVersion").is_some_and(|v| v != live("resourceVersion")) {
        return Err(modified(kind, name));
    }
    if let Some(uid) = given("uid").filter(|u| *u != live("uid")) {
        let why =
            format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {}", live("uid"));
        return Err(ApiError::Conflict(about(kind, name), why));
    }
    Ok(())
}

/// Whether an update changes nothing.
fn same(new: &Value, old: &Value) -> bool {
    let strip = |value: &Value| {
        let mut value = value.clone();
        if let Some(metadata) = value["metadata"].as_object_mut() {
            metadata.remove("resourceVersion");
        }
        if let Some(map) = value.as_object_mut() {
            map.remove("kind");
            map.remove("apiVersion");
        }
        value
    };
    strip(new) == strip(old)
}
