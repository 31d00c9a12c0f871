//! The optimisation of one prompt: which strategies are tried, on which texts, and what is taken.
//!
//! A [`Cycle`] decides and never waits: [`Cycle::next_step`] says what to rewrite how, the caller rewrites it (by rules, by
//! a language model, by hand) and brings the answer with [`Cycle::offer`]. [`run`] does this with the rules of this crate.
//! The same answers lead to the same result, so a caller can keep the candidates and go on after a crash.
//!
//! Each strategy begins with the original and is applied to its own result again, at most `max_iterations` times, while
//! the score rises. Every candidate is compared with the original.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::acceptance::{Decision, Figures, decide};
use super::confidence::{ScoreDeltas, confidence};
use super::rules::{Scores, ScoringRules, TestFigures};
use super::settings::OptimizationSettings;
use super::{strategy, variables_in};
use crate::model::{
    ModelUse, OptimizationChange, OptimizationResult, OptimizationStrategy, PromptAnalysis, Timestamp,
};

/// The state of one optimisation.
#[derive(Debug, Clone)]
pub struct Cycle {
    prompt_id: String,
    original: String,
    analysis: PromptAnalysis,
    settings: OptimizationSettings,
    is_wanted: bool,
    /// Strategies that are not done, the present one first.
    waiting: Vec<Plan>,
    /// What the present strategy is applied to next, and in which round.
    present: Option<(String, usize, f64)>,
    candidates: Vec<Candidate>,
}

/// A strategy as it was asked for, and as it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Plan {
    requested: OptimizationStrategy,
    used: OptimizationStrategy,
}

/// What to rewrite next.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What was asked for.
    pub requested: OptimizationStrategy,
    /// How; never `auto`.
    pub strategy: OptimizationStrategy,
    /// The text to rewrite: the original in round 1, then what the round before made of it.
    pub text: String,
    /// From 1.
    pub round: usize,
}

/// A rewritten text, and what was changed in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Rewriting {
    /// The new text.
    pub text: String,
    /// The changes of this round.
    pub changes: Vec<OptimizationChange>,
    /// What a language model took for it, if one was asked.
    pub model_use: Option<ModelUse>,
}

/// A text that could take the place of the original.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Candidate {
    /// The strategy that was asked for.
    pub requested: OptimizationStrategy,
    /// The strategy that made it; differs for `auto`.
    pub strategy: OptimizationStrategy,
    /// The round of the strategy, from 1.
    pub round: usize,
    /// The text.
    pub text: String,
    /// Its scores, by the profile of the settings.
    pub analysis: PromptAnalysis,
    /// What it gains over the original, in points.
    pub gain: ScoreDeltas,
    /// How sure the gain is; 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    pub confidence: f64,
    /// What was changed, from the original to this text, round by round. Positions count in the text that the round began
    /// with.
    pub changes: Vec<OptimizationChange>,
    /// What a language model took for this round, if one was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_use: Option<ModelUse>,
    /// Whether it is accepted, and every reason if not.
    pub decision: Decision,
}

/// What came of an optimisation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Outcome {
    /// The scores of the original.
    pub original: PromptAnalysis,
    /// Whether score and tests ask for a rewriting.
    pub is_wanted: bool,
    /// Every candidate in the order in which it was made.
    pub candidates: Vec<Candidate>,
    /// Which of them is best, when one is accepted.
    pub best: Option<usize>,
}

impl Cycle {
    /// Begins the optimisation of a text. `tests` are what is known of its use.
    ///
    /// A text whose score reaches `min_baseline_score` and whose tests went well is not rewritten; neither is a text that
    /// is blank or longer than `max_prompt_length`.
    #[must_use]
    pub fn new(
        prompt_id: &str,
        original: &str,
        settings: OptimizationSettings,
        tests: Option<&TestFigures>,
    ) -> Self {
        let mut cycle = Self::unconditional(prompt_id, original, settings, tests);
        if !cycle.is_wanted {
            cycle.waiting.clear();
        }
        cycle
    }

