//! Variants: which prompts get which other text.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::parse::Lined;
use crate::model::{PromptId, VersionRef};

/// A workflow with some other prompts.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptVariant {
    /// Its name.
    pub variant_id: String,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// Steers nothing.
    #[serde(default = "super::one")]
    pub weight: f64,
    /// The changes, made one after the other.
    pub nodes: Vec<Lined<PromptPatch>>,
    /// Another variant that stands in when this one cannot be made: it is left out then, with a warning, instead of nothing
    /// being made at all.
    #[serde(default)]
    pub fallback_variant: Option<String>,
}

/// One change: where, and what.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptPatch {
    /// Which prompts.
    pub selector: PromptSelector,
    /// What becomes of their texts.
    pub strategy: PromptStrategy,
}

/// Which prompts: those that satisfy everything that is given.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PromptSelector {
    /// The id of the node.
    pub by_id: Option<String>,
    /// A part of the title of the node; case does not count.
    pub by_label: Option<String>,
    /// The type of the node.
    pub by_type: Option<String>,
    /// The RFC 6901 pointer of the node or of the text.
    pub by_path: Option<String>,
    /// The prompt, by its id.
    pub by_prompt: Option<PromptId>,
    /// What has to hold.
    pub constraints: Constraints,
}

/// What has to hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Constraints {
    /// What is done when nothing is selected.
    pub if_missing: IfMissing,
    /// Whether the new text has to have the references of the old one.
    pub references: References,
    /// Nothing is selected in a workflow of another type.
    pub workflow_type: Option<WorkflowType>,
}

/// What is done when nothing is selected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IfMissing {
    /// The variant cannot be made.
    Error,
    /// The patch is left out, with a note.
    #[default]
    Skip,
}

/// Whether the new text has to have the references of the old one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum References {
    /// Exactly those.
    #[default]
    Keep,
    /// It may lose some and have others.
    Allow,
}

/// The type of a workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkflowType {
    /// It runs once.
    Workflow,
    /// It holds a conversation.
    Chatflow,
}

/// What becomes of a text.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptStrategy {
    /// How.
    pub mode: PatchMode,
    /// The text to put in; not for `template`.
    #[serde(default)]
    pub content: Option<String>,
    /// A stored version that has the text to put in, instead of `content`.
    #[serde(default, rename = "ref", deserialize_with = "version_ref")]
    pub reference: Option<VersionRef>,
    /// The template, for `template`.
    #[serde(default)]
    pub template: Option<PromptTemplate>,
    /// The text when the template fails.
    #[serde(default)]
    pub fallback_value: Option<String>,
}

/// How a text is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PatchMode {
    /// The content takes its place.
    Replace,
    /// The content comes before it, with a blank line between them.
    Prepend,
    /// The content comes after it, with a blank line between them.
    Append,
    /// A Jinja2 template takes its place, which may use it as `original`.
    Template,
}

/// A template: `file` or `inline`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PromptTemplate {
    /// A file beneath the directory of the plan.
    pub file: Option<String>,
    /// The template itself.
    pub inline: Option<String>,
    /// Further names that the template may use.
    pub variables: Map<String, Value>,
}

impl PromptSelector {
    /// Tells whether nothing is given that could select.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.by_id.is_none()
            && self.by_label.is_none()
            && self.by_type.is_none()
            && self.by_path.is_none()
            && self.by_prompt.is_none()
    }
}

fn version_ref<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<VersionRef>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| text.parse().map_err(serde::de::Error::custom))
        .transpose()
}
