//! English phrases with a shorter or clearer form of the same meaning.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;

use super::{Kind, Rule, context};
use crate::optimizer::rewrite::Edit;
use crate::optimizer::rewrite::language::Language;
use crate::optimizer::rewrite::pattern::{pattern, phrases};
use crate::optimizer::rewrite::source::Source;

/// Long form, short form. Each form of a verb has its own entry. What the short form does not fit, `context` knows.
#[rustfmt::skip]
const WORDY: &[(&str, &str)] = &[
    ("in order to", "to"), ("so as to", "to"), ("due to the fact that", "because"), ("for the reason that", "because"),
    ("owing to the fact that", "because"), ("in view of the fact that", "because"), ("despite the fact that", "although"),
    ("in spite of the fact that", "although"), ("in spite of", "despite"), ("at this point in time", "now"),
    ("at the present time", "now"), ("in the event that", "if"),
    ("on the condition that", "if"), ("until such time as", "until"), ("during the course of", "during"),
    ("for the purpose of", "for"), ("with regard to", "regarding"), ("with regards to", "regarding"), ("in regard to", "regarding"),
    ("prior to", "before"), ("subsequent to", "after"), ("in the absence of", "without"),
    ("with the exception of", "except for"), ("in close proximity to", "near"), ("a large number of", "many"),
    ("a great number of", "many"), ("a number of different", "several"), ("each and every", "every"),
    ("any and all", "any"), ("has the ability to", "can"),
    ("is able to", "can"), ("are able to", "can"), ("is not able to", "cannot"), ("are not able to", "cannot"),
    ("make use of", "use"), ("makes use of", "uses"), ("making use of", "using"), ("made use of", "used"),
    ("take into consideration", "consider"), ("takes into consideration", "considers"),
    ("taking into consideration", "considering"), ("taken into consideration", "considered"),
    ("provide a summary of", "summarize"), ("provide an explanation of", "explain"), ("give an explanation of", "explain"),
    ("provide a description of", "describe"), ("give a description of", "describe"), ("provide an analysis of", "analyze"),
    ("perform an analysis of", "analyze"), ("conduct an analysis of", "analyze"), ("make a list of", "list"),
    ("make a comparison of", "compare"), ("perform a comparison of", "compare"), ("perform a translation of", "translate"),
    ("on a regular basis", "regularly"), ("on a daily basis", "daily"),
    ("in a clear manner", "clearly"), ("in a concise manner", "concisely"), ("in a consistent manner", "consistently"),
    ("in a professional manner", "professionally"), ("in a polite manner", "politely"), ("in a precise manner", "precisely"),
    ("in such a way that", "so that"), ("in such a manner that", "so that"),
    ("as a result of the fact that", "because"), ("with the purpose of", "for"),
    ("end result", "result"), ("final outcome", "outcome"), ("past history", "history"),
    ("basic fundamentals", "fundamentals"), ("completely unique", "unique"), ("absolutely essential", "essential"),
    ("repeat again", "repeat"), ("combine together", "combine"),
    ("merge together", "merge"),
];

/// Vague form, certain form.
#[rustfmt::skip]
const VAGUE: &[(&str, &str)] = &[
    ("a bit more", "slightly more"), ("a bit less", "slightly less"), ("a bit longer", "slightly longer"),
    ("a bit shorter", "slightly shorter"), ("a little bit more", "slightly more"), ("a little bit less", "slightly less"),
    ("a little bit longer", "slightly longer"), ("a little bit shorter", "slightly shorter"), ("try and make", "try to make"),
    ("try and find", "try to find"), ("try and keep", "try to keep"), ("try and use", "try to use"),
    ("try and avoid", "try to avoid"), ("kind of like", "like"), ("sort of like", "like"), ("pretty much all", "almost all"),
    ("pretty much every", "almost every"), ("pretty much the same", "almost the same"), ("utilize", "use"),
    ("utilizes", "uses"), ("utilized", "used"), ("utilizing", "using"), ("and so on and so forth", "and so on"), ("etc. etc", "etc"), ("etc etc", "etc"),
    ("and etc", "etc"),
];

/// Replaces wordy phrases by short ones, in the letter case of the phrase. A phrase of mixed case is a name and stays.
///
/// ```
/// use promptd::optimizer::rewrite::rules::WORDY_PHRASE;
/// assert_eq!(WORDY_PHRASE.apply("In order to help, make use of the notes."), "To help, use the notes.");
/// assert_eq!(WORDY_PHRASE.apply("STOP PRIOR TO THE END."), "STOP BEFORE THE END.");
/// assert_eq!(WORDY_PHRASE.apply("You should be able to answer."), "You should be able to answer.");
/// assert_eq!(WORDY_PHRASE.apply("Provide a summary of 100 words."), "Provide a summary of 100 words.");
/// ```
pub static WORDY_PHRASE: Rule = Rule {
    id: "wordy-phrase",
    summary: "Replaces a wordy phrase by a short one.",
    kind: Kind::Wording,
    language: Language::English,
    find: |source| {
        static TABLE: LazyLock<Table> = LazyLock::new(|| Table::new(WORDY));
        TABLE.edits(source)
    },
};

