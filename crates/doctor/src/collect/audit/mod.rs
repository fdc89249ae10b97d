//! Audit logs: files and standard input, plain or compressed, in the envelope of any log service that is known.

mod event;
mod line;
mod envelope;
mod seen;
mod tally;
mod split;
mod source;
mod scan;
#[cfg(test)]
mod forget_tests;

use crate::facts::{Facts, Missing};
use crate::limits::{BLOCKS_IN_FLIGHT, MAX_WORKERS};
use scan::{Scan, Verdict};
use seen::Seen;
use source::{Block, Source};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use tally::Tally;

pub(crate) use tally::SPAN_SECONDS;

/// How to read.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Look at annotations only.
    pub quick: bool,
    /// Threads that parse; 1 does everything in the caller's.
    pub workers: usize,
}

/// Told the bytes of text that were read so far and the file they came from.
pub type Progress<'a> = &'a mut dyn FnMut(u64, &str);

/// Reads all files into `facts`.
pub fn read(names: &[String], options: Options, facts: &mut Facts, progress: Progress<'_>) {
    let seen = Seen::new();
    let workers = options.workers.clamp(1, MAX_WORKERS);
    let new = || Scan::new(Tally::new(&seen, workers), options.quick);
    let (whole, files) = if workers == 1 {
        let mut scan = new();
        let files = dispatch(names, progress, &mut |file, block| scan.block(file, &block));
        (scan, files)
    } else {
        in_parallel(names, workers, progress, &new)
    };
    for (index, file) in files.into_iter().enumerate() {
        facts.sources.push(whole.source(index, &names[index], file, options.quick));
    }
    whole.finish(facts);
}

/// Reads text that is at hand already.
pub fn read_bytes(name: &str, bytes: &'static [u8], facts: &mut Facts) {
    let seen = Seen::new();
    let mut scan = Scan::new(Tally::new(&seen, 1), false);
    let mut file = File::default();
    match Source::new(Box::new(bytes)) {
        Ok(mut source) => blocks(name, &mut source, &mut file, &mut |block| scan.block(0, &block)),
        Err(error) => file.error = Some(format!("{name}: {error}")),
    }
    facts.sources.push(scan.source(0, name, file, false));
    scan.finish(facts);
}

/// What became of one file, apart from its records.
#[derive(Debug, Default)]
struct File {
    error: Option<String>,
    too_long: u64,
    broken_off: Option<String>,
}

fn in_parallel<'s>(
    names: &[String],
    workers: usize,
    progress: Progress<'_>,
    new: &(dyn Fn() -> Scan<'s> + Sync),
) -> (Scan<'s>, Vec<File>) {
    std::thread::scope(|scope| {
        let mut lines: Vec<SyncSender<(usize, Block)>> = Vec::new();
        let mut handles = Vec::new();
        for _ in 0..workers {
            let (sender, receiver): (_, Receiver<(usize, Block)>) = sync_channel(BLOCKS_IN_FLIGHT);
            lines.push(sender);
            handles.push(scope.spawn(move || {
                let mut scan = new();
                receiver.iter().for_each(|(file, block)| scan.block(file, &block));
                scan
            }));
        }
        let mut turn = 0;
        let files = dispatch(names, progress, &mut |file, block| {
            turn = (turn + 1) % lines.len();
            // A worker that is gone has panicked; joining it below says so.
            let _ = lines[turn].send((file, block));
        });
        drop(lines);
        let mut whole = new();
        for handle in handles {
            match handle.join() {
                Ok(scan) => whole.merge(scan),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        (whole, files)
    })
}

/// Opens file after file and hands out their blocks.
fn dispatch(names: &[String], progress: Progress<'_>, each: &mut dyn FnMut(usize, Block)) -> Vec<File> {
    let mut done = 0;
    let mut files = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let mut file = File::default();
        match source::open(name) {
            Ok(mut source) => blocks(name, &mut source, &mut file, &mut |block| {
                done += block.bytes.len() as u64;
                progress(done, name);
                each(index, block);
            }),
            Err(error) => file.error = Some(format!("{name}: {error}")),
        }
        files.push(file);
    }
    files
}

fn blocks(name: &str, source: &mut Source, file: &mut File, each: &mut dyn FnMut(Block)) {
    let mut first = true;
    while let Some(block) = source.next() {
        if first && let Verdict::Foreign { line, what } = scan::probe(&block) {
            file.error = Some(format!(
                "{name}, line {line}: {what}. Known are audit.k8s.io/v1 lines, EventList, CloudWatch, Google LogEntry, Azure properties.log and Huawei LTS, as JSON, text or CSV"
            ));
            return;
        }
        first = false;
        each(block);
    }
    file.too_long = source.too_long;
    file.broken_off = source.broken_off.take();
}

/// A gap with its detail.
fn missing(id: &'static str, detail: impl Into<String>) -> Missing {
    Missing { id, detail: detail.into() }
}
