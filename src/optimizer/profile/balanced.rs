//! The balanced profile: a text has 100 until a fault is found.
//!
//! Each fault costs points, and a score is `100 exp(-points / 40)`: every fault counts, and no number of faults leads
//! below 0. There is nothing to be gained by adding anything, because nothing that is added takes a fault away.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::faults::{self, Fault, FaultKind, KINDS, Part};
use super::measure;
use crate::model::{IssueType, PromptAnalysis, PromptIssue, PromptSuggestion, SuggestionType, Timestamp};

/// The name of the profile, kept in the metadata of each analysis that it made.
pub const PROFILE: &str = "balanced";

/// How many points of faults leave 37 of 100. With it one fault of words is worth about the five points that a candidate
/// must gain by default, and a slip is not.
const SCALE: f64 = 40.0;

/// How many of the words at fault an issue quotes.
const QUOTED: usize = 5;

/// The longest words that an issue quotes, in characters.
const QUOTED_CHARS: usize = 40;

/// Scores a text by its faults and says what they are.
///
/// A text of nothing but white space has 0. The time is linear in the length but for a few sorted lists.
///
/// ```
/// use promptd::optimizer::profile::balanced::analyze;
/// let plain = analyze("p", "Translate {{text}} into French.", 1);
/// let framed = analyze("p", "# Task\n\nTranslate {{text}} into French.\n\n# Expected Output\n\nA good answer.", 1);
/// assert_eq!((plain.overall_score, framed.overall_score), (100.0, 100.0));
/// ```
#[must_use]
pub fn analyze(prompt_id: &str, text: &str, variable_count: usize) -> PromptAnalysis {
    let faults = faults::find(text);
    let is_blank = text.trim().is_empty();
    let clarity_score = score(&faults, Part::Clarity, is_blank);
    let efficiency_score = score(&faults, Part::Efficiency, is_blank);
    let issues = issues(&faults);
    PromptAnalysis {
        prompt_id: prompt_id.to_owned(),
        overall_score: (0.6 * clarity_score + 0.4 * efficiency_score).min(100.0),
        clarity_score,
        efficiency_score,
        suggestions: suggestions(&issues),
        issues,
        metadata: metadata(text, &faults, variable_count),
        analyzed_at: Timestamp::now(),
    }
}

fn score(faults: &[Fault], part: Part, is_blank: bool) -> f64 {
    if is_blank {
        return 0.0;
    }
    let points: f64 = faults
        .iter()
        .filter(|fault| fault.kind.part == part)
        .map(|fault| fault.points)
        .sum();
    100.0 * (-points / SCALE).exp()
}

fn of_kind<'f>(faults: &'f [Fault], kind: &'static FaultKind) -> impl Iterator<Item = &'f Fault> {
    faults.iter().filter(move |fault| fault.kind.name == kind.name)
}

fn issues(faults: &[Fault]) -> Vec<PromptIssue> {
    KINDS
        .iter()
        .filter_map(|kind| {
            let count = of_kind(faults, kind).count();
            (count > 0).then(|| PromptIssue {
                severity: kind.severity,
                kind: kind.issue,
                description: description(kind, count, faults),
                location: location(kind, faults),
                suggestion: Some(kind.advice.to_owned()),
            })
        })
        .collect()
}

fn description(kind: &'static FaultKind, count: usize, faults: &[Fault]) -> String {
    let mut quoted: Vec<String> = Vec::new();
    for fault in of_kind(faults, kind) {
        let shown = format!("\"{}\"", fault.words);
        let fits = !fault.words.is_empty()
            && fault.words.chars().count() <= QUOTED_CHARS
            && !fault.words.contains('\n');
        if fits && quoted.len() < QUOTED && !quoted.contains(&shown) {
            quoted.push(shown);
        }
    }
    let times = if count == 1 {
        String::new()
    } else {
        format!(" ({count} times)")
    };
    if quoted.is_empty() {
        format!("{}{times}.", kind.what)
    } else {
        format!("{}{times}: {}.", kind.what, quoted.join(", "))
    }
}

fn location(kind: &'static FaultKind, faults: &[Fault]) -> Option<String> {
    let first = of_kind(faults, kind)
        .map(|fault| fault.line)
        .filter(|line| *line > 0)
        .min()?;
    Some(format!("line {first}"))
}

fn suggestions(issues: &[PromptIssue]) -> Vec<PromptSuggestion> {
    let mut suggestions: Vec<PromptSuggestion> = Vec::new();
    for issue in issues {
        let (kind, priority) = match issue.kind {
            IssueType::VagueLanguage | IssueType::AmbiguousInstructions => {
                (SuggestionType::ClarifyInstructions, 9)
            }
            IssueType::MissingStructure => (SuggestionType::AddStructure, 8),
            IssueType::TooLong | IssueType::Redundancy => (SuggestionType::ReduceLength, 7),
            IssueType::PoorFormatting | IssueType::TooShort => (SuggestionType::ImproveFormatting, 6),
        };
        let description = issue.suggestion.clone().unwrap_or_default();
        suggestions.push(PromptSuggestion {
            kind,
            description,
            priority,
        });
    }
    suggestions.sort_by_key(|suggestion| std::cmp::Reverse(suggestion.priority));
    suggestions
}

fn metadata(text: &str, faults: &[Fault], variable_count: usize) -> Map<String, Value> {
    let mut points: BTreeMap<&str, f64> = BTreeMap::new();
    for fault in faults {
        *points.entry(fault.kind.name).or_default() += fault.points;
    }
    let words = measure::words(text);
    let sentences: usize = text.lines().map(|line| measure::sentences(line).count()).sum();
    [
        ("character_count", Value::from(text.chars().count())),
        ("word_count", Value::from(words)),
        ("sentence_count", Value::from(sentences)),
        ("estimated_tokens", Value::from(measure::tokens(text))),
        (
            "avg_sentence_length",
            Value::from(words as f64 / sentences.max(1) as f64),
        ),
        ("variable_count", Value::from(variable_count)),
        ("profile", Value::from(PROFILE)),
        (
            "faults",
            points
                .into_iter()
                .map(|(name, points)| (name.to_owned(), Value::from(points)))
                .collect(),
        ),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}
