//! A mapping under construction: keys and values in turn, duplicate keys, merge keys.

use std::collections::HashMap;
use std::sync::Arc;

use super::error::{DifyError, Position};
use super::tree::{Mapping, Node, NodeKind};

/// A mapping whose end has not been seen.
#[derive(Default)]
pub(super) struct OpenMapping {
    entries: Vec<(Arc<str>, Node)>,
    first_lines: HashMap<Arc<str>, usize>,
    merges: Vec<(Position, Node)>,
    key: Option<Key>,
}

/// A key that waits for its value.
struct Key {
    text: Arc<str>,
    at: Position,
    merge: bool,
}

/// A finished node on its way into its parent.
pub(super) struct Finished {
    /// The node.
    pub(super) node: Node,
    /// Where it begins.
    pub(super) at: Position,
    /// How many levels it has.
    pub(super) height: usize,
    /// Whether it is a plain `<<`, which is a merge key when it stands as a key.
    pub(super) merge: bool,
}

impl OpenMapping {
    /// Tells whether the next node is the value of a merge key.
    pub(super) fn awaits_merge(&self) -> bool {
        self.key.as_ref().is_some_and(|key| key.merge)
    }

    /// Takes a key or the value of the key before it.
    pub(super) fn accept(&mut self, finished: Finished) -> Result<(), DifyError> {
        match self.key.take() {
            None => {
                self.key = Some(Key::of(&finished)?);
                Ok(())
            }
            Some(key) if key.merge => {
                self.merges.push((key.at, finished.node));
                Ok(())
            }
            Some(key) => {
                if let Some(first) = self.first_lines.insert(Arc::clone(&key.text), key.at.line) {
                    return Err(DifyError::DuplicateKey {
                        at: key.at,
                        first_line: first,
                    });
                }
                self.entries.push((key.text, finished.node));
                Ok(())
            }
        }
    }

    /// Resolves the merge keys: own entries win over merged ones, and of a list of mappings the first wins.
    pub(super) fn close(self) -> Result<Mapping, DifyError> {
        if self.merges.is_empty() {
            return Ok(Mapping::new(self.entries));
        }
        let mut merged: Vec<(Arc<str>, Node)> = Vec::new();
        let mut places: HashMap<Arc<str>, usize> = HashMap::new();
        let mut put = |key: &Arc<str>, value: &Node| match places.get(key).and_then(|i| merged.get_mut(*i)) {
            Some((_, old)) => *old = value.clone(),
            None => {
                places.insert(Arc::clone(key), merged.len());
                merged.push((Arc::clone(key), value.clone()));
            }
        };
        for (at, value) in &self.merges {
            for mapping in merge_sources(value, *at)? {
                mapping.entries().iter().for_each(|(key, value)| put(key, value));
            }
        }
        self.entries.iter().for_each(|(key, value)| put(key, value));
        Ok(Mapping::new(merged))
    }
}

/// Returns the mappings that a merge key names, the weakest first.
fn merge_sources(value: &Node, at: Position) -> Result<Vec<&Mapping>, DifyError> {
    let sources: Option<Vec<&Mapping>> = match value.as_sequence() {
        Some(items) => items.iter().rev().map(Node::as_mapping).collect(),
        None => value.as_mapping().map(|mapping| vec![mapping]),
    };
    sources.ok_or(DifyError::InvalidMerge { at })
}

impl Key {
    fn of(finished: &Finished) -> Result<Self, DifyError> {
        let at = finished.at;
        let text = match &finished.node.kind {
            NodeKind::Text(text) | NodeKind::Scalar(_, text) => Arc::clone(text),
            NodeKind::Null => Arc::from(""),
            NodeKind::Sequence(_) | NodeKind::Mapping(_) => return Err(DifyError::KeyNotScalar { at }),
        };
        Ok(Self {
            text,
            at,
            merge: finished.merge,
        })
    }
}