    /// Begins the optimisation of a text whether or not its score and its tests ask for it, as when a person does.
    #[must_use]
    pub fn unconditional(
        prompt_id: &str,
        original: &str,
        settings: OptimizationSettings,
        tests: Option<&TestFigures>,
    ) -> Self {
        let profile = settings.scoring_profile;
        let analysis = profile.analyze(prompt_id, original, variables_in(original).len());
        let rules = ScoringRules::default();
        let scores = Scores::from(&analysis);
        let is_usable = !original.trim().is_empty() && original.chars().count() <= settings.max_prompt_length;
        let is_wanted = is_usable && rules.should_optimize(&scores, tests, Some(settings.min_baseline_score));
        let mut waiting: Vec<Plan> = Vec::new();
        for requested in settings.strategies.iter().copied().filter(|_| is_usable) {
            let used = strategy::resolve(requested, &scores, tests, &rules);
            if waiting.iter().all(|plan| plan.used != used) {
                waiting.push(Plan { requested, used });
            }
        }
        waiting.reverse();
        Self {
            prompt_id: prompt_id.to_owned(),
            original: original.to_owned(),
            analysis,
            settings,
            is_wanted,
            waiting,
            present: None,
            candidates: Vec::new(),
        }
    }

    /// Returns what to rewrite next, or `None` when the optimisation is done. Asking again gives the same.
    #[must_use]
    pub fn next_step(&self) -> Option<Step> {
        let plan = self.waiting.last()?;
        let (text, round) = match &self.present {
            Some((text, round, _)) => (text.clone(), *round),
            None => (self.original.clone(), 1),
        };
        Some(Step {
            requested: plan.requested,
            strategy: plan.used,
            text,
            round,
        })
    }

    /// Takes the answer to the present step, and returns the candidate that it is. `None` when nothing was asked for, or
    /// when a later round changed nothing: the candidate of the round before stands.
    pub fn offer(&mut self, rewriting: Rewriting) -> Option<&Candidate> {
        let step = self.next_step()?;
        let plan = *self.waiting.last()?;
        if rewriting.text == step.text && step.round > 1 {
            self.end_strategy();
            return None;
        }
        let candidate = self.judge(plan, step.round, rewriting);
        let score = candidate.analysis.overall_score;
        let before = self
            .present
            .as_ref()
            .map_or(self.analysis.overall_score, |(_, _, score)| *score);
        if score > before && step.round < self.settings.max_iterations {
            self.present = Some((candidate.text.clone(), step.round + 1, score));
        } else {
            self.end_strategy();
        }
        self.candidates.push(candidate);
        self.candidates.last()
    }

    /// Gives the present strategy up, as when its language model cannot be reached. Its candidates so far stay.
    pub fn skip(&mut self) {
        self.end_strategy();
    }

    fn end_strategy(&mut self) {
        self.present = None;
        self.waiting.pop();
    }

    fn judge(&self, plan: Plan, round: usize, rewriting: Rewriting) -> Candidate {
        let Rewriting {
            text,
            changes: new_changes,
            model_use,
        } = rewriting;
        let profile = self.settings.scoring_profile;
        let analysis = profile.analyze(&self.prompt_id, &text, variables_in(&text).len());
        let gain = ScoreDeltas {
            overall: analysis.overall_score - self.analysis.overall_score,
            clarity: analysis.clarity_score - self.analysis.clarity_score,
            efficiency: analysis.efficiency_score - self.analysis.efficiency_score,
        };
        let confidence = confidence(gain);
        let figures = Figures {
            deltas: gain,
            confidence,
        };
        let mut changes = match (round, self.candidates.last()) {
            (2.., Some(before)) => before.changes.clone(),
            _ => Vec::new(),
        };
        changes.extend(new_changes);
        let decision = decide(&self.original, &text, &figures, &self.settings);
        let Plan {
            requested,
            used: strategy,
        } = plan;
        Candidate {
            requested,
            strategy,
            round,
            text,
            analysis,
            gain,
            confidence,
            changes,
            model_use,
            decision,
        }
    }

    /// Ends the optimisation and returns what came of it.
    #[must_use]
    pub fn finish(self) -> Outcome {
        let best = best(&self.candidates);
        Outcome {
            original: self.analysis,
            is_wanted: self.is_wanted,
            candidates: self.candidates,
            best,
        }
    }
}

