//! When a prompt is worth rewriting, by which strategy, and what a gain does to its version number.

use serde::{Deserialize, Serialize};

use crate::model::{Bump, IssueSeverity, OptimizationStrategy, PromptAnalysis};

/// Above this share of timeouts a prompt is rewritten for clarity, whatever its scores.
const TIMEOUTS_ASK_FOR_CLARITY: f64 = 0.1;

/// The thresholds of all decisions; comparisons are strict where the method says "below" or "above".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ScoringRules {
    /// A prompt that scores below this is worth rewriting.
    pub optimization_threshold: f64,
    /// So is one with at least this many critical issues.
    pub critical_issue_threshold: usize,
    /// Points between clarity and efficiency from which the lower one is worked on.
    pub clarity_efficiency_gap: f64,
    /// A score below this is low.
    pub low_score_threshold: f64,
    /// The least confidence with which a rewriting is taken.
    pub min_confidence: f64,
    /// The least confidence of a rewriting of high quality.
    pub high_confidence: f64,
    /// The least gain, in points, that raises the major number.
    pub major_version_min_improvement: f64,
    /// The least gain, in points, that raises the minor number.
    pub minor_version_min_improvement: f64,
    /// A prompt whose tests succeed less often than this is worth rewriting.
    pub min_success_rate: f64,
    /// So is one whose mean answer takes longer.
    pub max_acceptable_latency_ms: f64,
    /// So is one whose requests cost more, in US dollars.
    pub max_cost_per_request: f64,
    /// So is one with a higher share of timeouts.
    pub max_timeout_error_rate: f64,
}

/// What the decisions need to know of an analysis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores {
    /// 0 to 100.
    pub overall: f64,
    /// 0 to 100.
    pub clarity: f64,
    /// 0 to 100.
    pub efficiency: f64,
    /// How many issues are critical.
    pub critical_issues: usize,
}

/// What the decisions need to know of a test run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TestFigures {
    /// How many tests were run; without any, no share of timeouts counts against the prompt.
    #[schema(minimum = 1)]
    pub total_tests: u64,
    /// Succeeded of all, 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    pub success_rate: f64,
    /// Mean time of an answer.
    pub avg_response_time_ms: f64,
    /// Mean cost of a request in US dollars.
    pub cost_per_request: f64,
    /// Tests that timed out.
    pub timeout_errors: u64,
}

/// The looser figures that older callers have; keys that no decision needs are ignored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct LegacyMetrics {
    /// Succeeded of all, 0 to 1.
    pub success_rate: Option<f64>,
    /// How many tests were run; 1 when nothing is said.
    pub total_tests: Option<u64>,
    /// Mean time of an answer, in seconds.
    pub avg_response_time: f64,
    /// Mean cost of a request in US dollars.
    pub avg_cost: f64,
}

impl Default for ScoringRules {
    fn default() -> Self {
        Self {
            optimization_threshold: 80.0,
            critical_issue_threshold: 1,
            clarity_efficiency_gap: 10.0,
            low_score_threshold: 70.0,
            min_confidence: 0.6,
            high_confidence: 0.8,
            major_version_min_improvement: 15.0,
            minor_version_min_improvement: 5.0,
            min_success_rate: 0.8,
            max_acceptable_latency_ms: 5000.0,
            max_cost_per_request: 0.1,
            max_timeout_error_rate: 0.05,
        }
    }
}

impl From<&PromptAnalysis> for Scores {
    fn from(analysis: &PromptAnalysis) -> Self {
        let critical = |severity| severity == IssueSeverity::Critical;
        Self {
            overall: analysis.overall_score,
            clarity: analysis.clarity_score,
            efficiency: analysis.efficiency_score,
            critical_issues: analysis.issues.iter().filter(|i| critical(i.severity)).count(),
        }
    }
}

