//! Double quotes: every text can stand in them.

use std::fmt::Write as _;

use crate::dify::patch::characters::is_plain_sight;

/// Returns a text in double quotes, on one line, with escapes that YAML and JSON both know.
///
/// Characters beyond U+FFFF stand as they are: as a pair of escapes a YAML loader would take them for two characters.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            // A no-break space is easily lost in an editor.
            '\u{a0}' => quoted.push_str("\\u00A0"),
            c if is_plain_sight(c) => quoted.push(c),
            c => {
                let _infallible = write!(quoted, "\\u{:04X}", u32::from(c));
            }
        }
    }
    quoted.push('"');
    quoted
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
            assert_eq!(quoted(text), expected);
            assert_eq!(serde_json::from_str::<String>(expected).unwrap(), text);
        }
    }
}
