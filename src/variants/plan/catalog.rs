//! The catalogue: which workflows there are, and which of their fields are prompts.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value};

/// A catalogue of workflows.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkflowCatalog {
    /// Free notes.
    #[serde(default)]
    pub meta: Map<String, Value>,
    /// The workflows.
    pub workflows: Vec<WorkflowEntry>,
}

/// One workflow.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkflowEntry {
    /// Its id, which plans name.
    pub id: String,
    /// Its name for people.
    #[serde(default)]
    pub label: Option<String>,
    /// `workflow` or `chatflow`; not enforced.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    /// Its version, for people.
    #[serde(default)]
    pub version: Option<String>,
    /// The file, from the directory of the catalogue.
    pub dsl_path: PathBuf,
    /// The SHA-256 of the file in hex digits, also with `sha256:` before it. Verified.
    #[serde(default)]
    pub checksum: Option<String>,
    /// Which nodes have prompts, and where; without any, all prompts of the workflow.
    #[serde(default)]
    pub nodes: Vec<NodeMeta>,
    /// Free lists.
    #[serde(default)]
    pub resources: Map<String, Value>,
    /// Free words.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// One node of a workflow.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeMeta {
    /// The id in the document.
    pub node_id: String,
    /// Its name for people.
    #[serde(default)]
    pub label: Option<String>,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it stands, as an RFC 6901 pointer. A node that has moved is found by its id.
    pub path: String,
    /// Its prompts, as dotted paths from there (`data.prompt_template.0.text`); without any, all prompts of the node.
    #[serde(default)]
    pub prompt_fields: Vec<String>,
}

impl WorkflowCatalog {
    /// Returns a workflow.
    #[must_use]
    pub fn workflow(&self, id: &str) -> Option<&WorkflowEntry> {
        self.workflows.iter().find(|entry| entry.id == id)
    }
}
