//! From parser events to a tree: nesting, anchors, aliases, and the counting against the limits.
//!
//! The stack is a plain vector, so nesting costs no call depth. An anchored node remembers what it weighs, so an alias
//! is charged for everything it stands for without being walked: a small document that expands to billions of nodes
//! is refused at the first alias that crosses the limit.

use std::collections::HashMap;
use std::sync::Arc;

use serde_saphyr::granit_parser::{Event, ScalarStyle, Span, Tag};

use super::error::{DifyError, Position};
use super::limits::Limits;
use super::open_mapping::{Finished, OpenMapping};
use super::tag::{known_collection_tag, scalar_kind};
use super::tree::{Node, NodeKind};

/// Builds one tree from the events of one document.
pub(super) struct Composer<'l> {
    limits: &'l Limits,
    max_depth: usize,
    stack: Vec<Frame>,
    anchors: HashMap<usize, Anchored>,
    spent: Weight,
    documents: usize,
    root: Option<Node>,
}

/// A collection whose end has not been seen.
struct Frame {
    open: Open,
    anchor: usize,
    start: Position,
    /// What had been spent when it began.
    before: Weight,
    /// How many levels the children have so far.
    height: usize,
}

enum Open {
    Sequence(Vec<Node>),
    Mapping(OpenMapping),
}

/// Nodes and bytes of text.
#[derive(Debug, Clone, Copy, Default)]
struct Weight {
    nodes: usize,
    bytes: usize,
}

/// A node that aliases can name, with what it costs to expand it.
struct Anchored {
    node: Node,
    weight: Weight,
    height: usize,
}

impl<'l> Composer<'l> {
    /// Starts with nothing.
    pub(super) fn new(limits: &'l Limits, max_depth: usize) -> Self {
        Self {
            limits,
            max_depth,
            stack: Vec::new(),
            anchors: HashMap::new(),
            spent: Weight::default(),
            documents: 0,
            root: None,
        }
    }

    /// Returns the root, if there was a document.
    pub(super) fn into_root(self) -> Option<Node> {
        self.root
    }

    /// Takes the next event.
    pub(super) fn accept(&mut self, event: Event<'_>, span: Span) -> Result<(), DifyError> {
        let at = position(span);
        match event {
            Event::DocumentStart(..) => self.begin_document(at),
            Event::Scalar(text, style, anchor, tag) => self.scalar(&text, style, anchor, tag.as_deref(), at),
            Event::SequenceStart(_, anchor, tag) => {
                known_collection_tag(tag.as_deref(), at)?;
                self.begin(Open::Sequence(Vec::new()), anchor, at)
            }
            Event::MappingStart(_, anchor, tag) => {
                known_collection_tag(tag.as_deref(), at)?;
                self.begin(Open::Mapping(OpenMapping::default()), anchor, at)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => self.alias(anchor, at),
            _ => Ok(()),
        }
    }

    fn begin_document(&mut self, at: Position) -> Result<(), DifyError> {
        self.documents += 1;
        if self.documents > 1 {
            return Err(DifyError::SeveralDocuments { line: at.line });
        }
        Ok(())
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        at: Position,
    ) -> Result<(), DifyError> {
        let weight = Weight {
            nodes: 1,
            bytes: text.len(),
        };
        self.spend(weight, at)?;
        let plain = style == ScalarStyle::Plain;
        let node = Node {
            kind: scalar_kind(text, plain, tag, at)?,
            line: at.line,
        };
        let merge = plain && tag.is_none() && text == "<<";
        self.remember(anchor, &node, weight, 0);
        self.attach(Finished {
            node,
            at,
            height: 0,
            merge,
        })
    }

    fn begin(&mut self, open: Open, anchor: usize, at: Position) -> Result<(), DifyError> {
        let before = self.spent;
        self.spend(Weight { nodes: 1, bytes: 0 }, at)?;
        self.fits(1, at)?;
        self.stack.push(Frame {
            open,
            anchor,
            start: at,
            before,
            height: 0,
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), DifyError> {
        let Some(frame) = self.stack.pop() else {
            return Ok(());
        };
        let kind = match frame.open {
            Open::Sequence(items) => NodeKind::Sequence(items.into()),
            Open::Mapping(mapping) => NodeKind::Mapping(Arc::new(mapping.close()?)),
        };
        let node = Node {
            kind,
            line: frame.start.line,
        };
        let weight = Weight {
            nodes: self.spent.nodes - frame.before.nodes,
            bytes: self.spent.bytes - frame.before.bytes,
        };
        let height = frame.height + 1;
        self.remember(frame.anchor, &node, weight, height);
        self.attach(Finished {
            node,
            at: frame.start,
            height,
            merge: false,
        })
    }

    fn alias(&mut self, anchor: usize, at: Position) -> Result<(), DifyError> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            // The parser knows the name, and only an open node is known but not finished.
            return Err(DifyError::RecursiveAlias { at });
        };
        let (weight, height) = (anchored.weight, anchored.height);
        let node = Node {
            kind: anchored.node.kind.clone(),
            line: at.line,
        };
        self.spend(weight, at)?;
        self.fits(height, at)?;
        self.attach(Finished {
            node,
            at,
            height,
            merge: false,
        })
    }

    fn remember(&mut self, anchor: usize, node: &Node, weight: Weight, height: usize) {
        if anchor != 0 {
            let node = node.clone();
            self.anchors.insert(anchor, Anchored { node, weight, height });
        }
    }

    /// Refuses a node of some height below the open collections when that is too deep.
    fn fits(&self, height: usize, at: Position) -> Result<(), DifyError> {
        if self.stack.len() + height > self.max_depth {
            return Err(DifyError::TooDeep {
                limit: self.max_depth,
                at,
            });
        }
        Ok(())
    }

    fn spend(&mut self, weight: Weight, at: Position) -> Result<(), DifyError> {
        self.spent.nodes = self.spent.nodes.saturating_add(weight.nodes);
        self.spent.bytes = self.spent.bytes.saturating_add(weight.bytes);
        if self.spent.nodes > self.limits.max_nodes {
            let limit = self.limits.max_nodes;
            return Err(DifyError::TooManyNodes { limit, at });
        }
        if self.spent.bytes > self.limits.max_expanded_bytes {
            let limit = self.limits.max_expanded_bytes;
            return Err(DifyError::TooMuchText { limit, at });
        }
        Ok(())
    }

    fn attach(&mut self, finished: Finished) -> Result<(), DifyError> {
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(finished.node);
            return Ok(());
        };
        frame.height = frame.height.max(frame.open.levels_below(&finished));
        match &mut frame.open {
            Open::Sequence(items) => items.push(finished.node),
            Open::Mapping(mapping) => mapping.accept(finished)?,
        }
        Ok(())
    }
}

impl Open {
    /// Returns how many levels a node brings: a merged mapping leaves one behind, since its entries move up.
    fn levels_below(&self, finished: &Finished) -> usize {
        match self {
            Self::Mapping(mapping) if mapping.awaits_merge() => finished.height.saturating_sub(1),
            _ => finished.height,
        }
    }
}

fn position(span: Span) -> Position {
    Position {
        line: span.start.line(),
        column: span.start.col() + 1,
    }
}
