//! Repeated strings of the index, each held once. Pods by the thousand share an account name and a node name: a row
//! holds four bytes for each. A name leaves when its last row does, so churn does not grow the table.

use std::collections::HashMap;
use std::sync::Arc;

/// A name in [`Names`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NameId(u32);

/// "No name", so that an optional name still costs four bytes.
pub(super) const NO_NAME: NameId = NameId(u32::MAX);

#[derive(Debug, Default)]
pub(super) struct Names {
    ids: HashMap<Arc<str>, u32>,
    /// Name and number of rows that use it; none where the slot is free.
    slots: Vec<Option<(Arc<str>, u32)>>,
    free: Vec<u32>,
}

impl Names {
    /// Takes one use of a name.
    pub(super) fn take(&mut self, name: Option<&str>) -> NameId {
        let Some(name) = name else { return NO_NAME };
        if let Some(&id) = self.ids.get(name) {
            if let Some((_, uses)) = &mut self.slots[id as usize] {
                *uses += 1;
            }
            return NameId(id);
        }
        let text: Arc<str> = name.into();
        let id = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            // One slot per row at most, and rows cost far more than four billion could fit in memory.
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        self.slots[id as usize] = Some((text.clone(), 1));
        self.ids.insert(text, id);
        NameId(id)
    }

    /// Gives one use back.
    pub(super) fn give(&mut self, id: NameId) {
        let Some(slot) = self.slots.get_mut(id.0 as usize) else { return };
        let Some((name, uses)) = slot else { return };
        *uses -= 1;
        if *uses == 0 {
            self.ids.remove(name);
            *slot = None;
            self.free.push(id.0);
        }
    }

    /// The text of a name.
    pub(super) fn text(&self, id: NameId) -> Option<&Arc<str>> {
        self.slots.get(id.0 as usize)?.as_ref().map(|(name, _)| name)
    }

    /// The id of a name in use.
    pub(super) fn find(&self, name: &str) -> Option<NameId> {
        self.ids.get(name).copied().map(NameId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_lives_as_long_as_its_uses() {
        let mut names = Names::default();
        let (a, again, b) = (names.take(Some("a")), names.take(Some("a")), names.take(Some("b")));
        assert_eq!(a, again);
        assert_ne!(a, b);
        assert_eq!(names.take(None), NO_NAME);
        names.give(a);
        assert_eq!(names.text(a).map(|name| &**name), Some("a"));
        names.give(a);
        names.give(NO_NAME);
        assert_eq!((names.text(a), names.find("a")), (None, None));
        assert_eq!(names.take(Some("c")), a, "the free slot is used again");
        assert_eq!(names.slots.len(), 2);
    }
}
