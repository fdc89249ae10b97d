//! Recent events, bounded, and those who follow them.
//!
//! There is one ring for all watchers, and a watcher is only a position in it: one that does not keep up falls off the
//! end with [`TooOld`] instead of holding memory.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::error::TooOld;
use super::key::{Key, Prefix};
use super::limits::{RING_MAX_BYTES, RING_MAX_EVENTS};

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// It did not exist before.
    Added,
    /// It existed before.
    Modified,
    /// It no longer exists.
    Deleted,
}

/// One change of one object.
#[derive(Clone)]
pub struct Event {
    /// Revision of the change.
    pub revision: u64,
    /// The object.
    pub key: Key,
    /// What happened.
    pub kind: EventKind,
    /// The new body; for [`EventKind::Deleted`] the last one.
    pub body: Arc<[u8]>,
    /// The body before, for [`EventKind::Modified`] and [`EventKind::Deleted`].
    pub prev_body: Option<Arc<[u8]>>,
}

/// Follows the events under a prefix.
#[derive(Debug)]
pub struct Watcher {
    ring: Arc<Ring>,
    news: watch::Receiver<u64>,
    prefix: Prefix,
    /// Every event up to this revision has been told or does not concern this watcher.
    position: u64,
}

/// The recent events.
#[derive(Debug)]
pub(crate) struct Ring {
    events: Mutex<Recent>,
    news: watch::Sender<u64>,
}

#[derive(Debug)]
struct Recent {
    events: VecDeque<Event>,
    bytes: usize,
    /// Newest revision that can no longer be told.
    compacted: u64,
}

impl Ring {
    /// An empty ring of a store at this revision.
    pub(crate) fn new(revision: u64) -> Arc<Self> {
        let events = Mutex::new(Recent { events: VecDeque::new(), bytes: 0, compacted: revision });
        Arc::new(Self { events, news: watch::Sender::new(revision) })
    }

    /// Tells new events, in the order of their revisions.
    pub(crate) fn publish(&self, events: impl IntoIterator<Item = Event>) {
        let mut recent = self.recent();
        let mut newest = None;
        for event in events {
            newest = Some(event.revision);
            recent.push(event);
        }
        drop(recent);
        if let Some(newest) = newest {
            self.news.send_replace(newest);
        }
    }

    /// Forgets everything up to `revision`, which was reached in a way that cannot be told as events.
    pub(crate) fn forget(&self, revision: u64) {
        *self.recent() = Recent { events: VecDeque::new(), bytes: 0, compacted: revision };
        self.news.send_replace(revision);
    }

    /// Follows from a revision on.
    pub(crate) fn watch(self: &Arc<Self>, prefix: &Prefix, from: u64) -> Result<Watcher, TooOld> {
        // Subscribed before looking: news that come in between wake the watcher once more, never once less.
        let news = self.news.subscribe();
        let compacted = self.recent().compacted;
        if from < compacted {
            return Err(TooOld { from, compacted });
        }
        Ok(Watcher { ring: self.clone(), news, prefix: prefix.clone(), position: from })
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recent {
    fn push(&mut self, event: Event) {
        self.bytes += event.size();
        self.events.push_back(event);
        while self.events.len() > RING_MAX_EVENTS || self.bytes > RING_MAX_BYTES {
            let Some(old) = self.events.pop_front() else { break };
            self.bytes -= old.size();
            self.compacted = old.revision;
        }
    }
}

impl Watcher {
    /// The next event. Waits while there is none; may be dropped at any time without losing one.
    ///
    /// # Errors
    /// [`TooOld`] if this watcher was too slow; it stays so.
    pub async fn next(&mut self) -> Result<Event, TooOld> {
        loop {
            self.news.mark_unchanged();
            if let Some(event) = self.try_next()? {
                return Ok(event);
            }
            if self.news.changed().await.is_err() {
                // The ring holds the sender and this watcher the ring, so the sender cannot be gone.
                std::future::pending::<()>().await;
            }
        }
    }

    /// The next event if it is already there.
    ///
    /// # Errors
    /// As [`Watcher::next`].
    pub fn try_next(&mut self) -> Result<Option<Event>, TooOld> {
        let recent = self.ring.recent();
        if self.position < recent.compacted {
            return Err(TooOld { from: self.position, compacted: recent.compacted });
        }
        let start = recent.events.partition_point(|event| event.revision <= self.position);
        for event in recent.events.range(start..) {
            self.position = event.revision;
            if self.prefix.holds(&event.key) {
                return Ok(Some(event.clone()));
            }
        }
        Ok(None)
    }

    /// Every event of this watcher up to this revision has been returned: the revision of a bookmark.
    pub fn position(&self) -> u64 {
        self.position
    }
}

impl Event {
    /// Bytes the ring holds for it; a body shared with the event before counts twice, which errs on the small side.
    fn size(&self) -> usize {
        let prev = match (self.kind, &self.prev_body) {
            (EventKind::Modified, Some(prev)) => prev.len(),
            _ => 0,
        };
        self.key.as_str().len() + self.body.len() + prev
    }
}

// Bodies may be Secrets: Debug tells their size only.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Event {{ {}, {:?} {}, {} bytes }}", self.revision, self.kind, self.key, self.body.len())
    }
}
