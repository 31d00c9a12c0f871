//! From pointers to scalars in the source: a walk over the events of the parser.
//!
//! The document has been read before, so it is within its limits, has no duplicate keys and no key that is no scalar.

use std::collections::{HashMap, HashSet};

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle as EventStyle, Span, StructureStyle, Tag};

use super::error::{PatchError, Refusal};
use super::scalar::{Scalar, ScalarStyle, Surroundings};
use crate::dify::document::{parser_options, syntax};
use crate::dify::error::{DifyError, Position};
use crate::dify::limits::Limits;
use crate::dify::pointer::escape;
use crate::dify::tag::{is_open, scalar_kind};
use crate::dify::tree::{Node, NodeKind};

/// A scalar that a pointer leads to.
pub(super) struct Found {
    /// The scalar.
    pub(super) scalar: Scalar,
    /// The line of an alias that would change with it.
    pub(super) shared: Option<usize>,
}

/// Returns the scalar of each pointer, or why there is none to replace.
pub(super) fn find_scalars(
    source: &str,
    root: &Node,
    pointers: &[&str],
    limits: &Limits,
) -> Result<Vec<Result<Found, Refusal>>, PatchError> {
    let mut walk = Walk::new(pointers);
    let (options, max_depth) = parser_options(limits);
    for event in Parser::new_from_str_with_options(source, options) {
        let (event, span) = event.map_err(|error| syntax(&error, max_depth))?;
        walk.accept(event, span)?;
    }
    Ok(pointers
        .iter()
        .map(|pointer| walk.result(pointer, root))
        .collect())
}

/// The state between two events.
struct Walk<'p> {
    wanted: HashSet<&'p str>,
    /// Every pointer that leads to a wanted one.
    ways: HashSet<&'p str>,
    frames: Vec<Frame>,
    /// The pointer of the innermost collection, or of the node that was just met in it.
    path: String,
    previous_end: usize,
    /// The texts of anchored scalars, since an alias can stand as a key.
    anchored_keys: HashMap<usize, String>,
    scalars: HashMap<String, Hit>,
    /// The lines of the aliases and merge keys on the ways.
    aliases: HashMap<String, usize>,
    merges: HashMap<String, usize>,
    /// The line of the first alias of each anchor.
    aliased: HashMap<usize, usize>,
}

/// A scalar at a wanted pointer.
struct Hit {
    scalar: Scalar,
    kind: NodeKind,
    /// The anchors on it and around it.
    anchors: Vec<usize>,
}

/// A collection whose end has not been seen.
struct Frame {
    entries: Entries,
    in_flow: bool,
    anchor: usize,
    /// The length of its pointer.
    path_len: usize,
    /// How far it is indented, for a block mapping after its first key; else the column that it begins at.
    indent: usize,
    /// Whether it stands below a merge key, where pointers do not lead.
    is_merged: bool,
}

enum Entries {
    Sequence { next: usize },
    Mapping { key: Option<Key> },
}

enum Key {
    Merge { line: usize },
    Named(String),
}

