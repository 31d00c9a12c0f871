//! What is protected by where it stands: blocks of code, tables, data, quotations over lines, sections of examples.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::optimizer::rewrite::pattern::pattern;

/// A fence may stand in a quotation or in an item of a list, at any depth. One with a backtick behind it is code in a line.
static FENCE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^[\s>]*(?:[-*+]\s+|\d{1,3}[.)]\s+)?(?:(`{3,})[^`]*|(~{3,}).*)$"));
static INDENTED: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(?: {4,}|\t)\s*[^\s]"));
static ITEM: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^\s*(?:[-*+•·●▪]|\d{1,3}[.)、）]|[(（]\d{1,2}[)）]|[a-zA-Z][.)])"));
static RULE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^\s*(?:-[ -]*-[ -]*-|\*[ *]*\*[ *]*\*|_[ _]*_[ _]*_|=+|-+)\s*$"));
static TABLE: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*\|.*\|"));
static SPOKEN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^\s*(?:\*\*)?(?:input|output|question|answer|q|a|user|assistant|human|ai|system|输入|输出|问题|回答|问|答|用户|助手|系统)\s*\d*(?:\*\*)?\s*[:：].*\S",
    )
});
static HEADING: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s{0,3}(#{1,6})(?:\s|[^#\s])"));
/// Names of examples, and of formats of an answer: both are to be copied letter for letter.
static NAMES_EXAMPLES: LazyLock<Regex> = LazyLock::new(|| {
    let english = r"\b(?:examples?|samples?|few[- ]?shots?|demonstrations?|templates?|(?:output|response|answer|reply|return) formats?)\b";
    let chinese = "示例|例子|样例|范例|实例|举例|格式|模板|模版";
    pattern(&format!("(?i){english}|{chinese}"))
});
static LABEL_END: LazyLock<Regex> = LazyLock::new(|| pattern(r"[:：]\**\s*$"));
static ELEMENT: LazyLock<Regex> = LazyLock::new(|| {
    let names = [
        "examples",
        "example",
        "sample",
        "samples",
        "shot",
        "few_shot",
        "demonstration",
        "示例",
    ];
    let each = names.map(|name| format!(r"<{name}(?:\s[^<>]*)?>.*?</{name}>"));
    pattern(&format!("(?si){}", each.join("|")))
});

/// Lines with their content (no line feed, no carriage return) and their range with the line feed.
fn lines(text: &str) -> impl Iterator<Item = (&str, Range<usize>)> {
    let mut start = 0;
    text.split_inclusive('\n').map(move |line| {
        let range = start..start + line.len();
        start = range.end;
        (line.trim_end_matches(['\n', '\r']), range)
    })
}

/// Finds fences, which go to the end when they are not closed, indented code, tables, rules, and lines of a dialogue.
pub(super) fn blocks(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut fence: Option<(usize, String)> = None;
    for (line, range) in lines(text) {
        let content = range.start..range.start + line.len();
        if let Some((start, mark)) = &fence {
            let rest = line.trim_start_matches(|c: char| c.is_whitespace() || c == '>');
            if rest.starts_with(mark.as_str()) && rest.trim_end().chars().all(|c| mark.starts_with(c)) {
                found.push(*start..content.end);
                fence = None;
            }
        } else if let Some(mark) = FENCE
            .captures(line)
            .and_then(|found| found.get(1).or_else(|| found.get(2)))
        {
            fence = Some((range.start, mark.as_str().to_owned()));
        } else if (INDENTED.is_match(line) && !ITEM.is_match(line))
            || RULE.is_match(line)
            || TABLE.is_match(line)
            || SPOKEN.is_match(line)
        {
            found.push(content);
        }
    }
    if let Some((start, _)) = fence {
        found.push(start..text.len());
    }
    found
}

/// Finds what stands in braces over any number of lines, and lists in brackets of quotations, numbers, lists or objects.
pub(super) fn data(text: &str) -> Vec<Range<usize>> {
    static LIST: LazyLock<Regex> = LazyLock::new(|| pattern(r#"\[\s*["'“”{\[\d-]"#));
    let mut found = closed(text, b'{', b'}');
    let lists: HashSet<usize> = LIST.find_iter(text).map(|list| list.start()).collect();
    found.extend(
        closed(text, b'[', b']')
            .into_iter()
            .filter(|list| lists.contains(&list.start)),
    );
    found
}

/// Returns from each opening mark that is closed to where it is. Marks in strings come in pairs nearly always.
fn closed(text: &str, opening: u8, closing: u8) -> Vec<Range<usize>> {
    let (mut open, mut found) = (Vec::new(), Vec::new());
    for (at, byte) in text.bytes().enumerate() {
        if byte == opening {
            open.push(at);
        } else if byte == closing
            && let Some(start) = open.pop()
        {
            found.push(start..at + 1);
        }
    }
    found
}

/// Finds quotations in straight marks that go over line breaks, in paragraphs where every mark has its other one.
pub(super) fn quotations(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut marks: Vec<usize> = Vec::new();
    let end = text.len()..text.len();
    for (line, range) in lines(text).chain([("", end)]) {
        marks.extend(line.match_indices('"').map(|(at, _)| range.start + at));
        if line.trim().is_empty() {
            if marks.len().is_multiple_of(2) {
                let pairs = marks.chunks_exact(2);
                found.extend(pairs.filter_map(|pair| Some(*pair.first()?..*pair.last()? + 1)));
            }
            marks.clear();
        }
    }
    found
}

/// Finds the sections under a heading that names examples or a format, blocks under a label that does, and elements of
/// examples.
pub(super) fn examples(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = ELEMENT.find_iter(text).map(|element| element.range()).collect();
    let mut section: Option<(usize, usize)> = None;
    let mut block: Option<(usize, bool)> = None;
    for (line, range) in lines(text) {
        let heading = HEADING
            .captures(line)
            .and_then(|found| found.get(1))
            .map(|marks| marks.len());
        if let (Some((start, level)), Some(here)) = (section, heading)
            && here <= level
        {
            found.push(start..range.start);
            section = None;
        }
        if let Some((start, has_lines)) = block {
            let ends = line.trim().is_empty() && has_lines;
            if ends || heading.is_some() {
                found.push(start..range.start);
                block = None;
            } else {
                block = Some((start, has_lines || !line.trim().is_empty()));
            }
        }
        if NAMES_EXAMPLES.is_match(line) {
            match heading {
                Some(level) if section.is_none() => section = Some((range.start, level)),
                None if block.is_none() && LABEL_END.is_match(line) => block = Some((range.start, false)),
                _ => {}
            }
        }
    }
    let open = [section.map(|(start, _)| start), block.map(|(start, _)| start)];
    found.extend(open.into_iter().flatten().map(|start| start..text.len()));
    found
}
