//! Columns for people.

use std::fmt;

/// Spaces between two columns.
const GAP: usize = 2;

/// On which side the text of a column stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Rows under a line of headings. Widths are counted in characters.
#[derive(Debug)]
pub(crate) struct Table<const N: usize> {
    headings: Option<[&'static str; N]>,
    align: [Align; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// A table with these headings and no row.
    pub(crate) fn new(headings: [&'static str; N]) -> Self {
        Self {
            headings: Some(headings),
            align: [Align::Left; N],
            rows: Vec::new(),
        }
    }

    /// Columns that explain themselves.
    pub(crate) fn without_headings() -> Self {
        Self {
            headings: None,
            align: [Align::Left; N],
            rows: Vec::new(),
        }
    }

    /// Puts the columns of these headings to the right.
    pub(crate) fn numbers(mut self, headings: &[&str]) -> Self {
        for (align, heading) in self.align.iter_mut().zip(self.headings.iter().flatten()) {
            if headings.contains(heading) {
                *align = Align::Right;
            }
        }
        self
    }

    /// Adds a row. A line break inside a cell becomes visible, so that it cannot pass for a row.
    pub(crate) fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells.map(|cell| cell.replace('\n', "\\n")));
    }

    /// The table with these rows.
    pub(crate) fn with_rows(mut self, rows: impl IntoIterator<Item = [String; N]>) -> Self {
        rows.into_iter().for_each(|row| self.row(row));
        self
    }

    fn widths(&self) -> [usize; N] {
        let mut widths = self
            .headings
            .map_or([0; N], |headings| headings.map(str::len));
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        widths
    }

    fn line<S: AsRef<str>>(&self, widths: &[usize; N], cells: &[S; N]) -> String {
        let mut line = String::new();
        for ((cell, width), align) in cells.iter().zip(widths).zip(self.align) {
            let cell = cell.as_ref();
            let space = " ".repeat(width - cell.chars().count());
            match align {
                Align::Left => line.extend([cell, &space]),
                Align::Right => line.extend([&space, cell]),
            }
            line.push_str(&" ".repeat(GAP));
        }
        line.truncate(line.trim_end().len());
        line
    }
}

impl<const N: usize> fmt::Display for Table<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        if let Some(headings) = &self.headings {
            writeln!(f, "{}", self.line(&widths, headings))?;
        }
        self.rows
            .iter()
            .try_for_each(|row| writeln!(f, "{}", self.line(&widths, row)))
    }
}

/// Names and values of one thing, each on its line.
pub(crate) fn facts(facts: impl IntoIterator<Item = (&'static str, String)>) -> String {
    Table::without_headings()
        .with_rows(
            facts
                .into_iter()
                .map(|(name, value)| [format!("{name}:"), value]),
        )
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table<3> {
        Table::new(["NAME", "BYTES", "DETAIL"]).numbers(&["BYTES"])
    }

    fn row(cells: [&str; 3]) -> [String; 3] {
        cells.map(str::to_owned)
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let table = table().with_rows([row(["anna-phone", "7", "fine"]), row(["b", "1024", "-"])]);
        assert_eq!(
            table.to_string(),
            "NAME        BYTES  DETAIL\n\
             anna-phone      7  fine\n\
             b            1024  -\n"
        );
    }

    #[test]
    fn table_without_rows_is_its_headings() {
        assert_eq!(table().to_string(), "NAME  BYTES  DETAIL\n");
    }

    #[test]
    fn width_counts_characters_and_not_bytes() {
        let table = table().with_rows([row(["äöü", "1", "x"]), row(["abcde", "1", "x"])]);
        assert_eq!(
            table.to_string(),
            "NAME   BYTES  DETAIL\näöü        1  x\nabcde      1  x\n"
        );
    }

    #[test]
    fn line_break_in_a_cell_makes_no_row() {
        let table = table().with_rows([row(["a\nb", "1", ""])]);
        assert_eq!(table.to_string(), "NAME  BYTES  DETAIL\na\\nb      1\n");
    }

    #[test]
    fn facts_stand_in_two_columns() {
        let text = facts([("name", "a".to_owned()), ("address", "b".to_owned())]);
        assert_eq!(text, "name:     a\naddress:  b\n");
    }
}
