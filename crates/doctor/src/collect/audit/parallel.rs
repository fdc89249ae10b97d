//! Several workers, one bookkeeper. Each worker cuts itself a block off the log and makes rows of it; the bookkeeper, on the
//! caller's thread, enters the rows in the order of the log.
//!
//! Parts go round, and there are only so many: who has none waits. Cutting is done by one worker at a time, so the block
//! that is the next to be entered is always in the hands of somebody who needs nothing more for it.

use super::Progress;
use super::reader::Reader;
use super::rows::Part;
use super::scan::{Whole, digest, finder};
use super::source::{Block, File};
use crate::limits::{BLOCK_BYTES, BLOCKS_IN_FLIGHT};
use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

/// Where a worker takes a part and cuts the block for it.
struct Desk<'n> {
    reader: Reader<'n>,
    spares: Receiver<Part>,
    /// Blocks that were cut.
    number: u64,
}

/// A block and what it belongs to.
struct Job {
    number: u64,
    file: usize,
    part: Part,
    /// Parts that it stands for: more than one when the block is longer than the others.
    places: usize,
}

/// A block that was digested, with its bytes.
type Told = Result<(Job, u64), Box<dyn Any + Send>>;

/// Reads all files with `workers` threads that parse.
pub(super) fn in_parallel(
    reader: Reader<'_>,
    workers: usize,
    quick: bool,
    progress: Progress<'_>,
    whole: &mut Whole,
) -> Vec<File> {
    let names = reader.names;
    let (give, spares) = channel();
    for _ in 0..BLOCKS_IN_FLIGHT {
        let _ = give.send(Part::default());
    }
    let desk = Mutex::new(Desk { reader, spares, number: 0 });
    let books = std::thread::scope(|scope| {
        let (tell, told) = channel();
        for _ in 0..workers {
            let (tell, desk) = (tell.clone(), &desk);
            scope.spawn(move || work(desk, quick, &tell));
        }
        drop(tell);
        keep(&told, give, names, progress, whole)
    });
    if let Err(panic) = books {
        resume_unwind(panic);
    }
    desk.into_inner().map(|desk| desk.reader.finish()).unwrap_or_default()
}

fn work(desk: &Mutex<Desk<'_>>, quick: bool, tell: &Sender<Told>) {
    let quick = quick.then(finder);
    let mut block = Block::default();
    // Another worker's panic is told by itself.
    while let Some(mut job) = desk.lock().ok().and_then(|mut desk| desk.next(&mut block)) {
        let told = catch_unwind(AssertUnwindSafe(|| {
            digest(&block, quick.as_ref(), &mut job.part);
            (job, block.text().len() as u64)
        }));
        if tell.send(told).is_err() {
            return;
        }
    }
}

impl Desk<'_> {
    /// The next block; none at the end of the log, or when the bookkeeper is gone.
    fn next(&mut self, block: &mut Block) -> Option<Job> {
        let part = self.spares.recv().ok()?;
        let file = self.reader.next(block)?;
        let places = block.text().len().div_ceil(BLOCK_BYTES).clamp(1, BLOCKS_IN_FLIGHT);
        for _ in 1..places {
            drop(self.spares.recv().ok()?);
        }
        self.number += 1;
        Some(Job { number: self.number - 1, file, part, places })
    }
}

/// Enters parts in the order of their blocks. Those that came too early wait.
fn keep(
    told: &Receiver<Told>,
    give: Sender<Part>,
    names: &[String],
    progress: Progress<'_>,
    whole: &mut Whole,
) -> Result<(), Box<dyn Any + Send>> {
    let mut early = BTreeMap::new();
    let (mut next, mut done) = (0, 0);
    for told in told {
        let (job, bytes) = told?;
        early.insert(job.number, (job, bytes));
        while let Some((mut job, bytes)) = early.remove(&next) {
            whole.enter(job.file, &mut job.part);
            // Nobody takes them when everything was read.
            let _ = give.send(job.part);
            for _ in 1..job.places {
                let _ = give.send(Part::default());
            }
            next += 1;
            done += bytes;
            progress(done, names.get(job.file).map_or("", String::as_str));
        }
    }
    Ok(())
}
