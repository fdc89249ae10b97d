//! Tab-separated tables with comments.

use std::fmt;

/// A table, with the lines its rows stood on.
#[derive(Clone, Debug)]
pub struct Table {
    /// File name, for messages.
    pub name: String,
    /// Rows without comments and empty lines.
    pub rows: Vec<Row>,
}

/// One row.
#[derive(Clone, Debug)]
pub struct Row {
    /// Line in the file, from 1.
    pub line: usize,
    /// Cells, trimmed.
    pub cells: Vec<String>,
}

/// A row that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableError {
    /// File name.
    pub name: String,
    /// Line, from 1.
    pub line: usize,
    /// What is wrong, and what is allowed.
    pub what: String,
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}: {}", self.name, self.line, self.what)
    }
}

impl std::error::Error for TableError {}

impl Table {
    /// Splits lines at tabs.
    pub fn parse(name: &str, text: &str) -> Result<Self, TableError> {
        let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim_end_matches('\r')));
        let used = lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
        let rows = used.map(|(line, text)| Row {
            line,
            cells: text.split('\t').map(|cell| cell.trim().to_owned()).collect(),
        });
        Ok(Self { name: name.to_owned(), rows: rows.collect() })
    }

    /// Makes a value of every row, which must have `columns` cells.
    pub fn map<T>(
        &self,
        columns: usize,
        make: impl Fn(&[String]) -> Result<T, String>,
    ) -> Result<Vec<T>, TableError> {
        let one = |row: &Row| {
            let wrong = |what: String| TableError { name: self.name.clone(), line: row.line, what };
            if row.cells.len() != columns {
                let count = row.cells.len();
                return Err(wrong(format!("{count} cells between tabs; {columns} are needed")));
            }
            make(&row.cells).map_err(wrong)
        };
        self.rows.iter().map(one).collect()
    }
}

/// A cell, or none for `-` and nothing.
pub(super) fn optional(cell: &str) -> Option<String> {
    (!cell.is_empty() && cell != "-").then(|| cell.to_owned())
}
