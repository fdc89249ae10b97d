//! The shapes of the Kubernetes API as data: which fields a kind has, of which type, under which protobuf number.
//!
//! Purpose: any body a client sends (JSON, YAML, protobuf) becomes the same JSON value, and what does not fit is named.
//! One table, made by reflection from the published Go types, serves all kinds alike; Jeton's own few are added by hand.
//!
//! Invariant: no input panics, and depth is bounded; sizes are the caller's to bound. Left out on purpose: answers in
//! protobuf (every client accepts JSON), and what values mean.

mod table;
mod strict;
mod conform;
mod protobuf;
mod patch;
mod openapi;
pub mod structural;

pub use conform::conform;
pub use openapi::{Served, openapi_v3};
pub use patch::{MAX_COPIED_BYTES, MAX_OPERATIONS, PatchError, json_patch, merge_patch, strategic_patch};
pub use protobuf::{Envelope, envelope};
pub use strict::{Decoded, json, yaml};
pub use table::{TypeRef, kind};

/// Deepest nesting that is read. Kubernetes 1.36 sets none of its own for JSON; its deepest kinds stay below 30.
pub const MAX_DEPTH: usize = 100;

/// Why bytes are no value, or a value does not fit its kind. Display is the text for the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not well-formed.
    #[error("{0}")]
    Malformed(String),
    /// Nested too deeply.
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// A field has the wrong type.
    #[error("json: cannot unmarshal {found} into Go struct field {path} of type {wanted}")]
    WrongType {
        /// Where.
        path: String,
        /// The type it has.
        found: &'static str,
        /// The type it must have.
        wanted: String,
    },
}
