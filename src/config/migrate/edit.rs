//! Steps as replacements of byte ranges.
//!
//! Block style is edited by lines, so that comments travel with their keys; flow style within its braces. Whatever does
//! not fit either is refused with the reason: the caller then changes nothing.

use std::ops::Range;

use super::rules::{Action, Move, Step};
use super::syntax::{Document, Entry, Item, Mapping};

/// How much deeper a new level is indented.
const INDENT: usize = 2;

/// A range of the text and what stands there afterwards.
pub(super) type Replacement = (Range<usize>, String);

/// Returns the replacements of a step; their ranges do not overlap.
///
/// # Errors
/// What stands in the way of an edit in place.
pub(super) fn replacements(
    text: &str,
    document: &Document,
    step: &Step<'_>,
) -> Result<Vec<Replacement>, String> {
    let editor = Editor {
        text,
        eol: if text.contains("\r\n") { "\r\n" } else { "\n" },
    };
    let Some(first) = step.moves.first() else {
        return Ok(Vec::new());
    };
    match (step.action, step.map.flow) {
        (Action::Rename, _) => Ok(vec![editor.rename(first)]),
        (Action::RenameToList, flow) => editor.rename_to_list(first, flow),
        (Action::Wrap, flow) => editor.wrap(first.entry, flow),
        (Action::CommentOut, false) => Ok(vec![editor.comment_out_lines(first)?]),
        (Action::CommentOut, true) => editor.comment_out_of_braces(document, step.map, first),
        (Action::Nest(parent), false) => editor.nest_lines(step, parent),
        (Action::Nest(parent), true) => Ok(editor.nest_in_braces(step, parent)),
        (Action::Append(parent), flow) => {
            let target = step.map.get(parent).and_then(Entry::map);
            match (target, flow) {
                (Some(target), false) if !target.flow => editor.append_lines(step.map, target, first),
                (Some(target), true) if target.flow => {
                    editor.append_in_braces(step.map, target, parent, first)
                }
                _ => Err(format!("move `{}` to `{}` by hand", first.from, first.to)),
            }
        }
    }
}

/// The comment that stands above an entry which another one supersedes.
fn superseded(moved: &Move<'_>) -> String {
    let winner = moved.to.rsplit('.').next().unwrap_or(&moved.to);
    format!("# superseded by `{winner}` (promptctl config migrate):")
}

struct Editor<'t> {
    text: &'t str,
    eol: &'static str,
}

