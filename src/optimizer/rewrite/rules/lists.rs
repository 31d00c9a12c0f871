//! Lists that are meant as such and not written so.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::{Kind, Rule};
use crate::optimizer::rewrite::Edit;
use crate::optimizer::rewrite::language::Language;
use crate::optimizer::rewrite::pattern::pattern;
use crate::optimizer::rewrite::source::{Line, Source};

/// Puts the space after a bullet or number that lacks it, where a neighbour has the same mark or the next number.
///
/// ```
/// use promptd::optimizer::rewrite::rules::LIST_MARKER_SPACE;
/// assert_eq!(LIST_MARKER_SPACE.apply("- one\n-two\n"), "- one\n- two\n");
/// assert_eq!(LIST_MARKER_SPACE.apply("1.one\n2.two"), "1. one\n2. two");
/// assert_eq!(LIST_MARKER_SPACE.apply("-two alone\n1.5 metres"), "-two alone\n1.5 metres");
/// ```
pub static LIST_MARKER_SPACE: Rule = Rule {
    id: "list-marker-space",
    summary: "Puts the missing space after the mark of a list item.",
    kind: Kind::Layout,
    language: Language::Any,
    find: list_marker_space,
};

static MARKER: LazyLock<Regex> = LazyLock::new(|| pattern(r"^([ \t]*)(?:([-*+])|(\d{1,3})[.)])(\s*)(\S)"));

/// The mark at the head of a line.
struct Marker {
    end: usize,
    bullet: Option<char>,
    number: Option<usize>,
    has_space: bool,
    letter_follows: bool,
}

fn marker(text: &str) -> Option<Marker> {
    let found = MARKER.captures(text)?;
    let space = found.get(4)?;
    // `*word*` is emphasis, whatever the lines around it are.
    let is_emphasis = found
        .get(2)
        .is_some_and(|star| star.as_str() == "*" && text.matches('*').count() > 1);
    Some(Marker {
        end: space.start(),
        bullet: found.get(2).and_then(|bullet| bullet.as_str().chars().next()),
        number: found.get(3).and_then(|number| number.as_str().parse().ok()),
        has_space: !space.is_empty(),
        letter_follows: found.get(5)?.as_str().chars().all(char::is_alphabetic) && !is_emphasis,
    })
}

fn list_marker_space(source: &Source<'_>) -> Vec<Edit> {
    let marks: Vec<(&Line, Option<Marker>)> = source
        .lines()
        .iter()
        .map(|line| (line, marker(source.slice(&line.range))))
        .collect();
    let mut edits = Vec::new();
    for (index, (line, here)) in marks.iter().enumerate() {
        let Some(here) = here
            .as_ref()
            .filter(|mark| !mark.has_space && mark.letter_follows)
        else {
            continue;
        };
        let neighbours = [index.checked_sub(1), Some(index + 1)].into_iter().flatten();
        let fits = neighbours
            .filter_map(|near| marks.get(near)?.1.as_ref())
            .any(|near| belongs(here, near));
        if fits {
            let at = line.range.start + here.end;
            edits.push(Edit::new(at..at, " "));
        }
    }
    edits
}

fn belongs(here: &Marker, near: &Marker) -> bool {
    match (here.number, near.number) {
        (Some(here), Some(near)) => here.abs_diff(near) == 1,
        (None, None) => here.bullet == near.bullet && near.has_space,
        _ => false,
    }
}

/// Writes bullets of word processors as Markdown has them, where two or more lines in a row have one.
///
/// ```
/// use promptd::optimizer::rewrite::rules::BULLET_MARKER;
/// assert_eq!(BULLET_MARKER.apply("• one\n•two\n"), "- one\n- two\n");
/// assert_eq!(BULLET_MARKER.apply("a • b"), "a • b");
/// ```
pub static BULLET_MARKER: Rule = Rule {
    id: "bullet-marker",
    summary: "Writes a bullet as Markdown has it.",
    kind: Kind::Marks,
    language: Language::Any,
    find: |source| {
        static BULLET: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[ \t]*([•●▪◦‣][ \t]*)\S"));
        runs(source, &BULLET, |_, _| true, |_| "- ".to_owned())
    },
};

