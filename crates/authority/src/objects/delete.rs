//! Deleting: at once, or after a time, or once nobody holds the object any more.
//!
//! Kubernetes 1.36 (apiserver/pkg/registry/rest/delete.go): finalizers hold an object; a grace period may only be
//! shortened; `deletionTimestamp` is the end of the grace period.

use super::admission;
use super::kind::{Kind, text};
use super::registry::{MAX_RETRIES, Registry, about, decode, key, modified, unavailable};
use crate::status::ApiError;
use crate::store::{CommitError, Expect};
use jeton_core::time::UnixTime;
use serde_json::{Value, json};

/// Holds an object until what it owns is gone.
pub const FOREGROUND: &str = "foregroundDeletion";
/// Holds an object until what it owns has been set free.
pub const ORPHAN: &str = "orphan";

/// What happens to the objects that an object owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// They are deleted after it.
    Background,
    /// They are deleted before it.
    Foreground,
    /// They stay, without it as their owner.
    Orphan,
}

impl Propagation {
    /// Reads a `propagationPolicy`.
    ///
    /// # Errors
    /// What is allowed.
    pub fn read(text: &str) -> Result<Self, String> {
        match text {
            "Background" => Ok(Self::Background),
            "Foreground" => Ok(Self::Foreground),
            "Orphan" => Ok(Self::Orphan),
            _ => Err(format!(
                "propagationPolicy: Unsupported value: {text:?}: supported values: \"Background\", \"Foreground\", \"Orphan\""
            )),
        }
    }

    /// The finalizer by which the collector of owned objects holds an object.
    fn finalizer(self) -> Option<&'static str> {
        match self {
            Self::Background => None,
            Self::Foreground => Some(FOREGROUND),
            Self::Orphan => Some(ORPHAN),
        }
    }
}

/// What a DELETE asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// Seconds to wait; `None`: the object's own.
    pub grace: Option<i64>,
    /// What happens to what the object owns; `None`: what the object's finalizers say.
    pub propagation: Option<Propagation>,
    /// The uid the object must have.
    pub uid: Option<String>,
    /// The version the object must have.
    pub version: Option<String>,
    /// Change nothing.
    pub dry_run: bool,
}

/// What a DELETE did.
#[derive(Debug)]
pub enum Deleted {
    /// The object is gone; this is how it last was.
    Gone(Value),
    /// It is marked as going away.
    Marked(Value),
}

/// What must be done with an object.
#[derive(Debug)]
enum Step {
    Remove,
    Mark(Value),
    Nothing,
}

impl DeleteOptions {
    /// Reads a DeleteOptions body.
    ///
    /// # Errors
    /// Which field is wrong.
    pub fn read(body: &Value) -> Result<Self, String> {
        let wish = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let grace = match &body["gracePeriodSeconds"] {
            Value::Null => None,
            value => Some(value.as_i64().ok_or("gracePeriodSeconds must be a number of seconds")?),
        };
        let propagation = match (body["propagationPolicy"].as_str(), body["orphanDependents"].as_bool()) {
            (Some(policy), _) if !policy.is_empty() => Some(Propagation::read(policy)?),
            (_, Some(true)) => Some(Propagation::Orphan),
            (_, Some(false)) => Some(Propagation::Background),
            _ => None,
        };
        let dry_run = match body["dryRun"].as_array().map(Vec::as_slice) {
            None | Some([]) => false,
            Some([one]) if one == "All" => true,
            Some(_) => return Err("dryRun: supported values: \"All\"".to_owned()),
        };
        Ok(Self {
            grace,
            propagation,
            uid: wish("/preconditions/uid"),
            version: wish("/preconditions/resourceVersion"),
            dry_run,
        })
    }
}

impl Registry {
    /// Deletes an object, or begins to.
    ///
    /// # Errors
    /// NotFound; Conflict when a precondition does not hold.
    pub async fn delete(
        &self,
        kind: &Kind,
        namespace: &str,
        name: &str,
        options: &DeleteOptions,
    ) -> Result<Deleted, ApiError> {
        admission::delete(kind, name)?;
        for _ in 0..MAX_RETRIES {
            let stored = self.stored(kind, namespace, name)?;
            let object = decode(kind, &stored)?;
            preconditions(kind, name, &object, options)?;
            let key = key(kind, namespace, name)?;
            let wished = propagated(object.clone(), options.propagation);
            let step = match step(kind, &wished, options.grace, self.clock().now()) {
                Step::Nothing if wished != object => Step::Mark(wished),
                step => step,
            };
            let result = match step {
                Step::Nothing => return Ok(Deleted::Marked(object)),
                Step::Remove if options.dry_run => return Ok(Deleted::Gone(object)),
                Step::Mark(marked) if options.dry_run => return Ok(Deleted::Marked(marked)),
                Step::Remove => self.remove(kind, &key, object, stored.revision).await.map(Deleted::Gone),
                Step::Mark(marked) => {
                    let expect = Expect::Revision(stored.revision);
                    self.put(kind, &key, marked, expect, Vec::new()).await.map(Deleted::Marked)
                }
            };
            match result {
                Ok(deleted) => return Ok(deleted),
                Err(CommitError::Store(error)) => return Err(unavailable(error)),
                Err(CommitError::Conflict { .. }) => {}
            }
        }
        Err(modified(kind, name))
    }
}

