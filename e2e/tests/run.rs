//! `jeton run`: a program with the identity of a pod, from its first token to the end of everything it started.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and tells what it saw"
)]

use e2e::client::As;
use e2e::server::{Server, program};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const PODS: &str = "/api/v1/namespaces/default/pods";
/// Milliseconds between two looks.
const LOOK: Duration = Duration::from_millis(20);
/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Lab {
    server: Server,
    dir: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(&dir.path().join("data"), &[]).unwrap();
        let lab = Self { server, dir };
        until("the account", || lab.get("/api/v1/namespaces/default/serviceaccounts/default").0 == 200);
        until("the certificate", || {
            lab.get("/api/v1/namespaces/default/configmaps/kube-root-ca.crt").0 == 200
        });
        lab
    }

    fn get(&self, path: &str) -> (u16, Value) {
        let answer = self.server.access.ask(&As::Admin, "GET", path, None).unwrap();
        (answer.status, answer.value())
    }

    fn pods(&self) -> Vec<Value> {
        self.get(PODS).1["items"].as_array().unwrap().clone()
    }

    /// A runner of a shell script; `$OUT` is a directory for what it has to tell.
    fn run(&self, flags: &[&str], script: &str) -> Command {
        self.runner(flags, &["sh", "-c", script])
    }

    fn runner(&self, flags: &[&str], command: &[&str]) -> Command {
        // A script's background jobs ignore SIGINT, and no shell traps what was ignored when it began.
        let mut runner = Command::new("env");
        runner.arg("--default-signal").arg(program());
        runner.args(["run", "--service-account", "default/default", "--kubeconfig"]);
        runner.arg(&self.server.kubeconfig).args(flags).arg("--").args(command);
        runner.env("OUT", self.dir.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        runner
    }

    fn told(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.dir.path().join(name)).ok().filter(|text| text.ends_with('\n'))
    }

    /// What the program tells, once it does.
    fn wait_for(&self, name: &str) -> String {
        until(name, || self.told(name).is_some());
        self.told(name).unwrap().trim().to_owned()
    }

    fn status(&self, token: &str) -> u16 {
        self.server.access.ask(&As::Token(token), "GET", "/version", None).unwrap().status
    }

    fn accepted(&self, token: &str) -> bool {
        let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}});
        let path = "/apis/authentication.k8s.io/v1/tokenreviews";
        let answer = self.server.access.ask(&As::Admin, "POST", path, Some(&review)).unwrap().value();
        answer["status"]["authenticated"] == true
    }
}

fn until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {} s", PATIENCE.as_secs());
        std::thread::sleep(LOOK);
    }
}

fn pid(text: &str) -> Pid {
    Pid::from_raw(text.trim().parse().unwrap()).unwrap()
}

fn lives(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    test_kill_process(pid).is_ok() && stat.is_ok_and(|s| !s.rsplit_once(") ").unwrap().1.starts_with('Z'))
}

fn signal(child: &Child, signal: Signal) {
    kill_process(pid(&child.id().to_string()), signal).unwrap();
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Tells the token, and where it lies.
const TELL: &str = r#"
    cat "$JETON_SERVICEACCOUNT_DIR/token" > "$OUT/token"; echo >> "$OUT/token"
    echo "$JETON_SERVICEACCOUNT_DIR" > "$OUT/place"
    cat /var/run/secrets/kubernetes.io/serviceaccount/namespace > "$OUT/usual" 2>/dev/null; echo >> "$OUT/usual"
    echo "$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT $_RJEM_MALLOC_CONF" > "$OUT/server"
"#;

fn identity(lab: &Lab, mut runner: Command) {
    let output = runner.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    let (place, usual) = (lab.wait_for("place"), lab.wait_for("usual"));
    if words(&output).contains("JETON_SERVICEACCOUNT_DIR") {
        println!("this machine gives no private mount: {}", words(&output).trim());
        assert_eq!(usual, "");
    } else {
        assert_eq!((usual.as_str(), words(&output).as_str()), ("default", ""));
        assert!(place.ends_with("/run/secrets/kubernetes.io/serviceaccount"), "{place}");
    }
    assert_eq!(lab.wait_for("server"), lab.server.access.address.to_string());
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.lines().any(|l| l.starts_with("jeton ")), "{mounts}");
    let left = place.contains("jeton-run-") && Path::new(&place).exists();
    assert!(!left, "{place} is left");
    let token = lab.wait_for("token");
    assert_eq!((lab.status(&token), lab.accepted(&token)), (401, false), "it died with its pod");
    assert_eq!(lab.pods(), Vec::<Value>::new());
    for name in ["place", "usual", "server", "token"] {
        std::fs::remove_file(lab.dir.path().join(name)).unwrap();
    }
}

