//! Credentials that are revoked under an agent and a runner, and come back: the old token stays, people are told, and a
//! kubeconfig that is replaced on disk is enough.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::agent::{Agent, metric};
use e2e::client::{Answer, As};
use e2e::server::{Server, program};
use e2e::wait::until;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SPACE: &str = "/api/v1/namespaces/default";

fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok().filter(|text| !text.is_empty())
}

struct Lab {
    server: Server,
    dir: tempfile::TempDir,
}

impl Lab {
    /// Tokens of pods live ten seconds here.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut serve = Command::new(program());
        serve.env("JETON_TEST_LIFETIMES", "min=5,injected=10,extended=12,leeway=1");
        serve.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(dir.path().join("data"));
        let server = Server::spawn(serve, dir.path().join("server.log")).unwrap();
        let lab = Self { server, dir };
        for path in ["serviceaccounts/default", "configmaps/kube-root-ca.crt"] {
            until(path, || (lab.ask("GET", &format!("{SPACE}/{path}"), None).status == 200).then_some(()));
        }
        lab
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.server.access.ask(&As::Admin, method, path, body).unwrap()
    }

    fn made(&self, path: &str, body: &Value) -> Value {
        let made = self.ask("POST", path, Some(body));
        assert_eq!(made.status, 201, "{:?}", made.value());
        made.value()
    }

    /// A kubeconfig of an account that may do these things, and its file.
    fn account(&self, name: &str, rules: Option<&Value>) -> Value {
        self.made(&format!("{SPACE}/serviceaccounts"), &json!({"metadata": {"name": name}}));
        let rbac = "/apis/rbac.authorization.k8s.io/v1";
        if let Some(rules) = rules {
            self.made(&format!("{rbac}/clusterroles"), &json!({"metadata": {"name": name}, "rules": rules}));
        }
        let role = if rules.is_some() { name } else { "cluster-admin" };
        let subject = json!({"kind": "ServiceAccount", "name": name, "namespace": "default"});
        let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role});
        let binding = json!({"metadata": {"name": name}, "subjects": [subject], "roleRef": role});
        self.made(&format!("{rbac}/clusterrolebindings"), &binding);
        let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}});
        let token = self.made(&format!("{SPACE}/serviceaccounts/{name}/token"), &request);
        let text = read(&self.server.kubeconfig).unwrap();
        let mut config: Value = serde_yaml_ng::from_str(&text).unwrap();
        config["users"][0]["user"] = json!({"token": token["status"]["token"]});
        config
    }

    /// Puts a kubeconfig in the place of the one before.
    fn put(&self, config: &Value) -> PathBuf {
        let path = self.dir.path().join("kubeconfig");
        std::fs::write(path.with_extension("new"), config.to_string()).unwrap();
        std::fs::rename(path.with_extension("new"), &path).unwrap();
        path
    }

    fn revoke(&self, account: &str) {
        let path = format!("{SPACE}/serviceaccounts/{account}");
        assert_eq!(self.ask("DELETE", &path, None).status, 200);
    }

    fn events(&self, reason: &str) -> usize {
        let list = self.ask("GET", &format!("{SPACE}/events"), None).value();
        list["items"].as_array().unwrap().iter().filter(|e| e["reason"] == reason).count()
    }

    fn accepted(&self, token: &str) -> bool {
        let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}});
        self.made("/apis/authentication.k8s.io/v1/tokenreviews", &review)["status"]["authenticated"] == true
    }
}

