//! A server with an audit log, objects in it, and a doctor who has an account of its own.

use base64::{Engine, engine::general_purpose::STANDARD};
use e2e::client::As;
use e2e::server::{Server, program};
use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

/// Connections that load pods at the same time.
const LOADERS: usize = 8;
/// Times a controller's work is looked for, 50 ms apart.
const ATTEMPTS: u32 = 200;
pub(crate) const SPACE: &str = "/api/v1/namespaces/default";
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

pub(crate) fn doctor(args: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.arg("doctor").args(args).env_remove("KUBECONFIG").output().unwrap()
}

/// Facts on standard output, and what was told on the way.
pub(crate) fn told(out: &Output) -> (Value, String) {
    let notes = String::from_utf8_lossy(&out.stderr).into_owned();
    let facts = serde_json::from_slice(&out.stdout).unwrap_or_else(|_| panic!("no JSON; {notes}"));
    (facts, notes)
}

pub(crate) fn gaps(cluster: &Value) -> Vec<&str> {
    cluster["unknown"].as_array().unwrap().iter().map(|gap| gap["id"].as_str().unwrap()).collect()
}

/// A server with an audit log, and a doctor who has an account of its own.
pub(crate) struct Lab {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) server: Server,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("audit.log");
        let data = dir.path().join("data");
        let server = Server::start(&data, &["--audit-log-path", log.to_str().unwrap()]).unwrap();
        let lab = Self { dir, server };
        lab.until(&format!("{SPACE}/serviceaccounts/default"), |_| true);
        lab.made(&format!("{SPACE}/serviceaccounts"), &json!({"metadata": {"name": "doctor"}}));
        lab
    }

    pub(crate) fn made(&self, path: &str, body: &Value) -> Value {
        let answer = self.server.access.ask(&As::Admin, "POST", path, Some(body)).unwrap();
        assert_eq!(answer.status, 201, "{path}: {}", answer.value());
        answer.value()
    }

    pub(crate) fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..ATTEMPTS {
            let answer = self.server.access.ask(&As::Admin, "GET", path, None).unwrap();
            if answer.status == 200 && wanted(&answer.value()) {
                return answer.value();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{path} is not as wanted");
    }

    /// What `doctor rbac` prints, applied and bound.
    pub(crate) fn grant(&self, flags: &[&str]) {
        let printed = doctor(&[&["rbac"], flags].concat());
        let text = String::from_utf8(printed.stdout).unwrap();
        for document in text.split("\n---\n") {
            let role: Value = serde_yaml_ng::from_str(document).unwrap();
            self.made(&format!("{RBAC}/clusterroles"), &role);
            let name = &role["metadata"]["name"];
            let binding = json!({"metadata": {"name": name},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": "doctor", "namespace": "default"}]});
            self.made(&format!("{RBAC}/clusterrolebindings"), &binding);
        }
    }

    /// A kubeconfig of the doctor's account, with its token in a file beside it.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        let answer = self.made(&format!("{SPACE}/serviceaccounts/doctor/token"), &json!({"spec": {}}));
        std::fs::write(self.dir.path().join("token"), answer["status"]["token"].as_str().unwrap()).unwrap();
        let admin = std::fs::read_to_string(&self.server.kubeconfig).unwrap();
        let mut config: Value = serde_yaml_ng::from_str(&admin).unwrap();
        config["users"][0]["user"] = json!({"tokenFile": "token"});
        let path = self.dir.path().join("doctor.kubeconfig");
        std::fs::write(&path, config.to_string()).unwrap();
        path
    }

    /// Verbs, resources and paths of everything the doctor's account asked, one for each request.
    pub(crate) fn asked(&self) -> Vec<(String, String)> {
        let text = std::fs::read_to_string(self.dir.path().join("audit.log")).unwrap();
        let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let own = events.filter(|e| e["user"]["username"] == "system:serviceaccount:default:doctor");
        let ended = own.filter(|e| e["stage"] == "ResponseComplete");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        ended.map(|e| (text(&e["verb"]), text(&e["requestURI"]))).collect()
    }

    /// As `asked`, once all lines are on the disk.
    pub(crate) fn asked_in_all(&self, count: usize) -> Vec<(String, String)> {
        for _ in 0..ATTEMPTS {
            if self.asked().len() >= count {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.asked()
    }
}

pub(crate) fn pod(n: usize, owner: &Value) -> Value {
    let mut spec = json!({"containers": [{"name": "c", "image": "registry.example/app:1"}]});
    if n.is_multiple_of(10) {
        spec["volumes"] = json!([{"name": "t", "secret": {"secretName": "forever"}}]);
        spec["containers"][0]["volumeMounts"] = json!([{"name": "t", "mountPath": "/t", "subPath": "token"}]);
    }
    json!({"apiVersion": "v1", "kind": "Pod", "spec": spec, "metadata": {"name": format!("web-{n}"),
        "labels": {"pod-template-hash": "6d4cf56db6"},
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-6d4cf56db6",
            "uid": owner["metadata"]["uid"], "controller": true}]}})
}

/// Pods of one ReplicaSet: without it the server would collect them.
pub(crate) fn load_pods(lab: &Lab, count: usize) {
    let labels = json!({"pod-template-hash": "6d4cf56db6"});
    let template =
        json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let set = json!({"metadata": {"name": "web-6d4cf56db6"}, "spec": {"selector": {"matchLabels": labels}, "template": template}});
    let owner = &lab.made("/apis/apps/v1/namespaces/default/replicasets", &set);
    let server = &lab.server;
    std::thread::scope(|scope| {
        for loader in 0..LOADERS {
            scope.spawn(move || {
                let mut connection = server.access.connect(true).unwrap();
                for n in (loader..count).step_by(LOADERS) {
                    let (headers, body) = ([("Content-Type", "application/json")], pod(n, owner).to_string());
                    let path = format!("{SPACE}/pods");
                    let answer = connection.request("POST", &path, &headers, Some(body.as_bytes())).unwrap();
                    assert_eq!(answer.status, 201, "{}", answer.value());
                }
            });
        }
    });
}

/// What Helm 3 keeps of a release: gzip in base64, which the API puts into base64 again.
pub(crate) fn release(name: &str, revision: u32, chart: &str) -> Value {
    let text = json!({"name": name, "chart": {"metadata": {"name": name, "version": chart}},
        "config": {"password": "hunter2"}});
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(text.to_string().as_bytes()).unwrap();
    let data = STANDARD.encode(STANDARD.encode(gzip.finish().unwrap()));
    json!({"apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1", "data": {"release": data},
        "metadata": {"name": format!("sh.helm.release.v1.{name}.v{revision}"), "labels": {"owner": "helm", "name": name,
            "version": revision.to_string(), "status": if revision == 1 { "superseded" } else { "deployed" }}}})
}

pub(crate) fn token_secret(lab: &Lab) -> String {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "metadata": {"name": "forever", "annotations": {"kubernetes.io/service-account.name": "default"}}});
    lab.made(&format!("{SPACE}/secrets"), &secret);
    let filled = lab.until(&format!("{SPACE}/secrets/forever"), |s| s["data"]["token"].is_string());
    let token = STANDARD.decode(filled["data"]["token"].as_str().unwrap()).unwrap();
    String::from_utf8(token).unwrap()
}

