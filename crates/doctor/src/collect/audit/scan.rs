//! A block to its records to their sums, and the sums of all blocks.

use super::envelope::{self, Opened};
use super::seen::Seen;
use super::source::Block;
use super::tally::{Bounds, Sums, Tally};
use super::{File, missing};
use crate::facts::{Facts, Missing, Source};
use crate::limits::PATIENCE_RECORDS;
use memchr::memmem::Finder;

/// What the annotations of a marked request start with, whatever is wrapped around it.
const PREFIX: &[u8] = b"authentication.k8s.io";
/// How they go on behind a slash.
const MARKS: [&[u8]; 2] = [b"stale-token", b"legacy-token"];

/// What a worker makes of a block.
pub(super) struct Part {
    tally: Tally,
    counts: Counts,
}

/// What is known of a log, its blocks merged in their order.
pub(super) struct Whole {
    total: Tally,
    seen: Seen,
    files: Vec<(Sums, Counts)>,
}

/// Records of one block or file.
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
    for (at, line) in (block.line..).zip(block.text().split(|b| *b == b'\n')) {
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

/// Reads one block.
pub(super) fn reduce(block: &Block, quick: Option<&Finder<'_>>) -> Part {
    let mut part = Part { tally: Tally::new(Bounds::BLOCK), counts: Counts::default() };
    if let Some(finder) = quick {
        part.marked(block.text(), finder);
        return part;
    }
    let text = block.text();
    let mut start = 0;
    let ends = memchr::memchr_iter(b'\n', text).chain([text.len()]);
    for (line, end) in (block.line..).zip(ends) {
        part.line(line, &text[start..end]);
        start = (end + 1).min(text.len());
    }
    part
}

/// What finds the annotations.
pub(super) fn finder() -> Finder<'static> {
    Finder::new(PREFIX)
}

/// Whether a text goes on as the name of a mark does. Text inside text has its slashes escaped at times.
fn is_mark(rest: &[u8]) -> bool {
    let slash = rest.iter().position(|b| *b != b'\\').unwrap_or(rest.len());
    rest[slash..].strip_prefix(b"/").is_some_and(|name| MARKS.iter().any(|mark| name.starts_with(mark)))
}

impl Part {
    fn line(&mut self, line: u64, bytes: &[u8]) {
        if bytes.trim_ascii().is_empty() {
            return;
        }
        let tally = &mut self.tally;
        let opened = envelope::open(bytes, &mut |event| tally.add(event));
        self.counts.note(opened, line);
    }

    /// Only the lines with a mark, and the first of each block to know the time.
    fn marked(&mut self, bytes: &[u8], finder: &Finder<'_>) {
        let first = memchr::memchr(b'\n', bytes).map_or(bytes, |end| &bytes[..end]);
        let tally = &mut self.tally;
        envelope::open(first, &mut |event| tally.glance(event));
        let mut from = 0;
        while let Some(at) = bytes.get(from..).and_then(|rest| finder.find(rest)).map(|at| at + from) {
            from = at + PREFIX.len();
            if !is_mark(&bytes[from..]) {
                continue;
            }
            let start = memchr::memrchr(b'\n', &bytes[..at]).map_or(0, |at| at + 1);
            let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |offset| at + offset);
            let opened = envelope::open(&bytes[start..end], &mut |event| {
                // A list has its unmarked ones beside it, and what is not asked for is not judged.
                if event.is_marked() {
                    tally.add(event);
                }
            });
            self.counts.note(opened, 0);
            from = end;
        }
    }
}

impl Whole {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { total: Tally::new(bounds), seen: Seen::new(), files: Vec::new() }
    }

    /// Adds the next block, of this file.
    pub(super) fn merge(&mut self, file: usize, part: Part) {
        if self.files.len() <= file {
            self.files.resize(file + 1, Default::default());
        }
        self.total.merge(part.tally, &mut self.seen);
        let (sums, counts) = &mut self.files[file];
        sums.merge(&std::mem::take(&mut self.total.sums));
        counts.unknown = join(counts.unknown, part.counts.unknown);
        counts.broken = join(counts.broken, part.counts.broken);
    }

    /// What can be said of one file.
    pub(super) fn source(&self, file: usize, name: &str, outcome: File, quick: bool) -> Source {
        let (sums, counts) = self.files.get(file).cloned().unwrap_or_default();
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
        self.total.finish(facts);
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
