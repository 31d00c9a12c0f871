//! A text as the rules see it: its lines, their languages, and what must stay as it is.

use std::ops::Range;

use super::Edit;
use super::language::Language;
use super::protect::Protected;

/// A text with everything that a rule asks of it.
#[derive(Debug, Clone)]
pub struct Source<'t> {
    text: &'t str,
    protected: Protected,
    lines: Vec<Line>,
}

/// One line of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its bytes, without the line feed and a carriage return before it.
    pub range: Range<usize>,
    /// Where the next line begins.
    pub end: usize,
    /// Its language, judged by what is not protected.
    pub language: Language,
}

impl<'t> Source<'t> {
    /// Looks at a text as a rule that rewrites it must.
    #[must_use]
    pub fn new(text: &'t str) -> Self {
        Self::with(text, Protected::of(text))
    }

    /// Looks at a text as a score must: sections of examples are part of it, or a heading "Examples" would hide faults.
    #[must_use]
    pub fn for_scoring(text: &'t str) -> Self {
        Self::with(text, Protected::without_sections(text))
    }

    fn with(text: &'t str, protected: Protected) -> Self {
        let mut lines = Vec::new();
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            let end = start + line.len();
            let content = line.strip_suffix('\n').unwrap_or(line);
            let content = content.strip_suffix('\r').unwrap_or(content);
            let range = start..start + content.len();
            let language = Language::of(&protected.rest_of(text, &range));
            lines.push(Line { range, end, language });
            start = end;
        }
        Self {
            text,
            protected,
            lines,
        }
    }

    /// Returns the whole text.
    #[must_use]
    pub fn text(&self) -> &'t str {
        self.text
    }

    /// Returns a part of the text; empty where it does not lie between characters.
    #[must_use]
    pub fn slice(&self, range: &Range<usize>) -> &'t str {
        self.text.get(range.clone()).unwrap_or_default()
    }

    /// Returns the lines, in order.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Returns the lines of a language with their texts.
    pub fn lines_in(&self, language: Language) -> impl Iterator<Item = (&Line, &'t str)> {
        self.lines
            .iter()
            .filter(move |line| language == Language::Any || line.language == language)
            .map(|line| (line, self.slice(&line.range)))
    }

    /// Returns what must stay as it is.
    #[must_use]
    pub fn protected(&self) -> &Protected {
        &self.protected
    }

    /// Tells whether an edit leaves everything protected as it is, and every space between it and a word.
    #[must_use]
    pub fn allows(&self, edit: &Edit) -> bool {
        let Range { start, end } = edit.range;
        if self.protected.touches(&edit.range) {
            return false;
        }
        let is_space = |c: Option<char>| c.is_none_or(char::is_whitespace);
        let old = self.slice(&edit.range);
        let after = self.text.get(end..).unwrap_or_default().chars().next();
        let before = self.text.get(..start).unwrap_or_default().chars().next_back();
        let new_first = edit.replacement.chars().next().or(after);
        let new_last = edit.replacement.chars().next_back().or(before);
        let glues_left =
            self.protected.ends_at(start) && old.starts_with(char::is_whitespace) && !is_space(new_first);
        let glues_right =
            self.protected.starts_at(end) && old.ends_with(char::is_whitespace) && !is_space(new_last);
        !glues_left && !glues_right
    }
}
