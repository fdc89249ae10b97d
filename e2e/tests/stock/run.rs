//! `jeton run` with the rights that its guide names, and no others.

use crate::lab::{lab, read, until, until_within, words};
use e2e::client::As;
use e2e::server::{program, target};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

/// A namespace, and whoever runs programs in it.
struct Place {
    path: String,
    name: &'static str,
    dir: tempfile::TempDir,
    kubeconfig: PathBuf,
}

impl Place {
    fn new(name: &'static str) -> Self {
        let path = lab().space(name);
        let dir = tempfile::tempdir().unwrap();
        let kubeconfig = dir.path().join("runner.kubeconfig");
        let place = Self { path, name, dir, kubeconfig };
        place.grant();
        place
    }

    /// A user who has the rights of the guide in this namespace, and nothing else.
    fn grant(&self) {
        let lab = lab();
        let rules = json!([
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["create", "get", "list", "watch", "patch", "delete"]},
            {"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"]},
            {"apiGroups": [""], "resources": ["configmaps", "serviceaccounts"], "verbs": ["get", "list", "watch"]},
        ]);
        let rights = format!("{RBAC}/namespaces/{}", self.name);
        lab.made(&format!("{rights}/roles"), &json!({"metadata": {"name": "runner"}, "rules": rules}));
        lab.made(&format!("{}/serviceaccounts", self.path), &json!({"metadata": {"name": "runner"}}));
        let binding = json!({"metadata": {"name": "runner"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "runner"},
            "subjects": [{"kind": "ServiceAccount", "name": "runner", "namespace": self.name}]});
        lab.made(&format!("{rights}/rolebindings"), &binding);
        let asked = json!({"spec": {"expirationSeconds": 7200}});
        let token = lab.made(&format!("{}/serviceaccounts/runner/token", self.path), &asked);
        let own = token["status"]["token"].as_str().unwrap();
        let pods = format!("{}/pods", self.path);
        until("the rights", || {
            let answer = lab.server.access.ask(&As::Token(own), "GET", &pods, None).unwrap();
            (answer.status == 200).then_some(())
        });
        let admin = std::fs::read_to_string(&lab.server.kubeconfig).unwrap();
        let mut config: Value = serde_yaml_ng::from_str(&admin).unwrap();
        config["users"][0]["user"] = json!({"token": own});
        std::fs::write(&self.kubeconfig, config.to_string()).unwrap();
    }

    fn runner(&self, flags: &[&str], command: &[&str]) -> Command {
        let mut runner = Command::new(program());
        let account = format!("{}/default", self.name);
        runner.args(["run", "--service-account", &account, "--kubeconfig"]).arg(&self.kubeconfig);
        runner.args(flags).arg("--").args(command).env("OUT", self.dir.path()).env_remove("KUBECONFIG");
        runner.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        runner
    }

    fn pods(&self) -> Vec<String> {
        let list = lab().get(&format!("{}/pods", self.path)).unwrap();
        let name = |pod: &Value| pod["metadata"]["name"].as_str().unwrap().to_owned();
        list["items"].as_array().unwrap().iter().map(name).collect()
    }

    /// What a program tells, once it has told it whole.
    fn told(&self, name: &str) -> String {
        let path = self.dir.path().join(name);
        until(name, || read(&path).filter(|text| text.ends_with('\n'))).trim().to_owned()
    }
}

fn pid(text: &str) -> Pid {
    Pid::from_raw(text.parse().unwrap()).unwrap()
}

/// Gone, or waiting for somebody to ask how it ended.
fn ended(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    stat.is_err() || stat.is_ok_and(|s| s.rsplit_once(") ").unwrap().1.starts_with('Z'))
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_default()
}

/// Tells its token and that it lives.
const TELL: &str =
    r#"cp "$JETON_SERVICEACCOUNT_DIR/token" "$OUT/token"; echo >> "$OUT/token"; echo $$ > "$OUT/pid""#;

