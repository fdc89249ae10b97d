//! `jeton tour`: the life of one token, with real processes, and what it took.
//!
//! Invariant: every line is something that happened just now; the first step that does not happen ends the tour with 1. Who
//! interrupts it finds no process and no file of it afterwards.

use crate::args::Output;
use crate::args_run::Tour;
use crate::process::client::{Client, expect};
use crate::process::{self, Failure};
use rustix::process::{Pid, Signal};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Lifetimes of the tour's server: an hour is six seconds.
const LIFETIMES: &str = "min=1,injected=6,extended=12,leeway=0";
/// How long one step may take.
const STEP_TIME: Duration = Duration::from_secs(15);
/// How long a process may take to end when it is asked to.
const END_TIME: Duration = Duration::from_secs(10);
/// Time between two looks.
const LOOK_TIME: Duration = Duration::from_millis(5);
const PODS: &str = "/api/v1/namespaces/default/pods";
const ACCOUNTS: &str = "/api/v1/namespaces/default/serviceaccounts";
const REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
/// The program: it reads its token again and again and says what it read.
const PROGRAM: &str = r#"echo "$JETON_SERVICEACCOUNT_DIR"; while cat "$JETON_SERVICEACCOUNT_DIR/token" && echo; do sleep 0.1; done"#;

/// A process that does not outlive the tour.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        // Asked first: a runner removes its pod then. Errors mean that it has ended.
        let _ = self.ask_to_end();
        let begun = Instant::now();
        while matches!(self.0.try_wait(), Ok(None)) && begun.elapsed() < END_TIME {
            std::thread::sleep(LOOK_TIME);
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Started {
    /// This very program with other arguments.
    fn new(arguments: &[&str], dir: &Path, log: &str) -> Result<Self, Failure> {
        let log = std::fs::File::create(dir.join(log)).map_err(|e| Failure::of(&e))?;
        let mut command = Command::new("/proc/self/exe");
        command.args(arguments).env("JETON_TEST_LIFETIMES", LIFETIMES).env_remove("KUBECONFIG");
        // In a group of its own: an interrupt from the terminal reaches the tour, which ends the others in their order.
        command.process_group(0);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn();
        child.map(Self).map_err(|e| Failure::of(&e))
    }

    /// The lines it prints.
    fn lines(&mut self) -> Receiver<String> {
        let (sender, receiver) = channel();
        if let Some(out) = self.0.stdout.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(out).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        receiver
    }

    fn ask_to_end(&self) -> Result<(), Failure> {
        let pid =
            i32::try_from(self.0.id()).ok().and_then(Pid::from_raw).ok_or_else(|| failed("no process"))?;
        rustix::process::kill_process(pid, Signal::TERM).map_err(|e| Failure::of(&e))
    }

    /// Its end, in time.
    fn end(&mut self, who: &str) -> Result<ExitStatus, Failure> {
        let begun = Instant::now();
        loop {
            go_on()?;
            match self.0.try_wait().map_err(|e| Failure::of(&e))? {
                Some(status) => return Ok(status),
                None if begun.elapsed() > STEP_TIME => return Err(late(&format!("the end of {who}"))),
                None => std::thread::sleep(LOOK_TIME),
            }
        }
    }
}

fn failed(message: impl Into<String>) -> Failure {
    Failure { code: 1, message: message.into() }
}

fn late(what: &str) -> Failure {
    failed(format!("{what} did not come within {} s", STEP_TIME.as_secs()))
}

/// An error once somebody wants the tour to end.
fn go_on() -> Result<(), Failure> {
    match process::caught_signal() {
        None => Ok(()),
        Some(signal) => {
            Err(Failure { code: 128 + signal, message: "interrupted; nothing is left of it".to_owned() })
        }
    }
}

fn next(lines: &Receiver<String>, what: &str) -> Result<String, Failure> {
    let begun = Instant::now();
    loop {
        go_on()?;
        match lines.recv_timeout(LOOK_TIME) {
            Ok(line) => return Ok(line),
            Err(RecvTimeoutError::Timeout) if begun.elapsed() < STEP_TIME => {}
            Err(_) => return Err(late(what)),
        }
    }
}

/// What happened so far.
struct Diary {
    output: Output,
    begun: Instant,
    steps: Vec<Value>,
}

impl Diary {
    /// One thing that happened, and what it took.
    fn note(&mut self, step: &str, took: Duration, what: &str) -> Result<(), Failure> {
        go_on()?;
        let millis = (took.as_secs_f64() * 10_000.0).round() / 10.0;
        self.steps.push(json!({"step": step, "millis": millis, "what": what}));
        match self.output {
            Output::Text => process::say(&format!("{step:>7}  {millis:>8.1} ms  {what}")),
            Output::Json => Ok(()),
        }
    }

    fn close(&self) -> Result<(), Failure> {
        let seconds = self.begun.elapsed().as_secs_f64();
        match self.output {
            Output::Text => process::say(&format!(
                "\nAll of it happened, in {seconds:.1} s, and nothing is left of it. Next: jeton up"
            )),
            Output::Json => process::say(
                &json!({"apiVersion": "jeton.dev/v1", "kind": "Tour", "steps": self.steps, "seconds": seconds})
                    .to_string(),
            ),
        }
    }
}

/// Goes through the life of a token.
pub(crate) fn run(args: &Tour) -> Result<ExitCode, Failure> {
    process::catch_signals()?;
    let dir = tempfile::Builder::new().prefix("jeton-tour-").tempdir().map_err(|e| Failure::of(&e))?;
    let mut diary = Diary { output: args.output, begun: Instant::now(), steps: Vec::new() };
    let went = walk(dir.path(), &mut diary).map_err(|failure| with_logs(failure, dir.path()));
    dir.close().map_err(|e| Failure::of(&e))?;
    went?;
    diary.close()?;
    Ok(ExitCode::SUCCESS)
}

/// What the processes said, since their logs go with the directory.
fn with_logs(failure: Failure, dir: &Path) -> Failure {
    // Somebody who interrupts knows why.
    if process::caught_signal().is_some() {
        return failure;
    }
    let mut message = failure.message;
    for log in ["serve.log", "run.log"] {
        let mut text = String::new();
        let read = std::fs::File::open(dir.join(log)).map(|f| f.take(4096).read_to_string(&mut text));
        if read.is_ok() && !text.trim().is_empty() {
            message.push_str(&format!("\n{log}: {}", text.trim()));
        }
    }
    Failure { message, ..failure }
}

fn walk(dir: &Path, diary: &mut Diary) -> Result<(), Failure> {
    let data = dir.join("data");
    let data = data.to_str().ok_or_else(|| failed("the temporary directory's name is no text"))?;
    let begun = Instant::now();
    let mut server =
        Started::new(&["serve", "--data-dir", data, "--listen", "127.0.0.1:0"], dir, "serve.log")?;
    let lines = server.lines();
    let ready = next(&lines, "the server")?;
    let (place, kubeconfig) = ready.split_once(" kubeconfig=").ok_or_else(|| failed(ready.clone()))?;
    diary.note("start", begun.elapsed(), &format!("an authority: {}", place.trim_start_matches("ready ")))?;
    let client = Client::read(Path::new(kubeconfig))?;
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "visitor"}});
    let (code, answer) = client.post(ACCOUNTS, &account)?;
    expect(code, answer)?;
    issue(&client, diary)?;
    program(dir, kubeconfig, &client, diary)?;
    let begun = Instant::now();
    server.ask_to_end()?;
    match server.end("the server")?.code() {
        Some(0) => diary.note("stop", begun.elapsed(), "the authority ended"),
        code => Err(failed(format!("the server ended with {code:?}"))),
    }
}

