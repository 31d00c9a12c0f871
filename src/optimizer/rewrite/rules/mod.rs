//! The rules. Each is a named pure function from a text to the edits that it would make.
//!
//! Their order within a strategy is the order of [`ALL`]: words first, then what is said twice, then lists and
//! headings, then punctuation, then white space, which tidies up after the others.

mod chinese;
mod context;
mod english;
mod lists;
mod markdown;
mod phrases;
mod punctuation;
mod repeats;
mod whitespace;

use std::fmt;

pub use chinese::CHINESE_WORDY;
pub use english::{COURTESY, DIRECT_INSTRUCTION, EMPTY_OPENING, INTENSIFIER};
pub use lists::{BULLET_MARKER, IDEOGRAPHIC_NUMBERING, INLINE_ENUMERATION, LIST_MARKER_SPACE};
pub use markdown::{HEADING_BLANK_LINE, HEADING_SPACE};
pub use phrases::{VAGUE_WORDING, WORDY_PHRASE};
pub use punctuation::{DOUBLED_PUNCTUATION, FULL_WIDTH_PUNCTUATION, SPACE_BEFORE_PUNCTUATION};
pub(in crate::optimizer) use repeats::repeated_lines;
pub use repeats::{DOUBLED_WORD, REPEATED_LINE, REPEATED_SENTENCE};
pub use whitespace::{BLANK_LINES, DOUBLED_SPACE, TRAILING_WHITESPACE};

use super::language::Language;
use super::source::Source;
use super::{Edit, rewrite};

/// What a rule does to a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Changes white space only.
    Layout,
    /// Changes marks: punctuation, bullets, numbers of lists.
    Marks,
    /// Removes words, lines or sentences, and the space with them.
    Deletion,
    /// Replaces words by others of the same meaning.
    Wording,
}

/// A named rule.
pub struct Rule {
    /// Its name, which never changes: it is kept with every change that it made.
    pub id: &'static str,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// What it does to a text.
    pub kind: Kind,
    /// The lines that it applies to.
    pub language: Language,
    /// Finds what it would change.
    find: fn(&Source<'_>) -> Vec<Edit>,
}

/// Every rule, in the order in which they are applied.
pub static ALL: [&Rule; 22] = [
    &EMPTY_OPENING,
    &DIRECT_INSTRUCTION,
    &COURTESY,
    &WORDY_PHRASE,
    &VAGUE_WORDING,
    &INTENSIFIER,
    &CHINESE_WORDY,
    &DOUBLED_WORD,
    &REPEATED_SENTENCE,
    &REPEATED_LINE,
    &INLINE_ENUMERATION,
    &LIST_MARKER_SPACE,
    &BULLET_MARKER,
    &IDEOGRAPHIC_NUMBERING,
    &HEADING_SPACE,
    &HEADING_BLANK_LINE,
    &SPACE_BEFORE_PUNCTUATION,
    &DOUBLED_PUNCTUATION,
    &FULL_WIDTH_PUNCTUATION,
    &DOUBLED_SPACE,
    &TRAILING_WHITESPACE,
    &BLANK_LINES,
];

/// Returns the rule of a name.
#[must_use]
pub fn named(id: &str) -> Option<&'static Rule> {
    ALL.into_iter().find(|rule| rule.id == id)
}

impl Rule {
    /// Returns the edits that this rule would make: in order, apart from each other, and none of them touching anything
    /// protected or the space that separates it from a word.
    #[must_use]
    pub fn edits(&self, source: &Source<'_>) -> Vec<Edit> {
        let mut found = (self.find)(source);
        found.sort_by_key(|edit| (edit.range.start, edit.range.end));
        let mut edits: Vec<Edit> = Vec::with_capacity(found.len());
        for edit in found {
            let is_apart = edits.last().is_none_or(|last| last.range.end <= edit.range.start);
            let is_change = source.slice(&edit.range) != edit.replacement;
            if is_apart && is_change && source.allows(&edit) {
                edits.push(edit);
            }
        }
        edits
    }

    /// Applies this rule alone until it finds nothing more.
    #[must_use]
    pub fn apply(&'static self, text: &str) -> String {
        rewrite(text, &[self]).text
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Rule {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_rule_has_its_own_name_and_a_sentence() {
        let names: HashSet<&str> = ALL.iter().map(|rule| rule.id).collect();
        assert_eq!(names.len(), ALL.len());
        for rule in ALL {
            assert!(
                rule.summary.ends_with('.') && named(rule.id) == Some(rule),
                "{rule:?}"
            );
            assert!(
                rule.id.chars().all(|c| c.is_ascii_lowercase() || c == '-'),
                "{rule:?}"
            );
        }
    }
}
