//! Datasets: the inputs, and how they are combined.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Parameters;
use super::parse::Lined;

/// The inputs of a plan; also the shape of a file of its own.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Datasets {
    /// The datasets.
    #[serde(default)]
    pub datasets: Vec<Lined<Dataset>>,
    /// How values become cases.
    #[serde(default, alias = "combination_strategy")]
    pub strategy: Strategy,
}

/// How values become cases.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Strategy {
    /// Which combinations.
    pub mode: Mode,
    /// The most cases of one dataset and one variant.
    #[serde(alias = "max_cases_per_variant")]
    pub max_cases: Option<usize>,
    /// Where choices are made, they follow from this.
    #[serde(alias = "seed")]
    pub random_seed: Option<u64>,
    /// Which of two generators; there is one, so this steers nothing.
    #[serde(alias = "engine")]
    pub pairwise_mode: Option<String>,
}

/// Which combinations of values become cases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// One case: the first value of each parameter.
    #[serde(alias = "scenario")]
    ScenarioOnly,
    /// Few cases in which every pair of values of two dimensions occurs.
    #[default]
    Pairwise,
    /// Every combination.
    Cartesian,
}

/// Inputs that belong together.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dataset {
    /// Its name.
    pub name: String,
    /// What it is for: `normal`, `boundary`, `error`, `custom`, or any other word.
    #[serde(default = "normal")]
    pub scenario: String,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// The values of each input.
    #[serde(default)]
    pub parameters: Parameters,
    /// Conversations; with any, there is one case for each of them.
    #[serde(default)]
    pub conversation_flows: Vec<ConversationFlow>,
    /// Which parameters are combined in pairs.
    #[serde(default)]
    pub pairwise_dimensions: Vec<String>,
    /// Steers nothing.
    #[serde(default = "super::one")]
    pub weight: f64,
}

/// The values of one input: of `values`, `range`, `file_pool` and `json_template` at most one.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputParameter {
    /// What the values are.
    #[serde(rename = "type")]
    pub kind: ParameterType,
    /// The values.
    #[serde(default)]
    pub values: Option<Vec<Value>>,
    /// Numbers in equal steps.
    #[serde(default)]
    pub range: Option<Range>,
    /// Files.
    #[serde(default)]
    pub file_pool: Option<Vec<Value>>,
    /// One JSON value, or a text that is one.
    #[serde(default)]
    pub json_template: Option<Value>,
    /// The value where there is no other.
    #[serde(default)]
    pub default: Option<Value>,
}

/// What the values of an input are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParameterType {
    /// Text.
    String,
    /// Whole numbers.
    Int,
    /// Numbers.
    Float,
    /// `true` and `false`.
    Bool,
    /// Files: paths, or what the command that runs the cases understands.
    File,
    /// Anything.
    Json,
}

/// Numbers from `min` to `max`, both included where the steps meet them.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// The first.
    pub min: f64,
    /// None is greater.
    pub max: f64,
    /// The step.
    #[serde(default = "super::one")]
    pub step: f64,
}

/// A conversation to be held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConversationFlow {
    /// Its name.
    #[serde(default)]
    pub title: Option<String>,
    /// The turns.
    pub steps: Vec<ConversationStep>,
    /// What should come of it.
    #[serde(default)]
    pub expected_outcome: Option<String>,
}

/// One turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConversationStep {
    /// Who speaks.
    pub role: String,
    /// What is said.
    pub message: String,
    /// Whether the answer is waited for.
    #[serde(default = "super::yes")]
    pub wait_for_response: bool,
}

fn normal() -> String {
    "normal".to_owned()
}

impl ParameterType {
    /// Returns what a value of this type is.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::String => "a text",
            Self::Int => "a whole number",
            Self::Float => "a number",
            Self::Bool => "true or false",
            Self::File => "a file: a text or a mapping",
            Self::Json => "anything",
        }
    }

    /// Tells whether a value is of this type.
    #[must_use]
    pub fn admits(self, value: &Value) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::Int => value.is_i64() || value.is_u64(),
            Self::Float => value.is_number(),
            Self::Bool => value.is_boolean(),
            Self::File => value.is_string() || value.is_object(),
            Self::Json => true,
        }
    }
}
