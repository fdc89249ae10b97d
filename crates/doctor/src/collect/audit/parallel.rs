//! One reader, several workers, one owner. Buffers go round, and there are only so many: who has none waits.

use super::scan::{Part, Whole, finder, reduce};
use super::source::Block;
use super::{File, Progress, dispatch};
use crate::limits::{BLOCK_BYTES, BLOCKS_IN_FLIGHT};
use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};

/// A block on its way.
struct Job {
    number: u64,
    file: usize,
    block: Block,
}

/// A block that was reduced, and its buffer.
struct Done {
    file: usize,
    part: Part,
    buffer: Vec<u8>,
    /// Places in flight that the block took.
    places: usize,
}

/// What a worker tells the owner.
type Told = Result<(u64, Done), Box<dyn Any + Send>>;

/// Reads all files with `workers` threads that parse and one that merges.
pub(super) fn in_parallel(
    names: &[String],
    workers: usize,
    quick: bool,
    progress: Progress<'_>,
    whole: &mut Whole,
) -> Vec<File> {
    std::thread::scope(|scope| {
        let (tell, told) = channel();
        let mut lines: Vec<Sender<Job>> = Vec::new();
        for _ in 0..workers {
            let (sender, jobs) = channel();
            lines.push(sender);
            let tell = tell.clone();
            scope.spawn(move || work(&jobs, quick, &tell));
        }
        drop(tell);
        let (give, spares) = channel();
        for _ in 0..BLOCKS_IN_FLIGHT {
            let _ = give.send(Vec::new());
        }
        let owner = scope.spawn(move || own(&told, &give, whole));
        let mut number = 0;
        // No buffer comes back when the owner is gone; it has panicked then, and joining it below says so.
        let mut spare = || spares.recv().unwrap_or_default();
        let files = dispatch(names, progress, &mut spare, &mut |file, block| {
            for _ in 1..places(&block) {
                drop(spares.recv());
            }
            let turn = usize::try_from(number).unwrap_or(0) % lines.len();
            let _ = lines[turn].send(Job { number, file, block });
            number += 1;
        });
        drop(lines);
        match owner.join() {
            Ok(Ok(())) => files,
            Ok(Err(panic)) | Err(panic) => resume_unwind(panic),
        }
    })
}

fn work(jobs: &Receiver<Job>, quick: bool, tell: &Sender<Told>) {
    let quick = quick.then(finder);
    for Job { number, file, block } in jobs {
        let done = catch_unwind(AssertUnwindSafe(|| reduce(&block, quick.as_ref()))).map(|part| {
            let places = places(&block);
            (number, Done { file, part, places, buffer: emptied(block) })
        });
        if tell.send(done).is_err() {
            return;
        }
    }
}

/// Merges the parts in the order of their blocks. Those that came too early wait, and so do their places.
fn own(told: &Receiver<Told>, give: &Sender<Vec<u8>>, whole: &mut Whole) -> Result<(), Box<dyn Any + Send>> {
    let mut early = BTreeMap::new();
    let mut next = 0;
    for told in told {
        let (number, done) = told?;
        early.insert(number, done);
        while let Some(done) = early.remove(&next) {
            whole.merge(done.file, done.part);
            // The reader is gone when it has read everything.
            let _ = give.send(done.buffer);
            for _ in 1..done.places {
                let _ = give.send(Vec::new());
            }
            next += 1;
        }
    }
    Ok(())
}

/// Places in flight that a block takes: more than one when it is longer than the others.
fn places(block: &Block) -> usize {
    block.buffer.len().div_ceil(BLOCK_BYTES).clamp(1, BLOCKS_IN_FLIGHT - 2)
}

/// The buffer of a block to be used again, unless it had to grow.
pub(super) fn emptied(block: Block) -> Vec<u8> {
    if block.buffer.capacity() > 2 * BLOCK_BYTES { Vec::new() } else { block.buffer }
}
