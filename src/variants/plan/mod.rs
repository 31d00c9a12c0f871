//! Test plans as they are written: the names and shapes of the Python system, so that its files load.
//!
//! Unknown keys are refused with their line. Keys of older plans that steer nothing are read, and [`TestPlan::idle_keys`] names
//! them, so that nobody believes in them.

mod catalog;
pub(crate) mod check;
mod dataset;
mod error;
mod execution;
mod expand;
#[cfg(test)]
mod fuzz;
mod idle;
mod parameters;
mod parse;
mod patch;

use serde::Deserialize;
use serde_json::{Map, Value};

pub use catalog::{NodeMeta, WorkflowCatalog, WorkflowEntry};
pub use dataset::{
    ConversationFlow, ConversationStep, Dataset, Datasets, InputParameter, Mode, ParameterType, Range,
    Strategy,
};
pub use error::PlanError;
pub use execution::{ExecutionPolicy, RateLimit, RetryPolicy, StopConditions};
pub use parameters::Parameters;
pub use parse::{Lined, MAX_PLAN_BYTES, Variables, parse_catalog, parse_datasets, parse_plan};
pub use patch::{
    Constraints, IfMissing, PatchMode, PromptPatch, PromptSelector, PromptStrategy, PromptTemplate,
    PromptVariant, References, WorkflowType,
};

/// The most variants of one workflow.
pub const MAX_VARIANTS: usize = 200;
/// The most patches of one variant.
pub const MAX_PATCHES: usize = 1_000;
/// The most datasets of one plan.
pub const MAX_DATASETS: usize = 1_000;

/// What is to be tried: which workflows, which changes to their prompts, which inputs, and how to run it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestPlan {
    /// Free notes.
    #[serde(default)]
    pub meta: Map<String, Value>,
    /// What is to be done with each workflow.
    pub workflows: Vec<Lined<WorkflowPlanEntry>>,
    /// The inputs.
    #[serde(default)]
    pub test_data: Datasets,
    /// How the cases are run.
    #[serde(default)]
    pub execution: ExecutionPolicy,
    /// The catalogue of workflows, where it is not in a file of its own.
    #[serde(default)]
    pub catalog: Option<WorkflowCatalog>,
    /// Free; steers nothing.
    #[serde(default)]
    pub validation: Map<String, Value>,
    /// Free; steers nothing.
    #[serde(default)]
    pub outputs: Map<String, Value>,
}

/// What is to be done with one workflow.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkflowPlanEntry {
    /// The workflow: its id in the catalogue, or what the names of its prompts begin with.
    pub catalog_id: String,
    /// Whether anything is done with it.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// The inputs, by name; all of the plan when none is named.
    #[serde(default)]
    pub dataset_refs: Vec<String>,
    /// Steers nothing.
    #[serde(default = "one")]
    pub weight: f64,
    /// The variants of its prompts.
    #[serde(default)]
    pub prompt_optimization: Option<Vec<Lined<PromptVariant>>>,
}

impl WorkflowPlanEntry {
    /// Returns the variants.
    #[must_use]
    pub fn variants(&self) -> &[Lined<PromptVariant>] {
        self.prompt_optimization.as_deref().unwrap_or_default()
    }
}

const fn yes() -> bool {
    true
}

const fn one() -> f64 {
    1.0
}

#[cfg(test)]
mod tests;