impl<'p> Walk<'p> {
    fn new(pointers: &[&'p str]) -> Self {
        let ways = pointers.iter().flat_map(|pointer| {
            let parents = pointer
                .match_indices('/')
                .map(|(at, _)| pointer.get(..at).unwrap_or_default());
            parents.chain([*pointer])
        });
        Self {
            wanted: pointers.iter().copied().collect(),
            ways: ways.collect(),
            frames: Vec::new(),
            path: String::new(),
            previous_end: 0,
            anchored_keys: HashMap::new(),
            scalars: HashMap::new(),
            aliases: HashMap::new(),
            merges: HashMap::new(),
            aliased: HashMap::new(),
        }
    }

    fn accept(&mut self, event: Event<'_>, span: Span) -> Result<(), DifyError> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.scalar(&text, style, anchor, tag.as_deref(), span)?;
            }
            Event::SequenceStart(style, anchor, _) => {
                self.begin(Entries::Sequence { next: 0 }, style, anchor, span);
            }
            Event::MappingStart(style, anchor, _) => {
                self.begin(Entries::Mapping { key: None }, style, anchor, span);
            }
            Event::SequenceEnd | Event::MappingEnd => drop(self.frames.pop()),
            Event::Alias(anchor) => self.alias(anchor, span),
            _ => {}
        }
        self.previous_end = span.end.byte_offset().unwrap_or_default();
        Ok(())
    }

    fn scalar(
        &mut self,
        text: &str,
        style: EventStyle,
        anchor: usize,
        tag: Option<&Tag>,
        span: Span,
    ) -> Result<(), DifyError> {
        let at = Position {
            line: span.start.line(),
            column: span.start.col() + 1,
        };
        let is_plain = style == EventStyle::Plain;
        let kind = scalar_kind(text, is_plain, tag, at)?;
        let name = if kind == NodeKind::Null { "" } else { text };
        if anchor != 0 {
            self.anchored_keys.insert(anchor, name.to_owned());
        }
        if self.awaits_key() {
            let is_merge = is_plain && tag.is_none() && text == "<<";
            self.take_key(name, is_merge, span);
            return Ok(());
        }
        let is_reachable = self.enter();
        if is_reachable && self.wanted.contains(self.path.as_str()) {
            let anchors = self.frames.iter().map(|frame| frame.anchor).chain([anchor]);
            let hit = Hit {
                scalar: Scalar {
                    has_open_tag: tag.is_some_and(is_open),
                    ..self.located(text, ScalarStyle::of_event(style), span)
                },
                kind,
                anchors: anchors.filter(|anchor| *anchor != 0).collect(),
            };
            self.scalars.insert(self.path.clone(), hit);
        }
        Ok(())
    }

    fn located(&self, text: &str, style: ScalarStyle, span: Span) -> Scalar {
        Scalar {
            text: text.to_owned(),
            style,
            span: span.start.byte_offset().unwrap_or_default()..span.end.byte_offset().unwrap_or_default(),
            line: span.start.line(),
            content_indent: span.indent.filter(|_| style.is_block()),
            has_open_tag: false,
            previous_end: self.previous_end,
            surroundings: self.surroundings(span),
        }
    }

    fn surroundings(&self, span: Span) -> Surroundings {
        let innermost = self.frames.last();
        let in_flow = innermost.is_some_and(|frame| frame.in_flow);
        let outermost_flow = self.frames.iter().find(|frame| frame.in_flow);
        let block_mapping = innermost.filter(|frame| !in_flow && frame.is_mapping());
        let further_lines = match (outermost_flow, block_mapping) {
            (Some(flow), _) => flow.indent + 2,
            (None, Some(mapping)) => mapping.indent + 2,
            // An item of a block sequence is always further in than its dash.
            (None, None) => span.start.col(),
        };
        Surroundings {
            in_flow,
            mapping_indent: block_mapping.map(|mapping| mapping.indent),
            further_lines,
        }
    }

    fn begin(&mut self, entries: Entries, style: StructureStyle, anchor: usize, span: Span) {
        let is_reachable = self.enter();
        self.frames.push(Frame {
            entries,
            in_flow: style == StructureStyle::Flow,
            anchor,
            path_len: self.path.len(),
            indent: span.start.col(),
            is_merged: !is_reachable,
        });
    }

    fn alias(&mut self, anchor: usize, span: Span) {
        let line = span.start.line();
        self.aliased.entry(anchor).or_insert(line);
        if self.awaits_key() {
            let name = self.anchored_keys.get(&anchor).cloned().unwrap_or_default();
            self.take_key(&name, false, span);
        } else if self.enter() && self.ways.contains(self.path.as_str()) {
            self.aliases.insert(self.path.clone(), line);
        }
    }

    fn awaits_key(&self) -> bool {
        let entries = self.frames.last().map(|frame| &frame.entries);
        matches!(entries, Some(Entries::Mapping { key: None }))
    }

    fn take_key(&mut self, name: &str, is_merge: bool, span: Span) {
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        // The parser knows the indentation also where an anchor stands before the key.
        if !frame.in_flow {
            frame.indent = span.indent.unwrap_or(frame.indent);
        }
        if let Entries::Mapping { key } = &mut frame.entries {
            *key = Some(if is_merge {
                Key::Merge {
                    line: span.start.line(),
                }
            } else {
                Key::Named(name.to_owned())
            });
        }
    }

    /// Moves the path to the next value of the innermost collection, and tells whether a pointer can lead there.
    fn enter(&mut self) -> bool {
        let Some(frame) = self.frames.last_mut() else {
            return true;
        };
        self.path.truncate(frame.path_len);
        let token = match &mut frame.entries {
            Entries::Sequence { next } => {
                *next += 1;
                (*next - 1).to_string()
            }
            Entries::Mapping { key } => match key.take() {
                Some(Key::Named(name)) => escape(&name).into_owned(),
                Some(Key::Merge { line }) => {
                    if self.ways.contains(self.path.as_str()) {
                        self.merges.entry(self.path.clone()).or_insert(line);
                    }
                    return false;
                }
                None => return false,
            },
        };
        self.path.push('/');
        self.path.push_str(&token);
        !frame.is_merged
    }

    fn result(&self, pointer: &str, root: &Node) -> Result<Found, Refusal> {
        let Some(node) = root.pointer(pointer) else {
            return Err(Refusal::NotFound);
        };
        let Some(hit) = self.scalars.get(pointer) else {
            return Err(self.why_not(pointer, node));
        };
        if !matches!(hit.kind, NodeKind::Text(_)) {
            return Err(Refusal::NotText {
                found: node.describe(),
            });
        }
        let shared = hit.anchors.iter().find_map(|anchor| self.aliased.get(anchor));
        Ok(Found {
            scalar: hit.scalar.clone(),
            shared: shared.copied(),
        })
    }

    /// Says why a value that is there has no bytes at its own place.
    fn why_not(&self, pointer: &str, node: &Node) -> Refusal {
        let ends = pointer
            .match_indices('/')
            .map(|(at, _)| at)
            .chain([pointer.len()]);
        let way: Vec<&str> = ends.filter_map(|end| pointer.get(..end)).collect();
        for place in way.iter().rev() {
            if let Some(line) = self.aliases.get(*place) {
                return Refusal::Alias { line: *line };
            }
            if let Some(line) = self.merges.get(*place) {
                return Refusal::Merged { line: *line };
            }
        }
        Refusal::NotText {
            found: node.describe(),
        }
    }
}

impl Frame {
    const fn is_mapping(&self) -> bool {
        matches!(self.entries, Entries::Mapping { .. })
    }
}
