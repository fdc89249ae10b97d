//! What a service account token says, and every decision about it.
//!
//! Purpose: values in, values out. A caller brings the time, the objects it found and the random
//! bytes it drew; this crate decides, and says why with evidence.
//!
//! Invariant: nothing here does I/O, reads a clock or randomness, is async, or sees a private key.
//! A module imports only modules declared above it.
//!
//! Left out on purpose: HTTP, storage, logging and counting. The shell around a stage does those,
//! from what the stage returned.

pub mod limits;
pub mod text;
pub mod json;
pub mod time;
pub mod clock;
pub mod ident;
pub mod secret;
pub mod wire;
pub mod keys;
pub mod claims;
pub mod legacy;
pub mod lookup;
pub mod release;
pub mod policy;
pub mod issue;
pub mod deliver;
pub mod verify;
pub mod observe;
pub mod explain;
pub mod revoke;
