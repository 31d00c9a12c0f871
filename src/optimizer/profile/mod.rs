//! The scoring profiles: what a score is made of. docs/scoring.md explains both and compares them on real prompts.

pub mod balanced;
mod faults;
mod measure;

use serde::{Deserialize, Serialize};

use super::analysis;
use crate::model::PromptAnalysis;

/// What scores are made by. Both give 0 to 100, and `overall = 0.6 clarity + 0.4 efficiency`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScoringProfile {
    /// The formulas of the Python system, to the last digit. Stored versions have these.
    #[default]
    Reference,
    /// Faults only: nothing that is added to a text raises its score, and a short text without faults has 100.
    Balanced,
}

impl ScoringProfile {
    /// Every profile.
    pub const ALL: [Self; 2] = [Self::Reference, Self::Balanced];

    /// Returns the name, as it is written in files and requests.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reference => analysis::PROFILE,
            Self::Balanced => balanced::PROFILE,
        }
    }

    /// Scores a text and says what is wrong with it. `variable_count` is only recorded.
    #[must_use]
    pub fn analyze(self, prompt_id: &str, text: &str, variable_count: usize) -> PromptAnalysis {
        match self {
            Self::Reference => analysis::analyze(prompt_id, text, variable_count),
            Self::Balanced => balanced::analyze(prompt_id, text, variable_count),
        }
    }
}

#[cfg(test)]
mod tests;
