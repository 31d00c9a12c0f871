//! The word lists that the scores are made of, and how they are searched.
//!
//! Two ways of searching exist, because the Python system has two: *contained* words are found inside other words too
//! (`format` in `information`), *whole* words are not.

use std::sync::LazyLock;

use regex::RegexSet;

use super::text::is_word_character;

/// Verbs that say what to do; contained.
const VERBS: [&str; 20] = [
    "summarize",
    "analyze",
    "extract",
    "generate",
    "write",
    "create",
    "list",
    "identify",
    "classify",
    "compare",
    "explain",
    "describe",
    "provide",
    "format",
    "translate",
    "convert",
    "calculate",
    "evaluate",
    "recommend",
    "suggest",
];

/// Words that tie sentences together; contained.
const TRANSITIONS: [&str; 9] = [
    "first",
    "second",
    "then",
    "next",
    "finally",
    "therefore",
    "however",
    "additionally",
    "furthermore",
];

/// What announces an example; contained. The first one is also looked at alone.
const EXAMPLE_MARKERS: [&str; 3] = ["example", "e.g.", "such as"];

/// Words that leave open what is meant; whole.
pub(super) const VAGUE_TERMS: [&str; 15] = [
    "some",
    "maybe",
    "possibly",
    "perhaps",
    "somehow",
    "somewhat",
    "kind of",
    "sort of",
    "a bit",
    "stuff",
    "things",
    "etc",
    "and so on",
    "so on",
    "whatever",
];

/// Words that add nothing; whole.
pub(super) const FILLERS: [&str; 10] = [
    "very",
    "really",
    "just",
    "actually",
    "basically",
    "literally",
    "totally",
    "absolutely",
    "definitely",
    "certainly",
];

/// Words that carry no content of their own, sorted. A word with punctuation on it is not among them.
#[rustfmt::skip]
const STOPWORDS: [&str; 69] = [
    "a", "above", "after", "again", "an", "and", "are", "as", "at", "be", "because", "been", "before", "being",
    "below", "between", "but", "by", "can", "could", "dare", "did", "do", "does", "during", "for", "from",
    "further", "had", "has", "have", "how", "if", "in", "into", "is", "it", "its", "may", "might", "must",
    "need", "of", "on", "once", "or", "ought", "shall", "should", "that", "the", "these", "this", "those",
    "through", "to", "under", "used", "was", "were", "when", "where", "which", "while", "who", "whom", "will",
    "with", "would",
];

/// Which contained words a text has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Contained {
    /// Distinct verbs.
    pub(super) verbs: usize,
    /// Distinct transition words.
    pub(super) transitions: usize,
    /// The word `example`.
    pub(super) example: bool,
    /// Any announcement of an example.
    pub(super) example_marker: bool,
}

#[expect(
    clippy::expect_used,
    reason = "the patterns are constants; a test compiles them"
)]
static CONTAINED: LazyLock<RegexSet> = LazyLock::new(|| {
    let words = VERBS.iter().chain(&TRANSITIONS).chain(&EXAMPLE_MARKERS);
    RegexSet::new(words.map(|word| regex::escape(word))).expect("escaped words are valid patterns")
});

impl Contained {
    /// Looks for all contained words in one pass over a text in lower case.
    pub(super) fn in_lowered(lowered: &str) -> Self {
        const VERBS_END: usize = VERBS.len();
        const TRANSITIONS_END: usize = VERBS_END + TRANSITIONS.len();
        let mut found = Self {
            verbs: 0,
            transitions: 0,
            example: false,
            example_marker: false,
        };
        for index in &CONTAINED.matches(lowered) {
            match index {
                0..VERBS_END => found.verbs += 1,
                VERBS_END..TRANSITIONS_END => found.transitions += 1,
                TRANSITIONS_END => (found.example, found.example_marker) = (true, true),
                _ => found.example_marker = true,
            }
        }
        found
    }
}

/// Tells whether a word in lower case carries no content of its own.
pub(super) fn is_stopword(word: &str) -> bool {
    STOPWORDS.binary_search(&word).is_ok()
}

/// Returns where each term stands as a whole word, in order and without overlap. The text must be folded
/// ([`super::text::fold_ascii_words`]); offsets are into that text.
pub(super) fn whole_words(folded: &str, terms: &[&'static str]) -> Vec<(usize, &'static str)> {
    let mut hits = Vec::new();
    let mut before = None;
    let mut resume_at = 0;
    for (at, c) in folded.char_indices() {
        let begins_word = c.is_ascii_lowercase() && !before.is_some_and(is_word_character);
        if begins_word
            && at >= resume_at
            && let Some(term) = term_at(folded, at, terms)
        {
            resume_at = at + term.len();
            hits.push((at, term));
        }
        before = Some(c);
    }
    hits
}

fn term_at(folded: &str, at: usize, terms: &[&'static str]) -> Option<&'static str> {
    let rest = folded.get(at..)?;
    terms.iter().copied().find(|term| {
        rest.strip_prefix(term)
            .is_some_and(|after| !after.chars().next().is_some_and(is_word_character))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizer::text::fold_ascii_words;

    fn check_vague(text: &str, expected: &[&str]) {
        let hits = whole_words(&fold_ascii_words(text), &VAGUE_TERMS);
        let found: Vec<&str> = hits.into_iter().map(|(_, term)| term).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn vague_terms_are_whole_words_in_any_case() {
        check_vague("", &[]);
        check_vague(
            "SOME, somehow; Somewhat. something",
            &["some", "somehow", "somewhat"],
        );
        check_vague("et cetera etc... retc etc_ 1etc", &["etc"]);
        check_vague("kind  of, kind of, mankind of, Kind Of", &["kind of", "kind of"]);
        check_vague("and so on, so on, sand so on", &["and so on", "so on", "so on"]);
        check_vague("some\u{301} étc some中 {{some}}", &["some", "some"]);
        check_vague("\u{212A}İND OF ſtuff", &["kind of", "stuff"]);
    }

    #[test]
    fn contained_words_count_once_and_inside_other_words_too() {
        let found = Contained::in_lowered("information listens, strengthen; list list, such as this");
        assert_eq!(
            found,
            Contained {
                verbs: 2,
                transitions: 1,
                example: false,
                example_marker: true
            }
        );
        assert!(Contained::in_lowered("two examples").example);
        assert_eq!(Contained::in_lowered("nothing of it").verbs, 0);
    }

    #[test]
    fn the_stopwords_are_sorted_and_distinct() {
        assert!(STOPWORDS.is_sorted_by(|a, b| a < b));
        assert!(is_stopword("the") && is_stopword("whom") && !is_stopword("it.") && !is_stopword("The"));
    }
}
