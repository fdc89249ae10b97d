//! Claims of either kind, once a signature proved them.

use crate::claims::{LegacyClaims, PackedClaims};

#[expect(clippy::large_enum_variant, reason = "lives as long as one review; a box would cost an allocation")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ProvenClaims {
    Bound(PackedClaims),
    Legacy(LegacyClaims),
}

impl ProvenClaims {
    pub(super) fn subject(&self) -> &str {
        match self {
            Self::Bound(c) => c.subject(),
            Self::Legacy(c) => &c.subject,
        }
    }

    pub(super) fn is_audienceless(&self) -> bool {
        match self {
            Self::Bound(c) => c.audiences().next().is_none(),
            Self::Legacy(c) => c.audiences.is_empty(),
        }
    }
}
