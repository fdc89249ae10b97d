//! Things that are looked at once for all who need them, for as long as somebody does.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// Something that is looked at; the last holder ends the looking.
#[derive(Debug)]
pub struct Slot<V> {
    /// What was last seen.
    pub seen: watch::Receiver<V>,
    task: AbortHandle,
}

impl<V> Drop for Slot<V> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) struct Slots<K, V>(Mutex<HashMap<K, Weak<Slot<V>>>>);

impl<K, V> Default for Slots<K, V> {
    fn default() -> Self {
        Self(Mutex::new(HashMap::new()))
    }
}

impl<K: Hash + Eq, V: Default + Send + Sync + 'static> Slots<K, V> {
    /// How many are looked at.
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The slot of a key; `look` is started when there is none.
    pub(super) fn get<F>(&self, key: K, look: impl FnOnce(watch::Sender<V>) -> F) -> Arc<Slot<V>>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(&key).and_then(Weak::upgrade) {
            return slot;
        }
        slots.retain(|_, slot| slot.strong_count() > 0);
        let (sender, seen) = watch::channel(V::default());
        let slot = Arc::new(Slot { seen, task: tokio::spawn(look(sender)).abort_handle() });
        slots.insert(key, Arc::downgrade(&slot));
        slot
    }
}
