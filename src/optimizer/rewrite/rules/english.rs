//! English words that can go without anything taking their place but a capital letter.

use std::ops::Range;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::context::{just_after, just_before, last_word, sentence_rest};
use super::phrases::{capitalised, starts_sentence};
use super::{Kind, Rule};
use crate::optimizer::rewrite::Edit;
use crate::optimizer::rewrite::language::Language;
use crate::optimizer::rewrite::pattern::pattern;
use crate::optimizer::rewrite::source::Source;

/// Finds a pattern of two groups (what goes, and the letter after it) in the English lines; the letter takes over the
/// capital, unless it begins a name. `accept` sees the line, where the match begins in it, and what would come first.
fn openings(source: &Source<'_>, pattern: &Regex, accept: impl Fn(&str, usize, &str) -> bool) -> Vec<Edit> {
    let mut edits = Vec::new();
    for (line, text) in source.lines_in(Language::English) {
        for found in pattern.captures_iter(text) {
            let Some((gone, letter)) = two_groups(&found) else {
                continue;
            };
            let tail = text.get(letter.start..).unwrap_or_default();
            let is_capital = text
                .get(gone.clone())
                .is_some_and(|gone| gone.starts_with(char::is_uppercase));
            if !accept(text, gone.start, tail) || (is_capital && is_name(tail)) {
                continue;
            }
            let first = tail.get(..letter.len()).unwrap_or_default();
            let first = if is_capital {
                capitalised(first)
            } else {
                first.to_owned()
            };
            edits.push(Edit::new(
                line.range.start + gone.start..line.range.start + letter.end,
                first,
            ));
        }
    }
    edits
}

/// Returns the word that a text begins with.
fn first_word(text: &str) -> &str {
    text.split(|c: char| !(c.is_alphanumeric() || c == '\''))
        .next()
        .unwrap_or_default()
}

/// Tells whether a text begins with what has its small letter for good: `iPhone`, `user_id`, `config.yaml`, `print(x)`.
fn is_name(text: &str) -> bool {
    let word = text.split_whitespace().next().unwrap_or_default();
    let word = word.trim_end_matches(['.', ',', ';', ':', '!', '?', ')']);
    word.starts_with(char::is_lowercase)
        && !word
            .chars()
            .all(|c| c.is_lowercase() || matches!(c, '\'' | '’' | '-'))
}

fn two_groups(found: &Captures<'_>) -> Option<(Range<usize>, Range<usize>)> {
    Some((found.get(1)?.range(), found.get(2)?.range()))
}

/// Removes openings of a sentence that say nothing.
///
/// ```
/// use promptd::optimizer::rewrite::rules::EMPTY_OPENING;
/// assert_eq!(EMPTY_OPENING.apply("It is important to note that the user is busy."), "The user is busy.");
/// assert_eq!(EMPTY_OPENING.apply("Basically, you are a guide."), "You are a guide.");
/// ```
pub static EMPTY_OPENING: Rule = Rule {
    id: "empty-opening",
    summary: "Removes an opening of a sentence that says nothing.",
    kind: Kind::Deletion,
    language: Language::English,
    find: empty_opening,
};

fn empty_opening(source: &Source<'_>) -> Vec<Edit> {
    static OPENING: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"\b((?:It is (?:important|worth|essential) (?:to note|noting) that|It should be noted that|Please note that|Needless to say,|As a matter of fact,|Basically,|Essentially,|Actually,|Honestly,|Obviously,) +)([A-Za-z])",
        )
    });
    openings(source, &OPENING, |line, at, _| starts_sentence(line, at))
}

/// Turns a task that is told into one that is given.
///
/// ```
/// use promptd::optimizer::rewrite::rules::DIRECT_INSTRUCTION;
/// assert_eq!(DIRECT_INSTRUCTION.apply("I want you to act as a linguist."), "Act as a linguist.");
/// assert_eq!(DIRECT_INSTRUCTION.apply("Your task is to carefully read the text."), "Carefully read the text.");
/// assert_eq!(DIRECT_INSTRUCTION.apply("He said your task is to read."), "He said your task is to read.");
/// ```
pub static DIRECT_INSTRUCTION: Rule = Rule {
    id: "direct-instruction",
    summary: "Gives a task instead of telling that there is one.",
    kind: Kind::Deletion,
    language: Language::English,
    find: direct_instruction,
};

fn direct_instruction(source: &Source<'_>) -> Vec<Edit> {
    static TOLD: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"\b((?:I want you to|I would like you to|I['’]d like you to|I need you to|Your (?:task|job) is to|You are asked to) +)([a-z])",
        )
    });
    // A second half that begins with "to" would hang in the air.
    static GOES_ON: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"(?:,|\b(?:and|or|but|not|then|also|than)) to \p{L}"));
    openings(source, &TOLD, |line, at, tail| {
        starts_sentence(line, at)
            && !matches!(first_word(tail), "not" | "be" | "have" | "know" | "understand")
            && !GOES_ON.is_match(sentence_rest(tail))
    })
}

