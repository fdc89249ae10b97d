//! The token file of a pod, as an application should read it.
//!
//! Purpose: [`TokenFile`] for programs that send a service account's token themselves. Left out on purpose: HTTP. How to put
//! it around a client is shown by two examples, which are small enough to be taken over:
//!
//! - `examples/kube.rs`: a `kube::Client` that tries a refused request once more with the newer token;
//! - `examples/reqwest.rs`: the same for `reqwest`, with nothing but the authority's certificate and the token.

mod token_file;

pub use token_file::{ReadError, TokenFile};
