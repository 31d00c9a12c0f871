//! What no rule may touch: variables, code, quotations, addresses, markup, data, examples, formats.
//!
//! Too much protection leaves a fault in a text; too little destroys it. So whatever looks like one of these is one.

mod sections;

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::pattern::pattern;

/// The protected bytes of a text: ranges in order, none empty, none touching another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Protected(Vec<Range<usize>>);

/// What can be told by its own form, one alternative a line.
static INLINE: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        // Variables: {{#node.field#}}, {{ name }}, {{@x}}, {{$x}}, ${x}, {name}; Jinja statements and comments.
        r"\{\{[^{}]*\}\}",
        r"(?s)\{\{.*?\}\}",
        r"(?s)\{%-?\s*raw\s*-?%\}.*?\{%-?\s*endraw\s*-?%\}",
        r"(?s)\{%.*?%\}",
        r"(?s)\{#.*?#\}",
        r"\$\{[^{}\n]*\}",
        r"\{[^{}\n]*\}",
        // Code in a line, mathematics, special tokens, tags, comments.
        r"``[^\n]+?``|`[^`\n]+`",
        r"\$[^\s${}][^$\n]*\$",
        r"<\|[^|\n]*\|>",
        r"</?[A-Za-z_!?][^<>\n]*>",
        r"(?s)<!--.*?-->",
        // Quotations within a line; an apostrophe is none.
        r#""[^"\n]+""#,
        r"\B'[^'\n]+'\B",
        r"‘[^’\n]*’|„[^“”\n]*[“”]|‹[^›\n]*›|＂[^＂\n]*＂",
        // Marks that say which end they are may stand on different lines.
        r"“[^”]*”|«[^»]*»|「[^」]*」|『[^』]*』|《[^》]*》|〈[^〉]*〉|【[^】]*】|〔[^〕]*〕",
        // Quotations over several lines, to the end when they are not closed.
        r#"(?s)""".*?(?:"""|\z)"#,
        r"(?s)'''.*?(?:'''|\z)",
        // Addresses and files.
        r"(?i)\b[a-z][a-z0-9+.-]*://[^\s<>]+",
        r"(?i)\bwww\.[^\s<>]+",
        r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
        r"(?:~|\.{1,2})?(?:/[\w.@+-]+){2,}/?",
        r"\b[A-Za-z]:\\[^\s]+",
        r"(?i)\b[\w-]+\.(?:json|ya?ml|toml|md|txt|py|rs|[jt]sx?|html?|css|csv|pdf|xml|docx?|xlsx?|pptx?|png|jpe?g|gif|svg|sql|sh)\b",
        // Markdown links and images.
        r"!?\[[^\]\n]*\]\([^)\n]*\)",
        r"!?\[[^\]\n]+\]\[[^\]\n]*\]",
    ]
    .map(pattern)
    .into()
});

impl Protected {
    /// Finds everything that is protected from rewriting.
    ///
    /// ```
    /// use promptd::optimizer::rewrite::Protected;
    /// let text = "Greet {{name}} as \"dear friend\".";
    /// let parts: Vec<&str> = Protected::of(text).ranges().map(|range| &text[range]).collect();
    /// assert_eq!(parts, ["{{name}}", "\"dear friend\""]);
    /// ```
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut found = literal(text);
        found.extend(sections::examples(text));
        Self::from_ranges(found)
    }

    /// Finds the same but for sections of examples, which a heading alone would make.
    #[must_use]
    pub(crate) fn without_sections(text: &str) -> Self {
        Self::from_ranges(literal(text))
    }

    fn from_ranges(mut found: Vec<Range<usize>>) -> Self {
        found.retain(|range| !range.is_empty());
        found.sort_by_key(|range| (range.start, range.end));
        let mut merged: Vec<Range<usize>> = Vec::with_capacity(found.len());
        for range in found {
            match merged.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => merged.push(range),
            }
        }
        Self(merged)
    }

    /// Returns the ranges in order.
    pub fn ranges(&self) -> impl Iterator<Item = Range<usize>> {
        self.0.iter().cloned()
    }

    /// Tells whether a range shares a byte with a protected one, or is an insertion inside one.
    #[must_use]
    pub fn touches(&self, range: &Range<usize>) -> bool {
        let next = self.0.partition_point(|span| span.end <= range.start);
        self.0.get(next).is_some_and(|span| {
            if range.is_empty() {
                span.start < range.start
            } else {
                span.start < range.end
            }
        })
    }

    /// Tells whether a protected range ends exactly here.
    #[must_use]
    pub fn ends_at(&self, at: usize) -> bool {
        self.0.binary_search_by_key(&at, |span| span.end).is_ok()
    }

    /// Tells whether a protected range begins exactly here.
    #[must_use]
    pub fn starts_at(&self, at: usize) -> bool {
        self.0.binary_search_by_key(&at, |span| span.start).is_ok()
    }

    /// Returns what of a part of the text is not protected, with one blank for each protected range.
    #[must_use]
    pub fn rest_of(&self, text: &str, part: &Range<usize>) -> String {
        self.masked(text, part, " ")
    }

    /// Returns a part of the text with a mark in the place of each protected range.
    pub(in crate::optimizer) fn masked(&self, text: &str, part: &Range<usize>, mark: &str) -> String {
        let mut rest = String::with_capacity(part.len());
        let mut at = part.start;
        let first = self.0.partition_point(|span| span.end <= part.start);
        for span in self.0.iter().skip(first).take_while(|span| span.start < part.end) {
            rest.push_str(text.get(at..span.start.max(at)).unwrap_or_default());
            rest.push_str(mark);
            at = span.end;
        }
        rest.push_str(text.get(at..part.end.max(at)).unwrap_or_default());
        rest
    }
}

