//! `jeton run` among other runners: names that are taken, directories that are left, and an environment of the user's.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::client::As;
use e2e::server::{Server, program};
use e2e::wait::until;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

const PODS: &str = "/api/v1/namespaces/default/pods";

struct Lab {
    server: Server,
    dir: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(&dir.path().join("data"), &[]).unwrap();
        let lab = Self { server, dir };
        for path in ["serviceaccounts/default", "configmaps/kube-root-ca.crt"] {
            let path = format!("/api/v1/namespaces/default/{path}");
            until(&path, || (lab.ask("GET", &path, None).0 == 200).then_some(()));
        }
        std::fs::create_dir(lab.own()).unwrap();
        lab
    }

    /// Where directories of runners are, so that those of other tests are elsewhere.
    fn own(&self) -> PathBuf {
        self.dir.path().join("own")
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let answer = self.server.access.ask(&As::Admin, method, path, body).unwrap();
        (answer.status, answer.value())
    }

    fn pods(&self) -> Vec<Value> {
        self.ask("GET", PODS, None).1["items"].as_array().unwrap().clone()
    }

    fn run(&self, flags: &[&str], script: &str) -> Command {
        let mut runner = Command::new(program());
        runner.args(["run", "--service-account", "default/default", "--kubeconfig"]);
        runner.arg(&self.server.kubeconfig).args(flags).args(["--", "sh", "-c", script]);
        runner.env("OUT", self.dir.path()).env("XDG_RUNTIME_DIR", self.own());
        runner.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        runner
    }

    fn told(&self, name: &str) -> String {
        let path = self.dir.path().join(name);
        until(name, || std::fs::read_to_string(&path).ok().filter(|text| text.ends_with('\n')))
            .trim()
            .to_owned()
    }
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn send(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

/// The parent of a process.
fn parent(pid: &str) -> u32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_name_is_taken_over_only_from_a_runner_that_is_gone() {
    let lab = Lab::new();
    let foreign = json!({"metadata": {"name": "web"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    assert_eq!(lab.ask("POST", PODS, Some(&foreign)).0, 201);
    let named = |script: &str| lab.run(&["--pod-name", "web"], script);
    let output = named("touch \"$OUT/ran\"").output().unwrap();
    assert_eq!(output.status.code(), Some(125), "{}", words(&output));
    assert!(words(&output).contains("the pod web exists and is none of jeton run"), "{}", words(&output));
    assert_eq!(lab.pods().len(), 1, "it is left alone");
    lab.ask("DELETE", &format!("{PODS}/web?gracePeriodSeconds=0"), None);
    // A runner that lives.
    let script =
        "cat \"$JETON_SERVICEACCOUNT_DIR/token\" > \"$OUT/token\"; echo >> \"$OUT/token\"; exec sleep 1000";
    let mut lives = named(script).spawn().unwrap();
    let token = lab.told("token");
    let output = named("touch \"$OUT/ran\"").output().unwrap();
    assert_eq!(output.status.code(), Some(125), "{}", words(&output));
    assert!(words(&output).contains("belongs to a runner on "), "{}", words(&output));
    assert!(!lab.dir.path().join("ran").exists());
    let uid = lab.pods()[0]["metadata"]["uid"].clone();
    // And is killed: its name is free again within a minute, its token worthless.
    send(lives.id(), Signal::KILL);
    lives.wait().unwrap();
    let output = named("exit 4").output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", words(&output));
    assert!(words(&output).contains("looking for 45 s whether its runner lives"), "{}", words(&output));
    assert!(lab.pods().iter().all(|pod| pod["metadata"]["uid"] != uid));
    let review =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}});
    let (_, review) = lab.ask("POST", "/apis/authentication.k8s.io/v1/tokenreviews", Some(&review));
    assert_eq!(review["status"]["authenticated"], Value::Null);
}

/// A program in a directory, whose runner and keeper are killed so that neither can clean up.
fn killed_at_once(lab: &Lab) -> (Child, PathBuf) {
    let script =
        "echo $$ > \"$OUT/program\"; echo \"$JETON_SERVICEACCOUNT_DIR\" > \"$OUT/place\"; exec sleep 1000";
    let mut runner = lab.run(&["--no-mount"], script).spawn().unwrap();
    let (place, pid) = (lab.told("place"), lab.told("program"));
    let keeper = parent(&pid);
    // Stopped first: the death of one would be noticed by the other.
    send(runner.id(), Signal::STOP);
    send(keeper, Signal::STOP);
    send(runner.id(), Signal::KILL);
    send(keeper, Signal::KILL);
    runner.wait().unwrap();
    until("the program's end", || (!Path::new("/proc").join(&pid).join("exe").exists()).then_some(()));
    (runner, PathBuf::from(place))
}

#[test]
fn what_two_killed_processes_left_the_next_one_removes() {
    let lab = Lab::new();
    let (_, place) = killed_at_once(&lab);
    assert!(place.join("token").exists() && place.starts_with(lab.own().canonicalize().unwrap()));
    // One that lives, beside it.
    let script = "echo \"$JETON_SERVICEACCOUNT_DIR\" > \"$OUT/lives\"; exec sleep 1000";
    let mut lives = lab.run(&["--no-mount"], script).spawn().unwrap();
    let kept = PathBuf::from(lab.told("lives"));
    assert!(!place.exists(), "the next runner removed it");
    std::fs::create_dir(lab.own().join("jeton-run-notours")).unwrap();
    let output = lab.run(&["--no-mount"], "exit 0").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    assert!(kept.join("token").exists(), "somebody keeps it");
    assert!(lab.own().join("jeton-run-notours").exists());
    send(lives.id(), Signal::TERM);
    let output = lives.wait().map(|_| lives.wait_with_output().unwrap()).unwrap();
    assert!(words(&output).contains("was left by a runner that was killed"), "{}", words(&output));
    assert!(!kept.exists());
}

#[test]
fn the_environment_is_the_users() {
    let lab = Lab::new();
    let script = "env | grep MALLOC | sort > \"$OUT/env\"; echo >> \"$OUT/env\"";
    for set in [true, false] {
        for flags in [&[][..], &["--no-mount"]] {
            let mut runner = lab.run(flags, script);
            if set {
                runner
                    .env("_RJEM_MALLOC_CONF", "narenas:1,dirty_decay_ms:1000")
                    .env("MALLOC_CONF", "junk:true");
            }
            let output = runner.output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{}", words(&output));
            let want = if set {
                "MALLOC_CONF=junk:true\n_RJEM_MALLOC_CONF=narenas:1,dirty_decay_ms:1000"
            } else {
                ""
            };
            assert_eq!(lab.told("env"), want);
            std::fs::remove_file(lab.dir.path().join("env")).unwrap();
        }
    }
}
