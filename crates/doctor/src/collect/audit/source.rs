//! A file or standard input as blocks of whole records, decompressed on the way.

use super::split::Splitter;
use crate::limits::{BLOCK_BYTES, MAX_RECORD_BYTES};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// What some programs put in front of UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Whole records, each ended by a line feed.
pub(super) struct Block {
    pub(super) bytes: Vec<u8>,
    /// Line of the first record, from 1; in a document, its number.
    pub(super) line: u64,
}

/// Reads blocks.
pub(super) struct Source {
    input: Box<dyn Read + Send>,
    rest: Vec<u8>,
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
            rest: Vec::new(),
            line: 1,
            splitter: None,
            ended: false,
            too_long: 0,
            broken_off: None,
        };
        source.fill(BLOCK_BYTES);
        if source.rest.starts_with(BYTE_ORDER_MARK) {
            source.rest.drain(..BYTE_ORDER_MARK.len());
        }
        source.splitter = is_document(&source.rest).then(Splitter::default);
        Ok(source)
    }

    /// The next block; none at the end.
    pub(super) fn next(&mut self) -> Option<Block> {
        loop {
            if self.rest.is_empty() && !self.ended {
                self.fill(BLOCK_BYTES);
            }
            if self.rest.is_empty() {
                return None;
            }
            let block = if self.splitter.is_some() { self.next_of_document() } else { self.next_lines() };
            if let Some(block) = block {
                return Some(block);
            }
        }
    }

    fn next_lines(&mut self) -> Option<Block> {
        let end = match memchr::memrchr(b'\n', &self.rest) {
            Some(at) => at + 1,
            None if self.ended => self.rest.len(),
            None if self.rest.len() > MAX_RECORD_BYTES => {
                self.skip_line();
                return None;
            }
            None => {
                self.fill(BLOCK_BYTES);
                return None;
            }
        };
        let after = self.rest.split_off(end);
        let bytes = std::mem::replace(&mut self.rest, after);
        let block = Block { line: self.line, bytes };
        self.line += memchr::memchr_iter(b'\n', &block.bytes).count() as u64;
        if !self.ended {
            self.fill(BLOCK_BYTES);
        }
        Some(block)
    }

    fn next_of_document(&mut self) -> Option<Block> {
        let bytes = std::mem::take(&mut self.rest);
        let splitter = self.splitter.as_mut()?;
        let before = splitter.records;
        let bytes = splitter.feed(&bytes);
        self.too_long = splitter.too_long;
        (!bytes.is_empty()).then_some(Block { bytes, line: before + 1 })
    }

    /// Passes over the rest of a line that is too long.
    fn skip_line(&mut self) {
        self.too_long += 1;
        self.line += 1;
        loop {
            self.rest.clear();
            self.fill(BLOCK_BYTES);
            match memchr::memchr(b'\n', &self.rest) {
                Some(at) => drop(self.rest.drain(..=at)),
                None if self.ended => self.rest.clear(),
                None => continue,
            }
            return;
        }
    }

    fn fill(&mut self, bytes: usize) {
        let start = self.rest.len();
        self.rest.reserve(bytes);
        match self.input.by_ref().take(bytes as u64).read_to_end(&mut self.rest) {
            Ok(_) => self.ended = self.rest.len() - start < bytes,
            Err(error) => {
                self.broken_off = Some(error.to_string());
                self.ended = true;
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