/// Returns the best accepted candidate: the greatest gain, then the greater confidence, then the shorter text, then the
/// earlier one.
#[must_use]
pub fn best(candidates: &[Candidate]) -> Option<usize> {
    let accepted = candidates
        .iter()
        .enumerate()
        .filter(|(_, candidate)| candidate.decision.is_accepted());
    let winner = accepted.min_by(|(_, a), (_, b)| {
        let by_gain = b.gain.overall.total_cmp(&a.gain.overall);
        let by_confidence = b.confidence.total_cmp(&a.confidence);
        by_gain.then(by_confidence).then(a.text.len().cmp(&b.text.len()))
    });
    winner.map(|(index, _)| index)
}

/// Optimises a text by rules alone. Strategies of language models are left out.
///
/// ```
/// use promptd::model::OptimizationStrategy::EfficiencyFocus;
/// use promptd::optimizer::{OptimizationSettings, cycle};
/// let settings = OptimizationSettings {
///     strategies: vec![EfficiencyFocus], min_baseline_score: 100.0, min_improvement: 2.0, ..Default::default()
/// };
/// let outcome = cycle::run("greet", "Please greet {{name}} in order to be very polite.", settings, None);
/// let best = &outcome.candidates[outcome.best.unwrap()];
/// assert_eq!(best.text, "Greet {{name}} to be polite.");
/// assert!(best.gain.efficiency > 10.0);
/// ```
#[must_use]
pub fn run(
    prompt_id: &str,
    original: &str,
    settings: OptimizationSettings,
    tests: Option<&TestFigures>,
) -> Outcome {
    drive(Cycle::new(prompt_id, original, settings, tests))
}

/// Goes through all steps of an optimisation by rules alone.
#[must_use]
pub fn drive(mut cycle: Cycle) -> Outcome {
    while drive_rules(&mut cycle).is_some() {
        cycle.skip();
    }
    cycle.finish()
}

/// Goes through the steps that rules can do, up to one that they cannot, which is returned, or to the end.
pub fn drive_rules(cycle: &mut Cycle) -> Option<Step> {
    loop {
        let step = cycle.next_step()?;
        let Some(done) = strategy::apply(step.strategy, &step.text) else {
            return Some(step);
        };
        cycle.offer(Rewriting {
            changes: done.changes.iter().map(OptimizationChange::from).collect(),
            text: done.text,
            model_use: None,
        });
    }
}

impl Outcome {
    /// Returns the best accepted candidate.
    #[must_use]
    pub fn best(&self) -> Option<&Candidate> {
        self.best.and_then(|index| self.candidates.get(index))
    }

    /// Returns the record of a candidate that is kept with a version made of it.
    #[must_use]
    pub fn result_of(&self, candidate: &Candidate, original: &str) -> OptimizationResult {
        let reasons: Vec<Value> = candidate
            .decision
            .reasons()
            .iter()
            .map(|r| Value::from(r.to_string()))
            .collect();
        let named = |strategy: OptimizationStrategy| serde_json::to_value(strategy).unwrap_or_default();
        let metadata = [
            ("original_score", Value::from(self.original.overall_score)),
            ("optimized_score", Value::from(candidate.analysis.overall_score)),
            ("original_clarity", Value::from(self.original.clarity_score)),
            ("optimized_clarity", Value::from(candidate.analysis.clarity_score)),
            ("original_efficiency", Value::from(self.original.efficiency_score)),
            (
                "optimized_efficiency",
                Value::from(candidate.analysis.efficiency_score),
            ),
            ("requested_strategy", named(candidate.requested)),
            ("round", Value::from(candidate.round)),
            (
                "scoring_profile",
                candidate
                    .analysis
                    .metadata
                    .get("profile")
                    .cloned()
                    .unwrap_or_default(),
            ),
            ("accepted", Value::from(candidate.decision.is_accepted())),
            ("refusals", Value::from(reasons)),
        ];
        let model_use = candidate.model_use.as_ref().map(|model_use| {
            let record = serde_json::to_value(model_use).unwrap_or_default();
            ("language_model", record)
        });
        OptimizationResult {
            prompt_id: self.original.prompt_id.clone(),
            original_prompt: original.to_owned(),
            optimized_prompt: candidate.text.clone(),
            strategy: candidate.strategy,
            improvement_score: candidate.gain.overall,
            confidence: candidate.confidence,
            changes: candidate.changes.clone(),
            metadata: metadata
                .into_iter()
                .chain(model_use)
                .map(|(key, value)| (key.to_owned(), value))
                .collect(),
            optimized_at: Timestamp::now(),
        }
    }
}

#[cfg(test)]
mod tests;
