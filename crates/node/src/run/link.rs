//! How supervisor and keeper talk: lines over a socket that has a name for a moment and no file.
//!
//! Invariant: each knows by the other's process id that nobody else is on the line, and the end of the line is the end of
//! the other, also when it was killed.

use super::RunError;
use rustix::net::sockopt::socket_peercred;
use std::io::{BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

/// Bytes of a line: a path and some words.
const MAX_LINE_BYTES: u64 = 8192;
/// Time for a process to start and call back.
const CONNECT_TIME: Duration = Duration::from_secs(20);

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Keeper: the volume is mounted here.
    Mounted(PathBuf),
    /// Keeper: the volume is this directory.
    Directory(PathBuf),
    /// Keeper: there is no place for a volume; why.
    Failed(String),
    /// Supervisor: the volume is written, start the program.
    Start,
    /// Supervisor: send the program this signal.
    Signal(i32),
    /// Keeper: the program, which has this process id, was stopped by this signal.
    Stopped(i32, i32),
    /// Keeper: the program and all it started have ended, with this exit code.
    Ended(u8),
}

impl Line {
    fn parse(text: &str) -> Option<Self> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        Some(match word {
            "mounted" => Self::Mounted(rest.into()),
            "directory" => Self::Directory(rest.into()),
            "failed" => Self::Failed(rest.to_owned()),
            "start" => Self::Start,
            "signal" => Self::Signal(rest.parse().ok()?),
            "stopped" => {
                let (pid, signal) = rest.split_once(' ')?;
                Self::Stopped(pid.parse().ok()?, signal.parse().ok()?)
            }
            "ended" => Self::Ended(rest.parse().ok()?),
            _ => return None,
        })
    }

    fn text(&self) -> String {
        match self {
            Self::Mounted(path) => format!("mounted {}\n", path.display()),
            Self::Directory(path) => format!("directory {}\n", path.display()),
            Self::Failed(why) => format!("failed {}\n", why.replace('\n', " ")),
            Self::Start => "start\n".to_owned(),
            Self::Signal(number) => format!("signal {number}\n"),
            Self::Stopped(pid, signal) => format!("stopped {pid} {signal}\n"),
            Self::Ended(code) => format!("ended {code}\n"),
        }
    }
}

/// Where the keeper will call.
#[derive(Debug)]
pub(super) struct Door {
    listener: UnixListener,
    /// What the keeper must be told.
    pub(super) name: String,
}

impl Door {
    /// Under a name that nobody else has.
    pub(super) fn open() -> Result<Self, RunError> {
        let name = format!("jeton-run-{:032x}", fastrand::u128(..));
        let bound = SocketAddr::from_abstract_name(&name).and_then(|at| UnixListener::bind_addr(&at));
        Ok(Self { listener: bound.map_err(RunError::Link)?, name })
    }

    /// The call of the process `pid`; others are not listened to.
    pub(super) fn answer(self, pid: u32) -> Result<Link, RunError> {
        // A keeper that could not even start would be waited for in vain.
        rustix::net::sockopt::set_socket_timeout(
            &self.listener,
            rustix::net::sockopt::Timeout::Recv,
            Some(CONNECT_TIME),
        )
        .map_err(|errno| RunError::Link(errno.into()))?;
        loop {
            let (stream, _) = self.listener.accept().map_err(RunError::Link)?;
            if peer(&stream) == i32::try_from(pid).ok() {
                return Ok(Link { stream });
            }
        }
    }
}

fn peer(stream: &UnixStream) -> Option<i32> {
    socket_peercred(stream).ok().map(|peer| peer.pid.as_raw_nonzero().get())
}

/// One end of the line.
#[derive(Debug)]
pub(super) struct Link {
    stream: UnixStream,
}

impl Link {
    /// Calls the parent of this process.
    pub(super) fn call(name: &str) -> Result<Self, RunError> {
        let called = SocketAddr::from_abstract_name(name).and_then(|at| UnixStream::connect_addr(&at));
        let stream = called.map_err(RunError::Link)?;
        let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
        if parent.is_none() || peer(&stream) != parent {
            return Err(RunError::Stranger);
        }
        Ok(Self { stream })
    }

    /// Says something. `false`: nobody is there any more, which whoever listens is told as well.
    pub(super) fn say(&self, line: &Line) -> bool {
        (&self.stream).write_all(line.text().as_bytes()).is_ok()
    }

    /// Ends the line for both, whoever holds another hand on it.
    pub(super) fn hang_up(&self) {
        // An error means that it has ended.
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// A second hand on the same line.
    pub(super) fn again(&self) -> Result<Self, RunError> {
        Ok(Self { stream: self.stream.try_clone().map_err(RunError::Link)? })
    }

    /// Everything that is heard from now on; it ends with the other.
    pub(super) fn hear(self) -> impl Iterator<Item = Line> {
        let mut reader = BufReader::new(self.stream);
        std::iter::from_fn(move || {
            let mut text = String::new();
            let mut limited = std::io::Read::take(&mut reader, MAX_LINE_BYTES);
            match limited.read_line(&mut text) {
                Ok(1..) => Line::parse(text.trim_end_matches('\n')),
                _ => None,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_heard_until_the_end() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (ours, theirs) = (Link { stream: ours }, Link { stream: theirs });
        let lines = [
            Line::Mounted("/run/a b".into()),
            Line::Directory("/dev/shm/x".into()),
            Line::Failed("no".to_owned()),
            Line::Start,
            Line::Stopped(7, 20),
            Line::Signal(15),
            Line::Ended(137),
        ];
        assert!(lines.iter().all(|line| ours.say(line)));
        drop(ours);
        assert_eq!(theirs.hear().collect::<Vec<_>>(), lines);
    }

    #[test]
    fn only_the_child_is_answered() {
        let door = Door::open().unwrap();
        let at = SocketAddr::from_abstract_name(&door.name).unwrap();
        let (stranger, child) =
            (UnixStream::connect_addr(&at).unwrap(), UnixStream::connect_addr(&at).unwrap());
        // Both come from this process; only its number is taken for the keeper's.
        let link = door.answer(std::process::id()).unwrap();
        assert!(link.say(&Line::Start));
        assert_eq!(Link { stream: stranger }.hear().next(), Some(Line::Start));
        drop(child);
        let door = Door::open().unwrap();
        assert_eq!(Link::call(&door.name).unwrap_err().to_string(), RunError::Stranger.to_string());
    }
}