fn preconditions(kind: &Kind, name: &str, object: &Value, options: &DeleteOptions) -> Result<(), ApiError> {
    let uid = text(object, "/metadata/uid");
    if let Some(wanted) = options.uid.as_deref().filter(|w| *w != uid) {
        return Err(ApiError::Conflict(
            about(kind, name),
            format!(
                "the UID in the precondition ({wanted}) does not match the UID in record ({uid}). The object might have been deleted and then recreated"
            ),
        ));
    }
    let version = text(object, "/metadata/resourceVersion");
    if let Some(wanted) = options.version.as_deref().filter(|w| *w != version) {
        return Err(ApiError::Conflict(
            about(kind, name),
            format!(
                "the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion in record ({version}). The object might have been modified"
            ),
        ));
    }
    Ok(())
}

/// The object with the one finalizer of its propagation.
fn propagated(mut object: Value, propagation: Option<Propagation>) -> Value {
    let Some(propagation) = propagation else { return object };
    let old = object["metadata"]["finalizers"].as_array().into_iter().flatten();
    let others = old.filter(|f| *f != FOREGROUND && *f != ORPHAN).cloned();
    let all: Vec<Value> = others.chain(propagation.finalizer().map(|f| json!(f))).collect();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        match all.is_empty() {
            true => drop(metadata.remove("finalizers")),
            false => drop(metadata.insert("finalizers".to_owned(), json!(all))),
        }
    }
    object
}

fn held(kind: &Kind, object: &Value) -> bool {
    let finalizers = object["metadata"]["finalizers"].as_array();
    finalizers.is_some_and(|f| !f.is_empty()) || (kind.held)(object)
}

/// Whether an object that is going away is held by nobody any more and waits for nothing.
pub(super) fn is_released(kind: &Kind, object: &Value) -> bool {
    let metadata = &object["metadata"];
    metadata["deletionTimestamp"].is_string()
        && metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) == 0
        && !held(kind, object)
}

fn step(kind: &Kind, object: &Value, asked: Option<i64>, now: UnixTime) -> Step {
    let metadata = &object["metadata"];
    let marked = metadata["deletionTimestamp"].as_str().and_then(UnixTime::parse_rfc3339);
    let Some(ends) = marked else {
        let grace = (kind.grace)(object, asked);
        if grace == 0 && !held(kind, object) {
            return Step::Remove;
        }
        return Step::Mark(mark(kind, object, now.plus_seconds(grace), grace));
    };
    let before = metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or(0);
    match asked {
        Some(0) if !held(kind, object) => Step::Remove,
        Some(shorter) if shorter >= 0 && shorter < before => {
            Step::Mark(mark(kind, object, ends.plus_seconds(shorter - before), shorter))
        }
        _ if before == 0 && !held(kind, object) => Step::Remove,
        _ => Step::Nothing,
    }
}

fn mark(kind: &Kind, object: &Value, ends: UnixTime, grace: i64) -> Value {
    let mut marked = object.clone();
    marked["metadata"]["deletionTimestamp"] = json!(ends.rfc3339());
    marked["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
    if let Some(generation) = marked["metadata"]["generation"].as_i64() {
        marked["metadata"]["generation"] = json!(generation.saturating_add(1));
    }
    (kind.on_mark)(&mut marked);
    marked
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::kinds::{NAMESPACE, POD, SECRET};

    fn told(step: &Step) -> String {
        match step {
            Step::Remove => "remove".to_owned(),
            Step::Nothing => "nothing".to_owned(),
            Step::Mark(o) => format!(
                "{} {}",
                o["metadata"]["deletionTimestamp"].as_str().unwrap(),
                o["metadata"]["deletionGracePeriodSeconds"]
            ),
        }
    }

    #[test]
    fn what_a_deletion_does() {
        let now = UnixTime::from_seconds(1_784_973_600);
        let running = json!({"metadata": {}, "spec": {"nodeName": "n", "terminationGracePeriodSeconds": 20}});
        let ending = json!({"metadata": {"deletionTimestamp": "2026-07-25T10:00:20Z", "deletionGracePeriodSeconds": 20}, "spec": {"nodeName": "n"}});
        let waiting = json!({"metadata": {}, "spec": {}});
        let finalized = json!({"metadata": {"finalizers": ["a/b"]}});
        let space = json!({"metadata": {}, "spec": {"finalizers": ["kubernetes"]}, "status": {}});
        for (kind, object, asked, want) in [
            (&POD, &waiting, None, "remove"),
            (&POD, &running, None, "2026-07-25T10:00:20Z 20"),
            (&POD, &running, Some(5), "2026-07-25T10:00:05Z 5"),
            (&POD, &running, Some(0), "remove"),
            (&POD, &running, Some(-1), "2026-07-25T10:00:01Z 1"),
            (&POD, &ending, None, "nothing"),
            (&POD, &ending, Some(60), "nothing"),
            (&POD, &ending, Some(5), "2026-07-25T10:00:05Z 5"),
            (&POD, &ending, Some(0), "remove"),
            (&SECRET, &waiting, Some(30), "remove"),
            (&SECRET, &finalized, None, "2026-07-25T10:00:00Z 0"),
            (&NAMESPACE, &space, None, "2026-07-25T10:00:00Z 0"),
        ] {
            assert_eq!(told(&step(kind, object, asked, now)), want, "{kind:?} {object} {asked:?}");
        }
    }
}