/// Has the account list its Secret, as Kubernetes before 1.24 did, gives it rights, and uses the token.
pub(crate) fn use_token(lab: &Lab, token: &str) {
    let account = format!("{SPACE}/serviceaccounts/default");
    let patch = [("Content-Type", "application/merge-patch+json")];
    let body = br#"{"secrets":[{"name":"forever"}]}"#;
    let answer = lab.server.access.send(&As::Admin, "PATCH", &account, &patch, Some(body)).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.value());
    let binding = json!({"metadata": {"name": "default-edits"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "default"}]});
    lab.made(&format!("{RBAC}/namespaces/default/rolebindings"), &binding);
    assert_eq!(lab.server.access.ask(&As::Token(token), "GET", "/version", None).unwrap().status, 200);
    let used = |s: &Value| s["metadata"]["labels"]["kubernetes.io/legacy-token-last-used"].is_string();
    lab.until(&format!("{SPACE}/secrets/forever"), used);
}

/// Uses a pod's injected token, which is counted only where lifetimes are extended.
pub(crate) fn use_injected(lab: &Lab) {
    let request = json!({"spec": {"expirationSeconds": 3607,
        "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "web-10"}}});
    let answer = lab.made(&format!("{SPACE}/serviceaccounts/default/token"), &request);
    let token = answer["status"]["token"].as_str().unwrap();
    assert_eq!(lab.server.access.ask(&As::Token(token), "GET", "/version", None).unwrap().status, 200);
}
