//! What is asked of the API server, with the rights of a node or of whoever runs a program.
//!
//! Invariant: bounded: so many requests at a time, each with an end; one watch per object, however many pods need it.

mod account;
mod failure;
mod connect;
mod object;
mod slots;
mod token;

pub use account::AccountSeen;
pub use connect::{ConnectError, connect};
pub(crate) use connect::{Files, client, read};
pub use failure::Failure;
pub(crate) use failure::chain;
pub use object::{Data, Found, ObjectSeen};
pub use slots::Slot;
pub use token::Granted;

use crate::happening::{Happening, Sink};
use crate::wanted::{ObjectKind, PodRef};
use jeton_core::clock::Clock;
use kube::Client;
use slots::Slots;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// TokenRequests that wait for an answer at the same time.
const MAX_TOKEN_REQUESTS: usize = 16;
/// Other single requests that wait for an answer at the same time: each connection costs memory for as long as it is kept.
const MAX_REQUESTS: usize = 8;
/// Volumes that are written at the same time.
const MAX_WRITERS: usize = 4;

/// What all pods of one process share.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// The time.
    pub clock: Clock,
    sink: Arc<dyn Sink>,
    requests: Semaphore,
    /// Leave to ask something else than for a token.
    pub(crate) asks: Semaphore,
    /// Leave to write.
    pub(crate) writers: Arc<Semaphore>,
    objects: Slots<(ObjectKind, String, String), ObjectSeen>,
    accounts: Slots<(String, String), AccountSeen>,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Context")
    }
}

impl Context {
    /// For one API server.
    pub fn new(client: Client, clock: Clock, sink: Arc<dyn Sink>) -> Arc<Self> {
        Arc::new(Self {
            client,
            clock,
            sink,
            requests: Semaphore::new(MAX_TOKEN_REQUESTS),
            asks: Semaphore::new(MAX_REQUESTS),
            writers: Arc::new(Semaphore::new(MAX_WRITERS)),
            objects: Slots::default(),
            accounts: Slots::default(),
        })
    }

    /// Tells what happened.
    pub fn tell(&self, pod: &PodRef, what: &Happening) {
        self.sink.happened(pod, what);
    }
}
