//! Files one behind the other, as blocks.

use super::scan::foreign;
use super::source::{self, Block, File, Source};

/// Opens file after file. Which records share a block depends on the files alone.
pub(super) struct Reader<'n> {
    pub(super) names: &'n [String],
    /// The file that is being read, the last one of `files`.
    source: Option<Source>,
    files: Vec<File>,
    /// Whether nothing was handed out of this file yet.
    is_fresh: bool,
}

impl<'n> Reader<'n> {
    pub(super) fn new(names: &'n [String]) -> Self {
        Self { names, source: None, files: Vec::new(), is_fresh: true }
    }

    /// Begins with a file that is open already, the first of the names.
    pub(super) fn at(source: Source, names: &'n [String]) -> Self {
        Self { names, source: Some(source), files: vec![File::default()], is_fresh: true }
    }

    /// Fills a block, and gives the number of its file; none at the end of the last one.
    pub(super) fn next(&mut self, block: &mut Block) -> Option<usize> {
        loop {
            block.clear();
            let Some(source) = &mut self.source else {
                self.open()?;
                continue;
            };
            let last = self.files.len().checked_sub(1)?;
            let (name, file) = (self.names.get(last)?, self.files.get_mut(last)?);
            if !source.next(block) {
                (file.too_long, file.broken_off) = (source.too_long, source.broken_off.take());
                self.source = None;
            } else if let Some((line, what)) = self.is_fresh.then(|| foreign(block)).flatten() {
                file.error = Some(format!(
                    "{name}, line {line}: {what}. Known are audit.k8s.io/v1 lines, EventList, CloudWatch, Google LogEntry, Azure properties.log and Huawei LTS, as JSON, text or CSV"
                ));
                self.source = None;
            } else {
                self.is_fresh = false;
                return Some(last);
            }
        }
    }

    /// Opens the next file, if it can; none when there is no next one.
    fn open(&mut self) -> Option<()> {
        let name = self.names.get(self.files.len())?;
        let mut file = File::default();
        match source::open(name) {
            Ok(source) => self.source = Some(source),
            Err(error) => file.error = Some(format!("{name}: {error}")),
        }
        self.files.push(file);
        self.is_fresh = true;
        Some(())
    }

    /// What became of the files.
    pub(super) fn finish(self) -> Vec<File> {
        self.files
    }
}
