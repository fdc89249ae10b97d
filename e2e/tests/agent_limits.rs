//! What an agent cannot do, and says on the pod: keep more pods than it may, and give files away without being root.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::agent::{Agent, metric};
use e2e::client::As;
use e2e::server::Server;
use e2e::wait::until;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::PathBuf;

const SPACE: &str = "/api/v1/namespaces/default";

struct Lab {
    server: Server,
    dir: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(&dir.path().join("data"), &[]).unwrap();
        let lab = Self { server, dir };
        let account = format!("{SPACE}/serviceaccounts/default");
        until("the account", || (lab.ask("GET", &account, None).0 == 200).then_some(()));
        lab
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let answer = self.server.access.ask(&As::Admin, method, path, body).unwrap();
        (answer.status, answer.value())
    }

    /// Makes a pod on the node and gives back where its files will be.
    fn make(&self, agent: &Agent, name: &str, security: Value) -> PathBuf {
        let spec = json!({"nodeName": "vm1", "securityContext": security, "containers": [{"name": "c", "image": "i"}]});
        let pod = json!({"metadata": {"name": name}, "spec": spec});
        let (code, pod) = self.ask("POST", &format!("{SPACE}/pods"), Some(&pod));
        assert_eq!(code, 201, "{pod}");
        let pods = agent.root.join("pods").join(pod["metadata"]["uid"].as_str().unwrap());
        pods.join("volumes/kubernetes.io~projected")
    }

    fn status(&self, name: &str) -> Value {
        self.ask("GET", &format!("{SPACE}/pods/{name}"), None).1["status"].clone()
    }

    fn event(&self, reason: &str) -> String {
        until(reason, || {
            let list = self.ask("GET", &format!("{SPACE}/events"), None).1;
            let found = list["items"].as_array()?.iter().find(|e| e["reason"] == reason)?.clone();
            Some(found["message"].as_str()?.to_owned())
        })
    }
}

fn token(volumes: &std::path::Path) -> Option<String> {
    std::fs::read_to_string(std::fs::read_dir(volumes).ok()?.next()?.ok()?.path().join("token")).ok()
}

#[test]
fn a_pod_for_which_there_is_no_room_fails_and_another_has_its_place_later() {
    let lab = Lab::new();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let more = ["--max-pods", "1", "--metrics-bind-address", &address];
    let agent = Agent::start(&lab.server, lab.dir.path(), "vm1", &more).unwrap();
    let first = lab.make(&agent, "first", json!({}));
    until("a token", || token(&first));
    let second = lab.make(&agent, "second", json!({}));
    let status = until("the failure", || Some(lab.status("second")).filter(|s| s["phase"] == "Failed"));
    assert_eq!(status["reason"], "OutOfpods", "{status}");
    assert!(status["message"].as_str().unwrap().contains("keeps 1 pods"), "{status}");
    assert!(lab.event("OutOfpods").contains("keeps 1 pods"));
    assert_eq!(metric(&address, "jeton_agent_pods_refused_total").unwrap(), 1.0);
    assert!(!second.exists());
    let node = lab.ask("GET", "/api/v1/nodes/vm1", None).1;
    assert_eq!(node["status"]["allocatable"]["pods"], "1");
    for name in ["second", "first"] {
        assert_eq!(lab.ask("DELETE", &format!("{SPACE}/pods/{name}"), None).0, 200);
        until("its end", || (lab.ask("GET", &format!("{SPACE}/pods/{name}"), None).0 == 404).then_some(()));
    }
    let third = lab.make(&agent, "third", json!({}));
    until("a token in the free place", || token(&third));
}

#[test]
fn an_agent_that_is_not_root_says_whose_files_stay_its_own() {
    let lab = Lab::new();
    let agent = Agent::as_nobody(&lab.server, lab.dir.path(), "vm1").unwrap();
    let other = lab.make(&agent, "other", json!({"runAsUser": 4321, "fsGroup": 8765}));
    let text = until("a token", || token(&other));
    assert!(text.starts_with("eyJ"));
    let condition = until("the condition", || {
        let conditions = lab.status("other")["conditions"].as_array()?.clone();
        conditions.into_iter().find(|c| c["type"] == "jeton.dev/VolumesReady" && c["reason"] == "Incomplete")
    });
    let why = "only root could give them to user 4321 and group 8765";
    assert!(condition["message"].as_str().unwrap().contains(why), "{condition}");
    assert!(lab.event("FailedMount").contains(why));
}
