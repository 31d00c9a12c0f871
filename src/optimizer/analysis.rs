//! The analysis of one text.

use serde_json::{Map, Value};

use super::facts::TextFacts;
use super::{clarity, efficiency, issues, suggestions};
use crate::model::{PromptAnalysis, Timestamp};

/// The name of the scoring formulas, kept in the metadata of each analysis that they made.
pub const PROFILE: &str = "reference";

/// Scores a text and says what is wrong with it.
///
/// `variable_count` is only recorded. Any text is taken, the empty one too; the time is linear in its length but for the
/// sorting of its words (a few milliseconds for 100,000 characters), and the scores are finite and within 0..=100.
#[must_use]
pub fn analyze(prompt_id: &str, text: &str, variable_count: usize) -> PromptAnalysis {
    let facts = TextFacts::of(text);
    let clarity_score = clarity::score(&facts);
    let efficiency_score = efficiency::score(&facts);
    let issues = issues::find(&facts);
    PromptAnalysis {
        prompt_id: prompt_id.to_owned(),
        overall_score: 0.6 * clarity_score + 0.4 * efficiency_score,
        clarity_score,
        efficiency_score,
        suggestions: suggestions::make(&facts, &issues),
        issues,
        metadata: metadata(&facts, variable_count),
        analyzed_at: Timestamp::now(),
    }
}

fn metadata(facts: &TextFacts, variable_count: usize) -> Map<String, Value> {
    let sentences = facts.sentences.count;
    let average = |sum: usize, count: usize| Value::from(sum as f64 / count.max(1) as f64);
    [
        ("character_count", Value::from(facts.characters)),
        ("word_count", Value::from(facts.words)),
        ("sentence_count", Value::from(sentences)),
        (
            "estimated_tokens",
            Value::from(efficiency::estimated_tokens(facts)),
        ),
        ("avg_word_length", average(facts.word_characters, facts.words)),
        ("avg_sentence_length", average(facts.words, sentences)),
        ("variable_count", Value::from(variable_count)),
        ("profile", Value::from(PROFILE)),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}

#[cfg(test)]
mod tests;