/// Writes `1、` at the heads of lines as `1. `, which Markdown knows, where the numbers of two or more lines follow each
/// other.
///
/// ```
/// use promptd::optimizer::rewrite::rules::IDEOGRAPHIC_NUMBERING;
/// assert_eq!(IDEOGRAPHIC_NUMBERING.apply("1、简单回复\n2、 不要提问"), "1. 简单回复\n2. 不要提问");
/// assert_eq!(IDEOGRAPHIC_NUMBERING.apply("1、2 和 3"), "1、2 和 3");
/// ```
pub static IDEOGRAPHIC_NUMBERING: Rule = Rule {
    id: "ideographic-numbering",
    summary: "Writes the numbers of a Chinese list as Markdown has them.",
    kind: Kind::Marks,
    language: Language::Any,
    find: |source| {
        static NUMBER: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[ \t]*(\d{1,3}[、．][ \t]*)\S"));
        let follows = |a: &str, b: &str| number(a).zip(number(b)).is_some_and(|(a, b)| a + 1 == b);
        runs(source, &NUMBER, follows, |mark| {
            number(mark).map_or_else(String::new, |n| format!("{n}. "))
        })
    },
};

fn number(mark: &str) -> Option<usize> {
    mark.chars()
        .take_while(char::is_ascii_digit)
        .collect::<String>()
        .parse()
        .ok()
}

/// Replaces the marks (group 1) of lines that follow each other, two or more of them; `follows` compares neighbours.
fn runs(
    source: &Source<'_>,
    mark: &Regex,
    follows: impl Fn(&str, &str) -> bool,
    new: impl Fn(&str) -> String,
) -> Vec<Edit> {
    let found: Vec<Option<(Range<usize>, &str)>> = source
        .lines()
        .iter()
        .map(|line| {
            let mark = mark.captures(source.slice(&line.range))?.get(1)?;
            Some((
                line.range.start + mark.start()..line.range.start + mark.end(),
                mark.as_str(),
            ))
        })
        .collect();
    let pair = |a: usize, b: usize| match (found.get(a), found.get(b)) {
        (Some(Some((_, a))), Some(Some((_, b)))) => follows(a, b),
        _ => false,
    };
    let mut edits = Vec::new();
    for (index, mark) in found.iter().enumerate() {
        let in_run = pair(index, index + 1) || index.checked_sub(1).is_some_and(|before| pair(before, index));
        if let Some((range, text)) = mark.as_ref().filter(|_| in_run) {
            edits.push(Edit::new(range.clone(), new(text)));
        }
    }
    edits
}

/// Puts each item of an enumeration within a line on a line of its own: `1) ... 2) ...`, `(1) ... (2) ...`,
/// `1. ... 2. ... 3. ...`, `①...②...`. Only white space changes. The numbers must follow each other from 1, the first at
/// the head of the line or after a colon or a sentence, and nothing but the last item may come after them.
///
/// ```
/// use promptd::optimizer::rewrite::rules::INLINE_ENUMERATION;
/// assert_eq!(
///     INLINE_ENUMERATION.apply("Do this: 1) read it, 2) sum it up, 3) stop."),
///     "Do this:\n1) read it,\n2) sum it up,\n3) stop."
/// );
/// assert_eq!(INLINE_ENUMERATION.apply("要求：（1）简短；（2）友好。"), "要求：\n（1）简短；\n（2）友好。");
/// assert_eq!(INLINE_ENUMERATION.apply("See (1) and (2). Then go on."), "See (1) and (2). Then go on.");
/// assert_eq!(INLINE_ENUMERATION.apply("As in (1) and (2) we go on."), "As in (1) and (2) we go on.");
/// ```
pub static INLINE_ENUMERATION: Rule = Rule {
    id: "inline-enumeration",
    summary: "Puts each item of an enumeration on a line of its own.",
    kind: Kind::Layout,
    language: Language::Any,
    find: inline_enumeration,
};

