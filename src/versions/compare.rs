//! Placeholder.
use crate::model::PromptVersion;
/// Comparison.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Comparison {}
/// Compares.
pub fn compare(_from: &PromptVersion, _to: &PromptVersion) -> Comparison {
    Comparison {}
}