/// A token by TokenRequest, as kubectl asks for one.
fn issue(client: &Client, diary: &mut Diary) -> Result<(), Failure> {
    let begun = Instant::now();
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    let (code, answer) = client.post(&format!("{ACCOUNTS}/visitor/token"), &body)?;
    let answer = expect(code, answer)?;
    let token = answer["status"]["token"].as_str().ok_or_else(|| failed("the answer holds no token"))?;
    let name = accepted(client, token)?;
    diary.note("issue", begun.elapsed(), &format!("a token for {name}, which the server accepts"))
}

/// From a program's first token to its end.
fn program(dir: &Path, kubeconfig: &str, client: &Client, diary: &mut Diary) -> Result<(), Failure> {
    let begun = Instant::now();
    let arguments =
        ["--service-account", "default/visitor", "--kubeconfig", kubeconfig, "--pod-name", "tour"];
    let mut runner =
        Started::new(&[&["run"], &arguments[..], &["--", "sh", "-c", PROGRAM]].concat(), dir, "run.log")?;
    let lines = runner.lines();
    let place = next(&lines, "the program")?;
    diary.note(
        "mount",
        begun.elapsed(),
        &format!("a program runs as pod default/tour; its token is in {place}"),
    )?;
    let begun = Instant::now();
    let first = next(&lines, "the first token")?;
    let name = accepted(client, &first)?;
    diary.note(
        "read",
        begun.elapsed(),
        &format!("sh and cat read the token; the server accepts it as {name}"),
    )?;
    let begun = Instant::now();
    let second = loop {
        let token = next(&lines, "the next token")?;
        if token != first {
            break token;
        }
    };
    accepted(client, &second)?;
    diary.note(
        "rotate",
        begun.elapsed(),
        "another token is in the file; the program just read on (an hour is 6 s here)",
    )?;
    let begun = Instant::now();
    let (code, answer) = client.delete(&format!("{PODS}/tour"))?;
    expect(code, answer)?;
    diary.note("delete", begun.elapsed(), "the pod")?;
    for token in [&first, &second] {
        let status = review(client, token)?;
        if status["authenticated"] == true {
            return Err(failed("a token of the deleted pod was accepted"));
        }
        if token == &second {
            let why = status["error"].as_str().unwrap_or("not authenticated");
            diary.note(
                "refuse",
                begun.elapsed(),
                &format!("both tokens, counted from the request to delete: {why}"),
            )?;
        }
    }
    match runner.end("the program")?.code() {
        Some(143) => diary.note("end", begun.elapsed(), "the program was ended with its pod"),
        code => Err(failed(format!("jeton run ended with {code:?} instead of 143"))),
    }
}

fn review(client: &Client, token: &str) -> Result<Value, Failure> {
    let body =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}});
    let (code, answer) = client.post(REVIEWS, &body)?;
    Ok(expect(code, answer)?["status"].clone())
}

/// Who the server says it is.
fn accepted(client: &Client, token: &str) -> Result<String, Failure> {
    let status = review(client, token)?;
    match (status["authenticated"] == true, status["user"]["username"].as_str()) {
        (true, Some(name)) => Ok(name.to_owned()),
        _ => {
            Err(failed(format!("the token was refused: {}", status["error"].as_str().unwrap_or("no reason"))))
        }
    }
}
