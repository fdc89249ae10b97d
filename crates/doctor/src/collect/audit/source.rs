//! A file or standard input as blocks of whole records, decompressed on the way.

use super::split::Splitter;
use crate::limits::{BLOCK_BYTES, MAX_RECORD_BYTES};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// What some programs put in front of UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Whole records, each ended by a line feed.
pub(super) struct Block {
    /// Longer than the text: buffers are used again, and cleared once only.
    pub(super) buffer: Vec<u8>,
    end: usize,
    /// Line of the first record, from 1; in a document, its number.
    pub(super) line: u64,
}

impl Block {
    /// The records.
    pub(super) fn text(&self) -> &[u8] {
        self.buffer.get(..self.end).unwrap_or_default()
    }
}

/// Where a source takes an empty buffer from.
pub(super) type Spare<'a> = &'a mut dyn FnMut() -> Vec<u8>;

/// Reads blocks.
pub(super) struct Source {
    input: Box<dyn Read + Send>,
    /// What was read and not handed out: the first `end` bytes.
    buffer: Vec<u8>,
    end: usize,
    line: u64,
    splitter: Option<Splitter>,
    ended: bool,
    /// Records that were too long.
    pub(super) too_long: u64,
    /// The file ends in the middle of a compressed frame, or cannot be read further.
    pub(super) broken_off: Option<String>,
}

/// Opens a file, or standard input for `-`.
pub(super) fn open(name: &str) -> std::io::Result<Source> {
    let raw: Box<dyn Read + Send> = if name == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(Path::new(name))?)
    };
    Source::new(raw)
}

impl Source {
    /// Looks at the first bytes to tell gzip, zstd and plain text apart.
    pub(super) fn new(raw: Box<dyn Read + Send>) -> std::io::Result<Self> {
        let mut raw = BufReader::with_capacity(128 * 1024, raw);
        let start = raw.fill_buf()?;
        let input: Box<dyn Read + Send> = if start.starts_with(&[0x1f, 0x8b]) {
            Box::new(flate2::bufread::MultiGzDecoder::new(raw))
        } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            Box::new(Zstd { source: Some(raw), frame: None })
        } else {
            Box::new(raw)
        };
        let mut source = Self {
            input,
            buffer: Vec::new(),
            end: 0,
            line: 1,
            splitter: None,
            ended: false,
            too_long: 0,
            broken_off: None,
        };
        source.fill();
        if source.rest().starts_with(BYTE_ORDER_MARK) {
            source.drop_front(BYTE_ORDER_MARK.len());
        }
        source.splitter = is_document(source.rest()).then(Splitter::default);
        Ok(source)
    }

    /// The next block; none at the end.
    pub(super) fn next(&mut self, spare: Spare<'_>) -> Option<Block> {
        loop {
            if self.end == 0 && !self.ended {
                self.fill();
            }
            if self.end == 0 {
                return None;
            }
            let block =
                if self.splitter.is_some() { self.next_of_document(spare) } else { self.next_lines(spare) };
            if let Some(block) = block {
                return Some(block);
            }
        }
    }

    fn next_lines(&mut self, spare: Spare<'_>) -> Option<Block> {
        let end = match memchr::memrchr(b'\n', self.rest()) {
            Some(at) => at + 1,
            None if self.ended => self.end,
            None if self.end > MAX_RECORD_BYTES => {
                self.skip_line();
                return None;
            }
            None => {
                self.fill();
                return None;
            }
        };
        let mut next = spare();
        let after = self.rest().get(end..).unwrap_or_default();
        if next.len() < after.len() {
            next.resize(after.len().max(BLOCK_BYTES), 0);
        }
        next[..after.len()].copy_from_slice(after);
        self.end = after.len();
        let block = Block { line: self.line, buffer: std::mem::replace(&mut self.buffer, next), end };
        self.line += memchr::memchr_iter(b'\n', block.text()).count() as u64;
        if !self.ended {
            self.fill();
        }
        Some(block)
    }

    /// Reads on until a record ends; the last block may be empty.
    fn next_of_document(&mut self, spare: Spare<'_>) -> Option<Block> {
        let mut splitter = self.splitter.take()?;
        let line = splitter.records + 1;
        let mut buffer = spare();
        buffer.clear();
        loop {
            splitter.feed(self.rest(), &mut buffer);
            self.end = 0;
            if !buffer.is_empty() || self.ended {
                break;
            }
            self.fill();
        }
        self.too_long = splitter.too_long;
        self.splitter = Some(splitter);
        let end = buffer.len();
        Some(Block { buffer, end, line })
    }

    /// Passes over the rest of a line that is too long.
    fn skip_line(&mut self) {
        self.too_long += 1;
        self.line += 1;
        loop {
            self.end = 0;
            self.fill();
            match memchr::memchr(b'\n', self.rest()) {
                Some(at) => self.drop_front(at + 1),
                None if self.ended => self.end = 0,
                None => continue,
            }
            return;
        }
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(..self.end).unwrap_or_default()
    }

    fn drop_front(&mut self, bytes: usize) {
        self.buffer.copy_within(bytes..self.end, 0);
        self.end -= bytes;
    }

    /// Reads up to the end of the buffer, which grows where little room is left.
    fn fill(&mut self) {
        if self.buffer.len() < self.end + BLOCK_BYTES / 2 {
            self.buffer.resize((self.end + BLOCK_BYTES / 2).max(BLOCK_BYTES), 0);
        }
        while self.end < self.buffer.len() {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(0) => {
                    self.ended = true;
                    return;
                }
                Ok(count) => self.end += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.broken_off = Some(error.to_string());
                    self.ended = true;
                    return;
                }
            }
        }
    }
}

/// One JSON document over several lines, or a list, rather than a record on each line.
fn is_document(start: &[u8]) -> bool {
    let text = start.trim_ascii_start();
    if text.first() == Some(&b'[') {
        return true;
    }
    if text.first() != Some(&b'{') {
        return false;
    }
    let line = text.split(|b| *b == b'\n').next().unwrap_or(text);
    let whole = serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok();
    // A line that is not whole is a truncated one when another record starts right below it.
    let next = text.get(line.len() + 1..).unwrap_or(b"");
    !whole && !next.starts_with(b"{") && (line.len() < 4 || line.len() == text.len())
}

/// Several zstd frames behind each other.
struct Zstd<R: BufRead> {
    source: Option<R>,
    frame: Option<ruzstd::decoding::StreamingDecoder<R, ruzstd::decoding::FrameDecoder>>,
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            if let Some(frame) = &mut self.frame {
                let count = frame.read(buffer)?;
                if count > 0 || buffer.is_empty() {
                    return Ok(count);
                }
                self.source = self.frame.take().map(ruzstd::decoding::StreamingDecoder::into_inner);
            }
            let Some(mut source) = self.source.take() else { return Ok(0) };
            if source.fill_buf()?.is_empty() {
                return Ok(0);
            }
            let frame = ruzstd::decoding::StreamingDecoder::new(source);
            self.frame = Some(frame.map_err(|e| std::io::Error::other(format!("zstd: {e}")))?);
        }
    }
}
