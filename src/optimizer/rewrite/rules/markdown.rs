//! Headings.

use std::sync::LazyLock;

use regex::Regex;

use super::repeats::weight;
use super::{Kind, Rule};
use crate::optimizer::rewrite::Edit;
use crate::optimizer::rewrite::language::Language;
use crate::optimizer::rewrite::pattern::pattern;

/// The most words of a heading; two Chinese characters are one.
const LONGEST_TITLE: usize = 8;

/// Puts the space into a heading that lacks it. One `#` alone may be a tag, a line that ends with `#` a frame, and a whole
/// sentence is none.
///
/// ```
/// use promptd::optimizer::rewrite::rules::HEADING_SPACE;
/// assert_eq!(HEADING_SPACE.apply("##Rules\n###角色"), "## Rules\n### 角色");
/// assert_eq!(HEADING_SPACE.apply("#tag\n##Input##"), "#tag\n##Input##");
/// assert_eq!(HEADING_SPACE.apply("###Never say this."), "###Never say this.");
/// ```
pub static HEADING_SPACE: Rule = Rule {
    id: "heading-space",
    summary: "Puts the missing space after the marks of a heading.",
    kind: Kind::Layout,
    language: Language::Any,
    find: |source| {
        static HEADING: LazyLock<Regex> = LazyLock::new(|| pattern(r"^ {0,3}(#{2,6})\p{L}.*[^#\s]\s*$"));
        let mut edits = Vec::new();
        for line in source.lines() {
            let text = source.slice(&line.range);
            let is_title = weight(text) <= LONGEST_TITLE
                && !text.trim_end().ends_with(['.', '。', '!', '！', ';', '；']);
            let marks = HEADING
                .captures(text)
                .filter(|_| is_title)
                .and_then(|found| found.get(1));
            edits.extend(marks.map(|marks| {
                Edit::new(
                    line.range.start + marks.end()..line.range.start + marks.end(),
                    " ",
                )
            }));
        }
        edits
    },
};

/// Sets a heading off from the text before it by a blank line.
///
/// ```
/// use promptd::optimizer::rewrite::rules::HEADING_BLANK_LINE;
/// assert_eq!(HEADING_BLANK_LINE.apply("Be kind.\n## Rules\n- One."), "Be kind.\n\n## Rules\n- One.");
/// assert_eq!(HEADING_BLANK_LINE.apply("# Title\n## Rules"), "# Title\n## Rules");
/// ```
pub static HEADING_BLANK_LINE: Rule = Rule {
    id: "heading-blank-line",
    summary: "Sets a heading off from the text before it by a blank line.",
    kind: Kind::Layout,
    language: Language::Any,
    find: |source| {
        static HEADING: LazyLock<Regex> = LazyLock::new(|| pattern(r"^ {0,3}#{1,6}[ \t]+[^\s]"));
        let mut edits = Vec::new();
        for pair in source.lines().windows(2) {
            let [before, line] = pair else { continue };
            let text = source.slice(&before.range);
            let is_heading = HEADING.is_match(source.slice(&line.range));
            if is_heading && !text.trim().is_empty() && !HEADING.is_match(text) {
                let ending = source.slice(&(before.range.end..before.end));
                edits.push(Edit::new(line.range.start..line.range.start, ending));
            }
        }
        edits
    },
};
