//! A storage for tests: one in memory, before which something may happen.

use std::ops::Deref;
use std::sync::Arc;

use async_trait::async_trait;

use super::memory::MemoryStorage;
use super::{
    EvidenceAdded, EvidenceLimits, LabelEntry, LabelMove, Progress, PromptEntry, PromptPage, PutOutcome,
    PutVersion, Revision, SetLabel, StorageError, StoredVersion, TrashedVersion, VerifyReport, VerifyScope,
    VersionStorage,
};
use crate::model::{Author, Label, PromptId, TestResult, Version};

/// What happens before a call is passed on. An error is the answer, and the call is not passed on.
#[async_trait]
pub(crate) trait Interpose: Send + Sync + std::fmt::Debug + 'static {
    /// Before a prompt is looked up; an error says that the part of the storage that would know it is down.
    fn before_lookup(&self, _id: &PromptId) -> Result<(), StorageError> {
        Ok(())
    }

    /// Before a version is read, alone or as one of many.
    async fn before_read(&self, _id: &PromptId, _version: &Version) -> Result<(), StorageError> {
        Ok(())
    }

    /// Before a put.
    async fn before_put(&self, _id: &PromptId) -> Result<(), StorageError> {
        Ok(())
    }

    /// Before chosen versions are deleted.
    async fn before_choice(&self) -> Result<(), StorageError> {
        Ok(())
    }

    /// Before the history of labels is read.
    async fn before_label_history(&self, _id: &PromptId) -> Result<(), StorageError> {
        Ok(())
    }

    /// Before a verification.
    async fn before_verify(&self, _progress: &Progress) -> Result<(), StorageError> {
        Ok(())
    }

    /// Before the health is asked for; an error says what is down.
    fn before_health(&self) -> Result<(), String> {
        Ok(())
    }
}

/// The storage. What belongs to the test is reached through it.
#[derive(Debug)]
pub(crate) struct Interposed<T> {
    memory: MemoryStorage,
    interpose: T,
}

impl<T> Interposed<T> {
    pub(crate) const fn new(memory: MemoryStorage, interpose: T) -> Self {
        Self { memory, interpose }
    }
}

impl<T> Deref for Interposed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.interpose
    }
}

#[async_trait]
impl<T: Interpose> VersionStorage for Interposed<T> {
    fn prompt(&self, id: &PromptId) -> Option<Arc<PromptEntry>> {
        self.interpose.before_lookup(id).ok()?;
        self.memory.prompt(id)
    }

    fn available(&self, id: &PromptId) -> Result<(), StorageError> {
        self.interpose.before_lookup(id)?;
        self.memory.available(id)
    }

    fn prompts(&self, page: &PromptPage) -> Vec<Arc<PromptEntry>> {
        self.memory.prompts(page)
    }

    fn totals(&self) -> (u64, u64) {
        self.memory.totals()
    }

    fn revision(&self) -> Revision {
        self.memory.revision()
    }

    async fn read(&self, id: &PromptId, version: &Version) -> Result<Arc<StoredVersion>, StorageError> {
        self.interpose.before_read(id, version).await?;
        self.memory.read(id, version).await
    }

    async fn read_many(
        &self,
        id: &PromptId,
        versions: &[Version],
    ) -> Vec<Result<Arc<StoredVersion>, StorageError>> {
        let mut read = Vec::new();
        for version in versions {
            read.push(self.read(id, version).await);
        }
        read
    }

    async fn put(&self, id: &PromptId, request: PutVersion) -> Result<PutOutcome, StorageError> {
        self.interpose.before_put(id).await?;
        self.memory.put(id, request).await
    }

    async fn delete(
        &self,
        id: &PromptId,
        versions: &[Version],
        force: bool,
        author: &Author,
    ) -> Result<Vec<Version>, StorageError> {
        self.memory.delete(id, versions, force, author).await
    }

    async fn delete_chosen(
        &self,
        seen: &PromptEntry,
        versions: &[Version],
        author: &Author,
    ) -> Result<Vec<Version>, StorageError> {
        self.interpose.before_choice().await?;
        self.memory.delete_chosen(seen, versions, author).await
    }

    async fn restore(&self, id: &PromptId, version: &Version, author: &Author) -> Result<(), StorageError> {
        self.memory.restore(id, version, author).await
    }

    async fn purge(&self, id: &PromptId, force: bool) -> Result<(), StorageError> {
        self.memory.purge(id, force).await
    }

    async fn purge_trashed(&self, id: &PromptId, version: &Version) -> Result<(), StorageError> {
        self.memory.purge_trashed(id, version).await
    }

    async fn trash(
        &self,
        after: Option<(&PromptId, &Version)>,
        prompt: Option<&PromptId>,
        limit: usize,
    ) -> Result<Vec<TrashedVersion>, StorageError> {
        self.memory.trash(after, prompt, limit).await
    }

    async fn set_label(&self, id: &PromptId, request: SetLabel) -> Result<LabelEntry, StorageError> {
        self.memory.set_label(id, request).await
    }

    async fn remove_label(
        &self,
        id: &PromptId,
        label: &Label,
        expected: Option<&Version>,
        author: &Author,
    ) -> Result<(), StorageError> {
        self.memory.remove_label(id, label, expected, author).await
    }

    async fn label_history(&self, id: &PromptId) -> Result<Vec<LabelMove>, StorageError> {
        self.interpose.before_label_history(id).await?;
        self.memory.label_history(id).await
    }

    async fn evidence(&self, id: &PromptId, version: &Version) -> Result<Vec<TestResult>, StorageError> {
        self.memory.evidence(id, version).await
    }

    fn evidence_limits(&self) -> EvidenceLimits {
        self.memory.evidence_limits()
    }

    async fn add_evidence(
        &self,
        id: &PromptId,
        version: &Version,
        results: &[TestResult],
    ) -> Result<EvidenceAdded, StorageError> {
        self.memory.add_evidence(id, version, results).await
    }

    async fn verify_within(
        &self,
        scope: &VerifyScope,
        progress: &Progress,
    ) -> Result<VerifyReport, StorageError> {
        self.interpose.before_verify(progress).await?;
        self.memory.verify_within(scope, progress).await
    }

    async fn rebuild_index(&self, progress: &Progress) -> Result<(u64, u64), StorageError> {
        self.memory.rebuild_index(progress).await
    }

    async fn status(&self) -> serde_json::Value {
        self.memory.status().await
    }

    fn health(&self) -> Result<(), String> {
        self.interpose.before_health()?;
        self.memory.health()
    }

    async fn close(&self) {
        self.memory.close().await;
    }
}
