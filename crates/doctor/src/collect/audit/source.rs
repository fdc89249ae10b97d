//! A file or standard input as blocks of whole records, decompressed on the way.

use super::split::Splitter;
use crate::limits::{BLOCK_BYTES, MAX_RECORD_BYTES};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// What some programs put in front of UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Whole records, each ended by a line feed.
#[derive(Default)]
pub(super) struct Block {
    /// Longer than the text: buffers are used again, and cleared once only.
    buffer: Vec<u8>,
    end: usize,
    /// Lines right before it that were passed over for being too long.
    pub(super) passed: u64,
}

impl Block {
    /// The records.
    pub(super) fn text(&self) -> &[u8] {
        self.buffer.get(..self.end).unwrap_or_default()
    }

    /// Empty again, with the room it had, unless that was for something out of the ordinary.
    pub(super) fn clear(&mut self) {
        if self.buffer.capacity() > 2 * BLOCK_BYTES {
            self.buffer = Vec::new();
        }
        (self.end, self.passed) = (0, 0);
    }
}

/// What became of one file, apart from its records.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) error: Option<String>,
    pub(super) too_long: u64,
    pub(super) broken_off: Option<String>,
}

/// Reads blocks.
pub(super) struct Source {
    input: Box<dyn Read + Send>,
    /// What was read and not handed out: the first `end` bytes.
    buffer: Vec<u8>,
    end: usize,
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

    /// Puts the next records into an empty block; false at the end.
    pub(super) fn next(&mut self, block: &mut Block) -> bool {
        match self.splitter.take() {
            Some(mut splitter) => {
                self.next_of_document(&mut splitter, block);
                self.splitter = Some(splitter);
            }
            None => self.next_lines(block),
        }
        block.end > 0
    }

    fn next_lines(&mut self, block: &mut Block) {
        let end = loop {
            match memchr::memrchr(b'\n', self.rest()) {
                Some(at) => break at + 1,
                None if self.ended => break self.end,
                None if self.end > MAX_RECORD_BYTES => {
                    self.skip_line();
                    block.passed += 1;
                }
                None => self.fill(),
            }
        };
        // The records are handed out where they lie; the block's own buffer takes over what comes behind them.
        let after = self.rest().get(end..).unwrap_or_default();
        if block.buffer.len() < after.len() {
            block.buffer.resize(after.len().max(BLOCK_BYTES), 0);
        }
        block.buffer[..after.len()].copy_from_slice(after);
        (block.end, self.end) = (end, after.len());
        std::mem::swap(&mut block.buffer, &mut self.buffer);
    }

    /// Reads on until a record ends.
    fn next_of_document(&mut self, splitter: &mut Splitter, block: &mut Block) {
        block.buffer.clear();
        loop {
            splitter.feed(self.rest(), &mut block.buffer);
            self.end = 0;
            if !block.buffer.is_empty() || self.ended {
                break;
            }
            self.fill();
        }
        self.too_long = splitter.too_long;
        block.end = block.buffer.len();
    }

    /// Passes over the rest of a line that is too long.
    fn skip_line(&mut self) {
        self.too_long += 1;
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
