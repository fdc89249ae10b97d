//! Runs the commands of a transcript in a shell.

use super::symbols;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How long one command may take.
#[cfg(test)]
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

/// What a command did.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Its exit code; nothing when it was stopped because it took too long.
    pub code: Option<i32>,
    /// What it printed, comparable.
    pub lines: Vec<String>,
}

/// Where commands run.
#[derive(Debug)]
pub struct Shell {
    /// Working directory, and HOME.
    pub dir: PathBuf,
    /// Folders before those of the PATH.
    pub path: PathBuf,
    /// Further environment.
    pub env: Vec<(String, String)>,
}

impl Shell {
    /// Runs a command with a limit of time; what it left running is stopped with it.
    pub fn run(&self, command: &str, limit: Duration) -> std::io::Result<Outcome> {
        let printed = self.dir.join(".printed");
        let out = File::create(&printed)?;
        let path = std::env::var("PATH").unwrap_or_default();
        let mut child = Command::new("sh")
            .args(["-c", command])
            .current_dir(&self.dir)
            .env("HOME", &self.dir)
            .env("TMPDIR", &self.dir)
            .env("PATH", format!("{}:{path}", self.path.display()))
            .envs(self.env.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::null())
            .stderr(out.try_clone()?)
            .stdout(out)
            .process_group(0)
            .spawn()?;
        let code = wait(&mut child, limit)?;
        let text = std::fs::read(&printed)?;
        let text = String::from_utf8_lossy(&text);
        Ok(Outcome { code, lines: text.lines().filter_map(symbols::scrub).collect() })
    }
}

/// Its exit code, or nothing when the limit has passed. The whole group of processes ends with it.
fn wait(child: &mut Child, limit: Duration) -> std::io::Result<Option<i32>> {
    let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    let end = || {
        if let Some(group) = group {
            // Nobody may be left of it.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    };
    let (done, waited) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // The receiver is gone only when this thread is not waited for.
            let _ = done.send(child.wait());
        });
        let status = waited.recv_timeout(limit);
        end();
        match status {
            Ok(status) => status.map(|status| status.code()),
            Err(_) => Ok(None),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(dir: &std::path::Path) -> Shell {
        Shell { dir: dir.to_owned(), path: "/nowhere".into(), env: vec![("A".to_owned(), "b".to_owned())] }
    }

    #[test]
    fn output_code_and_environment() {
        let dir = tempfile::tempdir().unwrap();
        let got = shell(dir.path()).run("echo $A; echo wrong >&2; exit 3", COMMAND_LIMIT).unwrap();
        assert_eq!((got.code, got.lines), (Some(3), vec!["b".to_owned(), "wrong".to_owned()]));
    }

    #[test]
    fn a_command_that_does_not_end_is_stopped_with_its_children() {
        let dir = tempfile::tempdir().unwrap();
        let got =
            shell(dir.path()).run("echo begun; sleep 600 & sleep 600", Duration::from_millis(200)).unwrap();
        assert_eq!((got.code, got.lines), (None, vec!["begun".to_owned()]));
    }
}
