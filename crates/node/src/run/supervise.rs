//! The supervisor: everything that needs a credential, and the program's whole life seen from outside.

use super::job::Job;
use super::keeper::ALLOCATOR_VARIABLE;
use super::link::{Door, Line, Link};
use super::place::Place;
use super::session::Session;
use super::signals::{self, Caught};
use super::{Identity, KEEP_COMMAND, Note, RunError, THIS_PROGRAM, own, pod, reap, server};
use crate::api::{self, Context, Files};
use crate::happening::{Happening, Sink};
use crate::keep::Keeper;
use crate::volume::Dir;
use crate::wanted::{self, PodRef};
use jeton_core::clock::Clock;
use jeton_core::deliver::Ownership;
use k8s_openapi::api::core::v1::Pod;
use kube::{Client, Config};
use rustix::process::{DumpableBehavior, Signal};
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, sleep_until, timeout};

/// Seconds for the first token.
const FIRST_TOKEN_SECONDS: u64 = 30;

/// What is to be run, and as whom.
pub struct Settings {
    /// How to reach the server; the current context counts.
    pub kubeconfig: PathBuf,
    /// Who the program is to be; an empty namespace is the context's.
    pub identity: Identity,
    /// The program and its arguments.
    pub command: Vec<OsString>,
    /// Whether a private mount is wanted.
    pub mount: bool,
    /// The time.
    pub clock: Clock,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Settings({:?})", self.identity)
    }
}

/// The keeper's process, and the line to it.
struct Kept {
    child: Child,
    link: Link,
    lines: UnboundedReceiver<Line>,
    place: Place,
}

/// What the whole life of a program needs.
struct Scene<'a> {
    settings: &'a Settings,
    config: Config,
    files: Files,
    note: &'a Note,
}

/// Runs a program to its end; gives back its exit code.
///
/// # Errors
/// [`RunError`]; the program has not been started then, or was ended.
pub fn run(settings: &Settings, note: &Note) -> Result<u8, RunError> {
    // What is in this memory is not for the program, which may be the same user's.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(RunError::system)?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).map_err(RunError::system)?;
    let mut signals = signals::listen()?;
    for left in own::sweep() {
        note(&format!("{} was left by a runner that was killed; it is removed", left.display()));
    }
    // One thread: the keeper's end hangs on the one that started it.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RunError::System)?;
    let read = runtime.block_on(api::read(&settings.kubeconfig, server::USER_AGENT));
    let (config, files) = read.map_err(|e| RunError::Kubeconfig(e.into()))?;
    let scene = Scene { settings, config, files, note };
    let mut kept = Kept::start(&scene)?;
    let began = runtime.block_on(async {
        tokio::select! {
            began = scene.begin() => began.map(Ok),
            caught = ending(&mut signals) => Ok(Err(caught)),
        }
    });
    let (session, client, pod) = match began {
        Ok(Ok(began)) => began,
        other => {
            kept.finish();
            return other.map(|caught| caught.map_or_else(Caught::code, |_| 0));
        }
    };
    let outcome = runtime.block_on(scene.live(&session, client, &pod, &mut kept, &mut signals));
    // First the program and all it started, then the pod: what runs has its token.
    kept.finish();
    runtime.block_on(session.end());
    outcome
}

/// The first signal that asks to end.
async fn ending(signals: &mut UnboundedReceiver<Caught>) -> Caught {
    loop {
        match signals.recv().await {
            Some(caught) if caught.ends() => return caught,
            Some(_) => {}
            None => return std::future::pending().await,
        }
    }
}

