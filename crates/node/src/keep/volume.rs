//! One volume of a pod: what its sources last were, and what of it is on disk.

use super::source::Known;
use crate::api::Context;
use crate::happening::Happening;
use crate::volume::{Dir, UpdateError, Updated, Volume};
use crate::wanted::WantedVolume;
use jeton_core::deliver::{Draw, Ownership, Part, Payload, assemble, retry_after_millis};
use jeton_core::time::UnixTime;
use std::collections::BTreeSet;

/// Seconds that the directory before stays: a reader may be about to open a file in it.
const SWEEP_SECONDS: i64 = 5;
/// Seconds that the first content waits for sources nobody has answered for yet.
const PATIENCE_SECONDS: i64 = 5;

/// A volume, and what is known of its sources.
pub(super) struct VolumeState {
    name: String,
    disk: Option<Volume>,
    parts: Vec<Option<Part>>,
    tokens: Vec<bool>,
    problems: Vec<Option<String>>,
    blocked: BTreeSet<String>,
    /// Since when something waits to be written.
    dirty: Option<UnixTime>,
    pub(super) written: bool,
    trouble: Option<String>,
    failures: u32,
    not_before: UnixTime,
    sweep: Option<UnixTime>,
}

impl VolumeState {
    pub(super) fn new(wanted: &WantedVolume, dir: Dir, owner: Ownership, now: UnixTime) -> Self {
        let count = wanted.sources.len();
        let is_token = |s| matches!(s, &crate::wanted::Source::Token { .. });
        Self {
            name: wanted.name.clone(),
            disk: Some(Volume::new(dir, owner)),
            parts: vec![None; count],
            tokens: wanted.sources.iter().map(is_token).collect(),
            problems: vec![None; count],
            blocked: BTreeSet::new(),
            dirty: Some(now),
            written: false,
            trouble: None,
            failures: 0,
            not_before: now,
            sweep: None,
        }
    }

    /// Something may have changed.
    pub(super) fn touch(&mut self, now: UnixTime) {
        self.dirty.get_or_insert(now);
    }

    /// Files belong to somebody else from the next content on.
    pub(super) fn own(&mut self, owner: Ownership) {
        if let Some(disk) = &mut self.disk {
            disk.set_owner(owner);
        }
    }

    /// Takes what is known of its sources; returns what is new about their faults.
    pub(super) fn take(&mut self, wanted: &WantedVolume, known: Vec<Known>) -> Vec<Happening> {
        let mut news = Vec::new();
        for ((known, source), at) in known.into_iter().zip(&wanted.sources).zip(0..self.parts.len()) {
            let problem = match known {
                Known::Pending => continue,
                Known::Files(part) => {
                    self.parts[at] = Some(part);
                    None
                }
                Known::Broken(why) => Some(why),
            };
            if let Some(why) = problem.as_ref().filter(|_| self.problems[at] != problem) {
                let (volume, what) = (self.name.clone(), source.label());
                news.push(Happening::SourceFailed { volume, what, why: why.clone() });
            }
            self.problems[at] = problem;
        }
        news
    }

    /// What is wrong with it, in words.
    pub(super) fn faults(&self) -> impl Iterator<Item = String> {
        let disk = self.trouble.iter().map(|why| format!("volume {}: {why}", self.name));
        disk.chain(self.problems.iter().flatten().map(|why| format!("volume {}: {why}", self.name)))
    }

    /// When there is something to do.
    pub(super) fn wakes(&self) -> Option<UnixTime> {
        // Nothing known is nothing to write; whatever becomes known wakes the task by itself.
        let something = self.parts.iter().any(Option::is_some);
        let write = self.dirty.filter(|_| something).map(|since| {
            let patience = if self.waits() { since.plus_seconds(PATIENCE_SECONDS) } else { since };
            patience.max(self.not_before)
        });
        [write, self.sweep].into_iter().flatten().min()
    }

    /// Whether the first content waits for a source.
    fn waits(&self) -> bool {
        let unknown = self.parts.iter().zip(&self.problems).any(|(p, why)| p.is_none() && why.is_none());
        !self.written && unknown
    }

