//! One scalar as it stands in the source.

use std::fmt;
use std::ops::Range;

use serde_saphyr::granit_parser;

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScalarStyle {
    /// Without quotes.
    Plain,
    /// In single quotes.
    SingleQuoted,
    /// In double quotes.
    DoubleQuoted,
    /// As a block after `|`.
    Literal,
    /// As a block after `>`.
    Folded,
}

/// A scalar that holds text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scalar {
    /// What it says.
    pub(super) text: String,
    /// How it is written.
    pub(super) style: ScalarStyle,
    /// Its bytes; of a block scalar from its first line of content to the next token.
    pub(super) span: Range<usize>,
    /// Its line, from 1.
    pub(super) line: usize,
    /// How far the content of a block scalar is indented; `None` when it is blank.
    pub(super) content_indent: Option<usize>,
    /// Whether the lone tag `!` stands before it.
    pub(super) has_open_tag: bool,
    /// Where the token before it ends.
    pub(super) previous_end: usize,
    /// What surrounds it.
    pub(super) surroundings: Surroundings,
}

/// What surrounds a scalar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Surroundings {
    /// Whether it stands between brackets or braces.
    pub(super) in_flow: bool,
    /// How far the block mapping is indented whose value it is.
    pub(super) mapping_indent: Option<usize>,
    /// How far further lines of a quoted scalar are indented.
    pub(super) further_lines: usize,
}

impl Scalar {
    /// Tells whether it has bytes of its own that can be replaced.
    pub(super) const fn is_replaceable(&self) -> bool {
        match self.style {
            ScalarStyle::Plain | ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                self.span.start < self.span.end
            }
            ScalarStyle::Literal | ScalarStyle::Folded => self.content_indent.is_some(),
        }
    }
}

impl ScalarStyle {
    /// Returns the style that the parser names.
    pub(super) const fn of_event(style: granit_parser::ScalarStyle) -> Self {
        match style {
            granit_parser::ScalarStyle::Plain => Self::Plain,
            granit_parser::ScalarStyle::SingleQuoted => Self::SingleQuoted,
            granit_parser::ScalarStyle::DoubleQuoted => Self::DoubleQuoted,
            granit_parser::ScalarStyle::Literal => Self::Literal,
            granit_parser::ScalarStyle::Folded => Self::Folded,
        }
    }

    /// Tells whether it is one of the two styles of a block.
    pub(super) const fn is_block(self) -> bool {
        matches!(self, Self::Literal | Self::Folded)
    }

    /// Returns the name of the style.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::SingleQuoted => "single-quoted",
            Self::DoubleQuoted => "double-quoted",
            Self::Literal => "literal",
            Self::Folded => "folded",
        }
    }
}

impl fmt::Display for ScalarStyle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