impl Editor<'_> {
    fn slice(&self, range: Range<usize>) -> &str {
        self.text.get(range).unwrap_or_default()
    }

    fn rename(&self, moved: &Move<'_>) -> Replacement {
        (moved.entry.key.clone(), self.named(moved))
    }

    /// Returns the new name in the quotes of the old one.
    fn named(&self, moved: &Move<'_>) -> String {
        let quote = self
            .slice(moved.entry.key.clone())
            .chars()
            .next()
            .filter(|c| matches!(c, '"' | '\''));
        quote.map_or_else(
            || moved.name.to_owned(),
            |quote| format!("{quote}{}{quote}", moved.name),
        )
    }

    fn rename_to_list(&self, moved: &Move<'_>, flow: bool) -> Result<Vec<Replacement>, String> {
        let value = moved.entry.value.range.clone();
        let colon = self.colon(moved.entry)?;
        let word = self.slice(value.clone());
        let simple = word.starts_with(['"', '\''])
            || word
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
        let mut replacements = vec![self.rename(moved)];
        if flow || simple {
            let start = self.value_start(colon);
            replacements.push((start..start, "[".to_owned()));
            replacements.push((value.end..value.end, "]".to_owned()));
        } else {
            replacements.push(self.below(moved.entry, colon, "-")?);
        }
        Ok(replacements)
    }

    fn wrap(&self, entry: &Entry, flow: bool) -> Result<Vec<Replacement>, String> {
        let colon = self.colon(entry)?;
        if !flow {
            return Ok(vec![self.below(entry, colon, "backend:")?]);
        }
        let start = self.value_start(colon);
        let end = entry.value.range.end;
        Ok(vec![
            (start..start, "{backend: ".to_owned()),
            (end..end, "}".to_owned()),
        ])
    }

    /// Puts the value of a block entry on a line of its own below its key, behind `lead`.
    fn below(&self, entry: &Entry, colon: usize, lead: &str) -> Result<Replacement, String> {
        let gap = self.slice(colon..entry.value.range.start);
        if gap.contains('\n') && !gap.trim_start().starts_with(['|', '>']) {
            return Err(format!(
                "put the value of `{}` on the line of its key",
                entry.name
            ));
        }
        let indent = " ".repeat(self.indent(entry)? + INDENT);
        Ok((colon..colon, format!("{}{indent}{lead}", self.eol)))
    }

    /// Returns the byte after the colon of an entry.
    fn colon(&self, entry: &Entry) -> Result<usize, String> {
        let gap = self.slice(entry.key.end..entry.value.range.start);
        let colon = gap
            .find(':')
            .filter(|at| gap.get(..*at).is_some_and(|blank| blank.trim().is_empty()));
        colon
            .map(|at| entry.key.end + at + 1)
            .ok_or_else(|| format!("write `{}` as a plain key with its colon", entry.name))
    }

    fn value_start(&self, colon: usize) -> usize {
        let rest = self.slice(colon..self.text.len());
        colon + rest.len() - rest.trim_start().len()
    }

    /// Returns the column of a block key that begins its line.
    fn indent(&self, entry: &Entry) -> Result<usize, String> {
        let start = self.line_start(entry.key.start);
        let before = self.slice(start..entry.key.start);
        if before.bytes().all(|b| b == b' ') {
            Ok(before.len())
        } else {
            Err(format!(
                "let `{}` begin its line, with spaces only before it",
                entry.name
            ))
        }
    }

    fn line_start(&self, at: usize) -> usize {
        self.slice(0..at).rfind('\n').map_or(0, |newline| newline + 1)
    }

    /// Returns the byte after the newline of the line of a byte.
    fn line_end(&self, at: usize) -> usize {
        self.slice(at..self.text.len())
            .find('\n')
            .map_or(self.text.len(), |newline| at + newline + 1)
    }

    /// Returns the lines of a block entry, with the rest of its last line.
    fn lines(&self, entry: &Entry) -> Range<usize> {
        self.line_start(entry.key.start)..self.line_end(entry.end)
    }

    /// Returns the lines of a block entry and the comment lines right above it.
    fn lines_with_comments(&self, map: &Mapping, entry: &Entry) -> Range<usize> {
        let lines = self.lines(entry);
        let before = map
            .entries
            .iter()
            .filter(|other| other.end <= lines.start)
            .map(|other| other.end)
            .max();
        let barrier = before.map_or(0, |end| self.line_end(end));
        let mut start = lines.start;
        while start > barrier {
            let above = self.line_start(start - 1);
            if above < barrier || !self.slice(above..start).trim_start().starts_with('#') {
                break;
            }
            start = above;
        }
        start..lines.end
    }

    /// Returns lines shifted to the right, the key of the entry renamed, with a newline at the end.
    fn shifted(&self, lines: Range<usize>, moved: &Move<'_>, by: usize) -> String {
        let key = &moved.entry.key;
        let head = self.slice(lines.start..key.start);
        let renamed = format!("{head}{}{}", self.named(moved), self.slice(key.end..lines.end));
        let mut out = String::new();
        for line in renamed.split_inclusive('\n') {
            if !line.trim().is_empty() {
                out.push_str(&" ".repeat(by));
            }
            out.push_str(line);
        }
        if !out.ends_with('\n') {
            out.push_str(self.eol);
        }
        out
    }

    fn comment_out_lines(&self, moved: &Move<'_>) -> Result<Replacement, String> {
        let indent = " ".repeat(self.indent(moved.entry)?);
        let lines = self.lines(moved.entry);
        let mut out = format!("{indent}{}{}", superseded(moved), self.eol);
        for line in self.slice(lines.clone()).split_inclusive('\n') {
            out.push_str(&indent);
            out.push_str("# ");
            out.push_str(line.strip_prefix(indent.as_str()).unwrap_or(line));
        }
        Ok((lines, out))
    }

    /// Takes an entry out of braces and leaves it as a comment above the line where the outermost braces begin.
    fn comment_out_of_braces(
        &self,
        document: &Document,
        map: &Mapping,
        moved: &Move<'_>,
    ) -> Result<Vec<Replacement>, String> {
        let root = document.root.as_ref().ok_or("the file is empty")?;
        let outer = outermost_braces(root, moved.entry.key.start).ok_or("the braces were not found")?;
        let line = self.line_start(outer);
        let rest = self.slice(line..outer);
        let indent = " ".repeat(rest.len() - rest.trim_start_matches(' ').len());
        let mut comment = format!("{indent}{}{}", superseded(moved), self.eol);
        for part in self.slice(moved.entry.key.start..moved.entry.end).lines() {
            comment.push_str(&format!("{indent}# {}{}", part.trim(), self.eol));
        }
        Ok(vec![(line..line, comment), self.removal(map, moved.entry)])
    }

    /// Takes an entry out of braces together with one comma; comments beside it stay.
    fn removal(&self, map: &Mapping, entry: &Entry) -> Replacement {
        let before = map
            .entries
            .iter()
            .filter(|other| other.end <= entry.key.start)
            .map(|other| other.end)
            .max();
        let after = map
            .entries
            .iter()
            .filter(|other| other.key.start >= entry.end)
            .map(|other| other.key.start)
            .min();
        let (range, gap) = match (before, after) {
            (Some(start), _) => (start..entry.end, start..entry.key.start),
            (None, Some(end)) => (entry.key.start..end, entry.end..end),
            (None, None) => (entry.key.start..entry.end, entry.end..entry.end),
        };
        let gap = self.slice(gap);
        let kept = if gap.contains('\n') {
            gap.replacen(',', "", 1)
        } else {
            String::new()
        };
        (range, kept)
    }

    fn nest_lines(&self, step: &Step<'_>, parent: &str) -> Result<Vec<Replacement>, String> {
        let mut body = String::new();
        let mut replacements = Vec::new();
        let mut indent = None;
        for moved in &step.moves {
            let column = self.indent(moved.entry)?;
            let first = indent.is_none();
            let column = *indent.get_or_insert(column);
            if first {
                body.push_str(&format!("{}{parent}:{}", " ".repeat(column), self.eol));
            }
            // What is written above the first entry is as true above the new mapping.
            let lines = if first {
                self.lines(moved.entry)
            } else {
                self.lines_with_comments(step.map, moved.entry)
            };
            body.push_str(&self.shifted(lines.clone(), moved, INDENT));
            replacements.push((lines, String::new()));
        }
        if let Some((_, text)) = replacements.first_mut() {
            *text = body;
        }
        Ok(replacements)
    }

    fn nest_in_braces(&self, step: &Step<'_>, parent: &str) -> Vec<Replacement> {
        let parts: Vec<String> = step.moves.iter().map(|moved| self.renamed_entry(moved)).collect();
        let whole = format!("{parent}: {{{}}}", parts.join(", "));
        let mut replacements = Vec::new();
        for (index, moved) in step.moves.iter().enumerate() {
            if index == 0 {
                replacements.push((moved.entry.key.start..moved.entry.end, whole.clone()));
            } else {
                replacements.push(self.removal(step.map, moved.entry));
            }
        }
        replacements
    }

    fn renamed_entry(&self, moved: &Move<'_>) -> String {
        format!(
            "{}{}",
            self.named(moved),
            self.slice(moved.entry.key.end..moved.entry.end)
        )
    }

    fn append_lines(
        &self,
        map: &Mapping,
        target: &Mapping,
        moved: &Move<'_>,
    ) -> Result<Vec<Replacement>, String> {
        let last = target.entries.last().ok_or("the section is empty")?;
        let by = self.indent(last)?.saturating_sub(self.indent(moved.entry)?);
        let lines = self.lines_with_comments(map, moved.entry);
        let at = self.line_end(last.end);
        let mut body = self.shifted(lines.clone(), moved, by);
        if !self.slice(0..at).ends_with('\n') {
            body.insert_str(0, self.eol);
        }
        Ok(vec![(lines, String::new()), (at..at, body)])
    }

    fn append_in_braces(
        &self,
        map: &Mapping,
        target: &Mapping,
        parent: &str,
        moved: &Move<'_>,
    ) -> Result<Vec<Replacement>, String> {
        let entry = map.get(parent).ok_or("the section is gone")?;
        let (at, comma) = match target.entries.last() {
            Some(last) => (last.end, ", "),
            None => (entry.value.range.start + 1, ""),
        };
        let body = format!("{comma}{}", self.renamed_entry(moved));
        Ok(vec![(at..at, body), self.removal(map, moved.entry)])
    }
}

/// Returns where the outermost flow collection around a byte begins.
fn outermost_braces(item: &Item, at: usize) -> Option<usize> {
    let map = item.map()?;
    if map.flow {
        return item.range.contains(&at).then_some(item.range.start);
    }
    let inside = map.entries.iter().find(|entry| entry.value.range.contains(&at))?;
    outermost_braces(&inside.value, at)
}
