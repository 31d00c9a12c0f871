//! References to variables in prompt texts.

use std::collections::HashSet;
use std::sync::LazyLock;

use regex::Regex;

/// `{{#node.field#}}`: a node id of 1 to 50 word characters and 1 to 10 field names. Anything else between such braces is
/// literal text to Dify, so it is literal text here.
static SELECTOR: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"\{\{#([a-zA-Z0-9_]{1,50}(?:\.[a-zA-Z_][a-zA-Z0-9_]{0,29}){1,10})#\}\}").ok()
});

/// What Dify fills in outside its variable pool.
static SPECIAL: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\{\{#(context|histories|query)#\}\}").ok());

/// `{{name}}` of an app without a graph: no spaces, at most 30 characters.
static PLAIN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\{\{([a-zA-Z_][a-zA-Z0-9_]{0,29})\}\}").ok());

/// Returns the selectors in a basic text, each once, in the order of first use.
pub(super) fn selectors(text: &str) -> Vec<String> {
    matches(&SELECTOR, text)
}

/// Returns the special references in a basic text, each once, in the order of first use.
pub(super) fn specials(text: &str) -> Vec<String> {
    matches(&SPECIAL, text)
}

/// Returns the `{{name}}` variables in the text of an app without a graph, each once, in the order of first use.
pub(super) fn plain_variables(text: &str) -> Vec<String> {
    matches(&PLAIN, text)
}

/// Returns those of the declared names that a Jinja2 text mentions, each once, in the order of their declaration.
pub(super) fn mentioned(declared: &[String], text: &str) -> Vec<String> {
    let words: HashSet<&str> = text.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect();
    unique(
        declared
            .iter()
            .map(String::as_str)
            .filter(|name| words.contains(name)),
    )
}

fn matches(pattern: &Option<Regex>, text: &str) -> Vec<String> {
    let captures = pattern.iter().flat_map(|regex| regex.captures_iter(text));
    unique(captures.filter_map(|found| found.get(1).map(|group| group.as_str())))
}

fn unique<'t>(names: impl Iterator<Item = &'t str>) -> Vec<String> {
    let mut seen = HashSet::new();
    names
        .filter(|name| seen.insert(*name))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(found: &[String], expected: &[&str]) {
        assert_eq!(found, expected);
    }

    #[test]
    fn selectors_are_what_dify_resolves_and_nothing_else() {
        let text = "{{#1711528914102.text#}} {{#sys.query#}} {{#1711528914102.text#}} {{#a.b.c#}}";
        check(&selectors(text), &["1711528914102.text", "sys.query", "a.b.c"]);
        let literal =
            "{{#bad-id.x#}} {{# a.b #}} {{#a#}} {{#a.1b#}} {{a.b}} {#a.b#} {{ height: 100% }} {{#a.b}}";
        check(&selectors(literal), &[]);
        check(&selectors("{{{#a.b#}}}"), &["a.b"]);
        check(&selectors(&format!("{{{{#{}.x#}}}}", "a".repeat(51))), &[]);
        check(&selectors(&format!("{{{{#a{}#}}}}", ".b".repeat(11))), &[]);
    }

    #[test]
    fn special_references_are_kept_apart() {
        check(
            &specials("{{#query#}} {{#context#}} {{#query#}} {{#other#}}"),
            &["query", "context"],
        );
        check(&selectors("{{#context#}}"), &[]);
    }

    #[test]
    fn plain_variables_have_no_spaces_and_a_limited_length() {
        check(
            &plain_variables("{{topic}} {{ spaced }} {{topic}} {{_x1}} {{1x}} {{a-b}}"),
            &["topic", "_x1"],
        );
        check(&plain_variables(&format!("{{{{{}}}}}", "a".repeat(31))), &[]);
    }

    #[test]
    fn a_jinja2_text_mentions_whole_names_only() {
        let declared = ["items", "item", "unused", "items"].map(str::to_owned);
        check(
            &mentioned(&declared, "{% for item in items %}{{ item.name }}{% endfor %}"),
            &["items", "item"],
        );
        check(&mentioned(&declared, "{{ items2 }}"), &[]);
    }
}