/// Replaces vague or inflated phrases where it is certain what is meant.
///
/// ```
/// use promptd::optimizer::rewrite::rules::VAGUE_WORDING;
/// assert_eq!(VAGUE_WORDING.apply("Make it a bit longer and utilize lists."), "Make it slightly longer and use lists.");
/// assert_eq!(VAGUE_WORDING.apply("Add a bit of salt."), "Add a bit of salt.");
/// ```
pub static VAGUE_WORDING: Rule = Rule {
    id: "vague-wording",
    summary: "Replaces a vague phrase where it is certain what is meant.",
    kind: Kind::Wording,
    language: Language::English,
    find: |source| {
        static TABLE: LazyLock<Table> = LazyLock::new(|| Table::new(VAGUE));
        TABLE.edits(source)
    },
};

struct Table {
    pattern: Regex,
    replacements: HashMap<&'static str, &'static str>,
}

impl Table {
    fn new(rows: &'static [(&'static str, &'static str)]) -> Self {
        Self {
            pattern: phrases(rows.iter().map(|(long, _)| *long)),
            replacements: rows.iter().copied().collect(),
        }
    }

    fn edits(&self, source: &Source<'_>) -> Vec<Edit> {
        let mut edits = Vec::new();
        for (line, text) in source.lines_in(Language::English) {
            for found in self.pattern.find_iter(text) {
                let key = found
                    .as_str()
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" ")
                    .to_lowercase();
                let (before, after) = text.split_at(found.start());
                let after = after.get(found.len()..).unwrap_or_default();
                let new = self
                    .replacements
                    .get(key.as_str())
                    .filter(|_| context::fits(&key, before, after));
                if let Some(new) = new.and_then(|new| in_case_of(found.as_str(), new)) {
                    edits.push(Edit::new(
                        line.range.start + found.start()..line.range.start + found.end(),
                        new,
                    ));
                }
            }
        }
        edits
    }
}

/// Returns new words in the letter case of old ones: all small, all capital, or with a first capital; else nothing.
fn in_case_of(old: &str, new: &str) -> Option<String> {
    let tail = old.chars().skip(1).collect::<String>();
    if old == old.to_lowercase() {
        Some(new.to_owned())
    } else if old == old.to_uppercase() {
        Some(new.to_uppercase())
    } else if tail == tail.to_lowercase() {
        Some(capitalised(new))
    } else {
        None
    }
}

/// Returns a text with its first letter as a capital.
pub(super) fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

static HEAD: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^\s*(?:(?:[-*+•·●▪>]|#{1,6}|\d{1,3}[.)、]|\(\w{1,3}\)|[a-zA-Z][.)])\s*)*$"));
static END: LazyLock<Regex> = LazyLock::new(|| pattern(r"[.!?](?:\s+|[)\]]\s+)$"));

/// Tells whether a sentence begins at a place of a line: at its head, behind list marks, or after an end mark.
pub(super) fn starts_sentence(line: &str, at: usize) -> bool {
    let before = line.get(..at).unwrap_or_default();
    let near = context::just_before(before);
    let is_abbreviation = before.trim_end().ends_with("e.g.") || before.trim_end().ends_with("i.e.");
    !is_abbreviation && (END.is_match(near) || (near == before && HEAD.is_match(near)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_replacement_is_a_phrase_of_the_tables_itself() {
        for table in [WORDY, VAGUE] {
            let pattern = phrases(table.iter().map(|(long, _)| *long));
            for (long, short) in table {
                assert!(!pattern.is_match(short), "{short}");
                assert_eq!(pattern.find(long).unwrap().as_str(), *long);
            }
        }
    }

    #[test]
    fn a_sentence_begins_at_the_head_behind_marks_and_after_an_end() {
        for before in ["", "  - ", "## ", "1. ", "Be kind. ", "Really? "] {
            assert!(starts_sentence(&format!("{before}x"), before.len()), "{before:?}");
        }
        for before in ["and ", "e.g. ", "1.", "note: "] {
            assert_eq!(
                starts_sentence(&format!("{before}x"), before.len()),
                before == "1.",
                "{before:?}"
            );
        }
    }

    #[test]
    fn mixed_case_is_left_alone() {
        assert_eq!(in_case_of("In Order To", "to"), None);
        assert_eq!(in_case_of("In order to", "to").as_deref(), Some("To"));
    }
}
