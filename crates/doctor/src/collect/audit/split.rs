//! Cuts one large JSON document into its records without holding it: elements of a top-level list, or of the list in
//! `items`, `events`, `logEvents`, `records` or `logs`; else the top-level objects themselves.

use crate::limits::MAX_RECORD_BYTES;

/// Members whose elements are records.
const LISTS: [&[u8]; 5] = [b"items", b"events", b"logEvents", b"records", b"logs"];

/// State between two feeds.
#[derive(Default)]
pub(super) struct Splitter {
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// Depth at which records of the current document start; 0: the document itself.
    record_depth: usize,
    /// Brackets of the two outermost levels.
    outer: [u8; 2],
    string: Vec<u8>,
    record: Vec<u8>,
    /// Records that were cut.
    pub(super) records: u64,
    /// Records that were too long.
    pub(super) too_long: u64,
    overflow: bool,
}

impl Splitter {
    /// Takes bytes, adds the records that ended in them to `out`, each on one line.
    pub(super) fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for &byte in bytes {
            if self.in_string {
                self.within_string(byte);
            } else {
                self.outside(byte, out);
            }
        }
    }

    fn keep(&mut self, byte: u8) {
        if self.depth <= self.record_depth {
            return;
        }
        if self.record.len() >= MAX_RECORD_BYTES {
            self.overflow = true;
        } else {
            // A raw line feed is no part of a JSON string, so a blank is the same.
            self.record.push(if byte == b'\n' || byte == b'\r' { b' ' } else { byte });
        }
    }

    fn within_string(&mut self, byte: u8) {
        self.keep(byte);
        if self.escaped {
            self.escaped = false;
        } else if byte == b'\\' {
            self.escaped = true;
        } else if byte == b'"' {
            self.in_string = false;
        } else if self.depth == 1 && self.string.len() < 16 {
            self.string.push(byte);
        }
    }

    fn outside(&mut self, byte: u8, out: &mut Vec<u8>) {
        match byte {
            b'"' => {
                self.in_string = true;
                self.string.clear();
                self.keep(byte);
            }
            b'{' | b'[' => self.enter(byte),
            b'}' | b']' => {
                self.keep(byte);
                self.depth = self.depth.saturating_sub(1);
                if self.depth == self.record_depth {
                    self.end_record(out);
                }
                if self.depth == 0 {
                    self.record_depth = 0;
                }
            }
            _ => self.keep(byte),
        }
    }

    fn enter(&mut self, byte: u8) {
        if let Some(place) = self.outer.get_mut(self.depth) {
            *place = byte;
        }
        let list = byte == b'['
            && match self.depth {
                0 => true,
                1 => self.outer[0] == b'{' && LISTS.contains(&self.string.as_slice()),
                _ => false,
            };
        self.depth = self.depth.saturating_add(1);
        if list && self.record_depth == 0 {
            // What was kept of the document around the list is no record.
            self.record_depth = self.depth;
            self.record.clear();
            self.overflow = false;
            return;
        }
        self.keep(byte);
    }

    fn end_record(&mut self, out: &mut Vec<u8>) {
        if self.overflow {
            self.too_long += 1;
        } else if self.record.first().is_some_and(|b| *b == b'{' || self.record.contains(&b'{')) {
            let start = self.record.iter().position(|b| *b == b'{').unwrap_or(0);
            out.extend_from_slice(&self.record[start..]);
            out.push(b'\n');
            self.records += 1;
        }
        self.record.clear();
        self.overflow = false;
    }
}
