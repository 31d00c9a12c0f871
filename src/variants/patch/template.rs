//! Jinja2 templates of plans, confined: no files, no undefined names, bounded work.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value};
use regex::{Captures, Regex};

/// How much work a template may do: instructions, and one for every 64 bytes that it makes.
const FUEL: u64 = 200_000;
/// How deep calls may nest.
const MAX_RECURSION: usize = 64;
/// The largest template.
pub(super) const MAX_TEMPLATE_BYTES: usize = 256 * 1024;

/// References of Dify, which look like broken Jinja2.
#[expect(clippy::expect_used, reason = "the pattern is a constant; a test compiles it")]
static REFERENCE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\{\{#[^{}#\s]+#\}\}").expect("the pattern is valid"));

/// Renders a template. References of Dify in it (`{{#node.field#}}`) are text, and so is everything in the variables.
///
/// # Errors
/// In words: it does not parse, uses an unknown name, fails, or does too much.
pub(super) fn render(
    template: &str,
    variables: &BTreeMap<String, serde_json::Value>,
) -> Result<String, String> {
    if template.len() > MAX_TEMPLATE_BYTES {
        return Err(format!("the template is larger than {MAX_TEMPLATE_BYTES} bytes"));
    }
    let (masked, references) = mask(template, variables);
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(MAX_RECURSION);
    let rendered = environment
        .render_str(&masked.text, Value::from(minijinja::value::Serde(variables)))
        .map_err(|error| explain(&error))?;
    Ok(masked.unmask(&rendered, &references))
}

/// A template in which references are signs that nobody uses otherwise.
struct Masked {
    text: String,
    sign: char,
}

fn mask(template: &str, variables: &BTreeMap<String, serde_json::Value>) -> (Masked, Vec<String>) {
    let is_used = |sign: char| template.contains(sign) || variables.values().any(|value| holds(value, sign));
    // Characters for private use; a text that has all of them is none that a person wrote.
    let sign = ('\u{e000}'..='\u{f8ff}')
        .find(|sign| !is_used(*sign))
        .unwrap_or('\u{e000}');
    let mut references = Vec::new();
    let text = REFERENCE.replace_all(template, |found: &Captures<'_>| {
        references.push(found.get(0).map_or("", |found| found.as_str()).to_owned());
        format!("{sign}{}{sign}", references.len() - 1)
    });
    let text = text.into_owned();
    (Masked { text, sign }, references)
}

fn holds(value: &serde_json::Value, sign: char) -> bool {
    match value {
        serde_json::Value::String(text) => text.contains(sign),
        serde_json::Value::Array(items) => items.iter().any(|item| holds(item, sign)),
        serde_json::Value::Object(entries) => entries
            .iter()
            .any(|(key, value)| key.contains(sign) || holds(value, sign)),
        _ => false,
    }
}

impl Masked {
    /// Puts the references back.
    fn unmask(&self, rendered: &str, references: &[String]) -> String {
        let mut parts = rendered.split(self.sign);
        let mut text = parts.next().unwrap_or_default().to_owned();
        while let Some(number) = parts.next() {
            let reference = number.parse::<usize>().ok().and_then(|at| references.get(at));
            text.push_str(reference.map_or(number, String::as_str));
            text.push_str(parts.next().unwrap_or_default());
        }
        text
    }
}

fn explain(error: &minijinja::Error) -> String {
    let line = error
        .line()
        .map(|line| format!(" on line {line}"))
        .unwrap_or_default();
    match error.kind() {
        ErrorKind::OutOfFuel => format!("the template does too much work{line}: make it simpler"),
        ErrorKind::UndefinedError => {
            format!("the template uses a name that is not defined{line}: declare it in `variables`")
        }
        ErrorKind::SyntaxError
        | ErrorKind::UnknownFilter
        | ErrorKind::UnknownTest
        | ErrorKind::UnknownFunction => {
            format!("the template is not valid{line}: {error}")
        }
        _ => format!("the template fails{line}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(template: &str, expected: Result<&str, &str>) {
        let variables = BTreeMap::from([
            ("original".to_owned(), json!("Answer {{#1.q#}} {% if x %}.")),
            ("tone".to_owned(), json!("warm")),
            ("items".to_owned(), json!(["a", "b"])),
        ]);
        let rendered = render(template, &variables);
        match expected {
            Ok(text) => assert_eq!(rendered.as_deref(), Ok(text), "{template}"),
            Err(words) => {
                let message = rendered.unwrap_err();
                assert!(message.contains(words), "{template}: {message}");
            }
        }
    }

    #[test]
    fn references_are_text_in_the_original_and_in_the_template() {
        check(
            "Be {{ tone }}. {{ original }} {{#sys.query#}}{{#1.q#}}",
            Ok("Be warm. Answer {{#1.q#}} {% if x %}. {{#sys.query#}}{{#1.q#}}"),
        );
        check(
            "{% raw %}{{ tone }} {{#2.b#}}{% endraw %}",
            Ok("{{ tone }} {{#2.b#}}"),
        );
        check("{{ '{{#2.b#}}' }}\u{e000}", Ok("{{#2.b#}}\u{e000}"));
        check("{% for item in items %}{{ item|upper }}{% endfor %}\n", Ok("AB"));
    }

    #[test]
    fn what_is_unknown_or_does_not_parse_is_an_error() {
        check("{{ toen }}", Err("not defined on line 1"));
        check("\n{{ tone", Err("not valid"));
        check("{% for %}", Err("not valid"));
        check("{{ tone|nofilter }}", Err("not valid"));
    }

    #[test]
    fn no_template_reaches_a_file() {
        for template in [
            "{% include '/etc/passwd' %}",
            "{% import 'x' as y %}",
            "{% extends 'x' %}",
        ] {
            check(template, Err("not valid"));
        }
    }

    #[test]
    fn work_without_end_runs_out_of_fuel() {
        check(
            "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
            Err("too much work"),
        );
        check(
            "{% for a in range(9999) %}{{ original * 100 }}{% endfor %}",
            Err(""),
        );
        check("{{ 'x' * 2000000000 }}", Err(""));
    }
}
