//! A storage in memory that fails where a test wants it to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::MAX_FILE_BYTES;
use crate::model::{Author, Label, PromptId, TestResult, Version};
use crate::storage::feed::Feed;
use crate::storage::memory::MemoryStorage;
use crate::storage::{
    EvidenceAdded, EvidenceLimits, LabelEntry, LabelMove, Progress, PromptEntry, PromptPage, PutOutcome,
    PutVersion, SetLabel, StorageError, StoredVersion, TrashedVersion, VerifyReport, VersionStorage,
};

/// What to answer instead.
type Answer = fn() -> StorageError;

/// The storage.
#[derive(Debug)]
pub(super) struct Fickle {
    memory: MemoryStorage,
    puts: Mutex<Option<(usize, Answer)>>,
    damaged: Mutex<BTreeMap<Version, Answer>>,
    hidden: Mutex<bool>,
}

impl Default for Fickle {
    fn default() -> Self {
        Self {
            memory: MemoryStorage::new(MAX_FILE_BYTES),
            puts: Mutex::default(),
            damaged: Mutex::default(),
            hidden: Mutex::default(),
        }
    }
}

impl Fickle {
    /// Answers so many puts with an error.
    pub(super) fn answer_puts(&self, times: usize, answer: Answer) {
        *self.puts.lock().unwrap() = Some((times, answer));
    }

    /// Answers every read of a version with an error.
    pub(super) fn damage(&self, number: &str, answer: Answer) {
        let number = Version::new(number).unwrap();
        self.damaged.lock().unwrap().insert(number, answer);
    }

    /// Knows of no prompt, and says that it does not know.
    pub(super) fn hide_everything(&self) {
        *self.hidden.lock().unwrap() = true;
    }
}

#[async_trait]
impl VersionStorage for Fickle {
    fn prompt(&self, id: &PromptId) -> Option<Arc<PromptEntry>> {
        self.memory.prompt(id).filter(|_| !*self.hidden.lock().unwrap())
    }

    fn available(&self, _id: &PromptId) -> Result<(), StorageError> {
        if *self.hidden.lock().unwrap() {
            return Err(StorageError::Unavailable("hidden".into()));
        }
        Ok(())
    }

    fn prompts(&self, page: &PromptPage) -> Vec<Arc<PromptEntry>> {
        self.memory.prompts(page)
    }

    fn totals(&self) -> (u64, u64) {
        self.memory.totals()
    }

    fn feed(&self) -> &Feed {
        self.memory.feed()
    }

    async fn read(&self, id: &PromptId, version: &Version) -> Result<Arc<StoredVersion>, StorageError> {
        if let Some(answer) = self.damaged.lock().unwrap().get(version) {
            return Err(answer());
        }
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
        if let Some((times, answer)) = &mut *self.puts.lock().unwrap()
            && *times > 0
        {
            *times -= 1;
            return Err(answer());
        }
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
        scope: &crate::storage::VerifyScope,
        progress: &Progress,
    ) -> Result<VerifyReport, StorageError> {
        self.memory.verify_within(scope, progress).await
    }

    async fn rebuild_index(&self, progress: &Progress) -> Result<(u64, u64), StorageError> {
        self.memory.rebuild_index(progress).await
    }

    async fn status(&self) -> serde_json::Value {
        self.memory.status().await
    }

    fn health(&self) -> Result<(), String> {
        self.memory.health()
    }

    async fn close(&self) {
        self.memory.close().await;
    }
}
