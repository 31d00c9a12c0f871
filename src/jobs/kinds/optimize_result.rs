//! What came of an optimisation.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::import_result::{FailedPrompt, SkippedPlace};
use super::{JobFailure, to_value};
use crate::model::{ModelUse, OptimizationStrategy, PromptAnalysis, PromptId, Version};
use crate::optimizer::TestFigures;
use crate::optimizer::cycle::Candidate;

/// What came of an optimisation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OptimizeResult {
    /// What the ids of the prompts begin with.
    pub workflow: String,
    /// Whether nothing was stored.
    pub dry_run: bool,
    /// How many prompts the document holds.
    pub total: u64,
    /// How many of them were rewritten; the others are good enough.
    pub wanted: u64,
    /// How many of them have an accepted candidate.
    pub improved: u64,
    /// How many texts of the document became versions first.
    pub imported: u64,
    /// How many candidates are new.
    pub created: u64,
    /// Why further prompts of the document were not begun: a stop condition of the job.
    #[serde(default)]
    pub stopped: Option<String>,
    /// How many prompt fields hold no text.
    pub empty: u64,
    /// What was found odd in the document.
    pub skipped: Vec<SkippedPlace>,
    /// The prompts, in the order of the document.
    pub prompts: Vec<OptimizedPrompt>,
    /// The prompts that could not be done.
    pub failed: Vec<FailedPrompt>,
    /// What the language model took, when one was to be asked.
    #[serde(default)]
    pub model: Option<ModelReport>,
}

/// What the language model took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelReport {
    /// The model, as its endpoint calls it.
    pub model: String,
    /// How many candidates it wrote.
    pub answers: u64,
    /// How many of these are answers that an earlier job had paid for.
    pub kept_answers: u64,
    /// Tokens that the job took, sent and answered, with those of calls that failed.
    pub tokens: u64,
    /// What they cost, in the currency of the configured prices; none without prices.
    pub cost: Option<f64>,
}

/// A strategy that was given up for a prompt, in the round named.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SkippedStrategy {
    /// The strategy that was asked for.
    pub requested: OptimizationStrategy,
    /// The strategy that was given up.
    pub strategy: OptimizationStrategy,
    /// The round of it, from 1; what earlier rounds made is kept.
    pub round: usize,
    /// Why, as a stable word.
    pub code: String,
    /// Why, in a sentence.
    pub reason: String,
}

/// What came of one prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OptimizedPrompt {
    /// The prompt.
    pub prompt_id: PromptId,
    /// Where in the document its text stands.
    pub pointer: String,
    /// What it is to the app.
    pub kind: String,
    /// The version that has this text; none in a dry run when no version has it.
    pub from: Option<Version>,
    /// Whether the job made that version.
    pub imported: bool,
    /// The scores of the text.
    pub score: ScoreReport,
    /// What tests of that version measured, where it was enough to decide by.
    #[serde(default)]
    pub tests: Option<TestFigures>,
    /// Why it was not rewritten, if it was not.
    pub left_alone: Option<String>,
    /// Every candidate in the order in which it was made.
    pub candidates: Vec<CandidateReport>,
    /// Which of them is best, when one is accepted.
    pub best: Option<usize>,
    /// Strategies that were given up, such as those of a language model that cannot be reached.
    #[serde(default)]
    pub skipped: Vec<SkippedStrategy>,
}

/// What came of one rewriting of a prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CandidateReport {
    /// The version that keeps it; none in a dry run, and when the text did not change.
    pub version: Option<Version>,
    /// Whether the job made that version.
    pub created: bool,
    /// The strategy that was asked for.
    pub requested: OptimizationStrategy,
    /// The strategy that made it.
    pub strategy: OptimizationStrategy,
    /// The round of the strategy, from 1.
    pub round: usize,
    /// Points of overall score gained.
    pub improvement: f64,
    /// How sure the gain is.
    pub confidence: f64,
    /// Whether it may take the place of the original.
    pub accepted: bool,
    /// Every reason if not.
    pub reasons: Vec<String>,
    /// The scores of the original.
    pub before: ScoreReport,
    /// Its scores.
    pub after: ScoreReport,
    /// The text; only in a dry run, since a version has it otherwise.
    pub text: Option<String>,
    /// What the language model took for it, if one was asked.
    #[serde(default)]
    pub model_use: Option<ModelUse>,
}

