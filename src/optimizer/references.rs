//! The references of a text as a rewriting must keep them: each one, as often as it is there.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

#[expect(clippy::expect_used, reason = "the pattern is a constant; a test compiles it")]
static REFERENCE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?s)\{\{[^{}]*\}\}|\{%.*?%\}|\$\{[^{}\n]*\}|\{[^\W\d]\w*\}").expect("the pattern is valid")
});

/// Returns every reference of a text, in its order, each as often as it stands there, letter for letter.
///
/// A reference is anything that fills in or decides when the prompt is used: `{{#node.field#}}`, `{{ name }}`,
/// `{{ name | filter }}`, `{{@name}}`, `{{$name}}`, a Jinja statement `{% ... %}`, `${name}`, and `{name}`. This is wider
/// than [`variables_in`](super::variables_in), which returns names that Dify resolves: losing what only looks like a
/// reference is a loss as well.
///
/// ```
/// use promptd::optimizer::references_in;
/// assert_eq!(references_in("{{#1.a#}} and {{ b }}, {{#1.a#}}"), ["{{#1.a#}}", "{{ b }}", "{{#1.a#}}"]);
/// ```
#[must_use]
pub fn references_in(text: &str) -> Vec<&str> {
    REFERENCE.find_iter(text).map(|found| found.as_str()).collect()
}

/// Returns where the references of a text stand, in its order.
#[must_use]
pub fn reference_ranges(text: &str) -> Vec<Range<usize>> {
    REFERENCE.find_iter(text).map(|found| found.range()).collect()
}

/// A reference that two texts do not have equally often.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct ReferenceDifference {
    /// The reference, letter for letter.
    pub reference: String,
    /// How often the original has it.
    pub original: usize,
    /// How often the candidate has it.
    pub candidate: usize,
}

/// Returns the references that two texts do not have equally often, in the order of their letters.
#[must_use]
pub fn reference_differences(original: &str, candidate: &str) -> Vec<ReferenceDifference> {
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for reference in references_in(original) {
        counts.entry(reference).or_default().0 += 1;
    }
    for reference in references_in(candidate) {
        counts.entry(reference).or_default().1 += 1;
    }
    counts
        .into_iter()
        .filter(|(_, (original, candidate))| original != candidate)
        .map(|(reference, (original, candidate))| ReferenceDifference {
            reference: reference.to_owned(),
            original,
            candidate,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_of_every_kind_are_found_as_often_as_they_stand() {
        let text = "{{#1.a#}} {{ b }} {{ c | upper }} {% if d %} ${e} {f} {{#1.a#}} {\"no\": 1} { } {{@g}}";
        assert_eq!(
            references_in(text),
            [
                "{{#1.a#}}",
                "{{ b }}",
                "{{ c | upper }}",
                "{% if d %}",
                "${e}",
                "{f}",
                "{{#1.a#}}",
                "{{@g}}"
            ]
        );
    }

    #[test]
    fn a_lost_a_new_and_a_repeated_reference_are_told_apart() {
        let differences = reference_differences("{{a}} {{b}} {{c}}", "{{a}} {{a}} {{d}} {{c}}");
        let found: Vec<(&str, usize, usize)> = differences
            .iter()
            .map(|d| (d.reference.as_str(), d.original, d.candidate))
            .collect();
        assert_eq!(found, [("{{a}}", 1, 2), ("{{b}}", 1, 0), ("{{d}}", 0, 1)]);
        assert!(reference_differences("{{a}} {{b}}", "{{b}} {{a}}").is_empty());
    }
}
