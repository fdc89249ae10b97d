//! An agent in a process of its own, as a user starts it.

use crate::server::{Server, kept, program};
use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running agent. Dropping it kills it.
#[derive(Debug)]
pub struct Agent {
    child: Child,
    /// Its directory.
    pub root: PathBuf,
    /// Its credentials.
    pub kubeconfig: PathBuf,
    /// Where its log goes.
    pub log: PathBuf,
}

impl Agent {
    /// Makes the credentials of a node, starts its agent in `dir`, and waits until it is ready.
    pub fn start(server: &Server, dir: &Path, node: &str, more: &[&str]) -> Result<Self, String> {
        Self::again(dir, node, &credentials(server, dir, node)?, more)
    }

    /// Starts an agent with the credentials that it has.
    pub fn again(dir: &Path, node: &str, kubeconfig: &Path, more: &[&str]) -> Result<Self, String> {
        Self::spawn(Command::new(program()), dir, node, kubeconfig, more)
    }

    /// Starts an agent whose directory is a tmpfs of this size, in a mount namespace of its own: look at its files
    /// through `/proc/<pid>/root`.
    pub fn in_small_memory(server: &Server, dir: &Path, node: &str, size: &str) -> Result<Self, String> {
        let kubeconfig = credentials(server, dir, node)?;
        let root = dir.join(node);
        std::fs::create_dir_all(&root).map_err(|e| e.to_string())?;
        let mut shell = Command::new("unshare");
        let kind = if rustix::process::geteuid().is_root() { "-m" } else { "-rm" };
        let script = r#"mount -t tmpfs -o size="$1" tmpfs "$2" && shift 2 && exec "$@""#;
        shell.args([kind, "sh", "-c", script, "sh", size]).arg(&root).arg(program());
        Self::spawn(shell, dir, node, &kubeconfig, &[])
    }

    /// Starts an agent that is not root, also where the test is.
    pub fn as_nobody(server: &Server, dir: &Path, node: &str) -> Result<Self, String> {
        let kubeconfig = credentials(server, dir, node)?;
        if !rustix::process::geteuid().is_root() {
            return Self::again(dir, node, &kubeconfig, &[]);
        }
        /// `nobody`, as most systems have it.
        const NOBODY: u32 = 65534;
        let root = dir.join(node);
        std::fs::create_dir_all(&root).map_err(|e| e.to_string())?;
        for path in [dir, &root, &kubeconfig] {
            std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).map_err(|e| e.to_string())?;
        }
        let mut shell = Command::new("setpriv");
        shell.args([format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")]).arg("--clear-groups");
        shell.arg(program());
        Self::spawn(shell, dir, node, &kubeconfig, &[])
    }

    fn spawn(
        mut command: Command,
        dir: &Path,
        node: &str,
        kubeconfig: &Path,
        more: &[&str],
    ) -> Result<Self, String> {
        let (root, log) = (dir.join(node), dir.join(format!("{node}.log")));
        let file =
            std::fs::OpenOptions::new().create(true).append(true).open(&log).map_err(|e| e.to_string())?;
        command.arg("agent").arg("--kubeconfig").arg(kubeconfig).args(["--node-name", node]);
        command.arg("--root").arg(&root).args(["--tmpfs", "never"]).args(more);
        let mut child =
            kept(command).stdout(Stdio::piped()).stderr(file).spawn().map_err(|e| e.to_string())?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line).map_err(|e| e.to_string())?;
        }
        let agent = Self { child, root, kubeconfig: kubeconfig.to_owned(), log };
        if line.starts_with("ready node=") {
            return Ok(agent);
        }
        let log = std::fs::read_to_string(&agent.log).unwrap_or_default();
        Err(format!("no ready line but {line:?}; log: {log}"))
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it as a power failure would end the process.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One value of an agent's metrics.
///
/// # Errors
/// Nobody answers there, or there is no such line.
pub fn metric(address: &str, name: &str) -> Result<f64, Box<dyn Error>> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' '));
    Ok(line.ok_or_else(|| format!("no {name}"))?.trim().parse()?)
}

/// The kubeconfig of a node, as a user makes it.
fn credentials(server: &Server, dir: &Path, node: &str) -> Result<PathBuf, String> {
    let kubeconfig = dir.join(format!("{node}.kubeconfig"));
    let data = server.kubeconfig.parent().ok_or("no data directory")?;
    let mut add = Command::new(program());
    add.args(["node", "add", node, "--data-dir"]).arg(data).arg("-o").arg(&kubeconfig);
    let added = add.output().map_err(|e| e.to_string())?;
    if added.status.success() {
        Ok(kubeconfig)
    } else {
        Err(String::from_utf8_lossy(&added.stderr).into_owned())
    }
}
