//! A table of text: columns as wide as their longest entry, remarks indented below a row.

use core::fmt;

/// See the module.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

#[derive(Debug)]
enum Row {
    Cells(Vec<String>),
    Remark(String),
}

impl Table {
    /// A table with a line of titles.
    #[must_use]
    pub(crate) fn new(titles: &[&str]) -> Self {
        Self { rows: vec![Row::Cells(titles.iter().map(|title| (*title).to_owned()).collect())] }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(Row::Cells(cells.into_iter().collect()));
    }

    /// Adds a line below the last row.
    pub(crate) fn remark(&mut self, text: String) {
        self.rows.push(Row::Remark(text));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut widths: Vec<usize> = Vec::new();
        for row in &self.rows {
            let Row::Cells(cells) = row else { continue };
            widths.resize(widths.len().max(cells.len()), 0);
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for row in &self.rows {
            match row {
                Row::Remark(text) => writeln!(f, "    {text}")?,
                Row::Cells(cells) => {
                    let line: Vec<String> =
                        cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
                    writeln!(f, "{}", line.join("  ").trim_end())?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_longest_entry_and_no_line_has_a_tail() {
        let mut table = Table::new(&["NAME", "X"]);
        table.row(["a long name".to_owned(), "é".to_owned()]);
        table.remark("why".to_owned());
        table.row(["b".to_owned(), String::new()]);
        assert_eq!(table.to_string(), "NAME         X\na long name  é\n    why\nb\n");
    }
}
