//! The keys a server verifies with.

use super::PublicKey;
use std::sync::Arc;

/// Verification keys in order; the same key given twice stands twice (Kubernetes 1.36).
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<Arc<PublicKey>>,
}

impl KeySet {
    /// A set of these keys, in this order.
    pub fn new(keys: impl IntoIterator<Item = Arc<PublicKey>>) -> Self {
        Self { keys: keys.into_iter().collect() }
    }

    /// Keys to try for a token's key id: those of that id, or all when it has none.
    pub fn candidates<'a>(&'a self, id: Option<&'a str>) -> impl Iterator<Item = &'a Arc<PublicKey>> {
        self.keys.iter().filter(move |k| id.is_none_or(|id| k.id() == id))
    }

    /// All keys in order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<PublicKey>> {
        self.keys.iter()
    }
}
