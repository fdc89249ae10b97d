//! What the flows see of tokens.

use crate::verify::{Rejected, Verified};

/// One thing that happened to one token.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// It was presented and holds.
    Accepted(&'a Verified),
    /// It was presented, one of our keys signed it, and it does not hold.
    Refused {
        /// The first check that refused it.
        why: &'a Rejected,
        /// Its subject, when it has no audience of its own.
        audienceless: Option<&'a str>,
    },
    /// It was issued.
    Issued {
        /// Its `jti`; empty: it has none.
        id: &'a str,
        /// What is wrong with the uid it was asked for with, where that is only warned of.
        other_uid: Option<&'a str>,
    },
}