    /// Brings the disk up to date, if that is due.
    pub(super) async fn write(&mut self, context: &Context, now: UnixTime) -> Vec<Happening> {
        let Some(since) = self.dirty else { return Vec::new() };
        let patient = self.waits() && now < since.plus_seconds(PATIENCE_SECONDS);
        if patient || now < self.not_before || self.parts.iter().all(Option::is_none) {
            return Vec::new();
        }
        let empty = Part::new();
        let parts: Vec<(bool, &Part)> = self
            .tokens
            .iter()
            .copied()
            .zip(self.parts.iter().map(|p| p.as_ref().unwrap_or(&empty)))
            .collect();
        let (payload, left_out) = assemble(&parts);
        // What some source may still own is kept until that source is known.
        let whole = self.parts.iter().all(Option::is_some);
        let Ok(leave) = context.writers.clone().acquire_owned().await else { return Vec::new() };
        let Some(disk) = self.disk.take() else { return Vec::new() };
        let done = tokio::task::spawn_blocking(move || {
            let _leave = leave;
            update(disk, payload, whole, now)
        });
        // A panic while writing: the directory handle is lost, and so is the volume.
        let Ok((disk, result)) = done.await else {
            return vec![self.disk_failed("writing was broken off".to_owned(), now)];
        };
        self.disk = Some(disk);
        let mut news: Vec<Happening> = left_out
            .into_iter()
            .filter(|(at, why)| self.problems[*at].replace(why.to_string()) != Some(why.to_string()))
            .map(|(at, why)| {
                let what = format!("source {}", at + 1);
                Happening::SourceFailed { volume: self.name.clone(), what, why: why.to_string() }
            })
            .collect();
        match result {
            Ok(updated) => news.extend(self.updated(updated, now)),
            Err(error) => news.push(self.disk_failed(crate::api::chain(&error), now)),
        }
        news
    }

    fn updated(&mut self, updated: Updated, now: UnixTime) -> Vec<Happening> {
        let mut news = Vec::new();
        (self.dirty, self.trouble, self.failures) = (None, None, 0);
        let first = !std::mem::replace(&mut self.written, true);
        if updated.changed {
            self.sweep = Some(now.plus_seconds(SWEEP_SECONDS));
            news.push(Happening::Written { volume: self.name.clone(), first });
        }
        let blocked: BTreeSet<String> = updated.blocked.into_iter().collect();
        for name in blocked.difference(&self.blocked) {
            news.push(Happening::Blocked { volume: self.name.clone(), name: name.clone() });
        }
        self.blocked = blocked;
        news
    }

    fn disk_failed(&mut self, why: String, now: UnixTime) -> Happening {
        self.failures = self.failures.saturating_add(1);
        let pause = retry_after_millis(self.failures, 0, Draw(fastrand::u32(..)));
        self.not_before = UnixTime::from_millis(now.millis().saturating_add(pause));
        self.trouble = Some(why.clone());
        Happening::DiskFailed { volume: self.name.clone(), why }
    }

    /// Removes what the last content replaced, once no reader can be inside.
    pub(super) async fn sweep(&mut self, now: UnixTime) {
        if self.sweep.is_none_or(|at| now < at) {
            return;
        }
        self.sweep = None;
        let Some(mut disk) = self.disk.take() else { return };
        let swept = tokio::task::spawn_blocking(move || {
            // What cannot be removed now, the next update removes.
            let _ = disk.sweep();
            disk
        });
        self.disk = swept.await.ok();
    }
}

/// `whole`: nothing of the old content is to be kept.
fn update(
    mut disk: Volume,
    mut payload: Payload,
    whole: bool,
    now: UnixTime,
) -> (Volume, Result<Updated, UpdateError>) {
    if !whole {
        let known = payload.clone();
        for (path, file) in disk.content().unwrap_or_default() {
            payload.entry(path).or_insert(file);
        }
        // Old content that contradicts the new one gives way.
        if let Ok(updated) = disk.update(&payload, now) {
            return (disk, Ok(updated));
        }
        payload = known;
    }
    let result = disk.update(&payload, now);
    (disk, result)
}
