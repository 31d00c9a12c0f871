//! No quotes: for texts that no loader takes for anything else.

use super::lines::{Layout, Lines, push_folded};
use crate::dify::patch::characters::{is_blank, is_plain_sight};
use crate::dify::scalar::{Resolved, resolve};

/// Words that some loader takes for a value other than text, in lower case.
const WORDS: [&str; 19] = [
    "null", "true", "false", "yes", "no", "on", "off", "y", "n", "t", "f", ".inf", "+.inf", "-.inf", ".nan",
    "nan", "inf", "none", "<<",
];

/// Returns a text without quotes; `None` when some loader of YAML 1.1 or 1.2 could take it for anything else, or when it has
/// several lines.
pub(super) fn written(text: &str, in_flow: bool, layout: Layout<'_>) -> Option<String> {
    if !is_safe(text, in_flow) {
        return None;
    }
    let mut lines = Lines::new(layout);
    push_folded(&mut lines, text, |_| None);
    Some(lines.finish())
}

/// Tells whether a text can stand without quotes, on one line, for loaders of YAML 1.1 and 1.2.
fn is_safe(text: &str, in_flow: bool) -> bool {
    let Some(first) = text.chars().next() else {
        return false;
    };
    let is_indicator = matches!(
        first,
        '-' | '?'
            | ':'
            | ','
            | '['
            | ']'
            | '{'
            | '}'
            | '#'
            | '&'
            | '*'
            | '!'
            | '|'
            | '>'
            | '\''
            | '"'
            | '%'
            | '@'
            | '`'
            | '~'
            | '='
            | '<'
    );
    let has_blank_end = is_blank(first) || text.ends_with(is_blank);
    let is_one_line = text.chars().all(|c| is_plain_sight(c) && c != '\t');
    let is_split = text.contains(": ") || text.contains(" #") || text.ends_with(':');
    let is_flow = in_flow && text.contains([',', '[', ']', '{', '}', ':', '?']);
    !(is_indicator || has_blank_end || is_split || is_flow)
        && is_one_line
        && !text.starts_with("...")
        && is_text(text)
}

fn is_text(text: &str) -> bool {
    let looks_like_number = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '.'))
        && text.chars().all(|c| {
            c.is_ascii_hexdigit()
                || matches!(
                    c,
                    '_' | '.' | ':' | '+' | '-' | ' ' | 'x' | 'X' | 'o' | 'O' | 't' | 'T' | 'z' | 'Z'
                )
        });
    resolve(text) == Resolved::Text && !looks_like_number && !WORDS.contains(&text.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(is_expected: bool, texts: &[&str]) {
        for text in texts {
            assert_eq!(is_safe(text, false), is_expected, "{text:?}");
        }
    }

    #[test]
    fn ordinary_sentences_need_no_quotes() {
        check(
            true,
            &[
                "You are helpful.",
                "1. Read it; 2. answer",
                "Say {{#n.x#}}, it's \"fine\"",
                "see http://x.y/z#a",
                "über \u{1f600}",
                "a  b",
                "3rd",
                "a\u{a0}b",
            ],
        );
    }

    #[test]
    fn what_a_loader_could_misread_needs_quotes() {
        check(
            false,
            &[
                "",
                " a",
                "a ",
                "a: b",
                "a:",
                "a #b",
                "a\nb",
                "a\tb",
                "- a",
                "-",
                "? a",
                "# a",
                "{{#n.x#}}",
                "[a]",
                "*a",
                "&a",
                "!a",
                "|",
                ">",
                "'a'",
                "\"a\"",
                "%a",
                "@a",
                "`a`",
                "~",
                "=",
                "<<",
                "...",
                "---",
                "yes",
                "No",
                "ON",
                "off",
                "y",
                "N",
                "true",
                "NULL",
                "12",
                "1_000",
                "0x1f",
                "0o17",
                "1e5",
                "1.5",
                ".5",
                "+1",
                ".inf",
                ".NaN",
                "12:30:45",
                "2026-01-02",
                "2026-1-2 3:04:05",
                "a\u{85}b",
                "a\u{2028}b",
                "\u{feff}a",
                "a\rb",
            ],
        );
    }

    #[test]
    fn brackets_and_colons_need_quotes_between_brackets() {
        for text in ["a, b", "a]", "a}b", "http://x", "a?"] {
            assert!(is_safe(text, false), "{text}");
            assert!(!is_safe(text, true), "{text}");
        }
        assert!(is_safe("a b", true));
    }
}
