//! Audit logs: files and standard input, plain or compressed, in the envelope of any log service that is known.
//!
//! Workers cut blocks off the log and reduce each to rows (`rows`); one bookkeeper enters the rows in the order of
//! the log (`tally`). So the facts, and what is forgotten, are the same for any number of workers.
//!
//! Memory, in MB, whatever the machine has and however long the log is: text in the workers' hands [`BLOCKS_IN_FLIGHT`] x
//! [`BLOCK_BYTES`] = 6, and rows of it, four times that when events are as small as they can be, 25; a record of
//! [`MAX_RECORD_BYTES`] while its buffer grows 18; the books: credentials 60, token requests 35, pods and refusals 20,
//! audit ids 8. Together 172 MB, 164 MiB. A longer block counts as several. Not in it: the window of a compressed file.
//! What the rules make of the facts comes afterwards, when text and rows are gone, and takes more: up to 220 MiB were
//! measured with as many workloads as there is room for, a million of them in the log. Names of the usual lengths are
//! assumed everywhere.
//!
//! [`BLOCKS_IN_FLIGHT`]: crate::limits::BLOCKS_IN_FLIGHT
//! [`BLOCK_BYTES`]: crate::limits::BLOCK_BYTES
//! [`MAX_RECORD_BYTES`]: crate::limits::MAX_RECORD_BYTES

mod event;
mod skim;
mod line;
mod envelope;
mod pack;
mod seen;
mod rows;
mod record;
mod tally;
mod split;
mod source;
mod scan;
mod reader;
mod parallel;
#[cfg(test)]
mod forget_tests;

use crate::facts::{Facts, Missing};
use crate::limits::MAX_WORKERS;
use parallel::in_parallel;
use reader::Reader;
use scan::{Whole, finder};
use source::{Block, File, Source};
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
    let reader = Reader::new(names);
    let files = match options.workers.clamp(1, MAX_WORKERS) {
        1 => alone(reader, options.quick, progress, &mut whole),
        workers => in_parallel(reader, workers, options.quick, progress, &mut whole),
    };
    for (index, file) in files.into_iter().enumerate() {
        facts.sources.push(whole.source(index, &names[index], file, options.quick));
    }
    whole.finish(facts);
}

/// Reads text that is at hand already.
pub fn read_bytes(name: &str, bytes: &'static [u8], facts: &mut Facts) {
    let mut whole = Whole::new(Bounds::LOG);
    let names = [name.to_owned()];
    let file = match Source::new(Box::new(bytes)) {
        Ok(source) => alone(Reader::at(source, &names), false, &mut |_, _| {}, &mut whole).pop(),
        Err(error) => Some(File { error: Some(format!("{name}: {error}")), ..File::default() }),
    };
    facts.sources.push(whole.source(0, name, file.unwrap_or_default(), false));
    whole.finish(facts);
}

/// Everything on the caller's thread.
fn alone(mut reader: Reader<'_>, quick: bool, progress: Progress<'_>, whole: &mut Whole) -> Vec<File> {
    let quick = quick.then(finder);
    let (mut block, mut part, mut done) = (Block::default(), rows::Part::default(), 0);
    while let Some(file) = reader.next(&mut block) {
        scan::digest(&block, quick.as_ref(), &mut part);
        whole.enter(file, &mut part);
        done += block.text().len() as u64;
        progress(done, reader.names.get(file).map_or("", String::as_str));
    }
    reader.finish()
}

/// A gap with its detail.
fn missing(id: &'static str, detail: impl Into<String>) -> Missing {
    Missing { id, detail: detail.into() }
}