/// Three scores.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ScoreReport {
    /// In all.
    pub overall: f64,
    /// How clear.
    pub clarity: f64,
    /// How brief.
    pub efficiency: f64,
}

impl ScoreReport {
    pub(super) const fn of(analysis: &PromptAnalysis) -> Self {
        Self {
            overall: analysis.overall_score,
            clarity: analysis.clarity_score,
            efficiency: analysis.efficiency_score,
        }
    }
}

impl CandidateReport {
    /// Describes a candidate that is not kept.
    pub(super) fn of(candidate: &Candidate, original: &PromptAnalysis) -> Self {
        let reasons = candidate.decision.reasons();
        Self {
            version: None,
            created: false,
            requested: candidate.requested,
            strategy: candidate.strategy,
            round: candidate.round,
            improvement: candidate.gain.overall,
            confidence: candidate.confidence,
            accepted: candidate.decision.is_accepted(),
            reasons: reasons.iter().map(ToString::to_string).collect(),
            before: ScoreReport::of(original),
            after: ScoreReport::of(&candidate.analysis),
            text: None,
            model_use: candidate.model_use.clone(),
        }
    }
}

impl OptimizedPrompt {
    /// Returns the best accepted candidate.
    #[must_use]
    pub fn best(&self) -> Option<&CandidateReport> {
        self.best.and_then(|index| self.candidates.get(index))
    }

    /// Returns the accepted candidates, the best one first: by gain, then by confidence, then the earlier one.
    #[must_use]
    pub fn ranked(&self) -> Vec<&CandidateReport> {
        let accepted = self.candidates.iter().enumerate().filter(|(_, one)| one.accepted);
        let mut ranked: Vec<(usize, &CandidateReport)> = accepted.collect();
        ranked.sort_by(|(place, one), (other_place, other)| {
            let is_best = |place: &usize| self.best == Some(*place);
            is_best(other_place)
                .cmp(&is_best(place))
                .then(other.improvement.total_cmp(&one.improvement))
                .then(other.confidence.total_cmp(&one.confidence))
        });
        ranked.into_iter().map(|(_, one)| one).collect()
    }
}

impl OptimizeResult {
    /// Returns what the language model took for each of its candidates.
    pub(super) fn model_uses(&self) -> impl Iterator<Item = &ModelUse> {
        let candidates = self.prompts.iter().flat_map(|prompt| &prompt.candidates);
        candidates.filter_map(|candidate| candidate.model_use.as_ref())
    }

    /// Fills in the totals.
    pub(super) fn count(&mut self) {
        let count = |is: fn(&OptimizedPrompt) -> bool| self.prompts.iter().filter(|p| is(p)).count() as u64;
        let [wanted, improved, imported] = [
            count(|prompt| prompt.left_alone.is_none()),
            count(|prompt| prompt.best.is_some()),
            count(|prompt| prompt.imported),
        ];
        let candidates = self.prompts.iter().flat_map(|prompt| &prompt.candidates);
        self.created = candidates.filter(|candidate| candidate.created).count() as u64;
        (self.wanted, self.improved, self.imported) = (wanted, improved, imported);
    }

    /// Tells whether the job succeeded: every prompt must be done.
    pub(super) fn judge(&self) -> Result<Value, JobFailure> {
        let value = to_value(self)?;
        let (total, done) = (self.total, self.prompts.len() as u64);
        let error = match self.failed.first() {
            Some(FailedPrompt {
                prompt_id, message, ..
            }) => {
                let failed = self.failed.len();
                format!(
                    "{failed} of {total} prompts could not be optimised, {done} are; the first: {prompt_id}: {message}"
                )
            }
            None if self.stopped.is_some() => return Ok(value),
            None if done < total => format!("stopped when {done} of {total} prompts were optimised"),
            None => return Ok(value),
        };
        Err(JobFailure {
            error,
            result: Some(value),
        })
    }
}
