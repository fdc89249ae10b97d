//! Audit logs: files and standard input, plain or compressed, in the envelope of any log service that is known.
//!
//! The caller's thread reads blocks, workers reduce each to a small tally, and one owner merges the tallies in the order of
//! the blocks. So the facts, and what is forgotten, are the same for any number of workers.
//!
//! Memory, in MB, whatever the machine has: texts in flight [`BLOCKS_IN_FLIGHT`] x [`BLOCK_BYTES`] = 13 and as much again
//! for texts that an envelope had escaped; a record of [`MAX_RECORD_BYTES`] while its buffer grows 18; a tally for each
//! block in flight of [`MAX_BLOCK_CREDENTIALS`] x 1 kB = 25; the owner's credentials 80, token requests 40, pods and
//! refusals 20, audit ids 8. Together 217 MB, 207 MiB. A longer block counts as several. Not in it: the window of a
//! compressed file, and what the rules make of the facts afterwards.
//!
//! [`BLOCKS_IN_FLIGHT`]: crate::limits::BLOCKS_IN_FLIGHT
//! [`BLOCK_BYTES`]: crate::limits::BLOCK_BYTES
//! [`MAX_RECORD_BYTES`]: crate::limits::MAX_RECORD_BYTES
//! [`MAX_BLOCK_CREDENTIALS`]: crate::limits::MAX_BLOCK_CREDENTIALS

mod event;
mod line;
mod envelope;
mod seen;
mod record;
mod tally;
mod split;
mod source;
mod scan;
mod parallel;
#[cfg(test)]
mod forget_tests;

use crate::facts::{Facts, Missing};
use crate::limits::MAX_WORKERS;
use parallel::in_parallel;
use scan::{Verdict, Whole, finder, reduce};
use source::{Block, Source, Spare};
use tally::Bounds;

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
    read_within(names, options, Bounds::LOG, facts, progress);
}

fn read_within(
    names: &[String],
    options: Options,
    bounds: Bounds,
    facts: &mut Facts,
    progress: Progress<'_>,
) {
    let mut whole = Whole::new(bounds);
    let workers = options.workers.clamp(1, MAX_WORKERS);
    let files = if workers == 1 {
        let quick = options.quick.then(finder);
        let spare = std::cell::Cell::new(Vec::new());
        dispatch(names, progress, &mut || spare.take(), &mut |file, block| {
            whole.merge(file, reduce(&block, quick.as_ref()));
            spare.set(parallel::emptied(block));
        })
    } else {
        in_parallel(names, workers, options.quick, progress, &mut whole)
    };
    for (index, file) in files.into_iter().enumerate() {
        facts.sources.push(whole.source(index, &names[index], file, options.quick));
    }
    whole.finish(facts);
}

/// Reads text that is at hand already.
pub fn read_bytes(name: &str, bytes: &'static [u8], facts: &mut Facts) {
    let mut whole = Whole::new(Bounds::LOG);
    let mut file = File::default();
    match Source::new(Box::new(bytes)) {
        Ok(mut source) => blocks(name, &mut source, &mut file, &mut Vec::new, &mut |block| {
            whole.merge(0, reduce(&block, None));
        }),
        Err(error) => file.error = Some(format!("{name}: {error}")),
    }
    facts.sources.push(whole.source(0, name, file, false));
    whole.finish(facts);
}

/// What became of one file, apart from its records.
#[derive(Debug, Default)]
struct File {
    error: Option<String>,
    too_long: u64,
    broken_off: Option<String>,
}

/// Opens file after file and hands out their blocks.
fn dispatch(
    names: &[String],
    progress: Progress<'_>,
    spare: Spare<'_>,
    each: &mut dyn FnMut(usize, Block),
) -> Vec<File> {
    let mut done = 0;
    let mut files = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let mut file = File::default();
        match source::open(name) {
            Ok(mut source) => blocks(name, &mut source, &mut file, spare, &mut |block| {
                done += block.text().len() as u64;
                progress(done, name);
                each(index, block);
            }),
            Err(error) => file.error = Some(format!("{name}: {error}")),
        }
        files.push(file);
    }
    files
}

fn blocks(name: &str, source: &mut Source, file: &mut File, spare: Spare<'_>, each: &mut dyn FnMut(Block)) {
    let mut first = true;
    while let Some(block) = source.next(spare) {
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
