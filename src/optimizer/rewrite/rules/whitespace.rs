//! White space that carries nothing.

use std::sync::LazyLock;

use regex::Regex;

use super::{Kind, Rule};
use crate::optimizer::rewrite::Edit;
use crate::optimizer::rewrite::language::Language;
use crate::optimizer::rewrite::pattern::pattern;
use crate::optimizer::rewrite::source::Source;

/// Removes spaces and tabs at the ends of lines. Two or more spaces before another line of the same paragraph are a
/// line break in Markdown and stay.
///
/// ```
/// use promptd::optimizer::rewrite::rules::TRAILING_WHITESPACE;
/// assert_eq!(TRAILING_WHITESPACE.apply("Be kind. \nBe brief.\t\n\nEnd.  "), "Be kind.\nBe brief.\n\nEnd.");
/// assert_eq!(TRAILING_WHITESPACE.apply("Roses are red,  \nviolets blue."), "Roses are red,  \nviolets blue.");
/// ```
pub static TRAILING_WHITESPACE: Rule = Rule {
    id: "trailing-whitespace",
    summary: "Removes white space at the end of a line.",
    kind: Kind::Layout,
    language: Language::Any,
    find: trailing_whitespace,
};

fn trailing_whitespace(source: &Source<'_>) -> Vec<Edit> {
    let mut edits = Vec::new();
    let mut lines = source.lines().iter().peekable();
    while let Some(line) = lines.next() {
        let text = source.slice(&line.range);
        let kept = text.trim_end_matches([' ', '\t']);
        let next_has_text = lines
            .peek()
            .is_some_and(|next| !source.slice(&next.range).trim().is_empty());
        let removed = text.get(kept.len()..).unwrap_or_default();
        let is_break = !kept.is_empty() && next_has_text && removed.len() >= 2 && !removed.contains('\t');
        if !removed.is_empty() && !is_break {
            edits.push(Edit::delete(line.range.start + kept.len()..line.range.end));
        }
    }
    edits
}

/// Removes blank lines at both ends of a text, and more than one in a row within it. One line feed at the very end stays.
///
/// ```
/// use promptd::optimizer::rewrite::rules::BLANK_LINES;
/// assert_eq!(BLANK_LINES.apply("\n\nOne.\n\n\n\nTwo.\n\n\n"), "One.\n\nTwo.\n");
/// assert_eq!(BLANK_LINES.apply("One.\r\n\r\n\r\nTwo."), "One.\r\n\r\nTwo.");
/// ```
pub static BLANK_LINES: Rule = Rule {
    id: "blank-lines",
    summary: "Leaves at most one blank line in a row, and none at the ends of the text.",
    kind: Kind::Layout,
    language: Language::Any,
    find: blank_lines,
};

fn blank_lines(source: &Source<'_>) -> Vec<Edit> {
    let lines = source.lines();
    let has_text = |index: usize| {
        lines
            .get(index)
            .is_some_and(|line| !source.slice(&line.range).trim().is_empty())
    };
    let Some(last_text) = (0..lines.len()).rev().find(|index| has_text(*index)) else {
        return Vec::new();
    };
    let mut edits = Vec::new();
    let mut run = 1;
    for (index, line) in lines.iter().enumerate() {
        if has_text(index) {
            run = 0;
            continue;
        }
        run += 1;
        if run > 1 || index > last_text {
            edits.push(Edit::delete(line.range.start..line.end));
        }
    }
    edits
}

static INNER_SPACES: LazyLock<Regex> = LazyLock::new(|| pattern(r"[^\s] ( +)"));
static LINE_HEAD: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^\s*(?:(?:[-*+•·●▪>]|#{1,6}|\d{1,3}[.)、]|\(\w{1,3}\))\s*)*"));

/// Leaves one space where two stand between words. A line with three or more in a row, or a tab, is aligned on purpose;
/// indentation and the space after a bullet stay too.
///
/// ```
/// use promptd::optimizer::rewrite::rules::DOUBLED_SPACE;
/// assert_eq!(DOUBLED_SPACE.apply("Be kind.  Be  brief."), "Be kind. Be brief.");
/// assert_eq!(DOUBLED_SPACE.apply("*   name     age\n  x"), "*   name     age\n  x");
/// ```
pub static DOUBLED_SPACE: Rule = Rule {
    id: "doubled-space",
    summary: "Leaves one space where two stand between words.",
    kind: Kind::Layout,
    language: Language::Any,
    find: doubled_space,
};

fn doubled_space(source: &Source<'_>) -> Vec<Edit> {
    let mut edits = Vec::new();
    for line in source.lines() {
        let text = source.slice(&line.range).trim_end();
        let head = LINE_HEAD.find(text).map_or(0, |head| head.end());
        let body = text.get(head..).unwrap_or_default();
        if body.contains("   ") || body.contains('\t') {
            continue;
        }
        let spaces = INNER_SPACES.captures_iter(body).filter_map(|found| found.get(1));
        let at = line.range.start + head;
        edits.extend(spaces.map(|spaces| Edit::delete(at + spaces.start()..at + spaces.end())));
    }
    edits
}
