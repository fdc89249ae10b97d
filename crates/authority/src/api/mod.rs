//! The Kubernetes API over HTTP: thin adapters around flows and objects.

pub mod status;
pub mod path;
mod reply;
mod body;
mod decode;
mod discovery;
mod openid;
mod token_request;
mod reviews;
mod resource;
mod router;

pub use openid::Documents;
pub use router::App;