/// The forms of a number with what must stand before it, and how many make a list.
static FORMS: LazyLock<[(Regex, usize); 4]> = LazyLock::new(|| {
    [
        (pattern(r"(?:^|[:：;；,，.。!?]|\s)(\s*)\((\d{1,2})\)\s*\p{L}"), 2),
        (pattern(r"(?:^|[:：;；,，。！？])(\s*)（(\d{1,2})）\s*\p{L}"), 2),
        (
            pattern(r"(?:^|[:：;；,，.。!?]\s*|\s)(\s*)(\d{1,2})\)\s*\p{L}"),
            2,
        ),
        (
            pattern(r"(?:^|[:：;；。!?]\s*|[,.]\s)(\s*)(\d{1,2})\.\s+\p{L}"),
            3,
        ),
    ]
});

fn inline_enumeration(source: &Source<'_>) -> Vec<Edit> {
    let mut edits = Vec::new();
    for line in source.lines() {
        for (form, least) in FORMS.iter() {
            if let Some(found) = enumeration(source, line, form, *least) {
                edits.extend(found);
                break;
            }
        }
    }
    edits
}

static ENDS_WITHIN: LazyLock<Regex> = LazyLock::new(|| pattern(r"[.!?]\s+\S|[。！？]\s*\S"));

fn indentation(line: &str) -> String {
    line.chars().take_while(|c| matches!(c, ' ' | '\t')).collect()
}

/// Returns what a further line of the same item begins with.
fn continued(line: &str) -> String {
    static HEAD: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[ \t]*(?:(?:[-*+]|\d{1,3}[.)])[ \t]+)?"));
    let head = HEAD.find(line).map_or("", |head| head.as_str());
    let kept = |c: char| if c == '\t' { c } else { ' ' };
    head.chars().map(kept).collect()
}

/// Returns the line breaks of an enumeration, when a line is one.
fn enumeration(source: &Source<'_>, line: &Line, form: &Regex, least: usize) -> Option<Vec<Edit>> {
    let text = source.slice(&line.range);
    if text.trim_start().starts_with('>') {
        return None;
    }
    let mut marks: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| form.captures(rest)) {
        let number = found.get(2)?;
        let mark = found.get(1)?;
        // The mark begins with its white space and its bracket, if it has one.
        let start = at + mark.start();
        let end = at + number.end();
        if number.as_str().parse() != Ok(marks.len() + 1) {
            return None;
        }
        marks.push(start..end);
        at = end;
    }
    // Numbers in the middle of a sentence refer to something: "as in (1) and (2)".
    let (first, last) = (marks.first()?, marks.last()?);
    let lead = text.get(..first.start)?.trim_end();
    if !lead.is_empty() && !lead.ends_with([':', '：', '.', '。', '!', '！', '?', '？']) {
        return None;
    }
    let tail = text
        .get(last.end..)?
        .trim_start_matches([')', '）'])
        .trim_start_matches('.');
    let is_list = marks.len() >= least && !ENDS_WITHIN.is_match(tail);
    // A line that begins with its first number and has no other is an item already.
    if !is_list {
        return None;
    }
    let ending = if source.text().contains("\r\n") {
        "\r\n"
    } else {
        "\n"
    };
    let head = if lead.is_empty() {
        indentation(text)
    } else {
        continued(text)
    };
    let ending = format!("{ending}{head}");
    let breaks = marks.iter().filter(|mark| mark.start > 0).map(|mark| {
        let before = text.get(..mark.start).unwrap_or_default();
        let start = before.trim_end().len();
        let head = text.get(mark.clone()).unwrap_or_default();
        let space = head.len() - head.trim_start().len();
        Edit::new(
            line.range.start + start..line.range.start + mark.start + space,
            ending.as_str(),
        )
    });
    let breaks: Vec<Edit> = breaks
        .filter(|edit| source.slice(&(line.range.start..edit.range.start)).trim() != "")
        .collect();
    let all_allowed = breaks.iter().all(|edit| source.allows(edit));
    (all_allowed && !breaks.is_empty()).then_some(breaks)
}