impl Scene<'_> {
    async fn begin(&self) -> Result<(Session, Client, Pod), RunError> {
        let mut identity = self.settings.identity.clone();
        if identity.namespace.is_empty() {
            identity.namespace.clone_from(&self.config.default_namespace);
        }
        let (path, config) = (&self.settings.kubeconfig, self.config.clone());
        let client = api::client(path, config, self.files.clone(), server::USER_AGENT);
        let client = client.map_err(|e| RunError::Kubeconfig(e.into()))?;
        let program = self.settings.command.first().map(OsString::as_os_str).unwrap_or_default();
        let clock = self.settings.clock.clone();
        let (session, pod) = Session::begin(client.clone(), clock, &identity, program, self.note).await?;
        Ok((session, client, pod))
    }

    /// From the pod to the end of the program.
    async fn live(
        &self,
        session: &Session,
        client: Client,
        pod: &Pod,
        kept: &mut Kept,
        signals: &mut UnboundedReceiver<Caught>,
    ) -> Result<u8, RunError> {
        let context = Context::new(client, self.settings.clock.clone(), Arc::new(Voice(self.note.clone())));
        let mut wanted = wanted::wanted(pod).map_err(RunError::Refused)?;
        let volume = pod::token_volume(pod).ok_or(RunError::NoVolume)?;
        wanted.volumes.retain(|v| v.name == volume.name);
        // The program is this user's, whatever a pod's container would be.
        wanted.owner = Ownership::default();
        let dir = Dir::open(&kept.outside()).map_err(|e| RunError::Keeper(super::chain(&e)))?;
        let keeper = Keeper::start(&context, wanted, vec![dir]);
        let over = session.stand_behind();
        tokio::pin!(over);
        tokio::select! {
            first = self.first_token(&keeper, kept.outside()) => first?,
            caught = ending(signals) => return Ok(caught.code()),
            () = &mut over => return Err(RunError::Refused(format!("the pod {} was deleted", session.name()))),
        }
        kept.link.say(&Line::Start);
        let mut waiting =
            Wait { grace: Duration::from_secs(self.settings.identity.grace_seconds.into()), kill_at: None };
        let beside = async {
            tokio::join!(session.running(), session.collect_others());
        };
        tokio::pin!(beside);
        let (mut gone, mut job) = (false, Job::default());
        loop {
            let kill_at = waiting.kill_at;
            tokio::select! {
                line = kept.lines.recv() => match line {
                    Some(Line::Ended(code)) => return Ok(code),
                    Some(Line::Failed(why)) => return Err(RunError::Keeper(why)),
                    Some(Line::Stopped(program, signal)) => job.stopped(program, signal).await,
                    Some(_) => {}
                    None => return Err(RunError::KeeperGone),
                },
                Some(caught) = signals.recv() => match caught.continues() {
                    true => job.continued(),
                    false => waiting.pass(caught, &kept.link),
                },
                () = &mut over, if !gone => {
                    gone = true;
                    (self.note)(&format!("the pod {} was deleted; the program is ended", session.name()));
                    waiting.end(&kept.link);
                }
                () = sleep_until(kill_at.unwrap_or_else(Instant::now)), if kill_at.is_some() => {
                    waiting.kill_at = None;
                    kept.link.say(&Line::Signal(Signal::KILL.as_raw()));
                }
                () = &mut beside => {}
            }
        }
    }

    /// Waits until the program has what it needs; says what it will miss.
    async fn first_token(&self, keeper: &Keeper, place: PathBuf) -> Result<(), RunError> {
        let mut progress = keeper.progress();
        let complete = progress.wait_for(|p| p.complete());
        let in_time = timeout(Duration::from_secs(FIRST_TOKEN_SECONDS), complete).await.is_ok();
        let missing = keeper.progress().borrow().faults.join("; ");
        if !in_time && !place.join("token").exists() {
            return Err(RunError::NoToken(FIRST_TOKEN_SECONDS, missing));
        }
        if !missing.is_empty() {
            (self.note)(&format!("the program starts without all its files: {missing}"));
        }
        if let Ok(ca) = std::fs::read(place.join("ca.crt"))
            && server::is_trusted(&self.config, &ca) == Some(false)
        {
            (self.note)(
                "ca.crt in the volume is not the authority that the kubeconfig trusts; the program may refuse the server",
            );
        }
        Ok(())
    }
}

/// What the program was asked, and until when it may take its time.
struct Wait {
    grace: Duration,
    kill_at: Option<Instant>,
}

impl Wait {
    fn pass(&mut self, caught: Caught, link: &Link) {
        if caught.number == Signal::TERM.as_raw() && !caught.by_terminal {
            self.end(link);
        } else if !caught.by_terminal {
            link.say(&Line::Signal(caught.number));
        }
    }

    /// Asks the program to end; after its grace it is killed.
    fn end(&mut self, link: &Link) {
        link.say(&Line::Signal(Signal::TERM.as_raw()));
        self.kill_at.get_or_insert(Instant::now() + self.grace);
    }
}

