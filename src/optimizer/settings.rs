//! What the optimiser may do and what it must reach: the section `optimizer.optimization` of the configuration, and the
//! settings that a request may give.

use serde::{Deserialize, Serialize};

use super::profile::ScoringProfile;
use crate::model::{MAX_PROMPT_CHARS, OptimizationStrategy};

/// The most rounds of one strategy.
pub const MAX_ITERATIONS: usize = 10;

/// The greatest growth and shrinking that can be allowed.
pub const MAX_FACTOR: f64 = 100.0;

/// The settings of one optimisation. Absent fields have the defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OptimizationSettings {
    /// A prompt that scores below this is worth rewriting; 0 to 100.
    #[schema(minimum = 0, maximum = 100)]
    pub min_baseline_score: f64,
    /// The least gain of overall score, in points, with which a candidate is accepted; exactly this many are enough, but a
    /// gain of nothing never is. 0 to 100.
    #[schema(minimum = 0, maximum = 100)]
    pub min_improvement: f64,
    /// The least confidence with which a candidate is accepted; exactly this much is enough. 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    pub min_confidence: f64,
    /// The most rounds of each strategy; 1 to 10.
    #[schema(minimum = 1, maximum = 10)]
    pub max_iterations: usize,
    /// What is tried, in this order; none twice.
    #[schema(min_items = 1)]
    pub strategies: Vec<OptimizationStrategy>,
    /// What the scores are made by.
    pub scoring_profile: ScoringProfile,
    /// The longest text that is looked at, in characters; 100 to 100000.
    #[schema(minimum = 100, maximum = 100000)]
    pub max_prompt_length: usize,
    /// How many times as long as the original a candidate may be; 1 to 100.
    #[schema(minimum = 1, maximum = 100)]
    pub max_growth: f64,
    /// How many times as long as a candidate the original may be; 1 to 100.
    #[schema(minimum = 1, maximum = 100)]
    pub max_shrink: f64,
}

impl Default for OptimizationSettings {
    fn default() -> Self {
        Self {
            min_baseline_score: 80.0,
            min_improvement: 5.0,
            min_confidence: 0.6,
            max_iterations: 3,
            strategies: vec![OptimizationStrategy::Auto],
            scoring_profile: ScoringProfile::Balanced,
            max_prompt_length: 10_000,
            max_growth: 1.5,
            max_shrink: 3.0,
        }
    }
}

/// A setting that is not allowed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidSetting {
    /// A number outside its bounds, or NaN.
    #[error("{name} is {value}, but must be {min} to {max}")]
    OutOfBounds {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: f64,
        /// The least value.
        min: f64,
        /// The greatest value.
        max: f64,
    },
    /// No strategy at all.
    #[error("strategies is empty: name at least one, such as auto")]
    NoStrategy,
    /// One strategy twice.
    #[error("strategies names one strategy twice: remove the second one")]
    StrategyTwice,
    /// A strategy that rules alone cannot do.
    #[error(
        "the strategy {} needs a language model, which only a job asks: submit one of kind optimize (promptctl optimize), or \
         name conservative, clarity_focus, efficiency_focus, structure_focus or auto",
        .0.as_str()
    )]
    NeedsModel(OptimizationStrategy),
}

impl OptimizationSettings {
    /// Checks what the types cannot express, and that no strategy needs a language model.
    ///
    /// # Errors
    /// [`InvalidSetting`] names the first setting that is not allowed.
    pub fn validate_for_rules(&self) -> Result<(), InvalidSetting> {
        self.validate()?;
        match self.first_by_model() {
            Some(strategy) => Err(InvalidSetting::NeedsModel(strategy)),
            None => Ok(()),
        }
    }

    /// Returns the first strategy that asks a language model.
    #[must_use]
    pub fn first_by_model(&self) -> Option<OptimizationStrategy> {
        self.strategies
            .iter()
            .copied()
            .find(|strategy| strategy.needs_model())
    }

    /// Checks what the types cannot express.
    ///
    /// # Errors
    /// [`InvalidSetting`] names the first setting that is not allowed.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        let bounds = [
            ("min_baseline_score", self.min_baseline_score, 0.0, 100.0),
            ("min_improvement", self.min_improvement, 0.0, 100.0),
            ("min_confidence", self.min_confidence, 0.0, 1.0),
            (
                "max_iterations",
                self.max_iterations as f64,
                1.0,
                MAX_ITERATIONS as f64,
            ),
            (
                "max_prompt_length",
                self.max_prompt_length as f64,
                100.0,
                MAX_PROMPT_CHARS as f64,
            ),
            ("max_growth", self.max_growth, 1.0, MAX_FACTOR),
            ("max_shrink", self.max_shrink, 1.0, MAX_FACTOR),
        ];
        for (name, value, min, max) in bounds {
            // NaN is within nothing.
            if !(min..=max).contains(&value) {
                return Err(InvalidSetting::OutOfBounds {
                    name,
                    value,
                    min,
                    max,
                });
            }
        }
        if self.strategies.is_empty() {
            return Err(InvalidSetting::NoStrategy);
        }
        let is_again = |(index, strategy)| {
            self.strategies
                .iter()
                .take(index)
                .any(|before| before == strategy)
        };
        if self.strategies.iter().enumerate().any(is_again) {
            return Err(InvalidSetting::StrategyTwice);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut OptimizationSettings), expected: Option<&str>) {
        let mut settings = OptimizationSettings::default();
        change(&mut settings);
        let found = settings.validate().err().map(|error| error.to_string());
        assert_eq!(found.as_deref(), expected);
    }

    #[test]
    fn the_defaults_and_the_bounds_themselves_are_allowed() {
        check(|_| {}, None);
        check(
            |s| (s.min_confidence, s.min_improvement, s.max_growth) = (1.0, 100.0, 1.0),
            None,
        );
        check(|s| s.max_iterations = 10, None);
    }

    #[test]
    fn what_is_not_allowed_is_named_with_its_bounds() {
        check(
            |s| s.min_confidence = 1.5,
            Some("min_confidence is 1.5, but must be 0 to 1"),
        );
        check(
            |s| s.min_improvement = f64::NAN,
            Some("min_improvement is NaN, but must be 0 to 100"),
        );
        check(
            |s| s.max_iterations = 0,
            Some("max_iterations is 0, but must be 1 to 10"),
        );
        check(
            |s| s.strategies.clear(),
            Some("strategies is empty: name at least one, such as auto"),
        );
        check(
            |s| s.strategies.push(OptimizationStrategy::Auto),
            Some("strategies names one strategy twice: remove the second one"),
        );
    }
}