#[test]
fn kubectl_in_a_pod_is_the_pod_and_nothing_is_left() {
    let (lab, place) = (lab(), Place::new("run-identity"));
    let kubectl = target().join("kubectl/new/kubectl");
    let script = format!("{TELL}; exec {} auth whoami -o json", kubectl.display());
    let flags = ["--duration", "10m", "--audience", "vault"];
    for flags in [&[][..], &flags] {
        let output = place.runner(flags, &["sh", "-c", &script]).output().unwrap();
        assert_eq!(code(&output), 0, "{}", words(&output));
        let who: Value = serde_json::from_slice(&output.stdout).unwrap();
        let user = &who["status"]["userInfo"];
        assert_eq!(user["username"], "system:serviceaccount:run-identity:default");
        let pod = user["extra"]["authentication.kubernetes.io/pod-name"][0].as_str().unwrap();
        assert!(pod.starts_with("sh-"), "{pod}");
        assert_eq!(place.pods(), Vec::<String>::new());
        println!("refused {:?} after the pod's end", lab.refused(&place.told("token")));
    }
    let vault = r#"cat "$JETON_SERVICEACCOUNT_DIR/vault" > "$OUT/vault"; echo >> "$OUT/vault"; exit 7"#;
    let output = place.runner(&["--audience", "vault"], &["sh", "-c", vault]).output().unwrap();
    assert_eq!(code(&output), 7, "{}", words(&output));
    lab.refused(&place.told("vault"));
}

#[test]
fn who_deletes_the_pod_ends_the_program() {
    let (lab, place) = (lab(), Place::new("run-deleted"));
    let script = format!("trap 'exit 9' TERM; {TELL}; while :; do sleep 0.1; done");
    let runner = place.runner(&["--pod-name", "p"], &["sh", "-c", &script]).spawn().unwrap();
    let token = place.told("token");
    assert_eq!(lab.review(&token, &[])["authenticated"], true);
    assert_eq!(lab.ask("DELETE", &format!("{}/pods/p", place.path), None).status, 200);
    let output = runner.wait_with_output().unwrap();
    assert_eq!(code(&output), 9, "{}", words(&output));
    lab.refused(&token);
}

#[test]
fn a_killed_runner_takes_its_program_along_and_others_remove_its_pod() {
    let (lab, place) = (lab(), Place::new("run-killed"));
    let script = format!("{TELL}; exec sleep 1000");
    let mut dead = Vec::new();
    for flags in [&[][..], &["--pod-name", "p"]] {
        let mut runner = place.runner(flags, &["sh", "-c", &script]).spawn().unwrap();
        let own = pid(&place.told("pid"));
        runner.kill().unwrap();
        runner.wait().unwrap();
        until("the program's end", || ended(own).then_some(()));
        dead.push(place.told("token"));
        std::fs::remove_file(place.dir.path().join("pid")).unwrap();
    }
    assert_eq!(place.pods().len(), 2, "nobody removes them yet");
    // The same name: taken over once its runner was silent. Meanwhile and after, it looks for the other.
    let mut next = place.runner(&["--pod-name", "p"], &["sh", "-c", &script]).spawn().unwrap();
    let own = pid(&place.told("pid"));
    until_within(Duration::from_secs(150), "the other pod's end", || (place.pods() == ["p"]).then_some(()));
    for token in &dead {
        lab.refused(token);
    }
    kill_process(own, Signal::TERM).unwrap();
    assert_eq!(next.wait().unwrap().code(), Some(128 + 15));
    assert_eq!(place.pods(), Vec::<String>::new());
}

#[test]
fn an_account_that_may_not_is_told_why() {
    let place = Place::new("run-refused");
    let admin = lab();
    let path = format!("{RBAC}/namespaces/run-refused/rolebindings/runner");
    assert_eq!(admin.ask("DELETE", &path, None).status, 200);
    let output = until("the refusal", || {
        let output = place.runner(&[], &["true"]).output().unwrap();
        (code(&output) == 125).then_some(output)
    });
    assert!(words(&output).contains("cannot create resource \"pods\""), "{}", words(&output));
    assert_eq!(place.pods(), Vec::<String>::new());
}
