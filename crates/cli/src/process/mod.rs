//! The one place that touches the process: clock, environment, signals, standard streams.

pub(crate) mod client;
mod exec_plugin;
pub(crate) mod cluster_api;

use crate::args::{LogFormat, Logging};
use jeton_core::clock::Clock;
use jeton_core::limits::MAX_TOKEN_BYTES;
use jeton_core::policy::Lifetimes;
use jeton_core::text::printable;
use jeton_core::time::UnixTime;
use std::error::Error;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Files and sockets this process may have open, if the system lets it.
const WANTED_FILES: u64 = 32_768;

/// A command that did not do what it should.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) message: String,
}

impl Failure {
    /// An error with everything that led to it.
    pub(crate) fn of(error: &dyn Error) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            message.push_str(": ");
            message.push_str(&error.to_string());
            cause = error.source();
        }
        Self { code: 1, message }
    }

    /// The same, with the file it is about.
    pub(crate) fn at(self, path: &std::path::Path) -> Self {
        Self { code: self.code, message: format!("{}: {}", path.display(), self.message) }
    }

    /// Misuse of the command line or environment.
    pub(crate) fn misuse(message: impl Into<String>) -> Self {
        Self { code: 64, message: message.into() }
    }
}

/// Says why a command failed.
pub(crate) fn complain(failure: &Failure) {
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(std::io::stderr(), "error: {}", printable(&failure.message));
}

/// Tells something on the way, on standard error.
pub(crate) fn note(line: &str) {
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(std::io::stderr(), "{}", printable(line));
}

/// Writes one line to standard output, at once. Claims of a token and words of a server are in some: none drives the terminal.
pub(crate) fn say(line: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", printable(line)).and_then(|()| out.flush()).map_err(|e| Failure::of(&e))
}

/// Writes a whole text to standard output. A reader that has seen enough (`| head`) is no error.
pub(crate) fn write_out(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::of(&error)),
        _ => Ok(()),
    }
}

/// The system's clock.
pub(crate) fn clock() -> Clock {
    Clock::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixTime::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    })
}

/// The name of this machine, for people.
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Sends logs to standard error, plainly, for a command that is not a server.
pub(crate) fn log_to_stderr(level: tracing::Level) {
    let builder = tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(level);
    // A second start in one process would be a programming error, and harmless.
    let _ = builder.log_internal_errors(false).with_ansi(false).with_target(false).try_init();
}

/// Sends logs to standard error.
pub(crate) fn log(logging: &Logging) {
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let builder = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(logging.log_level)
        // It would tell standard error that standard error is full or closed, and panic in the middle of a request.
        .log_internal_errors(false)
        .with_ansi(colour);
    // A second start in one process would be a programming error, and harmless.
    let _ = match logging.log_format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}

/// `JETON_TEST_LIFETIMES=min=…,injected=…,extended=…,leeway=…`, in seconds.
pub(crate) fn test_lifetimes() -> Result<Option<Lifetimes>, Failure> {
    let Some(text) = std::env::var_os("JETON_TEST_LIFETIMES") else { return Ok(None) };
    let wrong = |part: &str| {
        Failure::misuse(format!(
            "JETON_TEST_LIFETIMES: {part:?} is not min=…, injected=…, extended=… or leeway=… with a number of seconds"
        ))
    };
    let mut lifetimes = Lifetimes::default();
    for part in text.to_string_lossy().split(',').filter(|p| !p.is_empty()) {
        let (name, value) = part.split_once('=').ok_or_else(|| wrong(part))?;
        let seconds: i64 = value.parse().map_err(|_| wrong(part))?;
        match name {
            "min" => lifetimes.min = seconds,
            "injected" => lifetimes.injected = seconds,
            "extended" => lifetimes.extended = seconds,
            "leeway" => lifetimes.leeway = seconds,
            _ => return Err(wrong(part)),
        }
    }
    Ok(Some(lifetimes))
}

/// Ready when the process is asked to end.
pub(crate) async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals cannot be received; end this process with kill -9");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}

/// The first signal that asked this process to end, once they are caught; 0: none yet.
static CAUGHT: AtomicU8 = AtomicU8::new(0);

/// From now on a signal that asks to end is only remembered: whoever works looks for it, and cleans up.
pub(crate) fn catch_signals() -> Result<(), Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::of(&e))?;
    let of = |kind: SignalKind| {
        let _entered = runtime.enter();
        signal(kind).map_err(|e| Failure::of(&e))
    };
    let (mut term, mut int) = (of(SignalKind::terminate())?, of(SignalKind::interrupt())?);
    let mut hup = of(SignalKind::hangup())?;
    std::thread::spawn(move || {
        let number = runtime.block_on(async {
            tokio::select! {
                _ = term.recv() => SignalKind::terminate(),
                _ = int.recv() => SignalKind::interrupt(),
                _ = hup.recv() => SignalKind::hangup(),
            }
        });
        CAUGHT.store(u8::try_from(number.as_raw_value()).unwrap_or(u8::MAX), Ordering::Relaxed);
    });
    Ok(())
}

/// The signal that asked to end, once there was one.
pub(crate) fn caught_signal() -> Option<u8> {
    Some(CAUGHT.load(Ordering::Relaxed)).filter(|number| *number != 0)
}

/// Raises the limit of open files as far as it may be.
pub(crate) fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let allowed = limit.maximum.unwrap_or(WANTED_FILES).min(WANTED_FILES);
    if limit.current.is_some_and(|current| current < allowed) {
        let raised = Rlimit { current: Some(allowed), maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "the limit of open files stays as it is");
        }
    }
}

/// A token from standard input.
pub(crate) fn token_from_stdin() -> Result<String, Failure> {
    use std::io::Read;
    let mut text = String::new();
    let limit = u64::try_from(MAX_TOKEN_BYTES).unwrap_or(u64::MAX) + 2;
    let read = std::io::stdin().lock().take(limit).read_to_string(&mut text);
    read.map_err(|_| Failure::misuse("standard input is no token: it is not UTF-8, or cannot be read"))?;
    Ok(text.trim().to_owned())
}
