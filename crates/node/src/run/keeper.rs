//! The process between the supervisor and the program: it makes the place, starts the program, and ends what is left.
//!
//! Invariants: it never sees a credential; when the supervisor is gone, however that came, the program and everything it
//! started are killed; when the keeper itself is killed, the kernel kills the program, and the supervisor the rest.

use super::link::{Line, Link};
use super::place::Place;
use super::{RunError, own, reap, signals};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, WaitStatus};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The directory of the token, for programs that do not know the usual path.
pub const DIRECTORY_VARIABLE: &str = "JETON_SERVICEACCOUNT_DIR";
/// Settings of the allocator: its helper thread would be in the way of a user namespace.
pub(super) const ALLOCATOR_VARIABLE: &str = "_RJEM_MALLOC_CONF";
/// Exit code of a program that cannot be started, and of one that is not there, as shells have it.
const CANNOT_START: u8 = 126;
const NOT_FOUND: u8 = 127;

/// What the keeper is told.
#[derive(Debug)]
pub struct Keep<'a> {
    /// The supervisor's door.
    pub door: &'a str,
    /// Whether a private mount is to be had.
    pub mount: bool,
    /// What the program is to find in the variable that the allocator of this process reads.
    pub allocator: Option<&'a OsStr>,
    /// The supervisor's process group: the one that a terminal's keys reach.
    pub group: i32,
    /// The program and its arguments.
    pub command: &'a [OsString],
}

/// Makes a place, and keeps the program. The process has one thread when this begins.
///
/// # Errors
/// When the supervisor cannot be heard, or the program not be started.
pub fn keep(keep: &Keep<'_>) -> Result<(), RunError> {
    let link = Link::call(keep.door)?;
    // A stop of the whole group must not take the keeper before its program: that is the supervisor's to decide.
    signals::disarm()?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).map_err(RunError::system)?;
    let made = if keep.mount {
        Place::mount().map(|place| (place, None))
    } else {
        own::make().map(|(path, hold)| (Place::Directory(path), Some(hold)))
    };
    let (place, _hold) = match made {
        Ok(made) => made,
        Err(error) => {
            link.say(&Line::Failed(super::chain(&error)));
            return Ok(());
        }
    };
    link.say(&match &place {
        Place::Mounted(path) => Line::Mounted(path.clone()),
        Place::Directory(path) => Line::Directory(path.clone()),
    });
    let mut heard = link.again()?.hear();
    let code = match heard.next() {
        Some(Line::Start) => run(keep, &place, &link, heard),
        // The supervisor gave up, or is gone.
        _ => Ok(0),
    };
    reap::kill_all();
    place.remove();
    match &code {
        Ok(code) => link.say(&Line::Ended(*code)),
        Err(error) => link.say(&Line::Failed(super::chain(error))),
    };
    code.map(drop)
}

/// Starts the program and waits for it; gives back its exit code.
fn run(
    keep: &Keep<'_>,
    place: &Place,
    link: &Link,
    heard: impl Iterator<Item = Line> + Send + 'static,
) -> Result<u8, RunError> {
    place.seal()?;
    let mut command = Command::new(super::THIS_PROGRAM);
    command.arg(super::EXEC_COMMAND).arg("--").args(keep.command);
    // The program sees where it finds its files, and nothing of how it came there.
    command.env(DIRECTORY_VARIABLE, place.path());
    match keep.allocator {
        Some(value) => command.env(ALLOCATOR_VARIABLE, value),
        None => command.env_remove(ALLOCATOR_VARIABLE),
    };
    // Its kernel-made end, should the keeper be killed, hangs on this thread, which stays.
    let child = command.process_group(keep.group).spawn().map_err(RunError::Start)?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(RunError::NoPlace)?;
    // A handle, so that no signal hits another process that was given the same number.
    let program = rustix::process::pidfd_open(pid, PidfdFlags::empty()).map_err(RunError::system)?;
    std::thread::spawn(move || pass(&program, heard));
    loop {
        match rustix::process::wait(WaitOptions::UNTRACED) {
            Ok(Some((changed, status))) if changed == pid => match status.stopping_signal() {
                Some(signal) => {
                    link.say(&Line::Stopped(pid.as_raw_nonzero().get(), signal));
                }
                None => return Ok(exit_code(status)),
            },
            // One that was left behind by its parent and ended before the program.
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(RunError::system(errno)),
        }
    }
}

/// Passes on signals until nobody supervises any more; then the program ends.
fn pass(program: &OwnedFd, heard: impl Iterator<Item = Line>) {
    let send = |signal| {
        // The program may have ended.
        let _ = rustix::process::pidfd_send_signal(program, signal);
    };
    for line in heard {
        if let Line::Signal(number) = line {
            Signal::from_named_raw(number).map(send);
        }
    }
    send(Signal::KILL);
}

/// As shells count: the program's own code, or 128 and the signal that killed it.
fn exit_code(status: WaitStatus) -> u8 {
    let killed = status.terminating_signal().map(|signal| 128 + signal);
    let code = status.exit_status().or(killed).unwrap_or_default();
    u8::try_from(code).unwrap_or(u8::MAX)
}

/// Becomes the program. Gives back only what a shell would: 127 for one that is not there, 126 for any other that cannot
/// be started, and why.
///
/// The kernel kills the program when its keeper is killed.
pub fn exec(command: &[OsString]) -> (u8, String) {
    let keeper = rustix::process::getppid();
    if let Err(errno) = rustix::process::set_parent_process_death_signal(Some(Signal::KILL)) {
        return (CANNOT_START, format!("the program cannot be bound to its keeper: {errno}"));
    }
    let Some((program, arguments)) = command.split_first() else {
        return (CANNOT_START, "no program is named".to_owned());
    };
    if rustix::process::getppid() != keeper {
        return (CANNOT_START, "the keeper is gone".to_owned());
    }
    let error = Command::new(program).args(arguments).exec();
    let code = if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { CANNOT_START };
    (code, format!("{}: {error}", program.display()))
}
