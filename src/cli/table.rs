//! Tables: aligned for people, tab-separated for programs.

use comfy_table::{CellAlignment, ContentArrangement};

use crate::model::Timestamp;

use super::color::{Paint, Palette};
use super::visible::visible_line;
use super::wording;

/// A table in both of its forms.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    heading: Vec<&'static str>,
    numbers: Vec<usize>,
    rows: Vec<Vec<Cell>>,
}

/// One cell: what people see, and what programs get.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    shown: String,
    plain: String,
}

impl Cell {
    /// A cell that is the same for both.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "called with temporaries and references alike"
    )]
    pub(crate) fn of(value: impl ToString) -> Self {
        let plain = value.to_string();
        Self {
            shown: visible_line(&plain),
            plain,
        }
    }

    /// A cell that is empty when there is no value.
    pub(crate) fn maybe(value: Option<impl ToString>) -> Self {
        Self::of(value.map(|value| value.to_string()).unwrap_or_default())
    }

    /// A time: how long ago for people, exact for programs.
    pub(crate) fn time(at: Option<&Timestamp>) -> Self {
        Self {
            shown: at.map(wording::ago).unwrap_or_default(),
            plain: at.map(ToString::to_string).unwrap_or_default(),
        }
    }

    /// A change of a score: rounded for people, exact for programs.
    pub(crate) fn change(by: f64) -> Self {
        Self {
            shown: format!("{by:+.1}"),
            plain: by.to_string(),
        }
    }

    /// A score: rounded for people, exact for programs.
    pub(crate) fn score(score: f64) -> Self {
        Self {
            shown: format!("{score:.1}"),
            plain: score.to_string(),
        }
    }
}

impl Table {
    /// Makes a table with these columns.
    pub(crate) fn new<const N: usize>(heading: [&'static str; N]) -> Self {
        Self {
            heading: heading.into(),
            ..Self::default()
        }
    }

    /// Says which columns hold numbers, which are aligned to the right.
    pub(crate) fn numbers<const N: usize>(mut self, columns: [usize; N]) -> Self {
        self.numbers = columns.into();
        self
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.rows.push(cells.into());
    }

    /// Tells whether there is no row.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the table as people see it: a heading, aligned columns, long cells broken to the width.
    pub(crate) fn for_people(&self, columns: u16, palette: Palette) -> String {
        let mut table = comfy_table::Table::new();
        table
            .load_style(comfy_table::presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(columns)
            .set_header(self.heading.iter().copied());
        for row in &self.rows {
            table.add_row(row.iter().map(|cell| cell.shown.as_str()));
        }
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, 2));
            if self.numbers.contains(&index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let mut text = String::new();
        for (index, line) in table.lines().enumerate() {
            let line = line.trim_end();
            let line = if index == 0 {
                palette.paint(Paint::Heading, line)
            } else {
                line.to_owned()
            };
            text.push_str(&line);
            text.push('\n');
        }
        text
    }

    /// Returns the table as programs get it: no heading, one line per row, cells parted by tabs. Tabs, line feeds and
    /// backslashes in a cell stand as `\t`, `\n` and `\\`.
    pub(crate) fn for_programs(&self) -> String {
        let mut text = String::new();
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(|cell| escaped(&cell.plain)).collect();
            text.push_str(&cells.join("\t"));
            text.push('\n');
        }
        text
    }
}

fn escaped(cell: &str) -> String {
    cell.replace('\\', "\\\\")
        .replace('\t', "\\t")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["PROMPT", "VERSIONS", "NOTE"]).numbers([1]);
        table.row([
            Cell::of("greet"),
            Cell::of(3),
            Cell::of("first\tand\\second\nline"),
        ]);
        table.row([Cell::of("support_1"), Cell::of(120), Cell::maybe(None::<&str>)]);
        table
    }

    #[test]
    fn people_see_aligned_columns_under_a_heading() {
        insta::assert_snapshot!(table().for_people(80, Palette::PLAIN), @r"
        PROMPT     VERSIONS  NOTE
        greet             3  first␉and\second␊line
        support_1       120
        ");
    }

    #[test]
    fn programs_get_one_line_per_row_without_a_heading() {
        assert_eq!(
            table().for_programs(),
            "greet\t3\tfirst\\tand\\\\second\\nline\nsupport_1\t120\t\n"
        );
    }
}
