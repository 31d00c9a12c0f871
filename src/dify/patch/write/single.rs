//! Single quotes: line breaks are doubled, and blanks beside them cannot be said.

use super::lines::{Layout, Lines, push_folded};
use crate::dify::patch::characters::{is_blank, is_lines};

/// Returns a text in single quotes; `None` when it cannot be said so.
pub(super) fn quoted(text: &str, layout: Layout<'_>) -> Option<String> {
    let text_lines: Vec<&str> = text.split('\n').collect();
    let last = text_lines.len() - 1;
    let is_lost = |(at, line): (usize, &&str)| {
        (at > 0 && line.starts_with(is_blank)) || (at < last && line.ends_with(is_blank))
    };
    if !is_lines(text) || text_lines.iter().enumerate().any(is_lost) {
        return None;
    }
    let mut lines = Lines::new(layout);
    lines.push("'");
    let mut is_run = false;
    for (at, line) in text_lines.iter().enumerate() {
        if at > 0 {
            // The first line break of a run folds into nothing.
            let breaks = if is_run { 1 } else { 2 };
            (0..breaks).for_each(|_| lines.end_line());
            is_run = line.is_empty();
            if !line.is_empty() || at == last {
                lines.indent();
            }
        }
        push_folded(&mut lines, line, |c| (c == '\'').then_some("''"));
    }
    lines.push("'");
    Some(lines.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(quoted(text, Layout::UNBROKEN).as_deref(), expected, "{text:?}");
    }

    #[test]
    fn line_breaks_are_doubled_once_per_run() {
        check("", Some("''"));
        check("it's", Some("'it''s'"));
        check(" a ", Some("' a '"));
        check("a\nb", Some("'a\n\n  b'"));
        check("a\n\n\nb\nc", Some("'a\n\n\n\n  b\n\n  c'"));
        check("\na\n", Some("'\n\n  a\n\n  '"));
        check("\n", Some("'\n\n  '"));
        check("\n\n", Some("'\n\n\n  '"));
        let layout = Layout {
            indent: 1,
            line_break: "\r\n",
            ..Layout::UNBROKEN
        };
        assert_eq!(quoted("a\nb", layout).as_deref(), Some("'a\r\n\r\n b'"));
    }

    #[test]
    fn blanks_beside_line_breaks_and_odd_characters_cannot_be_said() {
        for text in [
            "a \nb", "a\n b", "a\n\tb", "a\n \nb", " \n", "a\rb", "a\u{85}b", "\u{feff}", "\0",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn a_full_line_is_broken_at_a_lone_space() {
        let layout = Layout {
            column: 76,
            is_wrapped: true,
            ..Layout::UNBROKEN
        };
        let check = |text: &str, expected: &str| {
            assert_eq!(quoted(text, layout).as_deref(), Some(expected), "{text:?}");
        };
        check("abc d", "'abc d'");
        check("it's so", "'it''s\n  so'");
        check("that's so", "'that''s\n  so'");
        check("abcd  ef gh", "'abcd  ef\n  gh'");
        check("abcd \tef", "'abcd \tef'");
        check("abcde\nfg h", "'abcde\n\n  fg h'");
        check("abcdef ", "'abcdef '");
    }
}