fn literal(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = INLINE
        .iter()
        .flat_map(|pattern| pattern.find_iter(text).map(|found| found.range()))
        .collect();
    found.extend(sections::blocks(text));
    found.extend(sections::data(text));
    found.extend(sections::quotations(text));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let found: Vec<&str> = Protected::of(text).ranges().map(|range| &text[range]).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn variables_of_every_kind_are_protected() {
        check(
            "a {{#1.b#}} {{ c }} ${d} {{@e}} {{$f}} {g}",
            &["{{#1.b#}}", "{{ c }}", "${d}", "{{@e}}", "{{$f}}", "{g}"],
        );
        check(
            "{% if x %}very{% endif %} {# a\nb #}",
            &["{% if x %}", "{% endif %}", "{# a\nb #}"],
        );
    }

    #[test]
    fn quotations_are_protected_and_apostrophes_are_none() {
        check(
            "say \"a b\", 'c d', “e”, 「f」, 《g》 now",
            &["\"a b\"", "'c d'", "“e”", "「f」", "《g》"],
        );
        check("don't do what the user's friend won't", &[]);
    }

    #[test]
    fn addresses_files_markup_and_tables_are_protected() {
        check(
            "see https://a.b/c?d=e, x@y.org, /etc/some/file, notes.md, <b>, <|end|> [a](b)",
            &[
                "https://a.b/c?d=e,",
                "x@y.org",
                "/etc/some/file",
                "notes.md",
                "<b>",
                "<|end|>",
                "[a](b)",
            ],
        );
        check("x\n| a  | b |\ny", &["| a  | b |"]);
    }

    #[test]
    fn code_is_protected_in_fences_in_lines_and_indented() {
        check("a `b c` d\n```\nx  y\n```\ne", &["`b c`", "```\nx  y\n```"]);
        check("a\n~~~\nnever closed", &["~~~\nnever closed"]);
        check("a\n\n    x = 1\n\nb", &["    x = 1"]);
    }

    #[test]
    fn data_and_examples_are_protected() {
        check("as {\n \"a\": {\"b\": 1}\n} so", &["{\n \"a\": {\"b\": 1}\n}"]);
        check(
            "Do.\n## Examples\na a\n\nb b\n## Rules\nc",
            &["## Examples\na a\n\nb b\n"],
        );
        check(
            "Do.\nExample:\nin in\nout out\n\nmore more",
            &["Example:\nin in\nout out\n"],
        );
        check(
            "Do.\n## Output format\n### Kind\n{kind}\n## Rules",
            &["## Output format\n### Kind\n{kind}\n"],
        );
        check("示例输出：\n很 很\n\n后", &["示例输出：\n很 很\n"]);
        check("<example>\na a\n</example> b", &["<example>\na a\n</example>"]);
        check("Input: a a\nwords", &["Input: a a"]);
    }
}
