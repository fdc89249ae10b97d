//! What happens by itself, beside requests: each controller compares what is with what should be, again and again.
//!
//! Invariant: a controller works from the current state, so one that was interrupted goes on where it must.

pub mod custom_resource;
pub mod events;
pub mod namespace;

use crate::objects::Registry;
use crate::store::{Prefix, Watcher};

/// Follows a prefix; starts over when it fell too far behind.
pub(crate) struct Follow<'a> {
    registry: &'a Registry,
    prefix: Prefix,
    watcher: Option<Watcher>,
}

impl<'a> Follow<'a> {
    pub(crate) fn new(registry: &'a Registry, prefix: Prefix) -> Self {
        Self { registry, prefix, watcher: None }
    }

    /// Waits until something under the prefix changed since the last call; at once the first time, or after a gap.
    pub(crate) async fn changed(&mut self) {
        let store = self.registry.store();
        if let Some(watcher) = &mut self.watcher
            && watcher.next().await.is_ok()
        {
            // Whatever else is there already counts as the same change.
            while let Ok(Some(_)) = watcher.try_next() {}
            return;
        }
        self.watcher = store.watch(&self.prefix, store.revision()).ok();
    }
}
