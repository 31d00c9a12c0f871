//! Single quotes: line breaks are doubled, and blanks beside them cannot be said.

use crate::dify::patch::characters::{is_blank, is_lines};

/// Returns a text in single quotes, its further lines indented; `None` when it cannot be said so.
pub(super) fn quoted(text: &str, indent: usize, line_break: &str) -> Option<String> {
    let lines: Vec<&str> = text.split('\n').collect();
    let last = lines.len() - 1;
    let is_lost = |(at, line): (usize, &&str)| {
        (at > 0 && line.starts_with(is_blank)) || (at < last && line.ends_with(is_blank))
    };
    if !is_lines(text) || lines.iter().enumerate().any(is_lost) {
        return None;
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    let mut is_run = false;
    for (at, line) in lines.iter().enumerate() {
        if at > 0 {
            // The first line break of a run folds into nothing.
            let breaks = if is_run { 1 } else { 2 };
            (0..breaks).for_each(|_| quoted.push_str(line_break));
            is_run = line.is_empty();
            if !line.is_empty() || at == last {
                quoted.extend(std::iter::repeat_n(' ', indent));
            }
        }
        quoted.push_str(&line.replace('\'', "''"));
    }
    quoted.push('\'');
    Some(quoted)
}

/// Returns how far the second line of a scalar that is written on several lines is indented.
pub(super) fn indent_of(written: &str) -> Option<usize> {
    let mut further = written.split(['\n', '\r']).skip(1);
    let line = further.find(|line| !line.trim().is_empty())?;
    let indent = line.len() - line.trim_start_matches(' ').len();
    (indent > 0).then_some(indent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(quoted(text, 2, "\n").as_deref(), expected, "{text:?}");
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
        assert_eq!(quoted("a\nb", 1, "\r\n").as_deref(), Some("'a\r\n\r\n b'"));
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
    fn the_indentation_of_further_lines_is_kept() {
        assert_eq!(indent_of("'a'"), None);
        assert_eq!(indent_of("'a\n\n     b\n  c'"), Some(5));
        assert_eq!(indent_of("'a\r\n\r\n   b'"), Some(3));
        assert_eq!(indent_of("'a\nb'"), None);
    }
}
