//! One worker: blocks to records to sums.

use super::envelope::{self, Opened};
use super::source::Block;
use super::tally::Tally;
use super::{File, missing};
use crate::facts::{Facts, Missing, Source};
use crate::limits::PATIENCE_RECORDS;
use memchr::memmem::Finder;

/// What a marked request has in its line, whatever is wrapped around it.
const MARKS: [&str; 2] = ["stale-token", "legacy-token"];

/// A worker's state.
pub(super) struct Scan<'s> {
    tally: Tally<'s>,
    counts: Vec<Counts>,
    quick: Option<[Finder<'static>; 2]>,
}

/// Records of one file.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    /// JSON of another shape: how many, and the first line.
    unknown: (u64, u64),
    /// No JSON: how many, and the first line.
    broken: (u64, u64),
}

/// Whether a file is an audit log.
pub(super) enum Verdict {
    /// At least one record of its start is an audit event.
    Audit,
    /// None is.
    Foreign { line: u64, what: &'static str },
}

/// Looks at the first records of a file.
pub(super) fn probe(block: &Block) -> Verdict {
    let mut worst: Option<(u64, &'static str)> = None;
    for (at, line) in (block.line..).zip(block.bytes.split(|b| *b == b'\n')) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        match envelope::open(line, &mut |_| {}) {
            Opened { events: 1.., .. } => return Verdict::Audit,
            Opened { unknown: 1.., .. } => {
                worst = worst.or(Some((at, "no audit event and no known envelope")))
            }
            Opened { broken: 1.., .. } => {
                worst = worst.or(Some((at, "neither JSON nor a known envelope of it")))
            }
            Opened { .. } => {}
        }
        if at > block.line + PATIENCE_RECORDS {
            break;
        }
    }
    worst.map_or(Verdict::Audit, |(line, what)| Verdict::Foreign { line, what })
}

impl<'s> Scan<'s> {
    pub(super) fn new(tally: Tally<'s>, quick: bool) -> Self {
        let quick = quick.then(|| MARKS.map(Finder::new));
        Self { tally, counts: Vec::new(), quick }
    }

    /// Reads one block of a file.
    pub(super) fn block(&mut self, file: usize, block: &Block) {
        self.tally.enter(file);
        if self.counts.len() <= file {
            self.counts.resize(file + 1, Counts::default());
        }
        if self.quick.is_some() {
            self.marked(file, &block.bytes);
            return;
        }
        let mut start = 0;
        let ends = memchr::memchr_iter(b'\n', &block.bytes).chain([block.bytes.len()]);
        for (line, end) in (block.line..).zip(ends) {
            self.line(file, line, &block.bytes[start..end]);
            start = (end + 1).min(block.bytes.len());
        }
    }

    fn line(&mut self, file: usize, line: u64, bytes: &[u8]) {
        if bytes.trim_ascii().is_empty() {
            return;
        }
        let tally = &mut self.tally;
        let opened = envelope::open(bytes, &mut |event| tally.add(event));
        self.counts[file].note(opened, line);
    }

    /// Only the lines with a mark, and the first of each block to know the time.
    fn marked(&mut self, file: usize, bytes: &[u8]) {
        let first = bytes.split(|b| *b == b'\n').next().unwrap_or(bytes);
        let tally = &mut self.tally;
        envelope::open(first, &mut |event| tally.glance(event));
        let Some(finders) = self.quick.clone() else { return };
        for finder in &finders {
            let mut from = 0;
            while let Some(at) = bytes.get(from..).and_then(|rest| finder.find(rest)).map(|at| at + from) {
                let start = memchr::memrchr(b'\n', &bytes[..at]).map_or(0, |at| at + 1);
                let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |offset| at + offset);
                let tally = &mut self.tally;
                let opened = envelope::open(&bytes[start..end], &mut |event| {
                    // A list has its unmarked ones beside it, and what is not asked for is not judged.
                    if event.is_marked() {
                        tally.add(event);
                    }
                });
                self.counts[file].note(opened, 0);
                from = end;
            }
        }
    }

    /// Adds another worker's state.
    pub(super) fn merge(&mut self, other: Self) {
        self.tally.merge(other.tally);
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), Counts::default());
        }
        for (own, other) in self.counts.iter_mut().zip(other.counts) {
            own.unknown = join(own.unknown, other.unknown);
            own.broken = join(own.broken, other.broken);
        }
    }

    /// What can be said of one file.
    pub(super) fn source(&self, file: usize, name: &str, outcome: File, quick: bool) -> Source {
        let counts = self.counts.get(file).copied().unwrap_or_default();
        let sums = self.tally.sums(file);
        let mut gaps: Vec<Missing> = Vec::new();
        if quick {
            gaps.push(missing("quick", ""));
        } else if sums.events > 0 {
            let none = [
                (sums.accounts, "no-service-accounts"),
                (sums.credentials, "no-credential-ids"),
                (sums.requests_for_tokens, "no-token-requests"),
                (sums.reads, "no-reads"),
                (sums.agents, "no-user-agents"),
            ];
            gaps.extend(none.into_iter().filter(|(count, _)| *count == 0).map(|(_, id)| missing(id, "")));
        }
        let many = [(sums.forgotten, "forgotten"), (outcome.too_long, "too-long")];
        gaps.extend(many.into_iter().filter(|(n, _)| *n > 0).map(|(n, id)| missing(id, n.to_string())));
        let odd = [(counts.unknown, "unknown-records"), (counts.broken, "broken-records")];
        gaps.extend(odd.into_iter().filter(|((n, _), _)| *n > 0).map(|((n, line), id)| {
            missing(id, if line == 0 { n.to_string() } else { format!("{n} (line {line})") })
        }));
        gaps.extend(outcome.broken_off.map(|why| missing("broken-off", why)));
        Source {
            name: name.to_owned(),
            window: sums.window,
            read: sums.events,
            skipped: counts.unknown.0 + counts.broken.0 + outcome.too_long,
            missing: gaps,
            error: outcome.error,
        }
    }

    pub(super) fn finish(self, facts: &mut Facts) {
        self.tally.finish(facts);
    }
}

impl Counts {
    fn note(&mut self, opened: Opened, line: u64) {
        self.unknown = join(self.unknown, (opened.unknown, line));
        self.broken = join(self.broken, (opened.broken, line));
    }
}

/// Sum of the counts, and the first of the lines.
fn join(one: (u64, u64), two: (u64, u64)) -> (u64, u64) {
    let line = match (one, two) {
        ((0, _), (_, line)) | ((_, line), (0, _)) => line,
        ((_, a), (_, b)) => a.min(b),
    };
    (one.0 + two.0, line)
}
