//! `jeton doctor audit` and `demo`.

use super::output;
use super::parts::Parts;
use crate::args_doctor::{Audit, Demo};
use crate::process::{Failure, clock};
use jeton_doctor::collect::audit::{Options, read, read_bytes};
use jeton_doctor::facts::Facts;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

/// Bytes of text between two looks at the progress bar.
const BAR_BYTES: u64 = 64 * 1024 * 1024;

pub(crate) fn run(args: &Audit) -> Result<ExitCode, Failure> {
    let mut parts = Parts::none();
    parts.read_logs(("", &args.files, true), args.quick, args.threads)?;
    parts.read_addons(&args.addons)?;
    output::finish(parts.into_facts(), &args.common, clock().now())
}

/// Reads audit logs, with a progress bar on a terminal.
pub(super) fn read_into(
    files: &[String],
    quick: bool,
    threads: Option<usize>,
    facts: &mut Facts,
) -> Result<(), Failure> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let workers = threads.unwrap_or(cores);
    if workers == 0 {
        return Err(Failure::misuse("--threads 0: at least 1 thread is needed"));
    }
    let mut bar = Bar::new(files);
    read(files, Options { quick, workers }, facts, &mut |done, name| bar.show(done, name));
    bar.end();
    Ok(())
}

/// A day of three pods, made for the purpose.
const DEMO: &[u8] = include_bytes!("../../../../doctor/knowledge/demo.jsonl");

pub(crate) fn demo(args: &Demo) -> Result<ExitCode, Failure> {
    let mut facts = Facts::default();
    read_bytes("demo", DEMO, &mut facts);
    output::finish(vec![facts], &args.common, clock().now())
}

/// Progress on a terminal: bytes of text, and of how many where the files are plain.
struct Bar {
    shown: u64,
    total: Option<u64>,
    on: bool,
}

impl Bar {
    fn new(files: &[String]) -> Self {
        let size = |name: &String| {
            let plain = !name.ends_with(".gz") && !name.ends_with(".zst");
            std::fs::metadata(name).ok().filter(|m| plain && m.is_file()).map(|m| m.len())
        };
        let total = files.iter().map(size).sum::<Option<u64>>();
        Self { shown: 0, total, on: std::io::stderr().is_terminal() }
    }

    fn show(&mut self, done: u64, name: &str) {
        if !self.on || done < self.shown + BAR_BYTES {
            return;
        }
        self.shown = done;
        let mib = done >> 20;
        let share =
            self.total.filter(|t| *t > 0).map(|t| format!(" {}%", done * 100 / t)).unwrap_or_default();
        let _ = write!(std::io::stderr(), "\r\x1b[K{mib} MiB{share} {}", name.escape_default());
    }

    fn end(&self) {
        if self.on && self.shown > 0 {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
