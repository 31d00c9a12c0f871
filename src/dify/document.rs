//! From bytes to a tree, under hard limits.

use serde_saphyr::granit_parser::{ErrorKind, Options, Parser, ScanError, options};

use super::compose::Composer;
use super::error::{DifyError, Position};
use super::limits::Limits;
use super::tree::{Node, NodeKind};

/// A document that has been read.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The root, always a mapping.
    pub root: Node,
    /// The line of the first U+0085, U+2028 or U+2029 that stands unescaped, if there is one: old and new YAML readers
    /// disagree on whether these break a line.
    pub odd_line_break: Option<usize>,
}

/// Reads one YAML or JSON document: UTF-8 with or without a byte order mark, any line ends.
///
/// The tree holds no more than the limits allow, counted as if every alias were written out, but aliases share memory.
///
/// # Errors
/// [`DifyError`]: not UTF-8, not YAML, ambiguous (duplicate keys, several documents), no mapping, or over a limit.
pub fn parse_document(bytes: &[u8], limits: &Limits) -> Result<Document, DifyError> {
    if bytes.len() > limits.max_document_bytes {
        return Err(DifyError::TooLarge {
            bytes: bytes.len(),
            limit: limits.max_document_bytes,
        });
    }
    let text = utf8(bytes)?;
    let odd_line_break = printable(text)?;
    let (options, max_depth) = parser_options(limits);
    let mut composer = Composer::new(limits, max_depth);
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| syntax(&error, max_depth))?;
        composer.accept(event, span)?;
    }
    let root = composer.into_root().ok_or(DifyError::Empty)?;
    match &root.kind {
        NodeKind::Mapping(_) => Ok(Document { root, odd_line_break }),
        NodeKind::Null => Err(DifyError::Empty),
        _ => Err(DifyError::NotAMapping {
            found: root.describe(),
        }),
    }
}

/// Returns how every parser of a document is set, and the depth that it may reach.
pub(super) fn parser_options(limits: &Limits) -> (Options, usize) {
    let max_depth = limits.max_depth.min(Limits::DEPTH_CEILING);
    let options = options! {
        emit_comments: false,
        block_scalar_eof_without_line_feed: true,
        flow_nesting_limit: max_depth,
        block_nesting_limit: max_depth,
    };
    (options, max_depth)
}

/// Returns the text of a document.
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, DifyError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let offset = error.valid_up_to();
        let before = bytes.get(..offset).unwrap_or_default();
        DifyError::NotUtf8 {
            offset,
            line: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
        }
    })
}

/// Refuses what Dify's loader refuses before it parses, and returns the line of the first odd line break.
fn printable(text: &str) -> Result<Option<usize>, DifyError> {
    let (mut line, mut column, mut odd) = (1, 1, None);
    for c in text.chars() {
        match c {
            '\n' => (line, column) = (line + 1, 0),
            '\u{85}' | '\u{2028}' | '\u{2029}' => odd = odd.or(Some(line)),
            '\t' | '\r' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'.. => {}
            _ => {
                return Err(DifyError::ControlCharacter {
                    code: u32::from(c),
                    at: Position { line, column },
                });
            }
        }
        column += 1;
    }
    Ok(odd)
}

/// Says what is wrong where the parser stopped.
pub(super) fn syntax(error: &ScanError, max_depth: usize) -> DifyError {
    let at = Position {
        line: error.marker().line(),
        column: error.marker().col() + 1,
    };
    match error.kind() {
        ErrorKind::RecursionLimitExceeded => DifyError::TooDeep { limit: max_depth, at },
        kind => DifyError::Syntax {
            at,
            reason: reason(kind),
        },
    }
}

/// Says what to do where the parser only says what it met.
fn reason(kind: &ErrorKind) -> String {
    match kind {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart => "a tab is used as indentation: indent with spaces".to_owned(),
        ErrorKind::UnknownAnchor => "an alias has no anchor before it: write the value out".to_owned(),
        ErrorKind::UnclosedQuotedScalar => "a quote is not closed: add the closing quote".to_owned(),
        ErrorKind::MappingValueNotAllowed => {
            "a ':' stands where no key can be: put the text in quotes, or check the indentation".to_owned()
        }
        other => format!(
            "{}: mend the line, or export the app again",
            other.to_string().to_lowercase()
        ),
    }
}
