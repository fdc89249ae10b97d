//! Service accounts: who tokens speak for.

use crate::objects::kind::{Kind, PLAIN};

/// core/v1 ServiceAccount.
pub const SERVICE_ACCOUNT: Kind = Kind {
    kind: "ServiceAccount",
    plural: "serviceaccounts",
    singular: "serviceaccount",
    short_names: &["sa"],
    stored_as: "core/serviceaccounts",
    returns_deleted: true,
    ..PLAIN
};
