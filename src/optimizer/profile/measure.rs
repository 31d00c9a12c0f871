//! Words, sentences and tokens of a text in any script.

use std::sync::LazyLock;

use regex::Regex;

use crate::optimizer::rewrite::language::{is_han, is_kana};

#[expect(clippy::expect_used, reason = "the pattern is a constant; a test compiles it")]
static SENTENCE_END: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[.!?…]+(?:[\s)\]]|$)|[。！？｡]+").expect("the pattern is valid"));

/// Counts words: runs of letters and digits in scripts with spaces, and two characters for one word in Chinese and
/// Japanese.
#[must_use]
pub(super) fn words(text: &str) -> usize {
    let (mut words, mut characters, mut is_inside) = (0, 0, false);
    for c in text.chars() {
        if is_dense(c) {
            characters += 1;
            is_inside = false;
        } else if c.is_alphanumeric() {
            words += usize::from(!is_inside);
            is_inside = true;
        } else if !matches!(c, '\'' | '’' | '-' | '_') {
            is_inside = false;
        }
    }
    words + usize::div_ceil(characters, 2)
}

/// Chinese characters and kana; hangul is written with spaces.
fn is_dense(c: char) -> bool {
    is_han(c) || (is_kana(c) && c < '\u{AC00}')
}

/// Returns the sentences of one line. An end mark counts before a space or the end of the line, so `1.5` and `e.g` hold
/// none; a Chinese one counts everywhere. A piece without a word is no sentence.
pub(super) fn sentences(line: &str) -> impl Iterator<Item = &str> {
    SENTENCE_END.split(line).filter(|piece| words(piece) > 0)
}

/// Estimates tokens: one for four characters, and one for each Chinese or Japanese character.
#[must_use]
pub(super) fn tokens(text: &str) -> f64 {
    let (dense, other) = text.chars().fold((0usize, 0usize), |(dense, other), c| {
        if is_dense(c) {
            (dense + 1, other)
        } else {
            (dense, other + 1)
        }
    });
    dense as f64 + other as f64 / 4.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected_words: usize, expected_sentences: usize) {
        assert_eq!(
            (words(text), sentences(text).count()),
            (expected_words, expected_sentences),
            "{text:?}"
        );
    }

    #[test]
    fn words_and_sentences_are_counted_in_scripts_with_and_without_spaces() {
        check("", 0, 0);
        check("Answer the user's question. Be well-mannered!", 6, 2);
        check("Use version 1.5 of the file a.b here.", 10, 1);
        check("请回答用户的问题。不要解释！好吗？", 7, 3);
        check("请用Markdown回答。", 3, 1);
        check("질문에 답하세요. 짧게.", 3, 2);
        check("...!? --", 0, 0);
    }

    #[test]
    fn a_chinese_character_is_a_token() {
        assert_eq!((tokens("abcd"), tokens("请回答"), tokens("")), (1.0, 3.0, 0.0));
    }
}
