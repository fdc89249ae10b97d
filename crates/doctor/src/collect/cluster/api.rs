//! What the collector asks of whoever has a network: one GET at a time, and a clock to keep to its rate.

use std::time::Duration;

/// JSON of whole objects.
pub const JSON: &str = "application/json";
/// Metadata alone. Without an alternative, so that a server that cannot do it refuses instead of sending Secrets' data.
pub const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
/// The text of `/metrics`.
pub const TEXT: &str = "text/plain";

/// One request. There is no other verb.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Get {
    /// Path, made of letters that need no escapes.
    pub path: String,
    /// Query, not yet escaped.
    pub query: Vec<(&'static str, String)>,
    /// What is accepted.
    pub accept: &'static str,
    /// Instead of the kubeconfig's address: `10.0.0.1:6443`, whose certificate must still be that of the cluster.
    pub direct: Option<String>,
    /// Bytes of the body beyond which the answer is given up.
    pub max_bytes: usize,
}

/// An answer, whatever its code.
#[derive(Clone, Default)]
pub struct Answer {
    /// HTTP status.
    pub code: u16,
    /// Header `Retry-After` in seconds.
    pub retry_after: Option<u64>,
    /// The body.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Answer {
    /// A body can hold a Secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answer({}, {} bytes)", self.code, self.body.len())
    }
}

/// Why there was no answer; without anything secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// No connection, no time, no HTTP.
    Unreachable(String),
    /// More bytes than allowed.
    TooLarge,
}

/// A cluster that can be asked.
pub trait Api {
    /// Sends one request, on a connection of its own, so that a load balancer may choose another API server.
    ///
    /// # Errors
    /// Why there was no answer.
    fn get(&mut self, get: &Get) -> Result<Answer, NoAnswer>;

    /// Time since some moment.
    fn elapsed(&self) -> Duration;

    /// Lets time pass.
    fn pause(&mut self, duration: Duration);
}
