//! Which characters may stand unescaped.

/// Tells whether every reader takes a character for itself, in any style: no control character, nothing that some
/// readers take for a line break or a byte order mark, and nothing that Unicode calls no character.
pub(super) const fn is_plain_sight(c: char) -> bool {
    let is_control = matches!(c, '\0'..='\u{8}' | '\n'..='\u{1f}' | '\u{7f}'..='\u{9f}');
    let is_misread = matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}');
    // Beyond U+FFFF two of each plane are none, too, but JSON has no escape for them that YAML reads as one character.
    let is_none = matches!(c, '\u{fdd0}'..='\u{fdef}' | '\u{fffe}' | '\u{ffff}');
    !(is_control || is_misread || is_none)
}

/// Tells whether a character is a blank: what readers strip at line ends.
pub(super) const fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

/// Tells whether a text consists of lines that can stand unescaped.
pub(super) fn is_lines(text: &str) -> bool {
    text.chars().all(|c| c == '\n' || is_plain_sight(c))
}
