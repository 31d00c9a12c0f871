//! What Python calls a space, a word character, a word and a sentence.
//!
//! Rust and Python disagree in small places (U+001C to U+001F are white space only in Python; combining marks are word
//! characters only in the `regex` crate), and a score that differs in its last digit is another score. Characters that
//! Unicode assigned after version 14 are classed as this build's tables say.

use std::sync::LazyLock;

use regex::Regex;

/// The class of [`is_space`], to be used inside a regular expression.
pub(crate) const SPACE_CLASS: &str = r"[\s\x1C-\x1F]";

#[expect(clippy::expect_used, reason = "the pattern is a constant; a test compiles it")]
static WORD_CHARACTER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^[\p{L}\p{N}]").expect("the pattern is valid"));

/// Tells whether Python's `str.isspace` holds for a character.
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1C}'..='\u{1F}').contains(&c)
}

/// Tells whether Python's `\w` matches a character: a letter, a number of any kind, or `_`; never a combining mark.
pub(crate) fn is_word_character(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || c == '_';
    }
    // The quick test lets a few marks and circled letters through; the slow one settles those.
    c.is_alphanumeric() && WORD_CHARACTER.is_match(c.encode_utf8(&mut [0; 4]))
}

/// Returns the words of a text as Python's `str.split()` does: runs of anything but white space.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|word| !word.is_empty())
}

/// Returns the number of words in each sentence. Only the ASCII marks `.`, `!` and `?` end a sentence, and a piece
/// without a word is none.
pub(crate) fn words_per_sentence(text: &str) -> impl Iterator<Item = usize> {
    text.split(['.', '!', '?'])
        .map(|sentence| words(sentence).count())
        .filter(|count| *count > 0)
}

/// Returns a text in which every character stands for all that Python's case-insensitive matching takes for the same
/// ASCII letter. Only good for finding ASCII words: other letters keep their case.
pub(crate) fn fold_ascii_words(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.chars()
        .map(|c| match c {
            'ſ' => 's',
            '\u{212A}' => 'k',
            'İ' | 'ı' => 'i',
            _ => c.to_ascii_lowercase(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_words(text: &str, expected: &[&str]) {
        assert_eq!(words(text).collect::<Vec<_>>(), expected, "{text:?}");
    }

    fn check_sentences(text: &str, expected: &[usize]) {
        assert_eq!(words_per_sentence(text).collect::<Vec<_>>(), expected, "{text:?}");
    }

    #[test]
    fn words_are_separated_by_what_python_calls_white_space() {
        check_words("", &[]);
        check_words(" \t\r\n", &[]);
        check_words("a\u{1C}b\u{1F}c\u{85}d\u{3000}e", &["a", "b", "c", "d", "e"]);
        check_words("a\u{200B}b \u{0}", &["a\u{200B}b", "\u{0}"]);
    }

    #[test]
    fn sentences_end_at_ascii_marks_only_and_hold_a_word() {
        check_sentences("", &[]);
        check_sentences("... !? \n.", &[]);
        check_sentences("One two. Three!? four", &[2, 1, 1]);
        check_sentences("一句话。另一句！", &[1]);
        check_sentences("see 1.5 of e.g. this", &[2, 3, 1, 1]);
    }

    #[test]
    fn a_word_character_is_a_letter_a_number_or_an_underscore() {
        for c in ['a', 'Z', '0', '_', 'é', '中', '٣', 'Ⅷ', '½', '①'] {
            assert!(is_word_character(c), "{c:?}");
        }
        for c in [' ', '-', '\u{301}', '\u{93E}', 'Ⓐ', '\u{200D}', '‿', '😀', '。'] {
            assert!(!is_word_character(c), "{c:?}");
        }
    }

    #[test]
    fn folding_joins_the_letters_that_python_takes_for_equal() {
        assert_eq!(fold_ascii_words("ſOME \u{212A}İnd ı É"), "some kind i É");
    }
}
