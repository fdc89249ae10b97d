//! One stock control plane for all tests of this program, and what they do with it.

use e2e::client::{Answer, As};
use e2e::server::{Server, program, start_with};
pub(crate) use e2e::wait::{until, until_within};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{LazyLock, mpsc};
use std::time::{Duration, Instant};

pub(crate) struct Lab {
    pub(crate) server: Server,
    /// Where the control plane keeps its files.
    pub(crate) data: PathBuf,
}

static LAB: LazyLock<Lab> = LazyLock::new(|| {
    let stock = PathBuf::from(env!("CARGO_BIN_EXE_stock"));
    start_with(stock.clone());
    let (sender, made) = mpsc::channel();
    // What it starts lives as long as this thread, which is as long as this process.
    std::thread::spawn(move || {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stock");
        std::fs::create_dir_all(&dir).unwrap();
        let data = dir.join("data");
        let mut command = Command::new(stock);
        command.arg(&data);
        let server = Server::spawn(command, dir.join("stock.log"));
        let _ = sender.send(server.map(|server| Lab { server, data }));
        loop {
            std::thread::park();
        }
    });
    made.recv().unwrap().unwrap()
});

/// The control plane; the first who asks starts it.
pub(crate) fn lab() -> &'static Lab {
    &LAB
}

impl Lab {
    pub(crate) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.server.access.ask(&As::Admin, method, path, body).unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        let answer = self.ask("GET", path, None);
        (answer.status == 200).then(|| answer.value())
    }

    pub(crate) fn made(&self, path: &str, body: &Value) -> Value {
        let answer = self.ask("POST", path, Some(body));
        assert_eq!(answer.status, 201, "{path}: {}", answer.value());
        answer.value()
    }

    pub(crate) fn changed(&self, path: &str, change: &Value) -> Value {
        let kind = [("Content-Type", "application/merge-patch+json")];
        let body = change.to_string();
        let answer = self.server.access.send(&As::Admin, "PATCH", path, &kind, Some(body.as_bytes()));
        let answer = answer.unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.value());
        answer.value()
    }

    /// A namespace of its own, ready for pods; gives back its path.
    pub(crate) fn space(&self, name: &str) -> String {
        self.made("/api/v1/namespaces", &json!({"metadata": {"name": name}}));
        let path = format!("/api/v1/namespaces/{name}");
        until("the default account", || self.get(&format!("{path}/serviceaccounts/default")));
        until("the certificate", || self.get(&format!("{path}/configmaps/kube-root-ca.crt")));
        path
    }

    /// What the server says of a token.
    pub(crate) fn review(&self, token: &str, audiences: &[&str]) -> Value {
        let spec = json!({"token": token, "audiences": audiences});
        let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec});
        self.made("/apis/authentication.k8s.io/v1/tokenreviews", &review)["status"].clone()
    }

    /// Until a token is refused: a stock server's caches go on for some seconds. Gives back how long it took.
    pub(crate) fn refused(&self, token: &str) -> Duration {
        let begun = Instant::now();
        until("the refusal", || (self.review(token, &[])["authenticated"] != true).then_some(()));
        begun.elapsed()
    }

    /// A program of ours, with the administrator's kubeconfig at the end.
    pub(crate) fn jeton(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.args(arguments).arg("--kubeconfig").arg(&self.server.kubeconfig).env_remove("KUBECONFIG");
        command
    }

    /// Events of this server's audit log that a test looks for.
    pub(crate) fn audit(&self, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let text = std::fs::read_to_string(self.data.join(e2e::stock::AUDIT_LOG)).unwrap();
        let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events.filter(|event| wanted(event)).collect()
    }
}

pub(crate) fn words(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

pub(crate) fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok().filter(|text| !text.is_empty())
}
