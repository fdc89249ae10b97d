//! What a rule on a whole cluster found, in values that can be told open or hidden.

use super::names::{Kind, Said};
use crate::knowledge::texts::Text;

/// What a rule found.
#[derive(Clone, Debug, Default)]
pub struct Hit {
    /// The object, in parts, as it stands in the id of the finding.
    pub object: Vec<Said>,
    /// Values for the words.
    pub values: Vec<(&'static str, Said)>,
    /// Requests.
    pub audit_ids: Vec<String>,
    /// A page of its own, and whose it is.
    pub link: Option<(String, Text)>,
}

pub(super) fn plain(text: impl Into<String>) -> Said {
    Said::Plain(text.into())
}

pub(super) fn named(kind: Kind, name: &str) -> Said {
    Said::Name(kind, name.to_owned())
}
