//! What is said twice.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::phrases::capitalised;
use super::{Kind, Rule};
use crate::optimizer::rewrite::Edit;
use crate::optimizer::rewrite::language::{Language, is_han};
use crate::optimizer::rewrite::pattern::pattern;
use crate::optimizer::rewrite::source::{Line, Source};

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
            let word_again = word.as_str();
            let earlier = text.get(first.clone()).unwrap_or_default();
            if is_said_twice(earlier, word_again)
                && !gap.is_empty()
                && gap.chars().all(|c| c == ' ')
                && NEVER_DOUBLED.contains(&word_again)
            {
                edits.push(Edit::delete(
                    line.range.start + first.end..line.range.start + word.end(),
                ));
            }
        }
    }
    edits
}

/// Tells whether two words are one: "AND and" are two, and so are "A a".
fn is_said_twice(first: &str, second: &str) -> bool {
    first == second || (second.len() > 1 && first == capitalised(second))
}

/// How much a sentence or line must say for its repetition to be an accident.
const MIN_WEIGHT: usize = 5;

/// Returns how much a piece of text says: its words; two Chinese characters are one.
pub(super) fn weight(text: &str) -> usize {
    let han = text.chars().filter(|c| is_han(*c)).count();
    let words = WORD
        .find_iter(text)
        .filter(|word| !word.as_str().chars().any(is_han))
        .count();
    words + han / 2
}

static SENTENCE: LazyLock<Regex> = LazyLock::new(|| pattern(r"[^.!?。！？]+(?:[.!?]+(?:\s|$)|[。！？]+)"));

static ABBREVIATION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)\b(?:\p{L}|etc|vs|cf|approx|resp|dr|mr|mrs|ms|no|nr|fig|eq|sec|ch|vol|max|min)\.$")
});

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
        let mut sentence_begins = 0;
        for sentence in SENTENCE.find_iter(text) {
            let range = line.range.start + sentence.start()..line.range.start + sentence.end();
            let words = sentence.as_str().trim();
            // What follows "1." in 1.5 or an abbreviation is the rest of a sentence.
            let is_whole = sentence.start() == sentence_begins;
            sentence_begins = if ABBREVIATION.is_match(words) {
                text.len() + 1
            } else {
                sentence.end()
            };
            let is_new = !is_whole || said.insert(words);
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

static KEPT: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*(?:#|\d{1,3}[.)、]|[（(]\d|[a-zA-Z][.)])"));
static BULLET: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*[-*+•·●▪]\s"));

/// Removes a line that says at least five words, holds no variable, and stands before, letter for letter: as a bullet of
/// the same list, or as the line just before. Elsewhere it may be said of something else. Headings and numbered items stay.
///
/// ```
/// use promptd::optimizer::rewrite::rules::REPEATED_LINE;
/// assert_eq!(
///     REPEATED_LINE.apply("- Answer in one short sentence.\n- Be kind.\n- Answer in one short sentence.\n"),
///     "- Answer in one short sentence.\n- Be kind.\n"
/// );
/// let of_two_tools = "- Tool A\n  - Returns a list of the results.\n- Tool B\n  - Returns a list of the results.";
/// assert_eq!(REPEATED_LINE.apply(of_two_tools), of_two_tools);
/// ```
pub static REPEATED_LINE: Rule = Rule {
    id: "repeated-line",
    summary: "Removes a line that the same list has before.",
    kind: Kind::Deletion,
    language: Language::Any,
    find: repeated_line,
};

fn repeated_line(source: &Source<'_>) -> Vec<Edit> {
    let whole = |index: usize| {
        source
            .lines()
            .get(index)
            .map_or("", |line| source.slice(&line.range))
    };
    let has_text = |index: &usize| !whole(*index).trim().is_empty();
    let is_again = |index: &usize| {
        let same = |other: usize| whole(other) == whole(*index);
        if BULLET.is_match(whole(*index)) {
            let has_children =
                whole(index + 1).trim() != "" && indent(whole(index + 1)) > indent(whole(*index));
            !has_children && siblings_before(*index, &whole).any(same)
        } else {
            (0..*index).rev().find(has_text).is_some_and(same)
        }
    };
    let repeated = repeated_lines(source).into_iter().filter(is_again);
    repeated.map(|index| deletion_of_line(source, index)).collect()
}

/// Returns the bullets of the same list before a line: up to a blank line, a line that is less indented, or one on the
/// same level that is no bullet.
fn siblings_before<'s>(index: usize, whole: &impl Fn(usize) -> &'s str) -> impl Iterator<Item = usize> {
    let level = indent(whole(index));
    let is_of_list = move |other: &usize| {
        let text = whole(*other);
        let deeper = indent(text) > level && !text.trim().is_empty();
        deeper || (indent(text) == level && BULLET.is_match(text))
    };
    (0..index)
        .rev()
        .take_while(is_of_list)
        .filter(move |other| indent(whole(*other)) == level)
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Returns which lines stand in the text before, wherever, say at least five words, and hold nothing protected.
pub(in crate::optimizer) fn repeated_lines(source: &Source<'_>) -> Vec<usize> {
    let mut said = HashSet::new();
    let is_repeated = |(index, line): (usize, &Line)| {
        let text = source.slice(&line.range).trim();
        let is_free = !source.protected().touches(&(line.range.start..line.end));
        let is_again = is_free && !KEPT.is_match(text) && weight(text) >= MIN_WEIGHT && !said.insert(text);
        is_again.then_some(index)
    };
    source
        .lines()
        .iter()
        .enumerate()
        .filter_map(is_repeated)
        .collect()
}

fn deletion_of_line(source: &Source<'_>, index: usize) -> Edit {
    let Some(line) = source.lines().get(index) else {
        return Edit::delete(0..0);
    };
    let is_last = line.end == line.range.end && index > 0;
    let before = source.lines().get(index.wrapping_sub(1)).filter(|_| is_last);
    Edit::delete(before.map_or(line.range.start..line.end, |before| {
        before.range.end..line.range.end
    }))
}