/// Removes "please" where a model needs no courtesy: at the beginning of an instruction, after a comma, and after "you".
///
/// ```
/// use promptd::optimizer::rewrite::rules::COURTESY;
/// assert_eq!(COURTESY.apply("Please summarize the text."), "Summarize the text.");
/// assert_eq!(COURTESY.apply("If it is long, please shorten it."), "If it is long, shorten it.");
/// assert_eq!(COURTESY.apply("Try to please the reader."), "Try to please the reader.");
/// ```
pub static COURTESY: Rule = Rule {
    id: "courtesy",
    summary: "Removes \"please\" from an instruction.",
    kind: Kind::Deletion,
    language: Language::English,
    find: courtesy,
};

fn courtesy(source: &Source<'_>) -> Vec<Edit> {
    static PLEASE: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b([Pp]lease,? +)([a-z])"));
    static ASKED: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)(?:,|\b(?:can|could|would|will) you) *$"));
    openings(source, &PLEASE, |line, at, tail| {
        let next = first_word(tail);
        let is_no_request = NO_REQUEST.contains(&next) || (next == "do" && !tail.starts_with("do not "));
        let is_asked = ASKED.is_match(just_before(line.get(..at).unwrap_or_default()));
        !is_no_request && (is_asked || starts_sentence(line, at))
    })
}

/// What follows "please" where it is a verb, or a word among others.
#[rustfmt::skip]
const NO_REQUEST: &[&str] = &[
    "a", "all", "and", "any", "anyone", "both", "clients", "customers", "each", "every", "everybody", "everyone", "her", "him",
    "his", "it", "its", "me", "my", "nobody", "or", "our", "people", "some", "thank", "thanks", "that", "the", "their", "them",
    "these", "this", "those", "us", "users", "your",
];

/// Removes "very" and "really" before common adjectives and adverbs that are as clear without.
///
/// ```
/// use promptd::optimizer::rewrite::rules::INTENSIFIER;
/// assert_eq!(INTENSIFIER.apply("Be very concise and really polite."), "Be concise and polite.");
/// assert_eq!(INTENSIFIER.apply("It is not very long."), "It is not very long.");
/// assert_eq!(INTENSIFIER.apply("Write a very important note."), "Write a very important note.");
/// ```
pub static INTENSIFIER: Rule = Rule {
    id: "intensifier",
    summary: "Removes \"very\" and \"really\" where they add nothing.",
    kind: Kind::Deletion,
    language: Language::English,
    find: intensifier,
};

/// What is as clear without "very". Words of amount are left out: "very short" is shorter than "short".
const GRADED: &str = "clear|clearly|detailed|specific|important|concise|careful|carefully|helpful|useful|good|simple|precise|\
                      precisely|accurate|accurately|friendly|polite|politely|thorough|thoroughly|easy|comprehensive|professional|\
                      strict|strictly|necessary|well|relevant|consistent|structured|organized|knowledgeable|experienced|smart|skilled";

fn intensifier(source: &Source<'_>) -> Vec<Edit> {
    static GRADE: LazyLock<Regex> =
        LazyLock::new(|| pattern(&format!(r"\b((?:[Vv]ery|[Rr]eally) +)((?:{GRADED})\b)")));
    openings(source, &GRADE, |line, at, tail| {
        let next = first_word(tail);
        let before = last_word(line.get(..at).unwrap_or_default());
        let article_fits = match before.as_str() {
            "a" => !next.starts_with(['a', 'e', 'i', 'o', 'u', 'h']),
            "an" => false,
            _ => true,
        };
        let is_graded = matches!(
            before.as_str(),
            "not"
                | "the"
                | "how"
                | "so"
                | "no"
                | "never"
                | "if"
                | "whether"
                | "only"
                | "just"
                | "too"
                | "less"
                | "more"
        );
        // At the head of a line and behind a mark it may be a step of a scale, and so it may beside the bare word.
        let is_step = before.is_empty()
            || stands_bare(just_before(line.get(..at).unwrap_or_default()), next)
            || stands_bare(just_after(tail.get(next.len()..).unwrap_or_default()), next);
        article_fits && !is_graded && !is_step && !before.ends_with("n't")
    })
    .into_iter()
    .map(|edit| keep_word(source, &edit))
    .collect()
}

/// Tells whether a part of a line has a word without "very" or "really" before it.
fn stands_bare(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).unwrap_or_default();
        let after = line.get(at + word.len()..).unwrap_or_default();
        let is_whole = !before.ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric);
        is_whole && !matches!(last_word(before).as_str(), "very" | "really")
    })
}

/// Narrows an edit whose replacement ends like what it replaces, so that only what goes is in it.
fn keep_word(source: &Source<'_>, edit: &Edit) -> Edit {
    let old = source.slice(&edit.range);
    let same = old
        .chars()
        .rev()
        .zip(edit.replacement.chars().rev())
        .take_while(|(a, b)| a == b);
    let bytes: usize = same.map(|(c, _)| c.len_utf8()).sum();
    let kept = edit.replacement.len().saturating_sub(bytes);
    Edit::new(
        edit.range.start..edit.range.end - bytes,
        edit.replacement.get(..kept).unwrap_or_default(),
    )
}
