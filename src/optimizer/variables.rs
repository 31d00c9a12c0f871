//! The names that a prompt text refers to.

use std::collections::HashSet;
use std::sync::LazyLock;

use regex::Regex;

use super::text::SPACE_CLASS;

#[expect(clippy::expect_used, reason = "the pattern is a constant; a test compiles it")]
static REFERENCE: LazyLock<Regex> = LazyLock::new(|| {
    let part = r"\.[A-Za-z_][A-Za-z0-9_]{0,29}";
    let selector = format!(r"#((?:[A-Za-z0-9_]{{1,50}}|\$output)(?:{part}){{1,10}})#");
    let special = "#([A-Za-z_][A-Za-z0-9_]*)#";
    let plain = format!(r"{SPACE_CLASS}*([A-Za-z_][A-Za-z0-9_.]*){SPACE_CLASS}*");
    let marked = r"[@$]([A-Za-z_][A-Za-z0-9_.]*)";
    Regex::new(&format!(r"\{{\{{(?:{selector}|{special}|{plain}|{marked})\}}\}}"))
        .expect("the pattern is valid")
});

/// Returns the names that a text refers to, in order of first occurrence, each once.
///
/// A reference is one of
/// - a Dify selector `{{#node.variable#}}`: a node id of 1 to 50 letters, digits and underscores, then 1 to 10 parts; its
///   name is `node.variable` (`1711528914102.question`, `sys.query`);
/// - a Dify special `{{#context#}}`; its name is `context`;
/// - a plain `{{ name }}` or `{{ name.with.dots }}`, white space allowed inside the braces;
/// - `{{@name}}` or `{{$name}}`; the sign is not part of the name.
///
/// Everything else between braces is text: `{{ height: 100%; }}`, `{{}}`, `{{ a | upper }}`, `{{a-b}}`, `{{1x}}`.
///
/// The Python system has two finders. One knows only the plain form without dots. The other knows all forms, but demands
/// that a name begins with a letter, so it misses nearly all selectors of real workflows; it lists all plain names before
/// all others; and it takes any dots in `{{#a..b#}}`, which Dify does not. Where both find the same, so does this one.
#[must_use]
pub fn variables_in(text: &str) -> Vec<String> {
    let mut seen = HashSet::new();
    REFERENCE
        .captures_iter(text)
        .filter_map(|found| found.iter().skip(1).flatten().next())
        .map(|name| name.as_str())
        .filter(|name| seen.insert(*name))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizer::golden::{items, read, text};
    use proptest::prelude::*;

    fn check(prompt: &str, expected: &[&str]) {
        assert_eq!(variables_in(prompt), expected, "{prompt:?}");
    }

    #[test]
    fn a_selector_keeps_its_node_even_when_that_is_a_number() {
        check("{{#1711528914102.question#}}", &["1711528914102.question"]);
        check("{{#sys.query#}} {{#env.KEY#}}", &["sys.query", "env.KEY"]);
        check("{{#llm.a.b.c#}}", &["llm.a.b.c"]);
        check("{{#$output.answer#}}", &["$output.answer"]);
        check(
            "{{#1711528914102#}} {{# a.b #}} {{#a.b}} {{#a.1b#}} {{#a-b.c#}} {{#a.b[0]#}}",
            &[],
        );
    }

    #[test]
    fn a_selector_has_the_limits_that_dify_gives_it() {
        let node = "n".repeat(50);
        let part = "p".repeat(30);
        let name = format!("{node}{}", format!(".{part}").repeat(10));
        check(&format!("{{{{#{name}#}}}}"), &[&name]);
        check(&format!("{{{{#{name}.q#}}}}"), &[]);
        check(&format!("{{{{#n{node}.q#}}}}"), &[]);
        check(&format!("{{{{#a.p{part}#}}}}"), &[]);
    }

    #[test]
    fn plain_names_may_have_dots_and_space_around_them() {
        check(
            "{{name}} {{ user.name }} {{\n\tb\r\n}}",
            &["name", "user.name", "b"],
        );
        check("{{{a}}} {{{{b}}}}", &["a", "b"]);
        check("{{@user}} {{$query}}", &["user", "query"]);
    }

    #[test]
    fn specials_count_and_each_name_counts_once_where_it_first_stands() {
        check(
            "{{#context#}} {{b}} {{#histories#}} {{ b }} {{context}}",
            &["context", "b", "histories"],
        );
    }

    #[test]
    fn other_brace_text_is_no_reference() {
        check(
            "div {{ height: 100%; }} {x} {{}} {{ }} {{1x}} {{a-b}} {{a b}} {{a|upper}} {{日本}}",
            &[],
        );
        check("{{a} } {{ {a }} {% if a %} ${a} {{#a", &[]);
    }

    #[test]
    fn unclosed_braces_are_no_trap() {
        for unit in ["{{", "{{a", "{{ ", "{{#a.", "{{#a.b", "}}{{"] {
            check(&unit.repeat(50_000), &[]);
        }
    }

    /// Compares with the finder that knows all forms, but for the cases in which it is meant to differ.
    #[test]
    fn the_names_are_those_of_the_python_system_where_it_is_right() {
        let Some(golden) = read("variables.json") else {
            return;
        };
        for case in items(&golden["cases"]) {
            let prompt = text(&case["text"]);
            let mut expected: Vec<&str> = items(&case["central"]).iter().map(text).collect();
            match prompt {
                "{{#1711528914102.question#}}" => expected = vec!["1711528914102.question"],
                "{{#c#}} {{a}}" => expected.reverse(),
                _ => {}
            }
            check(prompt, &expected);
        }
        for case in items(&golden["validate"]) {
            let found = variables_in(text(&case["text"]));
            let missing: Vec<&str> = items(&case["required"])
                .iter()
                .map(text)
                .filter(|name| !found.iter().any(|f| f == name))
                .collect();
            let expected: Vec<&str> = items(&case["missing_sorted"]).iter().map(text).collect();
            assert_eq!(missing, expected, "{case}");
        }
    }

    proptest! {
        #[test]
        fn every_name_stands_in_the_text_and_none_stands_twice(prompt in r"([{}#@$. \n]|a|b1|9|\PC){0,80}") {
            let names = variables_in(&prompt);
            let distinct: HashSet<&String> = names.iter().collect();
            prop_assert_eq!(distinct.len(), names.len());
            for name in &names {
                prop_assert!(prompt.contains(name.as_str()) && !name.trim().is_empty());
            }
        }

        #[test]
        fn a_reference_is_found_wherever_it_stands(before in r"[^{}]{0,40}", after in r"[^{}]{0,40}", name in "[a-z_][a-z0-9_]{0,20}") {
            prop_assert_eq!(variables_in(&format!("{before}{{{{{name}}}}}{after}")), [name.clone()]);
            prop_assert_eq!(variables_in(&format!("{before}{{{{#171.{name}#}}}}{after}")), [format!("171.{name}")]);
        }
    }
}
