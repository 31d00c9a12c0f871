//! Double quotes: every text can stand in them.

use std::borrow::Cow;

use super::lines::{Layout, Lines};
use crate::dify::patch::characters::is_plain_sight;

/// Returns a text in double quotes, with escapes that YAML and JSON both know.
///
/// Where lines are broken, they are where PyYAML breaks them, so that what Dify exports again is the same: before a space or
/// beside an escape, once the line is full.
///
/// Characters beyond U+FFFF stand as they are: as a pair of escapes a YAML loader would take them for two characters.
pub(super) fn quoted(text: &str, layout: Layout<'_>) -> String {
    let mut lines = Lines::new(layout);
    lines.push("\"");
    let last = text.chars().count().saturating_sub(1);
    let mut follows_escape = false;
    for (at, c) in text.chars().enumerate() {
        let is_inner = at > 0 && at < last;
        let escape = escape(c, layout.is_ascii);
        if let Some(escape) = &escape {
            lines.push(escape);
            // PyYAML does not count the last character of an escape here.
            if is_inner && lines.is_full(1) {
                break_line(&mut lines);
            }
        } else {
            if is_inner && (c == ' ' || follows_escape) && lines.is_full(0) {
                break_line(&mut lines);
            }
            if c == ' ' && lines.is_indented() {
                // Readers strip bare spaces there.
                lines.push("\\");
            }
            lines.push(c.encode_utf8(&mut [0; 4]));
        }
        follows_escape = escape.is_some();
    }
    lines.push("\"");
    lines.finish()
}

/// Breaks a line without a trace in the text.
fn break_line(lines: &mut Lines<'_>) {
    lines.push("\\");
    lines.end_line();
    lines.indent();
}

/// Returns what stands for a character that does not stand for itself.
fn escape(c: char, is_ascii: bool) -> Option<Cow<'static, str>> {
    let is_wide = is_ascii && matches!(c, '\u{80}'..='\u{ffff}');
    Some(match c {
        '"' => "\\\"".into(),
        '\\' => "\\\\".into(),
        '\n' => "\\n".into(),
        '\t' => "\\t".into(),
        '\r' => "\\r".into(),
        // A no-break space is easily lost in an editor.
        '\u{a0}' => "\\u00A0".into(),
        c if is_plain_sight(c) && !is_wide => return None,
        c => format!("\\u{:04X}", u32::from(c)).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_readers_may_misread_is_escaped() {
        for (text, expected) in [
            ("", r#""""#),
            ("a \"b\" \\ c", r#""a \"b\" \\ c""#),
            ("a\n\tb\r\n", r#""a\n\tb\r\n""#),
            (
                "\0\u{7}\u{7f}\u{80}\u{85}\u{a0}",
                r#""\u0000\u0007\u007F\u0080\u0085\u00A0""#,
            ),
            (
                "\u{2028}\u{2029}\u{feff}\u{fffe}\u{ffff}\u{fdd0}",
                r#""\u2028\u2029\uFEFF\uFFFE\uFFFF\uFDD0""#,
            ),
            ("é日\u{fffd}\u{1f600}", "\"é日\u{fffd}\u{1f600}\""),
        ] {
            assert_eq!(quoted(text, Layout::UNBROKEN), expected);
            assert_eq!(serde_json::from_str::<String>(expected).unwrap(), text);
        }
    }

    #[test]
    fn a_full_line_is_broken_before_a_space_or_behind_an_escape() {
        let layout = Layout {
            column: 76,
            is_wrapped: true,
            ..Layout::UNBROKEN
        };
        let check = |text: &str, expected: &str| assert_eq!(quoted(text, layout), expected, "{text:?}");
        check("abc d", "\"abc d\"");
        check("abcd ef g", "\"abcd\\\n  \\ ef g\"");
        check("abcd  ef", "\"abcd\\\n  \\  ef\"");
        check("ab\nef", "\"ab\\n\\\n  ef\"");
        check("ab\n  ef", "\"ab\\n\\\n  \\  ef\"");
        check("ab\n\nef", "\"ab\\n\\n\\\n  ef\"");
        check("abc\n\nef", "\"abc\\n\\\n  \\nef\"");
        // Nothing to gain at either end.
        check("abcdef\n", "\"abcdef\\n\"");
        check("abcdef ", "\"abcdef \"");
        check("日本語日本語", "\"日本語日本語\"");
    }

    #[test]
    fn a_scalar_in_ascii_stays_in_ascii() {
        let layout = Layout {
            is_ascii: true,
            ..Layout::UNBROKEN
        };
        assert_eq!(quoted("é日\u{1f600}", layout), "\"\\u00E9\\u65E5\u{1f600}\"");
    }

    #[test]
    fn a_text_on_one_line_stays_on_it() {
        let text = "a b\n".repeat(99);
        assert!(!quoted(&text, Layout::UNBROKEN).contains('\n'));
    }
}
