//! The Kubernetes API over HTTP: thin adapters around flows and objects.

mod negotiate;
mod reply;
mod body;
mod decode;
mod discovery;
mod openid;
mod openapi_v2;
mod token_uses;
mod token_request;
mod signing_keys;
mod review_answer;
mod reviews;
mod access_reviews;
mod watch;
mod resource;
mod router;

pub use openid::Documents;
pub use router::App;
