//! What is said twice.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::{Kind, Rule};
use crate::optimizer::rewrite::Edit;
use crate::optimizer::rewrite::language::{Language, is_han};
use crate::optimizer::rewrite::pattern::pattern;
use crate::optimizer::rewrite::source::Source;

/// Words that English never has twice in a row. ("that that" and "had had" may be right.)
const NEVER_DOUBLED: &[&str] = &[
    "the", "a", "an", "and", "or", "of", "to", "for", "from", "with", "by", "at", "as", "into", "your",
    "our", "their", "its", "this", "these", "if", "be", "are", "not", "should", "must",
];

static WORD: LazyLock<Regex> = LazyLock::new(|| pattern(r"[\p{L}\p{M}\p{N}_'’]+"));

/// Removes the second of two equal short words, where no sentence has both. Only spaces may lie between them.
///
/// ```
/// use promptd::optimizer::rewrite::rules::DOUBLED_WORD;
/// assert_eq!(DOUBLED_WORD.apply("Answer the the question of of the user."), "Answer the question of the user.");
/// assert_eq!(DOUBLED_WORD.apply("He said that that is right."), "He said that that is right.");
/// ```
pub static DOUBLED_WORD: Rule = Rule {
    id: "doubled-word",
    summary: "Removes the second of two equal short words.",
    kind: Kind::Deletion,
    language: Language::English,
    find: doubled_word,
};

fn doubled_word(source: &Source<'_>) -> Vec<Edit> {
    let mut edits = Vec::new();
    for (line, text) in source.lines_in(Language::English) {
        let mut before: Option<Range<usize>> = None;
        for word in WORD.find_iter(text) {
            let first = before.replace(word.range());
            let Some(first) = first else { continue };
            let gap = text.get(first.end..word.start()).unwrap_or_default();
            let lowered = word.as_str();
            let is_same = text.get(first.clone()).unwrap_or_default().to_lowercase() == lowered;
            if is_same && !gap.is_empty() && gap.chars().all(|c| c == ' ') && NEVER_DOUBLED.contains(&lowered)
            {
                edits.push(Edit::delete(
                    line.range.start + first.end..line.range.start + word.end(),
                ));
            }
        }
    }
    edits
}

/// How much a sentence or line must say for its repetition to be an accident.
const MIN_WEIGHT: usize = 5;

/// Returns how much a piece of text says: its words; two Chinese characters are one.
fn weight(text: &str) -> usize {
    let han = text.chars().filter(|c| is_han(*c)).count();
    let words = WORD
        .find_iter(text)
        .filter(|word| !word.as_str().chars().any(is_han))
        .count();
    words + han / 2
}

static SENTENCE: LazyLock<Regex> = LazyLock::new(|| pattern(r"[^.!?。！？]+(?:[.!?]+(?:\s|$)|[。！？]+)"));

/// Removes a sentence that its own paragraph has already said, letter for letter, and that holds no variable.
///
/// ```
/// use promptd::optimizer::rewrite::rules::REPEATED_SENTENCE;
/// assert_eq!(
///     REPEATED_SENTENCE.apply("Answer in one short sentence. Be kind. Answer in one short sentence. Stop."),
///     "Answer in one short sentence. Be kind. Stop."
/// );
/// assert_eq!(REPEATED_SENTENCE.apply("请用简体中文回答用户。请用简体中文回答用户。"), "请用简体中文回答用户。");
/// ```
pub static REPEATED_SENTENCE: Rule = Rule {
    id: "repeated-sentence",
    summary: "Removes a sentence that stands in the same line before.",
    kind: Kind::Deletion,
    language: Language::Any,
    find: repeated_sentence,
};

fn repeated_sentence(source: &Source<'_>) -> Vec<Edit> {
    let mut edits = Vec::new();
    for line in source.lines() {
        let text = source.slice(&line.range);
        let mut said = HashSet::new();
        for sentence in SENTENCE.find_iter(text) {
            let range = line.range.start + sentence.start()..line.range.start + sentence.end();
            let words = sentence.as_str().trim();
            let is_new = said.insert(words);
            if !is_new && weight(words) >= MIN_WEIGHT && !source.protected().touches(&range) {
                edits.push(deletion_of_sentence(
                    sentence.as_str(),
                    &range,
                    text.len() == sentence.end(),
                ));
            }
        }
    }
    edits
}

/// A sentence goes with the space after it; at the end of the line with the space before it.
fn deletion_of_sentence(sentence: &str, range: &Range<usize>, is_last: bool) -> Edit {
    if is_last {
        return Edit::delete(range.clone());
    }
    let lead = sentence.len() - sentence.trim_start().len();
    Edit::delete(range.start + lead..range.end)
}

static LIST_ITEM: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^\s*(?:#|\d{1,3}[.)、]|[（(]\d|[a-zA-Z][.)])"));

/// Removes a line that stands in the text before, letter for letter, says at least five words, and holds no variable.
/// Headings and numbered items stay.
///
/// ```
/// use promptd::optimizer::rewrite::rules::REPEATED_LINE;
/// assert_eq!(
///     REPEATED_LINE.apply("- Answer in one short sentence.\n- Be kind.\n- Answer in one short sentence.\n"),
///     "- Answer in one short sentence.\n- Be kind.\n"
/// );
/// ```
pub static REPEATED_LINE: Rule = Rule {
    id: "repeated-line",
    summary: "Removes a line that stands in the text before.",
    kind: Kind::Deletion,
    language: Language::Any,
    find: repeated_line,
};

fn repeated_line(source: &Source<'_>) -> Vec<Edit> {
    let mut said = HashSet::new();
    let mut edits = Vec::new();
    for (index, line) in source.lines().iter().enumerate() {
        let text = source.slice(&line.range).trim();
        let range = line.range.start..line.end;
        let is_free = !source.protected().touches(&range);
        if !is_free || LIST_ITEM.is_match(text) || weight(text) < MIN_WEIGHT || said.insert(text) {
            continue;
        }
        let is_last = line.end == line.range.end && index > 0;
        let before = source.lines().get(index.wrapping_sub(1)).filter(|_| is_last);
        edits.push(Edit::delete(
            before.map_or(range.clone(), |before| before.range.end..range.end),
        ));
    }
    edits
}
