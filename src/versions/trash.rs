//! Deleting and bringing back.

use std::sync::Arc;

use crate::model::{Author, PromptId, Version};
use crate::storage::{StoredVersion, TrashedVersion};

use super::{VersionError, VersionManager};

impl VersionManager {
    /// Moves one version to the trash.
    ///
    /// # Errors
    /// `not-found`, `version-labelled` unless forced, or what the storage says.
    pub async fn delete(
        &self,
        id: &PromptId,
        version: &Version,
        force: bool,
        author: &Author,
    ) -> Result<(), VersionError> {
        self.storage
            .delete(id, std::slice::from_ref(version), force, author)
            .await?;
        Ok(())
    }

    /// Moves every version of a prompt to the trash; returns which.
    ///
    /// # Errors
    /// As [`Self::delete`].
    pub async fn delete_all(
        &self,
        id: &PromptId,
        force: bool,
        author: &Author,
    ) -> Result<Vec<Version>, VersionError> {
        Ok(self.storage.delete(id, &[], force, author).await?)
    }

    /// Forgets a prompt altogether, trash and used numbers included.
    ///
    /// # Errors
    /// As [`Self::delete`].
    pub async fn purge(&self, id: &PromptId, force: bool) -> Result<(), VersionError> {
        Ok(self.storage.purge(id, force).await?)
    }

    /// Forgets one version that lies in the trash.
    ///
    /// # Errors
    /// `not-found`, or what the storage says.
    pub async fn purge_trashed(&self, id: &PromptId, version: &Version) -> Result<(), VersionError> {
        Ok(self.storage.purge_trashed(id, version).await?)
    }

    /// Brings a version back from the trash under its own number.
    ///
    /// # Errors
    /// `not-found`, or what the storage says.
    pub async fn restore(
        &self,
        id: &PromptId,
        version: &Version,
        author: &Author,
    ) -> Result<Arc<StoredVersion>, VersionError> {
        self.storage.restore(id, version, author).await?;
        Ok(self.storage.read(id, version).await?)
    }

    /// Lists what lies in the trash, in the order of ids and numbers.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn trash(
        &self,
        after: Option<(&PromptId, &Version)>,
        prompt: Option<&PromptId>,
        limit: usize,
    ) -> Result<Vec<TrashedVersion>, VersionError> {
        Ok(self.storage.trash(after, prompt, limit).await?)
    }
}
