//! A YAML text as a tree of byte ranges: what an edit in place needs to know.
//!
//! Only mappings keep their members; lists and scalars are ranges. Nesting is bounded because the text has been through
//! [`yaml::parse`](crate::config::yaml) first.

use std::ops::Range;

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span, StrInput, StructureStyle};

/// A parsed text.
#[derive(Debug)]
pub(super) struct Document {
    /// The root; `None` in an empty document.
    pub(super) root: Option<Item>,
    /// The comments in their order, without the `#`.
    pub(super) comments: Vec<String>,
}

/// A value and the bytes that it fills, without the blank lines and comments after it.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) range: Range<usize>,
    pub(super) shape: Shape,
}

/// What a value is.
#[derive(Debug)]
pub(super) enum Shape {
    Null,
    Scalar,
    Alias,
    List,
    Map(Mapping),
}

/// A mapping in block or flow style.
#[derive(Debug)]
pub(super) struct Mapping {
    pub(super) flow: bool,
    pub(super) entries: Vec<Entry>,
}

/// A key and its value. A key that is no plain name has the name "" and so is never taken for one of ours.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) key: Range<usize>,
    pub(super) value: Item,
    /// The byte after the value, or after the colon of a key without value.
    pub(super) end: usize,
}

impl Mapping {
    pub(super) fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }
}

impl Entry {
    pub(super) fn map(&self) -> Option<&Mapping> {
        self.value.map()
    }

    pub(super) const fn is_null(&self) -> bool {
        matches!(self.value.shape, Shape::Null)
    }

    pub(super) const fn is_scalar(&self) -> bool {
        matches!(self.value.shape, Shape::Scalar)
    }
}

impl Item {
    pub(super) const fn map(&self) -> Option<&Mapping> {
        match &self.shape {
            Shape::Map(map) => Some(map),
            Shape::Null | Shape::Scalar | Shape::Alias | Shape::List => None,
        }
    }
}

/// Parses a text.
///
/// # Errors
/// The words of the parser.
pub(super) fn parse(text: &str) -> Result<Document, String> {
    let mut reader = Reader {
        text,
        parser: Parser::new_from_str(text),
        comments: Vec::new(),
    };
    let mut root = None;
    while let Some((event, span)) = reader.next()? {
        if event.is_node() {
            root = Some(reader.node(&event, span)?);
        }
    }
    Ok(Document {
        root,
        comments: reader.comments,
    })
}

struct Reader<'a> {
    text: &'a str,
    parser: Parser<'a, StrInput<'a>>,
    comments: Vec<String>,
}

impl<'a> Reader<'a> {
    /// Returns the next event that is no comment.
    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, String> {
        loop {
            match self.parser.next_event() {
                None => return Ok(None),
                Some(Err(error)) => return Err(error.to_string()),
                Some(Ok((Event::Comment(text, _), _))) => self.comments.push(text.into_owned()),
                Some(Ok(event)) => return Ok(Some(event)),
            }
        }
    }

    fn node(&mut self, event: &Event<'a>, span: Span) -> Result<Item, String> {
        let start = range(span)?;
        match event {
            Event::Scalar(value, style, ..) => {
                let null =
                    *style == ScalarStyle::Plain && matches!(&**value, "~" | "null" | "Null" | "NULL" | "");
                let shape = if null { Shape::Null } else { Shape::Scalar };
                Ok(Item {
                    range: self.trimmed(start),
                    shape,
                })
            }
            Event::MappingStart(style, ..) => self.map(start, *style == StructureStyle::Flow),
            Event::SequenceStart(style, ..) => self.list(start, *style == StructureStyle::Flow),
            _ => Ok(Item {
                range: start,
                shape: Shape::Alias,
            }),
        }
    }

    fn map(&mut self, start: Range<usize>, flow: bool) -> Result<Item, String> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (event, span) = self.next()?.ok_or("unexpected end")?;
            if matches!(event, Event::MappingEnd) {
                let last = entries.last().map_or(start.end, |entry| entry.end);
                let end = if flow { range(span)?.end } else { last };
                let shape = Shape::Map(Mapping { flow, entries });
                return Ok(Item {
                    range: start.start..end,
                    shape,
                });
            }
            let key = self.node(&event, span)?;
            let name = event
                .scalar()
                .map_or_else(String::new, |(name, _)| name.to_owned());
            let (event, span) = self.next()?.ok_or("unexpected end")?;
            let value = self.node(&event, span)?;
            let end = if value.range.is_empty() {
                self.after_colon(key.range.end)
            } else {
                value.range.end
            };
            entries.push(Entry {
                name,
                key: key.range,
                value,
                end,
            });
        }
    }

    fn list(&mut self, start: Range<usize>, flow: bool) -> Result<Item, String> {
        let mut end = start.end;
        loop {
            let (event, span) = self.next()?.ok_or("unexpected end")?;
            if matches!(event, Event::SequenceEnd) {
                if flow {
                    end = range(span)?.end;
                }
                return Ok(Item {
                    range: start.start..end,
                    shape: Shape::List,
                });
            }
            end = end.max(self.node(&event, span)?.range.end);
        }
    }

    /// Takes the blank tail from a range: that of a block scalar reaches to the next token.
    fn trimmed(&self, range: Range<usize>) -> Range<usize> {
        let kept = self
            .text
            .get(range.clone())
            .map_or(0, |slice| slice.trim_end().len());
        range.start..range.start + kept
    }

    fn after_colon(&self, key_end: usize) -> usize {
        let rest = self.text.get(key_end..).unwrap_or_default();
        let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        match rest.get(blanks..) {
            Some(tail) if tail.starts_with(':') => key_end + blanks + 1,
            _ => key_end,
        }
    }
}

fn range(span: Span) -> Result<Range<usize>, String> {
    span.byte_range()
        .ok_or_else(|| "positions are not known".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let document = parse(text).unwrap();
        let map = document.root.as_ref().and_then(Item::map).unwrap();
        let found: Vec<(&str, &str)> = map
            .entries
            .iter()
            .map(|entry| (entry.name.as_str(), &text[entry.key.start..entry.end]))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn entries_reach_from_their_key_to_the_end_of_their_value() {
        check(
            "a: 1  # c\nb:\n  c: 2\n\n# d\ne:\n",
            &[("a", "a: 1"), ("b", "b:\n  c: 2"), ("e", "e:")],
        );
        check(
            "{a: 1, 'b':[2, 3], c: {d: }}",
            &[("a", "a: 1"), ("b", "'b':[2, 3]"), ("c", "c: {d: }")],
        );
        check(
            "a: |\n  x\n\n# c\nb: one\n  two\n",
            &[("a", "a: |\n  x"), ("b", "b: one\n  two")],
        );
        check(
            "l:\n- 1\n- x: 2\n  y: ü\nz: 'q'\n",
            &[("l", "l:\n- 1\n- x: 2\n  y: ü"), ("z", "z: 'q'")],
        );
    }

    #[test]
    fn nulls_and_comments_are_told_apart_from_texts() {
        let document = parse("a:  # one\nb: ~\nc: \"\"\n# two\n").unwrap();
        let map = document.root.as_ref().and_then(Item::map).unwrap();
        let nulls: Vec<bool> = map.entries.iter().map(Entry::is_null).collect();
        assert_eq!(nulls, [true, true, false]);
        assert_eq!(document.comments, [" one", " two"]);
        assert!(parse("# nothing\n").unwrap().root.is_none());
    }
}
