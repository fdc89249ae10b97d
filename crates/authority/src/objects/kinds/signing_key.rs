//! Signing keys: how far each has come. Only their own flow writes them; their private halves are never here.

use crate::flow::journal::{KIND, STORED_AS};
use crate::objects::kind::{Kind, PLAIN};
use crate::objects::table::{AGE, Cell, NAME, column, wide};

/// jeton.dev/v1 SigningKey.
pub const SIGNING_KEY: Kind = Kind {
    group: "jeton.dev",
    kind: KIND,
    plural: "signingkeys",
    singular: "signingkey",
    namespaced: false,
    stored_as: STORED_AS,
    deletes_collections: false,
    read_only: true,
    columns: &[
        NAME,
        column("Phase", Cell::At("/status/phase")),
        column("Algorithm", Cell::At("/status/algorithm")),
        column("Signs From", Cell::At("/status/activationTime")),
        column("Retired", Cell::At("/status/retiredTime")),
        column("Tokens Expire Before", Cell::At("/status/tokensExpireBefore")),
        AGE,
        wide("Key ID", Cell::At("/status/keyID")),
    ],
    ..PLAIN
};
