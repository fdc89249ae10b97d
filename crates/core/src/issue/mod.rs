//! A request, the objects found, a moment: out comes a token, or why not.
//!
//! Invariant: an issued token exists only through [`seal`]. The order of checks is Kubernetes 1.36's
//! (pkg/registry/core/serviceaccount/storage/token.go), so that the first error is the same one.

mod request;
mod build;
mod seal;

pub use build::{Draft, IssueSnapshot, draft};
pub use request::{Ask, Bound, IssueError, bound, checked};
pub use seal::{SealError, Sealed, seal, seal_legacy};
