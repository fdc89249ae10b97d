//! `jeton run` under a shell at a terminal: keys, stops, and a shell inside the shell.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::client::As;
use e2e::server::{Server, program};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const CTRL_C: &str = "\x03";
const CTRL_Z: &str = "\x1a";

/// A terminal with an interactive shell in it.
struct Terminal {
    keys: File,
    shown: Arc<Mutex<String>>,
    shell: Child,
    server: Server,
    _dir: tempfile::TempDir,
}

impl Terminal {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(&dir.path().join("data"), &[]).unwrap();
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master: OwnedFd = openpt(flags).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
        let end = || File::from(rustix::fs::open(&name, flags, rustix::fs::Mode::empty()).unwrap());
        // The shell leads a session that this terminal controls, and ignores no signal, as after a login.
        let mut shell = Command::new("env");
        shell.args([
            "--default-signal",
            "setsid",
            "--ctty",
            "bash",
            "--norc",
            "--noprofile",
            "--noediting",
            "-i",
        ]);
        shell.env("PS1", "outer> ").env("TERM", "dumb").env("HISTFILE", "").env("OUT", dir.path());
        shell.env("JETON", program()).env("KUBECONFIG", &server.kubeconfig);
        let shell = shell.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let keys = File::from(master);
        let shown = Arc::new(Mutex::new(String::new()));
        let (mut reader, seen) = (keys.try_clone().unwrap(), shown.clone());
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                seen.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..n]));
            }
        });
        let terminal = Self { keys, shown, shell, server, _dir: dir };
        terminal.wait("outer> ");
        terminal
    }

    fn shown(&self) -> String {
        self.shown.lock().unwrap().clone()
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    fn enter(&mut self, line: &str) {
        self.press(&format!("{line}\n"));
    }

    /// Waits until the terminal shows something; what is typed is shown as well, so markers are computed.
    fn wait(&self, text: &str) {
        self.until(text, |shown| shown.contains(text));
    }

    fn until(&self, what: &str, done: impl Fn(&str) -> bool) {
        let begun = Instant::now();
        while !done(&self.shown()) {
            assert!(begun.elapsed() < PATIENCE, "{what}: not shown, but\n{}", self.shown());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Runs a program in front.
    fn run(&mut self, command: &str) {
        let account = "default/default";
        self.enter(&format!("\"$JETON\" run --service-account {account} -- {command}"));
    }

    fn pods(&self) -> usize {
        let path = "/api/v1/namespaces/default/pods";
        let list = self.server.access.ask(&As::Admin, "GET", path, None).unwrap().value();
        list["items"].as_array().unwrap().len()
    }
}

impl Drop for Terminal {
    /// Everything of the session goes, also what a test that failed left stopped.
    fn drop(&mut self) {
        let session = self.shell.id().to_string();
        let pids = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        for pid in pids.filter_map(|entry| entry.file_name().into_string().ok()) {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let of =
                stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(3)) == Some(session.as_str());
            if let Some(pid) = pid.parse().ok().and_then(Pid::from_raw).filter(|_| of) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        let _ = self.shell.wait();
    }
}

/// The state letter of a process, as `ps` has it.
fn state(pid: &str) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next()).unwrap_or('-')
}

/// The number that follows a marker.
fn number(shown: &str, marker: &str) -> Option<String> {
    let rest = shown.split(marker).skip(1).find(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    rest[digits.len()..].starts_with(['\r', '\n']).then_some(digits)
}

#[test]
fn an_interrupt_reaches_the_program_once_and_ends_it() {
    let mut terminal = Terminal::new();
    terminal.run("sh -c 'n=0; trap \"n=\\$((n+1)); echo int-\\$n\" INT; echo up-$((1+1)); while :; do sleep 0.05; done'");
    terminal.wait("up-2");
    for n in 1..=3 {
        terminal.press(CTRL_C);
        terminal.wait(&format!("int-{n}"));
    }
    assert_eq!(terminal.shown().matches("int-4").count(), 0, "{}", terminal.shown());
    terminal.press("\x1c");
    terminal.enter("echo code-$?");
    terminal.wait("code-131");
    terminal.run("sh -c 'echo plain-$((1+1)); exec sleep 1000'");
    terminal.wait("plain-2");
    terminal.press(CTRL_C);
    terminal.enter("echo code-$?");
    terminal.wait("code-130");
    assert_eq!(terminal.pods(), 0);
}

#[test]
fn a_stopped_program_goes_on_in_front() {
    let mut terminal = Terminal::new();
    terminal.run("sh -c 'echo program-$$; exec sleep 1000'");
    terminal.until("the program", |shown| number(shown, "program-").is_some());
    let pid = number(&terminal.shown(), "program-").unwrap();
    for n in 1..=2 {
        terminal.press(CTRL_Z);
        terminal.until("the stop", |shown| shown.matches("Stopped").count() == n);
        terminal.until("the program stops", |_| state(&pid) == 'T');
        terminal.enter(&format!("echo shell-$(({n}+1))"));
        terminal.wait(&format!("shell-{}", n + 1));
        terminal.enter("fg");
        terminal.until("the program runs", |_| state(&pid) != 'T');
    }
    terminal.press(CTRL_C);
    terminal.enter("echo code-$?");
    terminal.wait("code-130");
    assert_eq!((state(&pid), terminal.pods()), ('-', 0));
}

#[test]
fn a_shell_inside_has_the_terminal_and_gives_it_back() {
    let mut terminal = Terminal::new();
    terminal.run("env PS1='in''ner> ' bash --norc --noprofile --noediting -i");
    terminal.wait("inner> ");
    assert!(!terminal.shown().contains("no job control"), "{}", terminal.shown());
    terminal.enter("sh -c 'echo long-$((1+1)); exec sleep 1000'");
    terminal.wait("long-2");
    terminal.press(CTRL_C);
    terminal.enter("echo in-$((40+2))-$?");
    terminal.wait("in-42-130");
    terminal.enter("echo inside-$$");
    terminal.until("the shell inside", |shown| number(shown, "inside-").is_some());
    let pid = number(&terminal.shown(), "inside-").unwrap();
    terminal.enter("sh -c 'echo job-$$; exec sleep 1000'");
    terminal.until("a job inside", |shown| number(shown, "job-").is_some());
    let job = number(&terminal.shown(), "job-").unwrap();
    terminal.press(CTRL_Z);
    terminal.until("a stop inside", |shown| shown.matches("Stopped").count() == 1);
    terminal.enter("fg");
    terminal.until("the job goes on", |_| state(&job) != 'T');
    terminal.press(CTRL_C);
    // Its end is seen before the shell is told to exit, which one that still has a job refuses.
    terminal.enter("echo ended-$((40+2))-$?");
    terminal.wait("ended-42-130");
    // The shell inside stops itself: the one outside must have the terminal then, and give it back with fg.
    terminal.enter("suspend");
    terminal.until("the shell inside stops", |_| state(&pid) == 'T');
    terminal.enter("echo outer-$((1+1))");
    terminal.wait("outer-2");
    terminal.enter("fg");
    terminal.until("the shell inside goes on", |_| state(&pid) != 'T');
    terminal.enter("echo again-$((1+1))-$$");
    terminal.wait(&format!("again-2-{pid}"));
    terminal.enter("exit 7");
    terminal.enter("echo code-$?");
    terminal.wait("code-7");
    assert_eq!(terminal.pods(), 0);
}
