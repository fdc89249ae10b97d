//! One program, run as if it were a pod.
//!
//! Three processes: the supervisor speaks to the API server and keeps the volume fresh; the keeper, its child, has the
//! mount namespace and never sees a credential; the program is the keeper's child. Invariant: however one of them ends,
//! nothing stays mounted or running, and the pod goes: at once, or when a collector finds that nobody renews it.
//!
//! Left out on purpose: cgroups, images and networks. It is an identity, not a container.

mod error;
mod reap;
mod signals;
mod own;
mod place;
mod pod;
mod link;
mod keeper;
mod session;
mod server;
mod job;
mod supervise;
#[cfg(test)]
mod session_tests;

pub use error::{RunError, chain};
pub use keeper::{DIRECTORY_VARIABLE, Keep, exec, keep};
pub use own::sweep;
pub use place::MOUNT_PATH;
pub use pod::Identity;
pub use supervise::{Settings, run};

/// This very program, whatever became of its file.
const THIS_PROGRAM: &str = "/proc/self/exe";
/// The hidden command that calls [`keep`].
pub const KEEP_COMMAND: &str = "run-keep";
/// The hidden command that calls [`exec`].
pub const EXEC_COMMAND: &str = "run-exec";

/// Takes a line for people.
pub type Note = std::sync::Arc<dyn Fn(&str) + Send + Sync>;
