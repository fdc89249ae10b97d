//! A laboratory with short lives: real clients read their token again on real clocks, so lifetimes are shortened, never
//! the clock. Each test takes its own laboratory, because all of them wait most of the time and wait side by side.

use crate::program::Client;
use e2e::client::As;
use e2e::server::{Server, program};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const SPACE: &str = "/api/v1/namespaces/default";
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/default";
/// Times a line of the audit log is looked for, 100 ms apart.
const ATTEMPTS: u32 = 100;

pub(crate) struct Lab {
    server: Server,
    dir: tempfile::TempDir,
}

/// What became of a client.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// How often it got which answer, by its own count.
    pub(crate) statuses: Value,
    /// The requests that the server took from its account, in order.
    pub(crate) requests: Vec<Request>,
}

/// One line of the audit log.
#[derive(Debug)]
pub(crate) struct Request {
    /// The token's id; empty for one out of a Secret.
    pub(crate) token: String,
    pub(crate) annotations: Value,
}

impl Outcome {
    /// The tokens it sent, each run of the same one once.
    pub(crate) fn tokens(&self) -> Vec<&str> {
        let mut tokens: Vec<&str> = self.requests.iter().map(|request| request.token.as_str()).collect();
        tokens.dedup();
        tokens
    }

    /// How many requests the audit log marks so.
    pub(crate) fn marked(&self, annotation: &str) -> usize {
        self.requests.iter().filter(|request| request.annotations[annotation].is_string()).count()
    }

    /// How often it got this answer.
    pub(crate) fn got(&self, status: u16) -> u64 {
        self.statuses[status.to_string()].as_u64().unwrap_or(0)
    }
}

impl Lab {
    /// A server with these lifetimes in seconds and more flags.
    pub(crate) fn new(lifetimes: &str, more: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new(program());
        command.arg("serve").arg("--data-dir").arg(dir.path().join("data"));
        command.args(["--listen", "127.0.0.1:0", "--audit-log-path"]).arg(dir.path().join("audit.log"));
        command.args(more).env("JETON_TEST_LIFETIMES", lifetimes);
        let server = Server::spawn(command, dir.path().join("server.log")).unwrap();
        let lab = Self { server, dir };
        lab.ask(
            "POST",
            &format!("{RBAC}/roles"),
            &json!({"metadata": {"name": "reader"},
                "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}]}),
        );
        lab
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.server.access.ask(&As::Admin, method, path, Some(body)).unwrap();
        assert_eq!(answer.status, 201, "{}", answer.value());
        answer.value()
    }

    /// Makes an account that may list config maps, runs a client as it, and waits for its end.
    pub(crate) fn run(&self, account: &str, client: &Command, seconds: u32) -> Outcome {
        self.ask("POST", &format!("{SPACE}/serviceaccounts"), &json!({"metadata": {"name": account}}));
        let binding = json!({"metadata": {"name": account},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
            "subjects": [{"kind": "ServiceAccount", "namespace": "default", "name": account}]});
        self.ask("POST", &format!("{RBAC}/rolebindings"), &binding);
        let mut run = Command::new(program());
        run.args(["run", "--service-account", &format!("default/{account}"), "--kubeconfig"]);
        run.arg(&self.server.kubeconfig).arg("--").arg(client.get_program()).args(client.get_args());
        run.args(["default", &seconds.to_string()]).env("HOME", self.dir.path()).env_remove("KUBECONFIG");
        let mut client = Client::start(run, self.dir.path().join(account));
        let statuses = client.line()["statuses"].clone();
        client.end();
        let accepted = statuses["200"].as_u64().unwrap_or(0);
        Outcome { statuses, requests: self.requests(account, usize::try_from(accepted).unwrap()) }
    }

    /// The requests of an account, once as many are written down as it got answers.
    fn requests(&self, account: &str, wanted: usize) -> Vec<Request> {
        let log = self.dir.path().join("audit.log");
        let user = format!("system:serviceaccount:default:{account}");
        for _ in 0..ATTEMPTS {
            let found = requests(&log, &user);
            if found.len() >= wanted {
                return found;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("fewer than {wanted} requests in the audit log: {:?}", requests(&log, &user));
    }

    /// A counter without labels.
    pub(crate) fn counter(&self, name: &str) -> u64 {
        let text = self.server.access.ask(&As::Admin, "GET", "/metrics", None).unwrap().body;
        let text = String::from_utf8(text).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
    }

    /// The kind of an account's token by `kubectl get tokenuses`, and its client; sorted.
    pub(crate) fn uses(&self, account: &str) -> Vec<(String, String)> {
        let path = "/apis/jeton.dev/v1/namespaces/default/tokenuses";
        let list = self.server.access.ask(&As::Admin, "GET", path, None).unwrap().value();
        let all = list["items"].as_array().unwrap().iter().map(|item| &item["status"]);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mut uses: Vec<_> = all
            .filter(|status| status["serviceAccountName"] == account)
            .map(|status| (text(&status["kind"]), text(&status["client"])))
            .collect();
        uses.sort();
        uses
    }
}

fn requests(log: &Path, user: &str) -> Vec<Request> {
    let text = std::fs::read_to_string(PathBuf::from(log)).unwrap();
    let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let events = events.filter(|e| e["stage"] == "ResponseComplete" && e["user"]["username"] == user);
    let request = |event: Value| Request {
        token: event["user"]["extra"]["authentication.kubernetes.io/credential-id"][0]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        annotations: event["annotations"].clone(),
    };
    events.map(request).collect()
}