#[test]
fn a_program_has_the_identity_of_a_pod_and_leaves_nothing() {
    let lab = Lab::new();
    identity(&lab, lab.run(&[], TELL));
    let output = lab.run(&["--no-mount"], TELL).output().unwrap();
    assert_eq!((output.status.code(), lab.wait_for("usual").as_str()), (Some(0), ""));
    assert!(!Path::new(&lab.wait_for("place")).exists());
    if !rustix::process::geteuid().is_root() {
        println!("not root: the run as another user was this one");
        return;
    }
    // Anybody else, who needs a user namespace.
    let runner = lab.run(&[], TELL);
    let mut nobody = Command::new("setpriv");
    nobody
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(runner.get_program())
        .args(runner.get_args());
    nobody.env("OUT", lab.dir.path()).env("HOME", "/nonexistent").stderr(Stdio::piped());
    for path in [lab.dir.path(), &lab.dir.path().join("data"), &lab.server.kubeconfig] {
        std::os::unix::fs::chown(path, Some(65534), None).unwrap();
    }
    for name in ["place", "usual", "server", "token"] {
        std::fs::remove_file(lab.dir.path().join(name)).unwrap();
    }
    identity(&lab, nobody);
}

#[test]
fn exit_codes_are_the_programs_or_say_whose_they_are() {
    let lab = Lab::new();
    let sh = |script| ["sh", "-c", script];
    for (command, code) in [
        (&sh("exit 0")[..], 0),
        (&sh("exit 7")[..], 7),
        (&sh("exit 255")[..], 255),
        (&sh("kill -9 $$")[..], 137),
        (&sh("kill -USR1 $$")[..], 138),
        (&["/nowhere/program"][..], 127),
        (&["/etc/passwd"][..], 126),
    ] {
        let output = lab.runner(&[], command).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{command:?}: {}", words(&output));
        assert_eq!(lab.pods(), Vec::<Value>::new(), "{command:?}");
    }
    for (flags, code, said) in [
        (&["--duration", "1m"][..], 125, "may not specify a duration less than 10 minutes"),
        (&["--kubeconfig", "/nowhere"][..], 64, ""),
        (&["--audience", "https://a"][..], 64, "is no name of a file here"),
    ] {
        let output = lab.run(flags, "exit 0").output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{flags:?}: {}", words(&output));
        assert!(words(&output).contains(said), "{}", words(&output));
    }
}

