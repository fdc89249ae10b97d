//! A block to its rows, and the sums of all blocks.

use super::envelope::{self, Opened};
use super::missing;
use super::rows::{Counts, Part, Sums};
use super::source::{Block, File};
use super::tally::{Bounds, Tally};
use crate::facts::{Facts, Missing, Source};
use crate::limits::PATIENCE_RECORDS;
use memchr::memmem::Finder;

/// What the names of all marks hold, and little else in a log.
const CLUE: &[u8] = b"-token";
/// What is right before it.
const MARKS: [&[u8]; 2] = [b"stale", b"legacy"];
/// And before that, behind a slash.
const DOMAIN: &[u8] = b"authentication.k8s.io";

/// What is known of a log, its blocks entered in their order.
pub(super) struct Whole {
    tally: Tally,
    files: Vec<Known>,
}

/// What is known of a file.
#[derive(Clone, Debug, Default)]
struct Known {
    sums: Sums,
    counts: Counts,
    /// Lines so far.
    lines: u64,
}

/// Looks at the first records of a file: the line and the reason when none of them is an audit event.
pub(super) fn foreign(block: &Block) -> Option<(u64, &'static str)> {
    let mut worst = None;
    for (at, line) in (1 + block.passed..).zip(block.text().split(|b| *b == b'\n')) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        match envelope::open(line, &mut |_| {}) {
            Opened { events: 1.., .. } => return None,
            Opened { unknown: 1.., .. } => {
                worst = worst.or(Some((at, "no audit event and no known envelope")));
            }
            Opened { broken: 1.., .. } => {
                worst = worst.or(Some((at, "neither JSON nor a known envelope of it")));
            }
            Opened { .. } => {}
        }
        if at > block.passed + PATIENCE_RECORDS {
            break;
        }
    }
    worst
}

/// Makes rows of a block.
pub(super) fn digest(block: &Block, quick: Option<&Finder<'_>>, part: &mut Part) {
    part.lines = block.passed;
    match quick {
        Some(finder) => part.marked(block.text(), finder),
        None => part.all(block.text()),
    }
}

/// What finds the marks.
pub(super) fn finder() -> Finder<'static> {
    Finder::new(CLUE)
}

/// Whether a text ends as the name of a mark does, but for the clue. Text inside text has its slashes escaped at times.
fn ends_in_mark(text: &[u8]) -> bool {
    let name = MARKS.iter().find_map(|mark| text.strip_suffix(*mark)?.strip_suffix(b"/"));
    let end = name.and_then(|name| name.iter().rposition(|b| *b != b'\\'));
    name.zip(end).is_some_and(|(name, end)| name[..=end].ends_with(DOMAIN))
}

impl Part {
    fn all(&mut self, text: &[u8]) {
        let mut rest = text;
        while !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            self.line(&rest[..end]);
            rest = rest.get(end + 1..).unwrap_or_default();
        }
    }

    fn line(&mut self, bytes: &[u8]) {
        self.lines += 1;
        if bytes.trim_ascii().is_empty() {
            return;
        }
        let line = self.lines;
        let opened = envelope::open(bytes, &mut |event| self.add(event));
        self.counts.note(opened, line);
    }

    /// Only the lines with a mark, and the first of each block to know the time.
    fn marked(&mut self, text: &[u8], finder: &Finder<'_>) {
        let first = memchr::memchr(b'\n', text).map_or(text, |end| &text[..end]);
        envelope::open(first, &mut |event| self.glance(event));
        let mut from = 0;
        while let Some(at) = text.get(from..).and_then(|rest| finder.find(rest)).map(|at| at + from) {
            from = at + CLUE.len();
            if !ends_in_mark(&text[..at]) {
                continue;
            }
            let start = memchr::memrchr(b'\n', &text[..at]).map_or(0, |at| at + 1);
            let end = memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |offset| at + offset);
            let opened = envelope::open(&text[start..end], &mut |event| {
                // A list has its unmarked ones beside it, and what is not asked for is not judged.
                if event.is_marked() {
                    self.add(event);
                }
            });
            self.counts.note(opened, 0);
            from = end;
        }
    }
}

impl Whole {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { tally: Tally::new(bounds), files: Vec::new() }
    }

    /// Enters the next block, of this file, and empties the part that held it.
    pub(super) fn enter(&mut self, file: usize, part: &mut Part) {
        if self.files.len() <= file {
            self.files.resize(file + 1, Known::default());
        }
        let known = &mut self.files[file];
        known.sums.merge(&self.tally.enter(part));
        let counts = part.counts.behind(known.lines);
        known.counts.merge(counts);
        known.lines += part.lines;
        part.clear();
    }

    /// What can be said of one file.
    pub(super) fn source(&self, file: usize, name: &str, outcome: File, quick: bool) -> Source {
        let Known { sums, counts, .. } = self.files.get(file).cloned().unwrap_or_default();
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
