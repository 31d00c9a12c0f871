//! Texts without a block that go on over several lines.

use crate::dify::patch::block::line_break;
use crate::dify::patch::characters::is_blank;
use crate::dify::patch::scalar::Scalar;

/// The column after which a line is broken, in characters: the default of PyYAML, with which Dify exports.
const WIDTH: usize = 80;

/// Where a scalar stands, and how its further lines do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout<'a> {
    /// The characters before it on its line.
    pub(super) column: usize,
    /// How far its further lines are indented.
    pub(super) indent: usize,
    /// What ends a line.
    pub(super) line_break: &'a str,
    /// Whether long lines are broken: they are where the scalar stood on several lines before and was no block.
    pub(super) is_wrapped: bool,
    /// Whether what is not ASCII is escaped in double quotes: it is where it was before.
    pub(super) is_ascii: bool,
}

impl Layout<'_> {
    /// Returns the layout of a scalar as it stands in the source.
    pub(super) fn of(source: &str, scalar: &Scalar) -> Self {
        let (start, written) = (scalar.span.start, source.get(scalar.span.clone()));
        let before = source.get(..start).unwrap_or_default();
        let on_its_line = before.rsplit(['\n', '\r']).next().unwrap_or_default();
        Self {
            column: on_its_line.chars().count(),
            indent: written
                .and_then(indent_of)
                .unwrap_or(scalar.surroundings.further_lines),
            line_break: line_break(source, start),
            is_wrapped: !scalar.style.is_block()
                && written.is_some_and(|written| written.contains(['\n', '\r'])),
            is_ascii: !scalar.text.is_ascii() && written.is_some_and(str::is_ascii),
        }
    }
}

/// Returns how far the second line of a scalar that is written on several lines is indented.
fn indent_of(written: &str) -> Option<usize> {
    let mut further = written.split(['\n', '\r']).skip(1);
    let line = further.find(|line| !line.trim().is_empty())?;
    let indent = line.len() - line.trim_start_matches(' ').len();
    (indent > 0).then_some(indent)
}

/// A scalar that is being written.
pub(super) struct Lines<'a> {
    layout: Layout<'a>,
    written: String,
    column: usize,
    is_indented: bool,
}

impl<'a> Lines<'a> {
    /// Begins one.
    pub(super) const fn new(layout: Layout<'a>) -> Self {
        Self {
            layout,
            written: String::new(),
            column: layout.column,
            is_indented: false,
        }
    }

    /// Goes on in the line.
    pub(super) fn push(&mut self, text: &str) {
        self.written.push_str(text);
        self.column += text.chars().count();
        self.is_indented = false;
    }

    /// Ends the line.
    pub(super) fn end_line(&mut self) {
        self.written.push_str(self.layout.line_break);
        self.column = 0;
    }

    /// Indents a further line.
    pub(super) fn indent(&mut self) {
        self.push(&" ".repeat(self.layout.indent));
        self.is_indented = true;
    }

    /// Tells whether a further line has nothing but its indentation.
    pub(super) const fn is_indented(&self) -> bool {
        self.is_indented
    }

    /// Tells whether the line is to be broken at a place that allows it and is so many characters before its end.
    pub(super) const fn is_full(&self, before_end: usize) -> bool {
        self.layout.is_wrapped && self.column - before_end > WIDTH
    }

    /// Returns what was written.
    pub(super) fn finish(self) -> String {
        self.written
    }
}

/// Writes a line of text, and breaks full lines at lone spaces, which readers put back.
pub(super) fn push_folded(lines: &mut Lines<'_>, text: &str, escape: impl Fn(char) -> Option<&'static str>) {
    let mut before = None;
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        let after = characters.peek();
        let is_lone = before.is_some_and(|c| !is_blank(c)) && after.is_some_and(|c| !is_blank(*c));
        if c == ' ' && is_lone && lines.is_full(0) {
            lines.end_line();
            lines.indent();
        } else {
            lines.push(escape(c).unwrap_or(c.encode_utf8(&mut [0; 4])));
        }
        before = Some(c);
    }
}

#[cfg(test)]
impl Layout<'static> {
    /// A scalar that begins its line and stays on it.
    pub(super) const UNBROKEN: Self = Self {
        column: 0,
        indent: 2,
        line_break: "\n",
        is_wrapped: false,
        is_ascii: false,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_indentation_of_further_lines_is_kept() {
        assert_eq!(indent_of("'a'"), None);
        assert_eq!(indent_of("'a\n\n     b\n  c'"), Some(5));
        assert_eq!(indent_of("'a\r\n\r\n   b'"), Some(3));
        assert_eq!(indent_of("'a\nb'"), None);
    }

    #[test]
    fn columns_are_counted_in_characters_from_the_start_of_the_line() {
        let layout = Layout {
            column: 3,
            is_wrapped: true,
            ..Layout::UNBROKEN
        };
        let mut lines = Lines::new(layout);
        lines.push(&"é".repeat(WIDTH - 3));
        assert!(!lines.is_full(0));
        lines.push("x");
        assert!(lines.is_full(0));
        lines.end_line();
        lines.indent();
        assert!(!lines.is_full(0));
        lines.push(&"x".repeat(WIDTH - 1));
        assert!(lines.is_full(0));
        assert_eq!(lines.finish().lines().nth(1).map(str::len), Some(WIDTH + 1));
    }
}
