//! A server in a process of its own, as a user starts it.

use crate::client::Access;
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;

/// The program under test: `JETON_BIN`, or the development build of this workspace.
pub fn program() -> PathBuf {
    std::env::var_os("JETON_BIN").map_or_else(|| target().join("debug/jeton"), PathBuf::from)
}

/// Cargo's target directory.
pub fn target() -> PathBuf {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| top.join("target"), PathBuf::from)
}

/// What starts programs, where that is not this process itself.
static KEEPER: OnceLock<PathBuf> = OnceLock::new();

/// From now on servers are started as `keeper keep PROGRAM…`, which must call [`keep`]: they end with this process, even
/// if it is killed. Only for processes that start servers from a thread that lives as long as they do.
pub fn start_with(keeper: PathBuf) {
    // The first one stays.
    let _ = KEEPER.set(keeper);
}

/// Becomes a program that is killed when its parent ends. Comes back only with an error.
pub fn keep(program: &Path, arguments: &[OsString]) -> std::io::Error {
    use std::os::unix::process::CommandExt;
    match rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL)) {
        Ok(()) => Command::new(program).args(arguments).exec(),
        Err(error) => error.into(),
    }
}

pub(crate) fn kept(command: Command) -> Command {
    let Some(keeper) = KEEPER.get() else { return command };
    let mut kept = Command::new(keeper);
    kept.arg("keep").arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => kept.env(name, value),
            None => kept.env_remove(name),
        };
    }
    kept
}

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// How to reach it.
    pub access: Access,
    /// Its administrator's kubeconfig.
    pub kubeconfig: PathBuf,
    /// Where its log goes.
    pub log: PathBuf,
}

impl Server {
    /// Starts `jeton serve` on a free port and waits for its ready line.
    pub fn start(data: &Path, more: &[&str]) -> Result<Self, String> {
        Self::start_on(data, SocketAddr::from(([127, 0, 0, 1], 0)), more)
    }

    /// The same on an address that clients know already, such as the one of a server that was killed.
    pub fn start_on(data: &Path, address: SocketAddr, more: &[&str]) -> Result<Self, String> {
        let mut command = Command::new(program());
        command.arg("serve").arg("--data-dir").arg(data);
        command.arg("--listen").arg(address.to_string()).args(more);
        Self::spawn(command, data.with_extension("log"))
    }

    /// Starts any program that prints the same ready line, and waits for it. `log` takes its standard error.
    pub fn spawn(mut command: Command, log: PathBuf) -> Result<Self, String> {
        let file =
            std::fs::OpenOptions::new().create(true).append(true).open(&log).map_err(|e| e.to_string())?;
        command = kept(command);
        let started = command.stdout(Stdio::piped()).stderr(file).spawn();
        let mut child = started
            .map_err(|e| format!("{}: {e}; build it with cargo build", command.get_program().display()))?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line).map_err(|e| e.to_string())?;
        }
        let Some(kubeconfig) =
            line.trim_end().split_once(" kubeconfig=").map(|(_, path)| PathBuf::from(path))
        else {
            let _ = child.kill();
            let _ = child.wait();
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            return Err(format!("no ready line but {line:?}; log: {log}"));
        };
        let text = std::fs::read_to_string(&kubeconfig).map_err(|e| e.to_string())?;
        Ok(Self { child, access: Access::read(&text)?, kubeconfig, log })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as a power failure would end the process.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end, and waits.
    pub fn stop(mut self) -> Result<ExitStatus, String> {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        let pid = pid.ok_or("no process id")?;
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).map_err(|e| e.to_string())?;
        self.child.wait().map_err(|e| e.to_string())
    }

    /// Makes it answer nobody, or go on.
    pub fn pause(&self, stop: bool) -> Result<(), String> {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        let signal = if stop { rustix::process::Signal::STOP } else { rustix::process::Signal::CONT };
        rustix::process::kill_process(pid.ok_or("no process id")?, signal).map_err(|e| e.to_string())
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> Result<u64, String> {
        let path = format!("/proc/{}/status", self.pid());
        let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
        let line = text.lines().find_map(|l| l.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().map_err(|_| "VmRSS is no number")?;
        Ok(kib * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
