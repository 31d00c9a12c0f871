//! Prompts: list, look, delete.

use serde_json::value::RawValue;

use crate::http::wire::{DeletedVersions, PromptSummary};
use crate::model::{Label, PromptId};

use super::call::Call;
use super::{Client, ClientError, Pages};

/// Which prompts to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PromptFilter {
    /// Only names that begin so.
    pub prefix: Option<String>,
}

impl Client {
    /// Lists prompts in the order of their names.
    #[must_use]
    pub fn prompts(&self, filter: &PromptFilter) -> Pages<'_, PromptSummary> {
        let list = Call::get(&["v1", "prompts"]).query("prefix", filter.prefix.as_ref());
        Pages::new(self, list)
    }

    /// Lists the version documents that a label points at, each as the daemon gives it, in the order of the names.
    #[must_use]
    pub fn labelled_documents(&self, filter: &PromptFilter, label: &Label) -> Pages<'_, Box<RawValue>> {
        let list = Call::get(&["v1", "prompts"])
            .query("prefix", filter.prefix.as_ref())
            .query("label", Some(label));
        Pages::new(self, list)
    }

    /// Returns what is known of a prompt.
    ///
    /// # Errors
    /// `not-found`, or why it could not be asked.
    pub async fn prompt(&self, id: &PromptId) -> Result<PromptSummary, ClientError> {
        let call = Call::get(&["v1", "prompts", id.as_str()]);
        self.call(call).await?.json()
    }

    /// Moves every version of a prompt to the trash; with `purge` forgets it altogether; with `force` also when labels
    /// point at it.
    ///
    /// # Errors
    /// `not-found`, `version-labelled`, or why it could not be asked.
    pub async fn delete_prompt(
        &self,
        id: &PromptId,
        purge: bool,
        force: bool,
    ) -> Result<DeletedVersions, ClientError> {
        let call = Call::delete(&["v1", "prompts", id.as_str()])
            .flag("purge", purge)
            .flag("force", force);
        self.call(call).await?.json()
    }
}
