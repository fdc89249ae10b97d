//! How a volume's directory changes, as a list of steps.
//!
//! The layout is Kubernetes' (1.36, atomic writer): files lie in a directory `..<time>.<number>`; the link `..data` points
//! at it; for each first element of a path there is a link `<element>` → `..data/<element>`. Renaming a new link over
//! `..data` switches everything at once.
//!
//! Invariant: at every prefix of the steps a reader of the visible names finds the whole old content or the whole new
//! content. So links to new names are made before the switch (they lead nowhere until then), and links to names that
//! vanish are taken away after it. Kubernetes makes them afterwards. The old directory is left to the caller
//! ([`Plan::leftover`]), who waits a moment: a reader may be between opening `..data` and opening a file in it.

use super::{Ownership, PathError, VolumePath, dir_mode};
use crate::limits::{MAX_VOLUME_BYTES, MAX_VOLUME_FILES};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The link that readers go through.
pub const DATA: &str = "..data";
/// The next `..data`, before it is renamed.
pub const DATA_TMP: &str = "..data_tmp";
/// The next visible link, before it is renamed.
pub const LINK_TMP: &str = "..link_tmp";

/// What a file holds. Shared: a pod may name the same key in thousands of files.
pub type Bytes = Arc<Zeroizing<Vec<u8>>>;

/// One file of a volume. Debug shows no content: it may be a token.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    /// What it holds.
    pub bytes: Bytes,
    /// Permission bits, as they shall be on disk.
    pub mode: u32,
}

impl File {
    /// A file of these bytes.
    pub fn new(bytes: Vec<u8>, mode: u32) -> Self {
        Self { bytes: Arc::new(bytes.into()), mode }
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "File({} bytes, mode {:o})", self.bytes.len(), self.mode)
    }
}

/// What a volume shall hold.
pub type Payload = BTreeMap<VolumePath, File>;

/// A file as it is on disk.
pub type SeenFile = File;

/// An entry in the volume's own directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A symbolic link and where it points.
    Link(String),
    /// A directory.
    Dir,
    /// Anything else.
    Other,
}

/// What was found on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The entries of the volume's own directory.
    pub entries: BTreeMap<String, Entry>,
    /// The files below the directory that `..data` names, by path.
    pub files: BTreeMap<String, SeenFile>,
}

impl Seen {
    /// The directory in use: what `..data` points at, when that is a directory of this volume. A link that leads
    /// anywhere else was not made here and is not followed.
    pub fn current(&self) -> Option<&str> {
        let Some(Entry::Link(target)) = self.entries.get(DATA) else { return None };
        let own = target.starts_with("..") && target != ".." && !target.contains('/');
        (own && self.entries.get(target) == Some(&Entry::Dir)).then_some(target.as_str())
    }
}

/// One change of the disk; names are relative to the volume's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Makes a directory with exactly this mode.
    MakeDir(String, u32),
    /// Writes a new file.
    Write(String, File),
    /// Makes a symbolic link: name, target.
    Link(String, String),
    /// Renames, replacing what is there: from, to.
    Rename(String, String),
    /// Removes a link or file.
    Unlink(String),
    /// Removes a directory with everything in it.
    RemoveTree(String),
}

/// Steps in order, and what they leave behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What to do, in order.
    pub steps: Vec<Step>,
    /// The directory that was in use before: to be removed once no reader can be inside.
    pub leftover: Option<String>,
    /// Whether the content changes.
    pub changed: bool,
    /// Visible names that something else occupies, which is left alone.
    pub blocked: Vec<String>,
}

