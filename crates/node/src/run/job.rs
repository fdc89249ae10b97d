//! A program under a shell's job control.
//!
//! The shell sees the supervisor, so the supervisor stops when the program stops in front of the terminal, and the program
//! goes on when the supervisor does. Where both are in one process group, the kernel and the shell do all of it. A program
//! that made a group of its own, such as an interactive shell, gets the terminal back as well.

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal};
use std::time::Duration;

/// Time for a signal to a whole group to reach everybody in it, before what it did is looked at.
const SETTLE_TIME: Duration = Duration::from_millis(50);

/// A program that may be stopped.
#[derive(Debug, Default)]
pub(super) struct Job {
    stopped: Option<Stopped>,
}

#[derive(Debug)]
struct Stopped {
    program: Pid,
    /// Whether the terminal was given to its own group.
    in_front: bool,
}

/// The terminal that this process is controlled by.
fn terminal() -> Option<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::open("/dev/tty", flags, Mode::empty()).ok()
}

/// Whether a process is stopped now; news of it may be old.
fn is_stopped(program: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{program}/stat"));
    stat.is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')))
}

impl Job {
    /// The program was stopped: so is this process, when somebody waits at the terminal for that.
    pub(super) async fn stopped(&mut self, program: i32, signal: i32) {
        tokio::time::sleep(SETTLE_TIME).await;
        let Some(program) = Pid::from_raw(program).filter(|program| is_stopped(*program)) else { return };
        let (Some(terminal), Ok(theirs)) = (terminal(), rustix::process::getpgid(Some(program))) else {
            return;
        };
        let Ok(front) = rustix::termios::tcgetpgrp(&terminal) else { return };
        let ours = rustix::process::getpgrp();
        self.stopped = Some(Stopped { program, in_front: front == theirs && theirs != ours });
        let by_terminal = [Signal::TTIN.as_raw(), Signal::TTOU.as_raw()].contains(&signal);
        if front == theirs || front == ours || by_terminal {
            // Not STOP: where no shell could make it go on, the kernel leaves this one out.
            let _ = rustix::process::kill_process(rustix::process::getpid(), Signal::TSTP);
        }
    }

    /// This process was made to go on: so is the program, with the terminal if it had it.
    pub(super) fn continued(&mut self) {
        let Some(Stopped { program, in_front }) = self.stopped.take() else { return };
        let Some(theirs) = rustix::process::getpgid(Some(program)).ok().filter(|_| is_stopped(program))
        else {
            return;
        };
        if in_front
            && let Some(terminal) = terminal()
            && rustix::termios::tcgetpgrp(&terminal) == Ok(rustix::process::getpgrp())
        {
            // A terminal that is refused stops the program again, which the shell is then told.
            let _ = rustix::termios::tcsetpgrp(&terminal, theirs);
        }
        // It may have ended, or be another user's.
        let _ = rustix::process::kill_process_group(theirs, Signal::CONT);
    }
}
