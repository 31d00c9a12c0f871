//! The plain tree that a document is read into.

use std::sync::Arc;

use super::pointer::unescape;

/// One value of a document, with the line it begins on.
///
/// Collections and texts are shared, so cloning is cheap and an alias costs no memory. Two nodes are equal when they
/// mean the same; lines do not count.
#[derive(Debug, Clone)]
pub struct Node {
    /// The value.
    pub kind: NodeKind,
    /// The line, from 1; that of the alias for an aliased value.
    pub line: usize,
}

/// The kinds of values that matter here: text, and everything that is not.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeKind {
    /// Nothing, `~` or `null`.
    Null,
    /// A scalar that the YAML 1.1 loader takes for something other than text, as it stands in the source.
    Scalar(ScalarType, Arc<str>),
    /// Text.
    Text(Arc<str>),
    /// A list.
    Sequence(Arc<[Node]>),
    /// A mapping.
    Mapping(Arc<Mapping>),
}

/// What a plain scalar is to a YAML 1.1 loader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScalarType {
    /// `true`, `no`, `On`.
    Bool,
    /// `12`, `0x1f`, `12:30:45`.
    Int,
    /// `1.5`, `.inf`.
    Float,
    /// `2026-01-02`.
    Date,
    /// Text under the tag `!!binary`.
    Binary,
}

/// A mapping in the order of the document, merge keys resolved, without duplicate keys.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mapping {
    entries: Vec<(Arc<str>, Node)>,
}

impl Mapping {
    /// Makes a mapping of entries whose keys are distinct.
    pub(super) const fn new(entries: Vec<(Arc<str>, Node)>) -> Self {
        Self { entries }
    }

    /// Returns the value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries
            .iter()
            .find(|(name, _)| &**name == key)
            .map(|(_, value)| value)
    }

    /// Returns the entries in the order of the document.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.entries.iter().map(|(key, value)| (&**key, value))
    }

    /// Returns the entries with their shared keys.
    pub(super) fn entries(&self) -> &[(Arc<str>, Node)] {
        &self.entries
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

impl Node {
    /// Returns the value of a key, if this is a mapping that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_mapping()?.get(key)
    }

    /// Returns the mapping, if this is one.
    #[must_use]
    pub fn as_mapping(&self) -> Option<&Mapping> {
        match &self.kind {
            NodeKind::Mapping(mapping) => Some(mapping),
            _ => None,
        }
    }

    /// Returns the items, if this is a list.
    #[must_use]
    pub fn as_sequence(&self) -> Option<&[Self]> {
        match &self.kind {
            NodeKind::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// Returns the text, if this is text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Tells whether this is null.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self.kind, NodeKind::Null)
    }

    /// Returns a scalar in printed form: text as it is, an integer in decimal, other scalars as in the source.
    #[must_use]
    pub fn printed(&self) -> Option<String> {
        match &self.kind {
            NodeKind::Text(text) => Some(text.to_string()),
            NodeKind::Scalar(ScalarType::Int, source) => Some(super::scalar::decimal(source)),
            NodeKind::Scalar(_, source) => Some(source.to_string()),
            NodeKind::Null | NodeKind::Sequence(_) | NodeKind::Mapping(_) => None,
        }
    }

    /// Returns the value at an RFC 6901 pointer.
    #[must_use]
    pub fn pointer(&self, pointer: &str) -> Option<&Self> {
        if pointer.is_empty() {
            return Some(self);
        }
        pointer
            .strip_prefix('/')?
            .split('/')
            .try_fold(self, |node, token| node.child(&unescape(token)))
    }

    fn child(&self, token: &str) -> Option<&Self> {
        match &self.kind {
            NodeKind::Mapping(mapping) => mapping.get(token),
            NodeKind::Sequence(items) => {
                let canonical = token == "0" || !token.starts_with(['0', '+']);
                items.get(token.parse::<usize>().ok().filter(|_| canonical)?)
            }
            _ => None,
        }
    }

    /// Returns what this is, in words for messages.
    #[must_use]
    pub const fn describe(&self) -> &'static str {
        match &self.kind {
            NodeKind::Null => "null",
            NodeKind::Scalar(ScalarType::Bool, _) => "a boolean",
            NodeKind::Scalar(ScalarType::Int | ScalarType::Float, _) => "a number",
            NodeKind::Scalar(ScalarType::Date, _) => "a date",
            NodeKind::Scalar(ScalarType::Binary, _) => "binary data",
            NodeKind::Text(_) => "text",
            NodeKind::Sequence(_) => "a list",
            NodeKind::Mapping(_) => "a mapping",
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::dify::{Limits, parse_document};

    fn check(pointer: &str, expected: Option<&str>) {
        let source = b"a/b: {m~n: [zero, one]}\n'': empty\nn: 0x10\n";
        let root = parse_document(source, &Limits::default()).unwrap().root;
        assert_eq!(
            root.pointer(pointer).and_then(super::Node::printed).as_deref(),
            expected,
            "{pointer}"
        );
    }

    #[test]
    fn a_pointer_finds_what_rfc_6901_says() {
        check("/a~1b/m~0n/1", Some("one"));
        check("/", Some("empty"));
        check("/n", Some("16"));
        check("", None);
        check("/a~1b/m~0n/01", None);
        check("/a~1b/m~0n/+1", None);
        check("/a~1b/m~0n/2", None);
        check("/a~1b/m~0n/-", None);
        check("no-slash", None);
        check("/n/x", None);
    }
}
