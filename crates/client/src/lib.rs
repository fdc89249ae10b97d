//! The token file of a pod, as an application should read it.
//!
//! Purpose: [`TokenFile`] for programs that send a service account's token themselves. Left out on purpose: HTTP.

mod token_file;

pub use token_file::{ReadError, TokenFile};
