//! Text from the store on a terminal: what would steer the terminal is made visible.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Returns a text in which every character that a terminal would obey, or that turns the direction of writing, stands as
/// a picture or an escape. Line feeds and tabs stay.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match u32::from(c) {
            _ if !is_hidden(c) => shown.push(c),
            // The control pictures of Unicode stand in the order of the characters that they show.
            code @ 0..0x20 => shown.extend(char::from_u32(0x2400 + code)),
            0x7f => shown.push('\u{2421}'),
            code => {
                let _ = write!(shown, "\\u{{{code:x}}}");
            }
        }
    }
    Cow::Owned(shown)
}

/// As [`visible`], for a text that has to stay on one line.
pub(crate) fn visible_line(text: &str) -> String {
    visible(text).replace('\n', "\u{240a}").replace('\t', "\u{2409}")
}

fn is_hidden(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        // Marks, embeddings, overrides and isolates of writing direction; line and paragraph separators.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        _ => c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(visible(text), expected, "{text:?}");
    }

    #[test]
    fn nothing_that_steers_a_terminal_gets_through() {
        check(
            "plain text,\n\ttabs and 日本語 stay",
            "plain text,\n\ttabs and 日本語 stay",
        );
        check("\x1b[31mred\x1b[0m", "␛[31mred␛[0m");
        check("\x1b]0;title\x07", "␛]0;title␇");
        check("over\rwritten", "over␍written");
        check("\u{9b}31m", "\\u{9b}31m");
        check("\u{7f}", "␡");
        check("a\u{202e}b", "a\\u{202e}b");
        check("\0", "␀");
    }

    #[test]
    fn one_line_stays_one_line() {
        assert_eq!(visible_line("a\nb\tc"), "a␊b␉c");
    }
}
