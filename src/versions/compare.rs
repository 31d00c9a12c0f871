//! What changed between two versions: scores, issues, text. Pure, but for a time limit on very long texts.

mod alignment;
mod similarity;
mod unified;

use serde::{Deserialize, Serialize};

use self::alignment::Alignment;
use crate::evidence::rules::EvidenceComparison;
use crate::model::{IssueType, PromptAnalysis, PromptId, PromptVersion, Version};
pub use crate::optimizer::confidence::ScoreDeltas;
use crate::optimizer::text;

/// How one version differs from another, always read as "from the first to the second".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Comparison {
    /// The prompt.
    pub prompt_id: PromptId,
    /// The version that is compared from.
    pub from: Version,
    /// The version that is compared to.
    pub to: Version,
    /// Points gained; negative when lost.
    pub score_deltas: ScoreDeltas,
    /// The scores of `from`.
    pub from_scores: ScoreSummary,
    /// The scores of `to`.
    pub to_scores: ScoreSummary,
    /// Kinds of issue that `from` has and `to` has not.
    pub issues_resolved: Vec<IssueType>,
    /// Kinds of issue that `to` has and `from` has not.
    pub issues_introduced: Vec<IssueType>,
    /// How far the texts are apart, in numbers.
    pub text_diff: TextDifference,
    /// What was measured of both; empty where nothing was. [`compare`] knows nothing of it: whoever has the results adds it.
    #[serde(default)]
    pub evidence: EvidenceComparison,
    /// A unified diff with three lines of context, as `patch` takes it; empty when the texts are equal.
    pub unified: String,
    /// The texts word by word: equal and deleted runs together are the old text, equal and inserted runs the new one.
    pub words: Vec<WordChange>,
}

/// The scores of one version.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ScoreSummary {
    /// 0 to 100.
    pub overall_score: f64,
    /// 0 to 100.
    pub clarity_score: f64,
    /// 0 to 100.
    pub efficiency_score: f64,
    /// How many issues were found.
    pub issues_count: usize,
}

/// How far two texts are apart. Characters are Unicode scalar values, words are separated by white space.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TextDifference {
    /// Characters gained; negative when lost.
    pub character_diff: i64,
    /// Words gained; negative when lost.
    pub word_diff: i64,
    /// Share of characters that the texts have in common, in blocks in the same order: 0 to 1, and 1 for equal texts only.
    ///
    /// It is the Ratcliff-Obershelp ratio of the Python system for texts of usual length: up to some 7,000 characters when
    /// they have nothing to do with each other, 15,000 when one is an edited form of the other; less when a text repeats
    /// one pattern all over. That ratio takes seconds for longer ones, so there blocks of whole words come first and
    /// characters only between them; where even that takes too long, the equal runs of `words` are counted, which can be a
    /// good deal more.
    #[schema(minimum = 0, maximum = 1)]
    pub similarity: f64,
    /// Length of the new text over that of the old one, which counts as one character when it is empty.
    #[schema(minimum = 0)]
    pub length_ratio: f64,
}

/// What became of a run of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum WordOp {
    /// In both texts.
    Equal,
    /// In the old text only.
    Delete,
    /// In the new text only.
    Insert,
}

/// A run of words with the white space and punctuation between them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WordChange {
    /// What became of it.
    pub op: WordOp,
    /// The run, never empty.
    pub text: String,
}

/// Compares two versions. Both are taken as they are; that they are of one prompt is up to the caller, and `prompt_id` is
/// that of `from`.
///
/// Two texts of 100,000 characters take less than 200 ms. The alignments behind `unified` and `words` are always right, and
/// always the same for texts of up to 20,000 pieces (lines; words, spaces and marks) together; on longer ones each is
/// searched for 40 ms at most, so a busy machine may give a coarser one.
#[must_use]
pub fn compare(from: &PromptVersion, to: &PromptVersion) -> Comparison {
    let (old, new) = (from.prompt.text.as_str(), to.prompt.text.as_str());
    let alignment = Alignment::of(old, new);
    let words = alignment.word_changes();
    Comparison {
        prompt_id: from.prompt_id.clone(),
        from: from.version.clone(),
        to: to.version.clone(),
        score_deltas: ScoreDeltas {
            overall: to.analysis.overall_score - from.analysis.overall_score,
            clarity: to.analysis.clarity_score - from.analysis.clarity_score,
            efficiency: to.analysis.efficiency_score - from.analysis.efficiency_score,
        },
        from_scores: summary(&from.analysis),
        to_scores: summary(&to.analysis),
        issues_resolved: only_in_first(&from.analysis, &to.analysis),
        issues_introduced: only_in_first(&to.analysis, &from.analysis),
        text_diff: text_difference(old, new, &words),
        evidence: EvidenceComparison::default(),
        unified: unified::render(
            &alignment.lines,
            &format!("a/{}@{}", from.prompt_id, from.version),
            &format!("b/{}@{}", to.prompt_id, to.version),
        ),
        words,
    }
}

/// Compares two texts word by word, within the time limit of [`compare`]: equal and deleted runs together are the old text,
/// equal and inserted runs the new one.
#[must_use]
pub fn word_changes(old: &str, new: &str) -> Vec<WordChange> {
    Alignment::of(old, new).word_changes()
}

fn summary(analysis: &PromptAnalysis) -> ScoreSummary {
    ScoreSummary {
        overall_score: analysis.overall_score,
        clarity_score: analysis.clarity_score,
        efficiency_score: analysis.efficiency_score,
        issues_count: analysis.issues.len(),
    }
}

fn only_in_first(first: &PromptAnalysis, second: &PromptAnalysis) -> Vec<IssueType> {
    let mut kinds = Vec::new();
    for kind in first.issues.iter().map(|issue| issue.kind) {
        if !kinds.contains(&kind) && second.issues.iter().all(|issue| issue.kind != kind) {
            kinds.push(kind);
        }
    }
    kinds
}

fn text_difference(old: &str, new: &str, words: &[WordChange]) -> TextDifference {
    let [old_chars, new_chars] = [old, new].map(|text| text.chars().count());
    let [old_words, new_words] = [old, new].map(|text| text::words(text).count());
    TextDifference {
        character_diff: difference(old_chars, new_chars),
        word_diff: difference(old_words, new_words),
        similarity: similarity::similarity(old, new, words),
        length_ratio: new_chars as f64 / old_chars.max(1) as f64,
    }
}

fn difference(old: usize, new: usize) -> i64 {
    let [old, new] = [old, new].map(|size| i64::try_from(size).unwrap_or(i64::MAX));
    new - old
}

#[cfg(test)]
mod tests;
