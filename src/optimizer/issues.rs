//! What is wrong with a text, in a fixed order of kinds.

use super::facts::{TextFacts, VagueHit};
use crate::model::{IssueSeverity, IssueType, PromptIssue};

/// Longer texts are too long, in characters.
const LONG: usize = 2000;
/// Shorter texts are too short, in characters.
const SHORT: usize = 20;
/// Longer texts need headings or lists, in characters.
const NEEDS_STRUCTURE: usize = 200;
/// Longer texts need line breaks, in characters.
const NEEDS_BREAKS: usize = 500;
/// Up to this many words a text is not searched for repeated phrases.
const MAY_REPEAT: usize = 10;
/// Up to this many repeated phrases are no redundancy.
const REPEATED_TRIGRAMS: usize = 2;
/// The longest list of lines in a location.
const LINES_SHOWN: usize = 5;
/// The longest quotation of a repeated phrase, in characters.
const PHRASE_SHOWN: usize = 60;

const WHOLE_TEXT: &str = "whole text";

/// Returns what is wrong, each kind at most once.
pub(super) fn find(facts: &TextFacts) -> Vec<PromptIssue> {
    [
        too_long(facts),
        too_short(facts),
        vague_language(facts),
        missing_structure(facts),
        redundancy(facts),
        poor_formatting(facts),
        ambiguous_instructions(facts),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Returns the distinct vague terms, in order of first occurrence.
pub(super) fn vague_terms(facts: &TextFacts) -> Vec<&'static str> {
    let mut terms = Vec::new();
    for hit in &facts.vague {
        if !terms.contains(&hit.term) {
            terms.push(hit.term);
        }
    }
    terms
}

/// Returns words as `"a", "b", "c"`.
pub(super) fn quoted<T: AsRef<str>>(words: &[T]) -> String {
    let quoted: Vec<String> = words
        .iter()
        .map(|word| format!("\"{}\"", word.as_ref()))
        .collect();
    quoted.join(", ")
}

fn too_long(facts: &TextFacts) -> Option<PromptIssue> {
    (facts.characters > LONG).then(|| PromptIssue {
        severity: IssueSeverity::Warning,
        kind: IssueType::TooLong,
        description: format!(
            "The text has {} characters; above {LONG} the important parts are easily lost.",
            facts.characters
        ),
        location: Some(WHOLE_TEXT.into()),
        suggestion: Some("Cut what the task does not need, or split the task over several prompts.".into()),
    })
}

fn too_short(facts: &TextFacts) -> Option<PromptIssue> {
    (facts.characters < SHORT).then(|| PromptIssue {
        severity: IssueSeverity::Warning,
        kind: IssueType::TooShort,
        description: format!(
            "The text has {} characters; below {SHORT} it can hardly say what is wanted.",
            facts.characters
        ),
        location: Some(WHOLE_TEXT.into()),
        suggestion: Some("Say what to do, with which input, and what the answer should look like.".into()),
    })
}

fn vague_language(facts: &TextFacts) -> Option<PromptIssue> {
    (!facts.vague.is_empty()).then(|| PromptIssue {
        severity: IssueSeverity::Warning,
        kind: IssueType::VagueLanguage,
        description: format!("Vague wording: {}.", quoted(&vague_terms(facts))),
        location: Some(lines_of(&facts.vague)),
        suggestion: Some("Name the exact things, amounts or conditions that are meant.".into()),
    })
}

fn missing_structure(facts: &TextFacts) -> Option<PromptIssue> {
    let lines = &facts.lines;
    let structured = lines.heading || lines.plain_bullet || lines.numbered;
    (facts.characters > NEEDS_STRUCTURE && !structured).then(|| PromptIssue {
        severity: IssueSeverity::Info,
        kind: IssueType::MissingStructure,
        description: "No line is a heading, a bullet or a numbered step.".into(),
        location: Some(WHOLE_TEXT.into()),
        suggestion: Some("Give each part a heading, and put steps and requirements into a list.".into()),
    })
}

fn redundancy(facts: &TextFacts) -> Option<PromptIssue> {
    let vocabulary = &facts.vocabulary;
    let repeats = vocabulary.repeated_trigrams > REPEATED_TRIGRAMS && facts.words > MAY_REPEAT;
    repeats.then(|| {
        let phrases: Vec<String> = vocabulary.repeated_phrases.iter().map(|p| shortened(p)).collect();
        PromptIssue {
            severity: IssueSeverity::Info,
            kind: IssueType::Redundancy,
            description: format!(
                "{} phrases of three words occur more than once, such as {}.",
                vocabulary.repeated_trigrams,
                quoted(&phrases)
            ),
            location: Some(WHOLE_TEXT.into()),
            suggestion: Some("Say each thing once.".into()),
        }
    })
}

fn poor_formatting(facts: &TextFacts) -> Option<PromptIssue> {
    (facts.characters > NEEDS_BREAKS && facts.newlines < 2).then(|| PromptIssue {
        severity: IssueSeverity::Info,
        kind: IssueType::PoorFormatting,
        description: format!(
            "{} characters stand on {} line(s).",
            facts.characters,
            facts.newlines + 1
        ),
        location: Some(WHOLE_TEXT.into()),
        suggestion: Some("Break the text into paragraphs, one thought in each.".into()),
    })
}

fn ambiguous_instructions(facts: &TextFacts) -> Option<PromptIssue> {
    (facts.contained.verbs == 0).then(|| PromptIssue {
        severity: IssueSeverity::Warning,
        kind: IssueType::AmbiguousInstructions,
        description: "No verb says what is to be done.".into(),
        location: Some(WHOLE_TEXT.into()),
        suggestion: Some(
            "State the task with a verb, such as \"summarize\", \"extract\" or \"classify\".".into(),
        ),
    })
}

fn shortened(phrase: &str) -> String {
    let mut short: String = phrase.chars().take(PHRASE_SHOWN).collect();
    if short.len() < phrase.len() {
        short.push('…');
    }
    short
}

fn lines_of(hits: &[VagueHit]) -> String {
    let mut lines: Vec<usize> = hits.iter().map(|hit| hit.line).collect();
    lines.dedup();
    let shown: Vec<String> = lines.iter().take(LINES_SHOWN).map(ToString::to_string).collect();
    let noun = if lines.len() == 1 { "line" } else { "lines" };
    match lines.len().saturating_sub(LINES_SHOWN) {
        0 => format!("{noun} {}", shown.join(", ")),
        more => format!("{noun} {} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[IssueType]) {
        let issues = find(&TextFacts::of(text));
        let kinds: Vec<IssueType> = issues.iter().map(|issue| issue.kind).collect();
        assert_eq!(kinds, expected, "{text:?}");
        assert!(
            issues
                .iter()
                .all(|i| i.location.is_some() && i.suggestion.is_some())
        );
    }

    fn issue(text: &str, kind: IssueType) -> PromptIssue {
        let issues = find(&TextFacts::of(text));
        issues.into_iter().find(|issue| issue.kind == kind).unwrap()
    }

    #[test]
    fn each_limit_is_strict() {
        use IssueType::{AmbiguousInstructions, MissingStructure, PoorFormatting, TooLong, TooShort};
        check("", &[TooShort, AmbiguousInstructions]);
        check("write about the sea", &[TooShort]);
        check("write about the seas", &[]);
        let filled = |characters: usize, head: &str| format!("{head}{}", "x".repeat(characters - head.len()));
        check(&filled(200, "write "), &[]);
        check(&filled(201, "write "), &[MissingStructure]);
        check(&filled(201, "# write "), &[]);
        check(&filled(201, "* write "), &[]);
        check(&filled(201, "+ write "), &[MissingStructure]);
        check(&filled(500, "# write\n"), &[]);
        check(&filled(501, "# write\n"), &[PoorFormatting]);
        check(&filled(501, "# write\n\n"), &[]);
        check(&filled(2000, "# write\n\n"), &[]);
        check(&filled(2001, "# write\n\n"), &[TooLong]);
    }

    #[test]
    fn three_repeated_phrases_in_more_than_ten_words_are_redundant() {
        use IssueType::Redundancy;
        check("write a b c d write a b c e f g", &[]);
        check("write a b c d x write a b c d", &[Redundancy]);
        check("write a b c d write a b c d", &[]);
        let found = issue("Write a b c d x write A b c d", Redundancy);
        assert_eq!(
            found.description,
            "3 phrases of three words occur more than once, such as \"write a b\", \"a b c\", \"b c d\"."
        );
    }

    #[test]
    fn vague_words_are_named_in_order_with_their_lines() {
        let text = "Things to write,\nmaybe. Maybe some,\n\nthings etc.";
        let found = issue(text, IssueType::VagueLanguage);
        assert_eq!(
            found.description,
            "Vague wording: \"things\", \"maybe\", \"some\", \"etc\"."
        );
        assert_eq!(found.location.as_deref(), Some("lines 1, 2, 4"));
        let many = issue(&"etc\n".repeat(9), IssueType::VagueLanguage);
        assert_eq!(many.location.as_deref(), Some("lines 1, 2, 3, 4, 5 and 4 more"));
        let one = issue("write some etc", IssueType::VagueLanguage);
        assert_eq!(one.location.as_deref(), Some("line 1"));
    }

    #[test]
    fn a_repeated_phrase_is_quoted_to_a_printable_length() {
        let word = "é".repeat(50_000);
        let found = issue(
            &format!("{word} a b c d e {word} a b c d e"),
            IssueType::Redundancy,
        );
        assert!(found.description.chars().count() < 300);
    }
}
