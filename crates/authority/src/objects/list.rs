//! Collections: whole, by selector, or a part at a time.
//!
//! Invariant: the revision of a list is that of its first page, so a watch from there on tells everything that the list
//! may have missed; it may tell again what a later page already showed.

use super::kind::Kind;
use super::kinds::POD;
use super::registry::{Registry, decode, key, prefix, unavailable};
use super::selector::Selector;
use crate::status::ApiError;
use crate::store::{Key, Page};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

/// Objects read from the store at a time while a list is made.
const PAGE_ITEMS: usize = 500;

/// What part of a collection is wanted.
#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    /// Which objects.
    pub selector: Selector,
    /// Most objects at once; 0: all.
    pub limit: usize,
    /// Where the list before ended.
    pub after: Option<String>,
}

/// A part of a collection.
#[derive(Debug)]
pub struct List {
    /// The objects.
    pub items: Vec<Value>,
    /// Revision they were read at.
    pub revision: u64,
    /// Where to go on; absent at the end.
    pub next: Option<String>,
    /// Objects after these, where that is known without reading them: Kubernetes 1.36 tells it where nothing is selected.
    pub remaining: Option<usize>,
}

impl Registry {
    /// Reads a collection; `namespace` empty: all of them.
    ///
    /// # Errors
    /// BadRequest for a selector that does not fit, or a continuation that cannot be read.
    pub fn list(&self, kind: &Kind, namespace: &str, options: &ListOptions) -> Result<List, ApiError> {
        let (mut after, first) = match &options.after {
            Some(token) => continuation(token).map(|(key, revision)| (Some(key), Some(revision)))?,
            None => (None, None),
        };
        let mut list =
            List { items: Vec::new(), revision: first.unwrap_or(u64::MAX), next: None, remaining: None };
        loop {
            let page = self.page(kind, namespace, &options.selector, after.as_ref())?;
            list.revision = list.revision.min(page.revision);
            for (key, stored) in page.items {
                if options.limit > 0 && list.items.len() >= options.limit {
                    list.next = after.as_ref().map(|key| continue_token(key, list.revision));
                    list.remaining =
                        options.selector.is_empty().then(|| self.after(kind, namespace, after.as_ref()));
                    return Ok(list);
                }
                let object = decode(kind, &stored)?;
                if options.selector.matches(kind, &object).map_err(ApiError::BadRequest)? {
                    list.items.push(object);
                }
                after = Some(key);
            }
            if !page.more {
                return Ok(list);
            }
        }
    }

    /// Stored objects of a collection that may match a selector, those after `after`.
    ///
    /// # Errors
    /// Unavailable when the store fails.
    pub fn page(
        &self,
        kind: &Kind,
        namespace: &str,
        selector: &Selector,
        after: Option<&Key>,
    ) -> Result<Page, ApiError> {
        let Some(keys) = self.chosen(kind, namespace, selector) else {
            return self.store().list(&prefix(kind, namespace), after, PAGE_ITEMS).map_err(unavailable);
        };
        let revision = self.store().revision();
        let mut left = keys.into_iter().filter(|key| after.is_none_or(|after| key > after));
        let mut page = Page { items: Vec::new(), more: false, revision };
        for key in left.by_ref().take(PAGE_ITEMS) {
            if let Some(stored) = self.store().get(&key).map_err(unavailable)? {
                page.items.push((key, stored));
            }
        }
        page.more = left.next().is_some();
        Ok(page)
    }

    /// How many objects come after one.
    fn after(&self, kind: &Kind, namespace: &str, after: Option<&Key>) -> usize {
        let all = prefix(kind, namespace);
        self.store().index().read(|view| view.rows_after(&all, after).count())
    }

    /// The keys that a selector by name or node leaves, from the index: the rest need not be read.
    fn chosen(&self, kind: &Kind, namespace: &str, selector: &Selector) -> Option<Vec<Key>> {
        if let Some(name) =
            selector.field_is("metadata.name").filter(|_| !kind.namespaced || !namespace.is_empty())
        {
            // A name that no object can have chooses none.
            return Some(key(kind, namespace, name).into_iter().collect());
        }
        if let Some(node) =
            selector.field_is("spec.nodeName").filter(|n| !n.is_empty() && kind.stored_as == POD.stored_as)
        {
            let found = self
                .store()
                .index()
                .read(|view| view.on_node(&prefix(kind, namespace), node).map(|(key, _)| key).collect());
            return Some(found);
        }
        None
    }
}

/// Where a list goes on, and the revision of its first page.
fn continuation(token: &str) -> Result<(Key, u64), ApiError> {
    let text = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let found = text.as_deref().and_then(|text| {
        let (revision, key) = text.split_once('/')?;
        Some((Key::parse(key)?, revision.parse().ok()?))
    });
    found.ok_or_else(|| {
        ApiError::BadRequest("continue key is not valid: encoded key or version is malformed".to_owned())
    })
}

fn continue_token(key: &Key, revision: u64) -> String {
    URL_SAFE_NO_PAD.encode(format!("{revision}/{}", key.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::lab::{Lab, kind};
    use serde_json::json;

    #[tokio::test]
    async fn a_part_tells_how_many_follow_where_nothing_is_selected() {
        let lab = Lab::new().await;
        for name in ["a", "b", "c"] {
            lab.make("configmaps", "ns", json!({"metadata": {"name": name}})).await;
        }
        let list = |selector: Selector, after: Option<String>| {
            let options = ListOptions { selector, limit: 2, after };
            lab.registry.list(kind("configmaps"), "ns", &options).unwrap()
        };
        let first = list(Selector::default(), None);
        assert_eq!((first.items.len(), first.remaining), (2, Some(1)));
        let last = list(Selector::default(), first.next);
        assert_eq!((last.items.len(), last.remaining), (1, None));
        let chosen = list(Selector::parse(Some("!x"), None).unwrap(), None);
        assert_eq!((chosen.items.len(), chosen.remaining), (2, None));
    }
}
