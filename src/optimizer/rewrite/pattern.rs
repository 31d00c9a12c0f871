//! Regular expressions that are constants.

use regex::Regex;

/// Compiles a pattern that is part of the program. The engine is linear in the text, whatever the pattern.
#[expect(
    clippy::expect_used,
    reason = "every pattern is a constant, and the tests of its rule compile it"
)]
pub(super) fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a constant pattern is valid")
}

/// Compiles an alternative of phrases: whole words, in any letter case, with any number of spaces between the words.
/// Longer phrases are tried first, so that no phrase hides a longer one that begins like it.
pub(super) fn phrases<'p>(phrases: impl Iterator<Item = &'p str>) -> Regex {
    let mut phrases: Vec<&str> = phrases.collect();
    phrases.sort_by_key(|phrase| std::cmp::Reverse(phrase.len()));
    let escaped: Vec<String> = phrases
        .iter()
        .map(|phrase| regex::escape(phrase).replace(' ', " +"))
        .collect();
    pattern(&format!(r"(?i)\b(?:{})\b", escaped.join("|")))
}
