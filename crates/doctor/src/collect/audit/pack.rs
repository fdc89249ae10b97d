//! Several texts as one, so that they are allocated, hashed and kept together.

use crate::limits::MAX_TEXT_BYTES;

/// The length of a text that is not there.
const NONE: u16 = u16::MAX;
const _: () = assert!(MAX_TEXT_BYTES < NONE as usize, "every length can be told from none");

/// Lengths of texts that lie behind each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pack<const N: usize> {
    lengths: [u16; N],
}

impl<const N: usize> Pack<N> {
    /// Puts texts behind what is there already, each cut to its bound.
    pub(super) fn put(texts: [Option<&str>; N], into: &mut String) -> Self {
        let lengths = texts.map(|text| {
            let Some(text) = text.map(bounded) else { return NONE };
            into.push_str(text);
            u16::try_from(text.len()).unwrap_or(NONE)
        });
        Self { lengths }
    }

    /// Bytes of all texts.
    pub(super) fn len(&self) -> usize {
        self.lengths.iter().filter(|length| **length != NONE).map(|length| usize::from(*length)).sum()
    }

    /// The first few texts as one, with what tells where each of them ends.
    pub(super) fn first<'t, const M: usize>(&self, all: &'t str) -> (&'t str, [u16; M]) {
        let first = Pack::<M> { lengths: std::array::from_fn(|at| self.lengths[at]) };
        (&all[..first.len()], first.lengths)
    }

    /// The texts.
    pub(super) fn open<'t>(&self, mut all: &'t str) -> [Option<&'t str>; N] {
        self.lengths.map(|length| {
            if length == NONE {
                return None;
            }
            let (text, rest) = all.split_at_checked(usize::from(length))?;
            all = rest;
            Some(text)
        })
    }
}

/// The first bytes of a text, whole characters.
pub(super) fn bounded(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_out_as_they_went_in() {
        let mut all = "before".to_owned();
        let long = "ü".repeat(MAX_TEXT_BYTES);
        let pack = Pack::put([Some("a"), None, Some(""), Some(&long), Some("é")], &mut all);
        assert_eq!(all.len(), "before".len() + pack.len());
        let cut = "ü".repeat(MAX_TEXT_BYTES / 2);
        assert_eq!(
            pack.open(&all["before".len()..]),
            [Some("a"), None, Some(""), Some(cut.as_str()), Some("é")]
        );
    }
}
