//! Why a document yields no extraction at all.

use std::fmt;

/// A place in a document, both numbers from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// Why a document cannot be read.
///
/// No variant carries text of the document, so an error can be logged and shown whatever the document holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DifyError {
    /// More bytes than [`super::Limits::max_document_bytes`].
    #[error("the document has {bytes} bytes; the limit is {limit}: export a smaller app, or raise the limit")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Bytes that are no UTF-8.
    #[error("invalid utf-8 at byte {offset} (line {line}): save the document as utf-8")]
    NotUtf8 {
        /// The first byte that is wrong, from 0.
        offset: usize,
        /// Its line, from 1.
        line: usize,
    },
    /// A control character that YAML forbids outside an escape.
    #[error("control character U+{code:04X} at {at}: remove it, or write it as an escape in double quotes")]
    ControlCharacter {
        /// Which character.
        code: u32,
        /// Where.
        at: Position,
    },
    /// Nothing in it but white space and comments.
    #[error("the document is empty: export the app from dify again")]
    Empty,
    /// Neither YAML nor JSON.
    #[error("not valid yaml at {at}: {reason}")]
    Syntax {
        /// Where the parser stopped.
        at: Position,
        /// What it said.
        reason: String,
    },
    /// A mapping with the same key twice.
    #[error(
        "duplicate key at {at}, first used on line {first_line} of the same mapping: keep one of the two"
    )]
    DuplicateKey {
        /// The second use.
        at: Position,
        /// The line of the first use.
        first_line: usize,
    },
    /// A key that is a list or a mapping.
    #[error("a list or mapping is used as a key at {at}: use text as the key")]
    KeyNotScalar {
        /// Where.
        at: Position,
    },
    /// A tag that Dify's loader does not know.
    #[error("unknown tag at {at}: dify's loader refuses it; remove the tag")]
    UnknownTag {
        /// Where.
        at: Position,
    },
    /// An alias inside the node that it names.
    #[error("alias at {at} refers to a node that contains it: write the value out")]
    RecursiveAlias {
        /// Where.
        at: Position,
    },
    /// A merge key (`<<`) whose value is no mapping.
    #[error("merge key at {at} needs a mapping or a list of mappings as its value")]
    InvalidMerge {
        /// Where.
        at: Position,
    },
    /// More than one document in the stream.
    #[error("a second document begins on line {line}: keep one document per file")]
    SeveralDocuments {
        /// The line of the second one.
        line: usize,
    },
    /// A list or a scalar at the root.
    #[error("the document is {found}, not a mapping: a dify export begins with 'app:' and 'kind: app'")]
    NotAMapping {
        /// What it is.
        found: &'static str,
    },
    /// Deeper than [`super::Limits::max_depth`].
    #[error("nested deeper than {limit} levels at {at}: flatten the document")]
    TooDeep {
        /// The limit.
        limit: usize,
        /// Where.
        at: Position,
    },
    /// More nodes than [`super::Limits::max_nodes`], counted after the expansion of aliases.
    #[error(
        "more than {limit} nodes at {at}, aliases expanded: split the document, or write its aliases out"
    )]
    TooManyNodes {
        /// The limit.
        limit: usize,
        /// Where.
        at: Position,
    },
    /// More text than [`super::Limits::max_expanded_bytes`], counted after the expansion of aliases.
    #[error(
        "more than {limit} bytes of text at {at}, aliases expanded: export a smaller app, or use fewer aliases"
    )]
    TooMuchText {
        /// The limit.
        limit: usize,
        /// Where.
        at: Position,
    },
    /// More prompts than [`super::Limits::max_prompts`], empty ones included.
    #[error("more than {limit} prompts: split the workflow, or raise the limit")]
    TooManyPrompts {
        /// The limit.
        limit: usize,
    },
}

impl DifyError {
    /// Returns the reason as one stable word, for programs.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too-large",
            Self::NotUtf8 { .. } => "not-utf8",
            Self::ControlCharacter { .. } => "control-character",
            Self::Empty => "empty",
            Self::Syntax { .. } => "syntax",
            Self::DuplicateKey { .. } => "duplicate-key",
            Self::KeyNotScalar { .. } => "key-not-scalar",
            Self::UnknownTag { .. } => "unknown-tag",
            Self::RecursiveAlias { .. } => "recursive-alias",
            Self::InvalidMerge { .. } => "invalid-merge",
            Self::SeveralDocuments { .. } => "several-documents",
            Self::NotAMapping { .. } => "not-a-mapping",
            Self::TooDeep { .. } => "too-deep",
            Self::TooManyNodes { .. } => "too-many-nodes",
            Self::TooMuchText { .. } => "too-much-text",
            Self::TooManyPrompts { .. } => "too-many-prompts",
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}