#[test]
fn an_agent_that_is_locked_out_keeps_the_old_token_and_comes_back_with_a_new_kubeconfig() {
    let lab = Lab::new();
    let kubeconfig = lab.put(&lab.account("first", None));
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let more = ["--metrics-bind-address", &address];
    let mut agent = Agent::again(lab.dir.path(), "vm1", &kubeconfig, &more).unwrap();
    let pod = json!({"metadata": {"name": "web"}, "spec": {"nodeName": "vm1", "containers": [{"name": "c", "image": "i"}]}});
    let pod = lab.made(&format!("{SPACE}/pods"), &pod);
    let volumes = agent.root.join("pods").join(pod["metadata"]["uid"].as_str().unwrap());
    let volumes = volumes.join("volumes/kubernetes.io~projected");
    let file = until("the volume", || std::fs::read_dir(&volumes).ok()?.next()?.ok()).path().join("token");
    let first = until("a token", || read(&file));
    until("the next token", || read(&file).filter(|t| *t != first));
    lab.revoke("first");
    let count = |name: &str| metric(&address, name).unwrap_or(0.0);
    let refused = "jeton_agent_token_requests_total{code=\"401\"}";
    until("a refusal", || (count(refused) > 0.0).then_some(()));
    let last = read(&file).unwrap();
    until("the token on disk expires", || {
        assert_eq!(read(&file).as_ref(), Some(&last), "the old token stays");
        (count("jeton_agent_token_expired_total") > 0.0).then_some(())
    });
    let log = read(&agent.log).unwrap();
    let error = log.lines().find(|line| line.contains("TokenExpired")).unwrap();
    assert!(error.contains("ERROR"), "{error}");
    assert!(agent.runs());
    assert!(count(refused) < 40.0, "it pauses between attempts: {}", count(refused));
    lab.put(&lab.account("second", None));
    let next = until("a token with the new credentials", || read(&file).filter(|t| *t != last));
    assert!(lab.accepted(&next));
    // What nobody took while it was locked out is told now.
    until("the event", || (lab.events("TokenExpired") > 0).then_some(()));
    until("the other event", || (lab.events("TokenRefreshFailed") > 0).then_some(()));
    assert!(!read(&agent.log).unwrap().contains("eyJ"), "no token in the log");
}

#[test]
fn a_program_whose_runner_is_locked_out_keeps_its_token_and_gets_a_new_one_later() {
    let lab = Lab::new();
    let kubeconfig = lab.put(&lab.account("first", None));
    let script = r#"cp "$JETON_SERVICEACCOUNT_DIR/token" "$OUT/token"; while ! [ -e "$OUT/enough" ]; do
        cp "$JETON_SERVICEACCOUNT_DIR/token" "$OUT/token.new"; mv "$OUT/token.new" "$OUT/token"; sleep 0.1; done; exit 3"#;
    let mut runner = Command::new(program());
    runner.args(["run", "--service-account", "default/default", "--kubeconfig"]).arg(&kubeconfig);
    runner.args(["--", "sh", "-c", script]).env("OUT", lab.dir.path()).stdin(Stdio::null());
    let told = lab.dir.path().join("told");
    runner.stderr(std::fs::File::create(&told).unwrap());
    let mut runner = runner.spawn().unwrap();
    let file = lab.dir.path().join("token");
    let first = until("a token", || read(&file));
    until("the next token", || read(&file).filter(|t| *t != first));
    lab.revoke("first");
    until("the words", || read(&told).filter(|text| text.contains("no new token: ")));
    let last = read(&file).unwrap();
    until("the end of the token", || {
        assert_eq!(read(&file).as_ref(), Some(&last), "the old token stays");
        read(&told).filter(|text| text.contains("the token has expired"))
    });
    lab.put(&lab.account("second", None));
    let next = until("a token with the new credentials", || read(&file).filter(|t| *t != last));
    assert!(lab.accepted(&next));
    std::fs::write(lab.dir.path().join("enough"), "").unwrap();
    assert_eq!(runner.wait().unwrap().code(), Some(3));
    let pods = lab.ask("GET", &format!("{SPACE}/pods"), None).value();
    assert_eq!(pods["items"], json!([]), "the new credentials removed the pod");
    assert!(!read(&told).unwrap().contains("eyJ"));
}

#[test]
fn a_runner_that_gets_no_token_says_why_and_ends() {
    let lab = Lab::new();
    let pods = json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["create", "get", "list", "watch", "patch", "delete"]});
    let kubeconfig = lab.put(&lab.account("poor", Some(&json!([pods]))));
    let mut runner = Command::new(program());
    runner.args(["run", "--service-account", "default/default", "--kubeconfig"]).arg(&kubeconfig);
    let output = runner.args(["--", "touch"]).arg(lab.dir.path().join("ran")).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{told}");
    let last = told.lines().last().unwrap();
    assert!(last.starts_with("error: no token came within 30 s: "), "{told}");
    assert!(last.contains("serviceaccounts/token"), "it says what is refused: {told}");
    assert!(!lab.dir.path().join("ran").exists(), "the program was not started");
    assert_eq!(lab.ask("GET", &format!("{SPACE}/pods"), None).value()["items"], json!([]));
}
