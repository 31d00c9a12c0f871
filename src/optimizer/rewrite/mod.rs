//! Rewriting a text by named rules: pure functions from a text to edits.
//!
//! - [`protect`]: what no rule may touch. [`language`]: which rules a line is open to. [`source`]: a text with both.
//! - [`rules`]: the rules. Each finds edits in a text that it does not change.
//! - [`rewrite`]: applies rules in their order, again and again until none finds anything.
//!
//! A text on which the rules do not come to rest within [`MAX_ROUNDS`] is left as it was. So a second rewriting never
//! changes anything: either the first one ended because no rule found an edit, or it changed nothing.

#[cfg(test)]
mod editor_tests;
pub mod language;
mod offsets;
mod pattern;
pub mod protect;
pub mod rules;
pub mod source;
#[cfg(test)]
pub(super) mod tests;

use std::ops::Range;

pub use language::Language;
use offsets::Offsets;
pub use protect::Protected;
pub use rules::{Kind, Rule};
pub use source::Source;

/// How often all rules are applied before a text is given up.
pub const MAX_ROUNDS: usize = 12;

/// The replacement of one range of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced; empty for an insertion.
    pub range: Range<usize>,
    /// What takes its place; empty for a deletion.
    pub replacement: String,
}

/// One edit that a rule made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The rule.
    pub rule: &'static Rule,
    /// Start and end, in characters, in the text that the rule was applied to.
    pub position: (usize, usize),
    /// Start and end, in characters, of what it stands for in the text that the rewriting began with.
    pub original: (usize, usize),
    /// What was replaced.
    pub before: String,
    /// What took its place.
    pub after: String,
}

/// A rewritten text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    /// The new text; the old one when there are no changes.
    pub text: String,
    /// Every edit in the order in which it was made.
    pub changes: Vec<Change>,
}

impl Edit {
    /// Makes the replacement of a range.
    #[must_use]
    pub fn new(range: Range<usize>, replacement: impl Into<String>) -> Self {
        let replacement = replacement.into();
        Self { range, replacement }
    }

    /// Makes the deletion of a range.
    #[must_use]
    pub fn delete(range: Range<usize>) -> Self {
        Self::new(range, "")
    }
}

/// Applies rules to a text until none of them finds anything.
///
/// Within a round each rule sees what the rules before it made. The result depends on the text and the rules alone.
///
/// ```
/// use promptd::optimizer::rewrite::{rewrite, rules};
/// let done = rewrite("Answer the the user  in order to help.", &[&rules::WORDY_PHRASE, &rules::DOUBLED_WORD]);
/// assert_eq!(done.text, "Answer the user  to help.");
/// assert_eq!(done.changes[0].before, "in order to");
/// ```
#[must_use]
pub fn rewrite(text: &str, rules: &[&'static Rule]) -> Rewritten {
    let mut present = text.to_owned();
    let mut changes = Vec::new();
    let mut offsets = Offsets::of(text);
    for _ in 0..MAX_ROUNDS {
        let before = changes.len();
        let mut rest = rules.iter().copied();
        while let Some((rule, edits)) = next_edits(&present, &mut rest) {
            record(rule, &edits, (text, &present), &offsets, &mut changes);
            offsets.follow(&edits);
            present = applied(&present, &edits);
        }
        if changes.len() == before {
            return Rewritten {
                text: present,
                changes,
            };
        }
    }
    Rewritten {
        text: text.to_owned(),
        changes: Vec::new(),
    }
}

/// Returns the first of some rules that finds anything, and what. The text is looked at once for all of them.
fn next_edits(
    text: &str,
    rules: &mut impl Iterator<Item = &'static Rule>,
) -> Option<(&'static Rule, Vec<Edit>)> {
    let source = Source::new(text);
    rules.find_map(|rule| {
        let edits = rule.edits(&source);
        (!edits.is_empty()).then_some((rule, edits))
    })
}

fn record(
    rule: &'static Rule,
    edits: &[Edit],
    (original, present): (&str, &str),
    offsets: &Offsets,
    changes: &mut Vec<Change>,
) {
    let (mut here, mut there) = (CharCounter::default(), CharCounter::default());
    for edit in edits {
        let origin = offsets.original(&edit.range);
        changes.push(Change {
            rule,
            position: (
                here.at(present, edit.range.start),
                here.at(present, edit.range.end),
            ),
            original: (there.at(original, origin.start), there.at(original, origin.end)),
            before: present.get(edit.range.clone()).unwrap_or_default().to_owned(),
            after: edit.replacement.clone(),
        });
    }
}

/// Turns byte offsets, which only grow, into character offsets in one pass.
#[derive(Default)]
struct CharCounter {
    bytes: usize,
    chars: usize,
}

impl CharCounter {
    fn at(&mut self, text: &str, bytes: usize) -> usize {
        if bytes < self.bytes {
            *self = Self::default();
        }
        self.chars += text.get(self.bytes..bytes).unwrap_or_default().chars().count();
        self.bytes = bytes;
        self.chars
    }
}

/// Returns a text with edits, which are in order and do not overlap.
fn applied(text: &str, edits: &[Edit]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for edit in edits {
        out.push_str(text.get(at..edit.range.start).unwrap_or_default());
        out.push_str(&edit.replacement);
        at = edit.range.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}
