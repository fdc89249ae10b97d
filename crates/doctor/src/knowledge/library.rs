//! Library × version → behaviour.

use super::reload::Reload;
use super::table::{Table, TableError, optional};
use super::texts::{Lang, Text};
use super::version::{Order, Version};
use std::cmp::Ordering;

/// Cells of a row.
pub(super) const COLUMNS: usize = 10;

/// One range of versions of one library.
#[derive(Clone, Debug)]
pub struct Library {
    /// Its name in the other tables.
    pub library: String,
    /// How its versions compare.
    pub order: Order,
    /// First version, itself included.
    pub from: Option<Version>,
    /// First version that is not included.
    pub below: Option<Version>,
    /// Whether and when it reads its token again.
    pub token_reload: Reload,
    /// yes, never, unknown.
    pub ca_reload: String,
    /// What to upgrade to.
    pub first_good: Option<String>,
    /// measured, source, thread.
    pub basis: String,
    /// Where it is written.
    pub source: String,
    /// When that was read.
    pub date: String,
}

/// A minimum version that vendors publish.
#[derive(Clone, Debug)]
pub struct Published {
    /// Library.
    pub library: String,
    /// Who says so.
    pub vendor: String,
    /// What they say.
    pub minimum: String,
    /// Where measurement or source says otherwise, in both languages.
    pub disagrees: Option<Text>,
    /// Where it is published.
    pub source: String,
    /// When that was read.
    pub date: String,
}

impl Published {
    /// Where measurement or source says otherwise.
    pub fn disagrees(&self, lang: Lang) -> Option<String> {
        self.disagrees.as_ref().map(|text| text.of(lang).to_owned())
    }
}

/// Reads the rows.
pub(super) fn rows(table: &Table) -> Result<Vec<Library>, TableError> {
    table.map(COLUMNS, |cells| {
        let order = Order::parse(&cells[1])?;
        let bound = |cell: &str| match optional(cell) {
            None => Ok(None),
            Some(text) => Version::parse(order, &text)
                .map(Some)
                .ok_or_else(|| format!("{text:?} is no version of the order {}", cells[1])),
        };
        if !["yes", "never", "unknown"].contains(&cells[5].as_str()) {
            return Err(format!("caReload {:?} is not yes, never or unknown", cells[5]));
        }
        Ok(Library {
            library: cells[0].clone(),
            order,
            from: bound(&cells[2])?,
            below: bound(&cells[3])?,
            token_reload: Reload::parse(&cells[4])?,
            ca_reload: cells[5].clone(),
            first_good: optional(&cells[6]),
            basis: cells[7].clone(),
            source: cells[8].clone(),
            date: cells[9].clone(),
        })
    })
}

/// Reads the published minimum versions.
pub(super) fn published(table: &Table) -> Result<Vec<Published>, TableError> {
    table.map(7, |cells| {
        Ok(Published {
            library: cells[0].clone(),
            vendor: cells[1].clone(),
            minimum: cells[2].clone(),
            disagrees: optional(&cells[3]).map(|en| Text::new(&en, &cells[4])),
            source: cells[5].clone(),
            date: cells[6].clone(),
        })
    })
}

/// The row of a version. Without a version: the row that holds for all of them, if there is one.
pub fn find<'a>(rows: &'a [Library], library: &str, version: Option<&str>) -> Option<&'a Library> {
    let mut own = rows.iter().filter(|row| row.library == library);
    let Some(text) = version else { return own.find(|row| row.from.is_none() && row.below.is_none()) };
    own.find(|row| {
        let Some(version) = Version::parse(row.order, text) else {
            return row.from.is_none() && row.below.is_none();
        };
        row.from.as_ref().is_none_or(|from| version.compare(from) != Ordering::Less)
            && row.below.as_ref().is_none_or(|below| version.compare(below) == Ordering::Less)
    })
}
