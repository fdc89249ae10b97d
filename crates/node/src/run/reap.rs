//! What a program leaves running ends with it, as in a container.

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions};
use std::fs;

/// The children of this process: its own, and those whose parents ended, since it takes them over.
fn children() -> Vec<Pid> {
    let me = rustix::process::getpid().as_raw_nonzero().get();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|&pid| parent(pid) == Some(me)).filter_map(Pid::from_raw).collect()
}

/// The fourth field of `stat`; the second may hold anything, but ends with the last bracket.
fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Kills every child of this process and waits for it, until there is none, or none that it may kill. A child that is
/// not waited for keeps its number, so nobody else is hit.
pub(super) fn kill_all() {
    loop {
        let kill = |child: &Pid| rustix::process::kill_process(*child, Signal::KILL).is_ok();
        let hit = children().iter().filter(|child| kill(child)).count();
        let options = if hit > 0 { WaitOptions::empty() } else { WaitOptions::NOHANG };
        match rustix::process::wait(options) {
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) | Err(_) => return,
        }
    }
}
