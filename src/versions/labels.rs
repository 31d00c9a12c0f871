//! Labels: names that point at one version and can be moved.

use crate::model::{Author, Label, PromptId, Version, VersionSelector};
use crate::storage::{LabelEntry, LabelMove, SetLabel};

use super::{VersionError, VersionManager};

impl VersionManager {
    /// Sets a label, or moves it. `expected` is where it must point now: `Some(None)` means nowhere.
    ///
    /// # Errors
    /// `not-found`, `precondition-failed`, or what the storage says.
    pub async fn set_label(
        &self,
        id: &PromptId,
        label: Label,
        to: &VersionSelector,
        expected: Option<Option<Version>>,
        author: &Author,
    ) -> Result<LabelEntry, VersionError> {
        let version = self.resolve(id, to).await?;
        let request = SetLabel {
            label,
            version,
            expected,
            author: author.clone(),
        };
        Ok(self.storage.set_label(id, request).await?)
    }

    /// Removes a label.
    ///
    /// # Errors
    /// `not-found`, `precondition-failed`, or what the storage says.
    pub async fn remove_label(
        &self,
        id: &PromptId,
        label: &Label,
        expected: Option<&Version>,
        author: &Author,
    ) -> Result<(), VersionError> {
        Ok(self.storage.remove_label(id, label, expected, author).await?)
    }

    /// Returns every move of every label of a prompt, the oldest first.
    ///
    /// # Errors
    /// `not-found`, or what the storage says.
    pub async fn label_history(&self, id: &PromptId) -> Result<Vec<LabelMove>, VersionError> {
        Ok(self.storage.label_history(id).await?)
    }
}
