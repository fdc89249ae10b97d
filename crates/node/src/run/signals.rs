//! Signals that reach the supervisor and are meant for its program.
//!
//! Invariant: what a terminal sends to everybody in front of it reaches the program by itself, and is not sent twice; what
//! somebody sends to the supervisor alone is passed on. A signal that was ignored from the start (`nohup`) stays so.

use super::RunError;
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::Cause;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// What is passed on.
const PASSED: [i32; 7] = [SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH];

/// One signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Caught {
    /// Its number.
    pub(super) number: i32,
    /// Whether the program got it as well.
    pub(super) by_terminal: bool,
}

impl Caught {
    /// The exit code of a program that it ended.
    pub(super) fn code(self) -> u8 {
        u8::try_from(128 + self.number).unwrap_or(u8::MAX)
    }

    /// Whether it makes whoever gets it go on.
    pub(super) fn continues(self) -> bool {
        self.number == SIGCONT
    }

    /// Whether it asks whoever gets it to end.
    pub(super) fn ends(self) -> bool {
        [SIGTERM, SIGINT, SIGHUP, SIGQUIT].contains(&self.number)
    }
}

/// Those that are not ignored.
fn heard() -> Vec<i32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    PASSED.into_iter().filter(|&number| !is_ignored(&status, number)).collect()
}

/// `SigIgn` of a process's status: bit `n - 1` stands for signal `n`.
fn is_ignored(status: &str, number: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << (number - 1)) != 0
}

/// Listens from now on.
pub(super) fn listen() -> Result<UnboundedReceiver<Caught>, RunError> {
    let mut signals =
        SignalsInfo::<WithOrigin>::new(heard().into_iter().chain([SIGCONT])).map_err(RunError::Signals)?;
    let (sender, receiver) = unbounded_channel();
    std::thread::spawn(move || {
        for origin in signals.forever() {
            let caught = Caught { number: origin.signal, by_terminal: origin.cause == Cause::Kernel };
            if sender.send(caught).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

/// Keeps this process alive when one of them comes; programs it starts are not affected.
pub(super) fn disarm() -> Result<(), RunError> {
    let unread = Arc::new(AtomicBool::new(false));
    for number in heard() {
        signal_hook::flag::register(number, unread.clone()).map_err(RunError::Signals)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nohup_ignores_is_told() {
        let status = "Name:\tx\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000004002\n";
        for (number, ignored) in [(SIGHUP, true), (13, true), (SIGINT, false), (SIGTERM, false)] {
            assert_eq!(is_ignored(status, number), ignored, "{number}");
        }
        assert!(!is_ignored("", SIGHUP));
    }
}
