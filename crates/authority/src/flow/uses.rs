//! Uses of legacy tokens that are still to be written down, on their Secrets, at most once a day each.
//!
//! A review only notes them; the shell writes them before its answer leaves. One that is lost is noted by the next use,
//! because the label is still old.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Most uses that wait to be written.
const MAX_WAITING: usize = 1024;

/// A Secret whose token was used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Used {
    /// Namespace of the Secret.
    pub namespace: String,
    /// Its name.
    pub secret: String,
}

/// Uses that wait.
#[derive(Debug, Default)]
pub struct Uses {
    /// Whether there may be any: every request asks, and nearly always there are none.
    some: AtomicBool,
    waiting: Mutex<BTreeSet<Used>>,
}

impl Uses {
    /// Notes a use.
    pub fn note(&self, namespace: &str, secret: &str) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        self.some.store(true, Ordering::SeqCst);
        if waiting.len() < MAX_WAITING {
            waiting.insert(Used { namespace: namespace.to_owned(), secret: secret.to_owned() });
        }
    }

    /// Takes what waits.
    pub fn take(&self) -> BTreeSet<Used> {
        if !self.some.load(Ordering::SeqCst) {
            return BTreeSet::new();
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        self.some.store(false, Ordering::SeqCst);
        std::mem::take(&mut *waiting)
    }
}