/// The steps from what is there to what shall be. `fresh` is the name for a new directory: it begins with `..` and is
/// not in use.
///
/// # Errors
/// [`PathError`] when two paths contradict each other or there is too much of everything. Nothing has happened then.
pub fn plan(seen: &Seen, payload: &Payload, owner: Ownership, fresh: &str) -> Result<Plan, PathError> {
    check(payload)?;
    let current = seen.current();
    let mut plan = Plan { changed: current.is_none() || differs(seen, payload), ..Plan::default() };
    remove_stale(seen, current, &mut plan.steps);
    let new = if plan.changed { fresh } else { current.unwrap_or(fresh) };
    if plan.changed {
        write_all(payload, owner, new, &mut plan.steps);
    }
    let wanted: BTreeSet<&str> = payload.keys().map(VolumePath::first).collect();
    for name in &wanted {
        show(seen, name, &mut plan);
    }
    if plan.changed {
        plan.steps.push(Step::Link(DATA_TMP.to_owned(), new.to_owned()));
        plan.steps.push(Step::Rename(DATA_TMP.to_owned(), DATA.to_owned()));
        plan.leftover = current.map(str::to_owned);
    }
    for (name, entry) in &seen.entries {
        let ours = matches!(entry, Entry::Link(target) if *target == format!("{DATA}/{name}"));
        if ours && !wanted.contains(name.as_str()) {
            plan.steps.push(Step::Unlink(name.clone()));
        }
    }
    Ok(plan)
}

fn check(payload: &Payload) -> Result<(), PathError> {
    if payload.len() > MAX_VOLUME_FILES {
        return Err(PathError::TooMany(payload.len()));
    }
    let bytes = payload.values().map(|f| f.bytes.len()).sum();
    if bytes > MAX_VOLUME_BYTES {
        return Err(PathError::TooLarge(bytes));
    }
    let files: BTreeSet<&str> = payload.keys().map(VolumePath::as_str).collect();
    match payload.keys().flat_map(VolumePath::parents).find(|p| files.contains(p)) {
        Some(both) => Err(PathError::Conflict(both.to_owned())),
        None => Ok(()),
    }
}

/// Kubernetes 1.36 compares names and bytes; modes are compared here too, so that a changed security context counts.
fn differs(seen: &Seen, payload: &Payload) -> bool {
    seen.files.len() != payload.len()
        || payload.iter().any(|(path, file)| seen.files.get(path.as_str()) != Some(file))
}

/// What an interrupted update left: every `..` name but the one in use. `..data` itself is replaced by the switch.
fn remove_stale(seen: &Seen, current: Option<&str>, steps: &mut Vec<Step>) {
    for (name, entry) in &seen.entries {
        if !name.starts_with("..") || Some(name.as_str()) == current {
            continue;
        }
        match entry {
            Entry::Dir => steps.push(Step::RemoveTree(name.clone())),
            _ if name == DATA => {}
            _ => steps.push(Step::Unlink(name.clone())),
        }
    }
}

fn write_all(payload: &Payload, owner: Ownership, new: &str, steps: &mut Vec<Step>) {
    let mode = dir_mode(owner);
    steps.push(Step::MakeDir(new.to_owned(), mode));
    let parents: BTreeSet<&str> = payload.keys().flat_map(VolumePath::parents).collect();
    steps.extend(parents.into_iter().map(|p| Step::MakeDir(format!("{new}/{p}"), mode)));
    steps.extend(payload.iter().map(|(path, file)| Step::Write(format!("{new}/{path}"), file.clone())));
}

/// Makes one name visible, unless it is.
fn show(seen: &Seen, name: &str, plan: &mut Plan) {
    let target = format!("{DATA}/{name}");
    match seen.entries.get(name) {
        Some(Entry::Link(found)) if *found == target => {}
        // A link that leads elsewhere was not made here: replaced whole, never followed.
        None | Some(Entry::Link(_)) => {
            plan.steps.push(Step::Link(LINK_TMP.to_owned(), target));
            plan.steps.push(Step::Rename(LINK_TMP.to_owned(), name.to_owned()));
        }
        // Such as the mount point of another volume below this one.
        Some(Entry::Dir | Entry::Other) => plan.blocked.push(name.to_owned()),
    }
}
