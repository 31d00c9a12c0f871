//! Punctuation that is certainly wrong.

use std::sync::LazyLock;

use regex::Regex;

use super::context::last_word;
use super::{Kind, Rule};
use crate::optimizer::rewrite::Edit;
use crate::optimizer::rewrite::language::{Language, is_han};
use crate::optimizer::rewrite::pattern::pattern;
use crate::optimizer::rewrite::source::Source;

/// Removes spaces before a comma, a full stop and the like in English. (French has them.)
///
/// ```
/// use promptd::optimizer::rewrite::rules::SPACE_BEFORE_PUNCTUATION;
/// assert_eq!(SPACE_BEFORE_PUNCTUATION.apply("Read the text , then answer ."), "Read the text, then answer.");
/// assert_eq!(SPACE_BEFORE_PUNCTUATION.apply("Wait for the end ..."), "Wait for the end ...");
/// assert_eq!(SPACE_BEFORE_PUNCTUATION.apply("Répondez à la question !"), "Répondez à la question !");
/// ```
pub static SPACE_BEFORE_PUNCTUATION: Rule = Rule {
    id: "space-before-punctuation",
    summary: "Removes the space before a comma, a full stop and the like.",
    kind: Kind::Layout,
    language: Language::English,
    find: |source| {
        static SPACE: LazyLock<Regex> = LazyLock::new(|| pattern(r"[\p{L})]( +)[,;.?!](?:\s|$)"));
        let mut edits = Vec::new();
        for (line, text) in source.lines_in(Language::English) {
            let spaces = SPACE
                .captures_iter(text)
                .filter_map(|found| found.get(1))
                .filter(|gap| {
                    let word = last_word(text.get(..gap.start()).unwrap_or_default());
                    !NAMES_A_MARK.contains(&word.as_str())
                });
            edits.extend(
                spaces.map(|gap| Edit::delete(line.range.start + gap.start()..line.range.start + gap.end())),
            );
        }
        edits
    },
};

/// Words before a mark that is talked about: "separated by , or ;". None of them ends a part of a sentence.
#[rustfmt::skip]
const NAMES_A_MARK: &[&str] = &[
    "a", "and", "as", "be", "by", "character", "characters", "from", "in", "into", "is", "like", "mark", "marks", "of", "or",
    "symbol", "symbols", "than", "the", "to", "use", "using", "with",
];

/// Leaves one comma of two, and one Chinese mark of two equal ones. Three and more are meant.
///
/// ```
/// use promptd::optimizer::rewrite::rules::DOUBLED_PUNCTUATION;
/// assert_eq!(DOUBLED_PUNCTUATION.apply("请回答，，不要解释。。"), "请回答，不要解释。");
/// assert_eq!(DOUBLED_PUNCTUATION.apply("one,, two"), "one, two");
/// assert_eq!(DOUBLED_PUNCTUATION.apply("等等。。。"), "等等。。。");
/// ```
pub static DOUBLED_PUNCTUATION: Rule = Rule {
    id: "doubled-punctuation",
    summary: "Leaves one of two equal marks.",
    kind: Kind::Marks,
    language: Language::Any,
    find: |source| {
        static MARKS: LazyLock<Regex> = LazyLock::new(|| pattern(r",{2,}|，{2,}|。{2,}|、{2,}|；{2,}"));
        let mut edits = Vec::new();
        for line in source.lines() {
            for found in MARKS.find_iter(source.slice(&line.range)) {
                let text = found.as_str();
                let (width, spaced) = text
                    .chars()
                    .next()
                    .map_or((1, false), |mark| (mark.len_utf8(), mark == ','));
                let end = line.range.start + found.end();
                let followed_by_space = source.slice(&(end..end + 1)).starts_with(' ');
                if text.len() == 2 * width && (!spaced || followed_by_space) {
                    edits.push(Edit::delete(end - width..end));
                }
            }
        }
        edits
    },
};

/// Writes a comma, semicolon, question or exclamation mark between Chinese characters in its Chinese form.
///
/// A colon stays: `姓名:` may be the form of an answer.
///
/// ```
/// use promptd::optimizer::rewrite::rules::FULL_WIDTH_PUNCTUATION;
/// assert_eq!(FULL_WIDTH_PUNCTUATION.apply("你好,请回答用户的问题!谢谢"), "你好，请回答用户的问题！谢谢");
/// assert_eq!(FULL_WIDTH_PUNCTUATION.apply("共 1,000 条,其中 a,b 两类"), "共 1,000 条，其中 a,b 两类");
/// ```
pub static FULL_WIDTH_PUNCTUATION: Rule = Rule {
    id: "full-width-punctuation",
    summary: "Writes marks between Chinese characters in their Chinese form.",
    kind: Kind::Marks,
    language: Language::Chinese,
    find: full_width,
};

fn full_width(source: &Source<'_>) -> Vec<Edit> {
    // Such a line may say which marks an answer has.
    static SPEAKS_OF_MARKS: LazyLock<Regex> =
        LazyLock::new(|| pattern("(?i)逗号|分号|问号|叹号|标点|符号|分隔|分割|隔开|半角|格式|英文|csv"));
    let mut edits = Vec::new();
    let lines = source.lines_in(Language::Chinese);
    for (line, text) in lines.filter(|(_, text)| !SPEAKS_OF_MARKS.is_match(text)) {
        let mut before: Option<char> = None;
        let mut chars = text.char_indices().peekable();
        while let Some((at, mark)) = chars.next() {
            let after = chars.peek().map(|(_, next)| *next);
            let wide = match mark {
                ',' => Some("，"),
                ';' => Some("；"),
                '?' => Some("？"),
                '!' => Some("！"),
                _ => None,
            };
            let is_between = before.is_some_and(is_han) && after.is_some_and(is_han);
            if let Some(wide) = wide.filter(|_| is_between) {
                let start = line.range.start + at;
                edits.push(Edit::new(start..start + mark.len_utf8(), wide));
            }
            before = Some(mark);
        }
    }
    edits
}
