//! From a workflow and a variant to another document. Pure: what comes from files and from the store is handed in.

mod build;
mod catalog;
mod fields;
mod select;
mod template;
mod transform;

use std::collections::BTreeMap;

pub use build::{Built, Change, build, unchanged};
pub use fields::{Field, Workflow};

/// What patches need besides the plan.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Texts of stored versions, by the reference as it is printed.
    pub versions: BTreeMap<String, StoredText>,
    /// Template files by their names in the plan, or why they cannot be read.
    pub templates: BTreeMap<String, Result<String, String>>,
    /// The dataset that templates know as `dataset`.
    pub dataset: Option<String>,
}

/// The text of a stored version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredText {
    /// The text.
    pub text: String,
    /// Whether it was a Jinja2 template in its workflow, where that is known.
    pub is_jinja2: Option<bool>,
}

#[cfg(test)]
mod tests;