impl TestFigures {
    /// Makes figures of the looser ones, or `None` without a success rate, without tests, or with a rate that is no share.
    ///
    /// The Python system keeps whole tests, so the rate becomes that of the nearest number of successes, halves to the
    /// even one: of a single test 0.75 becomes 1, and 0.5 becomes 0. A caller that knows how many tests were run loses
    /// nothing.
    #[must_use]
    pub fn from_legacy(metrics: &LegacyMetrics) -> Option<Self> {
        let rate = metrics.success_rate.filter(|rate| (0.0..=1.0).contains(rate))?;
        let total_tests = metrics.total_tests.unwrap_or(1);
        let total = total_tests as f64;
        (total_tests > 0).then(|| Self {
            total_tests,
            success_rate: (total * rate).round_ties_even() / total,
            avg_response_time_ms: metrics.avg_response_time * 1000.0,
            cost_per_request: metrics.avg_cost,
            timeout_errors: 0,
        })
    }

    fn timeout_rate(&self) -> f64 {
        self.timeout_errors as f64 / self.total_tests as f64
    }
}

impl ScoringRules {
    /// Tells whether a prompt is worth rewriting: its score is below `min_baseline_score` (the rules' own threshold
    /// when that is `None`), it has critical issues, or its tests went badly. Good tests never outweigh a low score.
    #[must_use]
    pub fn should_optimize(
        &self,
        scores: &Scores,
        tests: Option<&TestFigures>,
        min_baseline_score: Option<f64>,
    ) -> bool {
        scores.overall < min_baseline_score.unwrap_or(self.optimization_threshold)
            || scores.critical_issues >= self.critical_issue_threshold
            || tests.is_some_and(|tests| self.went_badly(tests))
    }

    fn went_badly(&self, tests: &TestFigures) -> bool {
        tests.success_rate < self.min_success_rate
            || tests.avg_response_time_ms > self.max_acceptable_latency_ms
            || tests.cost_per_request > self.max_cost_per_request
            || tests.timeout_rate() > self.max_timeout_error_rate
    }

    /// Returns what to work on: what the tests ask for, else the score that lags behind, else the structure when both
    /// are low, else clarity.
    #[must_use]
    pub fn select_strategy(&self, scores: &Scores, tests: Option<&TestFigures>) -> OptimizationStrategy {
        use OptimizationStrategy::{ClarityFocus, EfficiencyFocus, StructureFocus};
        let (clarity, efficiency) = (scores.clarity, scores.efficiency);
        if let Some(tests) = tests {
            if tests.timeout_rate() > TIMEOUTS_ASK_FOR_CLARITY {
                return ClarityFocus;
            }
            if efficiency < self.low_score_threshold {
                return EfficiencyFocus;
            }
        }
        if clarity < efficiency - self.clarity_efficiency_gap {
            ClarityFocus
        } else if efficiency < clarity - self.clarity_efficiency_gap {
            EfficiencyFocus
        } else if clarity < self.low_score_threshold && efficiency < self.low_score_threshold {
            StructureFocus
        } else {
            ClarityFocus
        }
    }

    /// Returns which part of the number a gain raises; a loss, nothing and NaN raise the patch number.
    #[must_use]
    pub fn bump_for(&self, improvement: f64) -> Bump {
        if improvement >= self.major_version_min_improvement {
            Bump::Major
        } else if improvement >= self.minor_version_min_improvement {
            Bump::Minor
        } else {
            Bump::Patch
        }
    }

    /// Tells whether a rewriting is sure enough to be taken.
    #[must_use]
    pub fn is_confident(&self, confidence: f64) -> bool {
        confidence >= self.min_confidence
    }

    /// Tells whether a rewriting is both sure and a clear gain.
    #[must_use]
    pub fn is_high_quality(&self, confidence: f64, improvement: f64) -> bool {
        confidence >= self.high_confidence && improvement >= self.minor_version_min_improvement
    }
}

/// Returns which part of the number a gain raises, by the default rules: 15 points the major, 5 the minor, else the
/// patch number.
#[must_use]
pub fn bump_for(improvement: f64) -> Bump {
    ScoringRules::default().bump_for(improvement)
}

#[cfg(test)]
mod tests;
