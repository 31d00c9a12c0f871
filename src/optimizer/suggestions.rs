//! What would make a text better, the most important first.

use std::cmp::Reverse;

use super::facts::TextFacts;
use super::issues::{quoted, vague_terms};
use crate::model::{IssueType, PromptIssue, PromptSuggestion, SuggestionType};

/// Longer texts gain by an example, in characters.
const NEEDS_EXAMPLES: usize = 100;

/// Returns one suggestion for each issue that has one, and one for a missing example; equals keep that order.
pub(super) fn make(facts: &TextFacts, issues: &[PromptIssue]) -> Vec<PromptSuggestion> {
    let mut suggestions: Vec<PromptSuggestion> = issues
        .iter()
        .filter_map(|issue| for_issue(facts, issue.kind))
        .chain(missing_example(facts))
        .collect();
    suggestions.sort_by_key(|suggestion| Reverse(suggestion.priority));
    suggestions
}

fn for_issue(facts: &TextFacts, kind: IssueType) -> Option<PromptSuggestion> {
    let (kind, priority, description) = match kind {
        IssueType::MissingStructure => (
            SuggestionType::AddStructure,
            8,
            "Divide the text with headings, and write steps as a numbered list.".to_owned(),
        ),
        IssueType::VagueLanguage => (
            SuggestionType::ClarifyInstructions,
            9,
            format!(
                "Replace {} by what exactly is meant.",
                quoted(&vague_terms(facts))
            ),
        ),
        IssueType::TooLong => (
            SuggestionType::ReduceLength,
            7,
            "Shorten the text: remove what is said twice and what the task does not need.".to_owned(),
        ),
        IssueType::PoorFormatting => (
            SuggestionType::ImproveFormatting,
            6,
            "Put a line break between the parts of the text.".to_owned(),
        ),
        IssueType::TooShort | IssueType::Redundancy | IssueType::AmbiguousInstructions => return None,
    };
    Some(PromptSuggestion {
        kind,
        description,
        priority,
    })
}

fn missing_example(facts: &TextFacts) -> Option<PromptSuggestion> {
    (facts.characters > NEEDS_EXAMPLES && !facts.contained.example).then(|| PromptSuggestion {
        kind: SuggestionType::AddExamples,
        description: "Show one example of an input and the answer that is wanted.".to_owned(),
        priority: 7,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizer::issues;

    fn check(text: &str, expected: &[(SuggestionType, u8)]) {
        let facts = TextFacts::of(text);
        let suggestions = make(&facts, &issues::find(&facts));
        let found: Vec<(SuggestionType, u8)> = suggestions.iter().map(|s| (s.kind, s.priority)).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn suggestions_come_by_priority_and_equals_in_the_order_of_their_issues() {
        use SuggestionType::{
            AddExamples, AddStructure, ClarifyInstructions, ImproveFormatting, ReduceLength,
        };
        check("", &[]);
        check("Write a haiku about some stuff.", &[(ClarifyInstructions, 9)]);
        check(&"x".repeat(100), &[]);
        check(&"x".repeat(101), &[(AddExamples, 7)]);
        check(&format!("Example {}", "x".repeat(100)), &[]);
        check(
            &format!("some {}", "x".repeat(2000)),
            &[
                (ClarifyInstructions, 9),
                (AddStructure, 8),
                (ReduceLength, 7),
                (AddExamples, 7),
                (ImproveFormatting, 6),
            ],
        );
    }

    #[test]
    fn the_vague_words_are_named() {
        let facts = TextFacts::of("Write about things, etc, and things.");
        let suggestions = make(&facts, &issues::find(&facts));
        assert_eq!(
            suggestions.first().unwrap().description,
            "Replace \"things\", \"etc\" by what exactly is meant."
        );
    }
}