impl Kept {
    /// With a private mount, or, where there is none to be had, with a directory, and says so.
    fn start(scene: &Scene<'_>) -> Result<Self, RunError> {
        if scene.settings.mount {
            match Self::attempt(scene, true) {
                Ok(kept) => return Ok(kept),
                Err(RunError::Keeper(why)) => {
                    (scene.note)(&format!(
                        "{why}; the program finds its files in the directory that {} names",
                        super::DIRECTORY_VARIABLE
                    ));
                }
                Err(error) => return Err(error),
            }
        }
        Self::attempt(scene, false)
    }

    fn attempt(scene: &Scene<'_>, mount: bool) -> Result<Self, RunError> {
        let (host, port) = server::address(&scene.config)?;
        let door = Door::open()?;
        let mut command = Command::new(THIS_PROGRAM);
        command.args([KEEP_COMMAND, "--door", &door.name]);
        command.args(["--group", &rustix::process::getpgrp().as_raw_nonzero().to_string()]);
        if mount {
            command.arg("--mount");
        }
        if let Some(value) = std::env::var_os(ALLOCATOR_VARIABLE) {
            command.arg("--allocator").arg(value);
        }
        command.arg("--").args(&scene.settings.command);
        command.env("KUBERNETES_SERVICE_HOST", host).env("KUBERNETES_SERVICE_PORT", port);
        command.env(ALLOCATOR_VARIABLE, "background_thread:false");
        // In a group of its own, it gets nothing from a terminal.
        let mut child = command.process_group(0).spawn().map_err(RunError::Start)?;
        match Self::greet(&child, door) {
            Ok((link, lines, place)) => Ok(Self { child, link, lines, place }),
            Err(error) => {
                // Its line is closed, so it ends.
                let _ = child.wait();
                Err(error)
            }
        }
    }

    fn greet(child: &Child, door: Door) -> Result<(Link, UnboundedReceiver<Line>, Place), RunError> {
        let link = door.answer(child.id())?;
        let mut heard = link.again()?.hear();
        let place = match heard.next() {
            Some(Line::Mounted(path)) => Place::Mounted(path),
            Some(Line::Directory(path)) => Place::Directory(path),
            Some(Line::Failed(why)) => return Err(RunError::Keeper(why)),
            _ => return Err(RunError::KeeperGone),
        };
        let (sender, lines) = unbounded_channel();
        std::thread::spawn(move || heard.try_for_each(|line| sender.send(line)));
        Ok((link, lines, place))
    }

    /// The place as this process reaches it, which is not in the keeper's namespace.
    fn outside(&self) -> PathBuf {
        let root = Path::new("/proc").join(self.child.id().to_string()).join("root");
        match &self.place {
            Place::Mounted(path) => root.join(path.strip_prefix("/").unwrap_or(path)),
            Place::Directory(path) => path.clone(),
        }
    }

    /// Ends whatever still runs, and waits for it.
    fn finish(&mut self) {
        self.link.hang_up();
        // An error means that it is gone already.
        let _ = self.child.wait();
        reap::kill_all();
        self.place.remove();
    }
}

/// Tells people what goes wrong with the volume; what goes well is not their business.
struct Voice(Note);

impl Sink for Voice {
    fn happened(&self, _: &PodRef, what: &Happening) {
        if let Some(line) = words(what) {
            (self.0)(&line);
        }
    }
}

fn words(what: &Happening) -> Option<String> {
    let of = |audience: &str| if audience.is_empty() { String::new() } else { format!(" for {audience}") };
    Some(match what {
        Happening::TokenFailed { audience, why, .. } => format!("no new token{}: {why}", of(audience)),
        Happening::TokenLate { audience } => format!("the token{} is late to be replaced", of(audience)),
        Happening::TokenExpired { audience } => format!("the token{} has expired", of(audience)),
        Happening::AccountReplaced => "the service account was made anew; the token is replaced".to_owned(),
        Happening::SourceFailed { what, why, .. } => format!("{what} is not delivered: {why}"),
        Happening::DiskFailed { why, .. } => format!("the volume cannot be written: {why}"),
        Happening::Blocked { name, .. } => format!("something else is in the place of {name:?}"),
        Happening::NotGiven { why } => why.clone(),
        Happening::TokenRefreshed { .. } | Happening::Written { .. } | Happening::NoRoom { .. } => {
            return None;
        }
    })
}