#[test]
fn what_a_program_leaves_running_ends_with_it() {
    let lab = Lab::new();
    let script = r#"sleep 1000 & echo $! > "$OUT/child"; setsid sh -c 'echo $$ > "$OUT/daemon"; exec sleep 1000' & exit 3"#;
    let script =
        format!("{script}; ").replace("exit 3; ", r#"while ! [ -s "$OUT/daemon" ]; do :; done; exit 3"#);
    let output = lab.run(&[], &script).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", words(&output));
    for name in ["child", "daemon"] {
        assert!(!lives(pid(&lab.wait_for(name))), "{name} still runs");
    }
}

#[test]
fn signals_reach_the_program_and_what_ignores_them_is_killed_after_its_grace() {
    let lab = Lab::new();
    for (name, flags, sent, trap, code) in [
        ("term", &[][..], Signal::TERM, "exit 9", 9),
        ("int", &[], Signal::INT, "exit 10", 10),
        ("usr1", &[], Signal::USR1, "exit 11", 11),
        ("stubborn", &["--grace-period", "1s"], Signal::TERM, ":", 137),
    ] {
        let traps =
            format!("trap '{trap}' TERM INT USR1; echo up > \"$OUT/{name}\"; while :; do sleep 0.05; done");
        let mut runner = lab.run(flags, &traps).spawn().unwrap();
        lab.wait_for(name);
        signal(&runner, sent);
        assert_eq!(runner.wait().unwrap().code(), Some(code), "{name}");
        assert_eq!(lab.pods(), Vec::<Value>::new(), "{name}");
    }
}

#[test]
fn a_deleted_pod_ends_its_program_and_its_token_at_once() {
    let lab = Lab::new();
    let script = format!("{TELL} exec sleep 1000");
    let mut runner = lab.run(&["--pod-name", "web"], &script).spawn().unwrap();
    lab.wait_for("server");
    let token = lab.wait_for("token");
    assert!(lab.accepted(&token));
    let pod = &lab.pods()[0];
    assert_eq!(
        (&pod["spec"]["schedulerName"], &pod["spec"]["nodeName"]),
        (&json!("jeton-run"), &Value::Null)
    );
    assert!(!pod.to_string().contains("sleep"), "arguments may hold secrets: {pod}");
    let removed = Instant::now();
    lab.server.access.ask(&As::Admin, "DELETE", &format!("{PODS}/web"), None).unwrap();
    assert_eq!((lab.status(&token), lab.accepted(&token)), (401, false));
    println!("refused {} µs after the request to delete", removed.elapsed().as_micros());
    let output = runner.wait().map(|_| runner.wait_with_output().unwrap()).unwrap();
    assert_eq!(output.status.code(), Some(143), "{}", words(&output));
    assert!(words(&output).contains("the pod web was deleted"), "{}", words(&output));
}

#[test]
fn nothing_outlives_a_runner_or_a_keeper_that_was_killed() {
    let lab = Lab::new();
    let script = format!(
        "{TELL} setsid sh -c 'echo $$ > \"$OUT/daemon\"; exec sleep 1000' & echo $$ > \"$OUT/program\"; exec sleep 1000"
    );
    let forget = || {
        for name in ["daemon", "program", "token", "server"] {
            std::fs::remove_file(lab.dir.path().join(name)).unwrap();
        }
    };
    // The keeper: the runner notices, ends the rest, and says so.
    let runner = lab.run(&["--no-mount"], &script).spawn().unwrap();
    let (program, daemon) = (pid(&lab.wait_for("program")), pid(&lab.wait_for("daemon")));
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", program.as_raw_nonzero())).unwrap();
    let keeper = pid(stat.rsplit_once(") ").unwrap().1.split(' ').nth(1).unwrap());
    kill_process(keeper, Signal::KILL).unwrap();
    let output = runner.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(125), "{}", words(&output));
    assert!(!lives(program) && !lives(daemon));
    assert_eq!(lab.pods(), Vec::<Value>::new());
    assert!(!Path::new(&lab.wait_for("place")).exists());
    forget();
    // The runner: the keeper ends the rest; the pod is found silent.
    let mut runner = lab.run(&["--no-mount"], &script).spawn().unwrap();
    let (program, daemon) = (pid(&lab.wait_for("program")), pid(&lab.wait_for("daemon")));
    let token = lab.wait_for("token");
    signal(&runner, Signal::KILL);
    let killed = Instant::now();
    runner.wait().unwrap();
    until("everything ends", || !lives(program) && !lives(daemon));
    until("the directory goes", || !Path::new(&lab.wait_for("place")).exists());
    assert!(lab.accepted(&token), "nobody could know yet");
    until("the pod is collected", || lab.pods().is_empty());
    assert!(!lab.accepted(&token));
    println!("collected {} s after the runner was killed", killed.elapsed().as_secs());
}

#[test]
fn tokens_are_replaced_while_the_program_runs_and_while_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut command = Command::new(program());
    command.arg("serve").arg("--data-dir").arg(&data).args(["--listen", "127.0.0.1:0"]);
    command.env("JETON_TEST_LIFETIMES", "min=1,injected=4,extended=8,leeway=0");
    let lab = Lab { server: Server::spawn(command, data.with_extension("log")).unwrap(), dir };
    until("the account", || lab.get("/api/v1/namespaces/default/serviceaccounts/default").0 == 200);
    until("the certificate", || lab.get("/api/v1/namespaces/default/configmaps/kube-root-ca.crt").0 == 200);
    // One rotation, then it is asked to end, and takes its time for another one.
    let script = r#"
        now() { cat "$JETON_SERVICEACCOUNT_DIR/token"; }
        differs() { while [ "$(now)" = "$1" ]; do sleep 0.05; done; }
        first=$(now); differs "$first"; second=$(now); echo "$second" > "$OUT/second"
        ending=; trap 'ending=1' TERM; echo up > "$OUT/up"; while [ -z "$ending" ]; do sleep 0.05; done
        last=$(now); differs "$last"; now > "$OUT/third"; echo >> "$OUT/third"
        echo "$first" > "$OUT/first"; while ! [ -e "$OUT/enough" ]; do sleep 0.05; done
    "#;
    let mut runner = lab.run(&[], script).spawn().unwrap();
    lab.wait_for("up");
    signal(&runner, Signal::TERM);
    let (first, third) = (lab.wait_for("first"), lab.wait_for("third"));
    assert_ne!(first, third);
    assert!(lab.accepted(&third));
    std::fs::write(lab.dir.path().join("enough"), "").unwrap();
    assert_eq!(runner.wait().unwrap().code(), Some(0));
    assert!(!lab.accepted(&third));
}
