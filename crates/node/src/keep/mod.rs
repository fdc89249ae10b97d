//! Keeps the volumes of one pod fresh in their directories, until told to stop.
//!
//! Invariant: sources are independent: one that is broken keeps what was on disk of it, and the others, tokens first, go
//! on. Tokens are refreshed on their own schedule, also while the pod is being deleted, for as long as the server gives
//! them. Nothing is torn down here: removing the directory is the owner's affair, after [`Keeper::stop`].

mod source;
mod token;
mod volume;
mod task;
#[cfg(test)]
mod tests;

pub use source::{Known, of_object};

use crate::api::Context;
use crate::volume::Dir;
use crate::wanted::Wanted;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How far delivery is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Whether every volume has had content.
    pub written: bool,
    /// What is wrong, in words for people; empty: all that is wanted is there.
    pub faults: Vec<String>,
}

impl Progress {
    /// Whether everything that is wanted is there.
    pub fn complete(&self) -> bool {
        self.written && self.faults.is_empty()
    }
}

/// Keeps the volumes of one pod. Dropping it ends the work some time later; [`Keeper::stop`] waits for the end.
#[derive(Debug)]
pub struct Keeper {
    wanted: watch::Sender<Arc<Wanted>>,
    progress: watch::Receiver<Progress>,
    task: JoinHandle<()>,
}

impl Keeper {
    /// Starts; `dirs` are the directories of `wanted.volumes`, in their order.
    pub fn start(context: &Arc<Context>, wanted: Wanted, dirs: Vec<Dir>) -> Self {
        let (sender, receiver) = watch::channel(Arc::new(wanted));
        let (told, progress) = watch::channel(Progress::default());
        let task = tokio::spawn(task::Task::new(context.clone(), receiver, dirs, told).run());
        Self { wanted: sender, progress, task }
    }

    /// The pod changed: labels that files show, or containers that decide whose files they are. Volumes cannot change.
    pub fn update(&self, wanted: Wanted) {
        self.wanted.send_if_modified(|old| {
            let changed = **old != wanted;
            *old = Arc::new(wanted);
            changed
        });
    }

    /// How far it is, now and from now on.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// Ends the work; afterwards nothing is written any more.
    pub async fn stop(self) {
        drop(self.wanted);
        // A panic in the task has been told already, and ended it too.
        let _ = self.task.await;
    }
}
