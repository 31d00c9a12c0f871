//! The parts of a block scalar in the source: its header and its lines.
//!
//! The parser names the place of the content only, so the header is looked for on the last line before it that is not
//! blank, behind the key.

use std::ops::Range;

use super::scalar::Scalar;

/// What a block scalar does with the line breaks at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chomping {
    /// `-`: none is kept.
    Strip,
    /// Nothing: one is kept.
    Clip,
    /// `+`: all are kept.
    Keep,
}

/// A block scalar in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// `|` or `>` with what belongs to it.
    pub(super) header: Range<usize>,
    /// The lines from the one after the header to the last that is not blank, with its line break.
    pub(super) lines: Range<usize>,
    /// Where the blank lines after these end.
    pub(super) blanks_end: usize,
    /// How far the content is indented.
    pub(super) indent: usize,
    /// The indentation that the header states.
    pub(super) stated_indent: Option<char>,
    /// What happens at the end.
    pub(super) chomping: Chomping,
    /// How far what is around it is indented, if that is known.
    pub(super) outer_indent: Option<usize>,
    /// Whether the document ends within the last line.
    pub(super) is_open: bool,
}

impl Block {
    /// Takes a block scalar apart. `None` when it does not look as the parser says.
    pub(super) fn of(source: &str, scalar: &Scalar) -> Option<Self> {
        let indent = scalar.content_indent?;
        let first_line = line_start(source, scalar.span.start);
        let header_line = header_line(source, first_line)?;
        let from = header_line.start.max(scalar.previous_end);
        let header = header(source, from..header_line.end)?;
        let (lines_end, blanks_end) = ends(source, first_line..scalar.span.end, indent);
        let indicators = source.get(header.start + 1..header.end)?;
        let stated_indent = indicators.chars().find(char::is_ascii_digit);
        let chomping = match indicators.chars().find(|c| !c.is_ascii_digit()) {
            Some('-') => Chomping::Strip,
            Some(_) => Chomping::Keep,
            None => Chomping::Clip,
        };
        let outer_indent = match scalar.surroundings.mapping_indent {
            Some(indent) => Some(indent),
            None => dash_column(source.get(header_line.start..header.start)?),
        };
        Some(Self {
            lines: after_break(source, header_line.end)..lines_end,
            blanks_end,
            indent,
            stated_indent,
            chomping,
            outer_indent,
            is_open: !source.get(..lines_end)?.ends_with(['\n', '\r']),
            header,
        })
    }
}

/// Returns the line break that is used around a place.
pub(super) fn line_break(source: &str, at: usize) -> &'static str {
    let (before, after) = source.split_at_checked(at).unwrap_or((source, ""));
    let feed = after
        .find('\n')
        .map(|found| at + found)
        .or_else(|| before.rfind('\n'));
    match feed {
        Some(feed) if source.get(..feed).is_some_and(|line| line.ends_with('\r')) => "\r\n",
        _ => "\n",
    }
}

fn line_start(source: &str, at: usize) -> usize {
    let before = source.get(..at).unwrap_or_default();
    before.rfind(['\n', '\r']).map_or(0, |end| end + 1)
}

/// Returns the last line before a place that is not blank, without its line break.
fn header_line(source: &str, before: usize) -> Option<Range<usize>> {
    let end = source
        .get(..before)?
        .trim_end_matches([' ', '\t', '\n', '\r'])
        .len();
    let rest = source.get(end..)?;
    let line_end = end + rest.find(['\n', '\r']).unwrap_or(rest.len());
    Some(line_start(source, end)..line_end)
}

/// Returns the first word of a range that begins as a header; anchors and tags may stand before it, a comment behind it.
fn header(source: &str, range: Range<usize>) -> Option<Range<usize>> {
    let mut at = range.start;
    for word in source.get(range)?.split([' ', '\t']) {
        if word.starts_with(['|', '>']) {
            return Some(at..at + word.len());
        }
        at += word.len() + 1;
    }
    None
}

/// Returns where the last line with content ends, and where the blank lines after it end.
fn ends(source: &str, range: Range<usize>, indent: usize) -> (usize, usize) {
    let (mut lines_end, mut blanks_end, mut at) = (range.start, range.start, range.start);
    while at < range.end {
        let line = source.get(at..range.end).unwrap_or_default();
        let length = line.find(['\n', '\r']).unwrap_or(line.len());
        let next = after_break(source, at + length);
        if length > indent {
            lines_end = next;
        }
        // What comes last without a line break is the indentation of the next token.
        if length < line.len() || length > indent {
            blanks_end = next;
        }
        at = next.max(at + 1);
    }
    (lines_end, blanks_end)
}

/// Returns where the line break at a place ends.
fn after_break(source: &str, at: usize) -> usize {
    match source.as_bytes().get(at..) {
        Some([b'\r', b'\n', ..]) => at + 2,
        Some([b'\r' | b'\n', ..]) => at + 1,
        _ => at,
    }
}

/// Returns the column of the innermost dash before the header of an item.
fn dash_column(before: &str) -> Option<usize> {
    let mut column = None;
    let mut at = 0;
    for word in before.split(' ') {
        match word {
            "-" => column = Some(at),
            "" => {}
            _ if word.starts_with(['&', '!']) => {}
            _ => return None,
        }
        at += word.len() + 1;
    }
    column
}
