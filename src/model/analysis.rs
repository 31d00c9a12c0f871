//! The result of analysing a text: scores, issues, suggestions.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Timestamp;

/// How much an issue matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IssueSeverity {
    /// Must be mended.
    Critical,
    /// Should be mended.
    Warning,
    /// Worth knowing.
    Info,
}

/// What kind of issue a text has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IssueType {
    /// More than 2,000 characters.
    TooLong,
    /// Fewer than 20 characters.
    TooShort,
    /// Words such as "some" or "maybe".
    VagueLanguage,
    /// Long, but without headings or lists.
    MissingStructure,
    /// The same phrases again and again.
    Redundancy,
    /// Long, on one or two lines.
    PoorFormatting,
    /// No verb that says what to do.
    AmbiguousInstructions,
}

/// What kind of change is suggested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SuggestionType {
    /// Headings, lists.
    AddStructure,
    /// Precise words.
    ClarifyInstructions,
    /// Fewer words.
    ReduceLength,
    /// An example of what is wanted.
    AddExamples,
    /// Line breaks.
    ImproveFormatting,
}

/// One thing that is wrong with a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PromptIssue {
    /// How much it matters.
    pub severity: IssueSeverity,
    /// What kind it is.
    #[serde(rename = "type")]
    pub kind: IssueType,
    /// What is wrong, in a sentence.
    pub description: String,
    /// Where in the text, if it can be said.
    #[serde(default)]
    pub location: Option<String>,
    /// What to do about it, if it can be said.
    #[serde(default)]
    pub suggestion: Option<String>,
}

/// One thing that would make a text better.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PromptSuggestion {
    /// What kind of change.
    #[serde(rename = "type")]
    pub kind: SuggestionType,
    /// The change, in a sentence.
    pub description: String,
    /// 1 to 10; 10 matters most.
    #[serde(deserialize_with = "super::integer::one_to_ten")]
    #[schema(minimum = 1, maximum = 10)]
    pub priority: u8,
}

/// Scores, issues and suggestions for one text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PromptAnalysis {
    /// The prompt that was analysed.
    pub prompt_id: String,
    /// 0 to 100: 0.6 clarity + 0.4 efficiency.
    #[schema(minimum = 0, maximum = 100)]
    pub overall_score: f64,
    /// 0 to 100.
    #[schema(minimum = 0, maximum = 100)]
    pub clarity_score: f64,
    /// 0 to 100.
    #[schema(minimum = 0, maximum = 100)]
    pub efficiency_score: f64,
    /// What is wrong, in a fixed order of kinds.
    #[serde(default)]
    pub issues: Vec<PromptIssue>,
    /// What would help, the most important first.
    #[serde(default)]
    pub suggestions: Vec<PromptSuggestion>,
    /// Counts: characters, words, sentences, estimated tokens.
    #[serde(default)]
    pub metadata: Map<String, Value>,
    /// When it was made.
    #[serde(default = "Timestamp::now")]
    pub analyzed_at: Timestamp,
}

impl PromptAnalysis {
    /// Returns the first score that is not within 0..=100, with its field name.
    #[must_use]
    pub fn score_out_of_range(&self) -> Option<(&'static str, f64)> {
        [
            ("overall_score", self.overall_score),
            ("clarity_score", self.clarity_score),
            ("efficiency_score", self.efficiency_score),
        ]
        .into_iter()
        .find(|(_, score)| !(0.0..=100.0).contains(score))
    }
}
