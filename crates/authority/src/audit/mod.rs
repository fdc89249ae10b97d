//! The audit log: one line of `audit.k8s.io/v1` for each request, in a file that is rotated by size.
//!
//! Invariant: the request path only queues. A disk that is slow delays lines; a request waits for room in the queue for
//! at most [`WAIT_MILLIS`], after which lines are lost and counted, and nobody waits until the disk takes some again. Lines are of level Metadata: no bodies,
//! so no Secrets; a token that stands in a URL is blotted out.
//!
//! Left out on purpose: policies, webhooks, and a promise that the last lines survive a power failure (Kubernetes does
//! not sync its audit log either).

pub mod event;
mod file;
mod queue;

pub use file::Settings;
pub use queue::{AuditLog, QUEUE_MAX_BYTES, WAIT_MILLIS};
