//! The client programs: how each is started, and what it says.

use e2e::server::target;
use serde_json::Value;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// A program's file in the folder of its language.
fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../clients").join(path)
}

/// What `cargo xtask test` has made of it.
fn made(path: &str) -> PathBuf {
    target().join("clients").join(path)
}

pub(crate) fn python(name: &str) -> Command {
    python_of("python", name)
}

/// The same program on an old library.
pub(crate) fn python11(name: &str) -> Command {
    python_of("python-11", name)
}

fn python_of(environment: &str, name: &str) -> Command {
    let mut command = Command::new(made(environment).join("bin/python"));
    command.arg(source("python").join(name).with_extension("py"));
    command
}

pub(crate) fn go(name: &str) -> Command {
    let mut command = Command::new(made("go/client"));
    command.arg(name);
    command
}

pub(crate) fn javascript(name: &str) -> Command {
    let mut command = Command::new(made("javascript/node"));
    command.arg(made("javascript").join(name).with_extension("mjs"));
    command
}

pub(crate) fn java(class: &str) -> Command {
    let path = format!("{}:{}", made("java/classes").display(), made("java/lib/*").display());
    let mut command = Command::new("java");
    command.args(["-cp", &path, class]);
    command
}

/// A client that runs and prints lines of JSON. Dropping it kills it.
pub(crate) struct Client {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    log: PathBuf,
}

impl Client {
    /// Starts it; `log` takes its standard error.
    pub(crate) fn start(mut command: Command, log: PathBuf) -> Self {
        let file = std::fs::File::create(&log).unwrap();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines, log }
    }

    /// The next line it prints. Programs end by themselves when they wait in vain.
    pub(crate) fn line(&mut self) -> Value {
        let Some(line) = self.lines.next() else {
            panic!("the client ended: {}", std::fs::read_to_string(&self.log).unwrap())
        };
        serde_json::from_str(&line.unwrap()).unwrap()
    }

    /// Waits for its end, which must be a good one.
    pub(crate) fn end(mut self) {
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {}", std::fs::read_to_string(&self.log).unwrap());
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
