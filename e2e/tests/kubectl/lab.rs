//! A server, and a shell in which `kubectl` is one of the programs under test.

use e2e::server::{Server, target};
use e2e::transcript::{Outcome, Shell};
use std::time::Duration;

/// The folders of `target/kubectl`.
pub(crate) const KUBECTLS: [&str; 2] = ["new", "old"];
/// How long one command may take, on a busy machine too.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct Lab {
    // Dropped first: nothing writes into a folder that is gone.
    pub(crate) server: Server,
    shell: Shell,
    _dir: tempfile::TempDir,
}

impl Lab {
    pub(crate) fn new(program: &str) -> Self {
        Self::with(program, &[])
    }

    /// With more arguments of the server.
    pub(crate) fn with(program: &str, args: &[&str]) -> Self {
        let dir = tempfile::Builder::new().prefix("session-").tempdir().unwrap();
        let server = Server::start(&dir.path().join("data"), args).unwrap();
        let work = dir.path().join("shell");
        std::fs::create_dir(&work).unwrap();
        let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
        let env = [
            ("KUBECONFIG", text(&server.kubeconfig)),
            ("KUBECACHEDIR", text(&dir.path().join("cache"))),
            ("LC_ALL", "C".to_owned()),
            ("TZ", "UTC".to_owned()),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value)).into();
        let shell = Shell { dir: work, path: target().join("kubectl").join(program), env };
        Self { server, shell, _dir: dir }
    }

    /// Where commands run.
    pub(crate) fn folder(&self) -> &std::path::Path {
        &self.shell.dir
    }

    /// What a command line does.
    pub(crate) fn shell(&self, command: &str) -> Outcome {
        self.shell.run(command, COMMAND_LIMIT).unwrap()
    }

    /// The output of a command line that must succeed, as it is.
    pub(crate) fn run(&self, command: &str) -> String {
        let file = self.shell.dir.join("output");
        let out = self.shell(&format!("({command}) > {}", file.display()));
        assert_eq!(out.code, Some(0), "{command}: {:?}", out.lines);
        std::fs::read_to_string(&file).unwrap().trim().to_owned()
    }
}
