//! Lines of columns that are as wide as they must be.

/// Headings and rows, two spaces between columns.
pub(super) fn table<const N: usize>(headings: [&str; N], rows: Vec<[String; N]>) -> Vec<String> {
    let mut all = vec![headings.map(str::to_owned)];
    all.extend(rows);
    let width = |at: usize| all.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    all.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = vec![["ä".to_owned(), "long cell".to_owned(), String::new()]];
        assert_eq!(table(["A", "B", "C"], rows), ["A  B          C", "ä  long cell"]);
        assert_eq!(table(["A"], Vec::new()), ["A"]);
    }
}
