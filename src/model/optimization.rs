//! The record of one rewriting of a prompt.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Timestamp;

/// How a prompt was rewritten. The names are those that the Python system's files may carry, and `conservative`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OptimizationStrategy {
    /// Precise words, short sentences.
    ClarityFocus,
    /// Fewer words.
    EfficiencyFocus,
    /// Headings and lists.
    StructureFocus,
    /// Only what a careful editor changes without asking.
    Conservative,
    /// Chosen by the scores.
    Auto,
    /// By a language model, in general.
    LlmGuided,
    /// By a language model, for clarity.
    LlmClarity,
    /// By a language model, for brevity.
    LlmEfficiency,
    /// By rules, then by a language model.
    Hybrid,
}

impl OptimizationStrategy {
    /// Every strategy.
    pub const ALL: [Self; 9] = [
        Self::ClarityFocus,
        Self::EfficiencyFocus,
        Self::StructureFocus,
        Self::Conservative,
        Self::Auto,
        Self::LlmGuided,
        Self::LlmClarity,
        Self::LlmEfficiency,
        Self::Hybrid,
    ];

    /// Tells whether a language model is asked.
    #[must_use]
    pub const fn needs_model(self) -> bool {
        matches!(
            self,
            Self::LlmGuided | Self::LlmClarity | Self::LlmEfficiency | Self::Hybrid
        )
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|strategy| strategy.as_str() == name)
    }

    /// Returns the name, as it is written in files and requests.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClarityFocus => "clarity_focus",
            Self::EfficiencyFocus => "efficiency_focus",
            Self::StructureFocus => "structure_focus",
            Self::Conservative => "conservative",
            Self::Auto => "auto",
            Self::LlmGuided => "llm_guided",
            Self::LlmClarity => "llm_clarity",
            Self::LlmEfficiency => "llm_efficiency",
            Self::Hybrid => "hybrid",
        }
    }
}

/// One change that a rewriting made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct OptimizationChange {
    /// Which rule made it.
    pub rule_id: String,
    /// What it did, in a sentence.
    pub description: String,
    /// Start and end in the original text, in characters.
    #[serde(default, deserialize_with = "super::integer::optional_pair")]
    #[schema(schema_with = span)]
    pub location: Option<(i64, i64)>,
    /// The text before.
    #[serde(default)]
    pub before: Option<String>,
    /// The text after.
    #[serde(default)]
    pub after: Option<String>,
}

/// The schema of a start and an end, or nothing.
fn span() -> utoipa::openapi::schema::Schema {
    use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Schema, Type};
    let position = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(i64::MIN))
        .maximum(Some(i64::MAX));
    let pair = ArrayBuilder::new()
        .items(position)
        .min_items(Some(2))
        .max_items(Some(2));
    let nothing = ObjectBuilder::new().schema_type(Type::Null);
    Schema::OneOf(OneOfBuilder::new().item(pair).item(nothing).build())
}

/// What a language model took to rewrite a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ModelUse {
    /// The model, as its endpoint calls it.
    pub model: String,
    /// Tokens that were sent.
    pub prompt_tokens: u64,
    /// Tokens that were answered.
    pub answer_tokens: u64,
    /// What that costs, in the currency of the configured prices; null without prices.
    #[serde(default)]
    #[schema(required)]
    pub cost: Option<f64>,
    /// Whether an answer was taken that another job had paid for.
    pub is_kept: bool,
}

/// What came of rewriting a prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct OptimizationResult {
    /// The prompt that was rewritten.
    pub prompt_id: String,
    /// Its text before.
    pub original_prompt: String,
    /// Its text after.
    pub optimized_prompt: String,
    /// How it was rewritten.
    pub strategy: OptimizationStrategy,
    /// Points of overall score gained; may be negative.
    pub improvement_score: f64,
    /// 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    pub confidence: f64,
    /// The changes, in order.
    #[serde(default)]
    pub changes: Vec<OptimizationChange>,
    /// Whatever else is worth keeping, as free JSON.
    #[serde(default)]
    pub metadata: Map<String, Value>,
    /// When it was made.
    #[serde(default = "Timestamp::now")]
    pub optimized_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_strategies_are_those_in_files() {
        for strategy in OptimizationStrategy::ALL {
            assert_eq!(serde_json::to_value(strategy).unwrap(), strategy.as_str());
        }
    }
}
