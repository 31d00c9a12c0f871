//! A memory storage that does what a test tells it to.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::model::{Author, Label, PromptId, TestResult, Version};
use crate::storage::feed::Feed;
use crate::storage::memory::MemoryStorage;
use crate::storage::{
    EvidenceAdded, EvidenceLimits, LabelEntry, LabelMove, Progress, PromptEntry, PromptPage, PutOutcome,
    PutVersion, SetLabel, StorageError, StoredVersion, TrashedVersion, VerifyReport, VerifyScope,
    VersionStorage,
};

/// How long one step of a verification takes in [`Verify::Steps`].
pub(super) const STEP: Duration = Duration::from_millis(50);

/// What a verification does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Verify {
    Answer,
    Panic,
    /// So many steps, each taking [`STEP`].
    Steps(u64),
    /// Goes on until it is told to stop, and then stops.
    UntilStopped,
    /// Goes on whatever it is told.
    Deaf,
}

#[derive(Debug)]
pub(super) struct ScriptedStorage {
    inner: MemoryStorage,
    pub(super) verify: Mutex<Verify>,
    /// Errors that the next puts answer with.
    pub(super) put_errors: Mutex<VecDeque<StorageError>>,
    /// Prompts that can never be stored.
    pub(super) refused: Mutex<HashSet<String>>,
    /// While false, puts wait.
    pub(super) open_for_puts: watch::Sender<bool>,
    /// How many puts are waiting or being done now.
    pub(super) puts: watch::Sender<usize>,
    /// While false, deletions of chosen versions wait.
    pub(super) open_for_choices: watch::Sender<bool>,
    /// How many of them there were.
    pub(super) choices: watch::Sender<usize>,
    /// The most puts there ever were.
    pub(super) most_puts: AtomicUsize,
}

impl ScriptedStorage {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: MemoryStorage::new(4 << 20),
            verify: Mutex::new(Verify::Answer),
            put_errors: Mutex::default(),
            refused: Mutex::default(),
            open_for_puts: watch::Sender::new(true),
            puts: watch::Sender::new(0),
            open_for_choices: watch::Sender::new(true),
            choices: watch::Sender::new(0),
            most_puts: AtomicUsize::new(0),
        })
    }

    pub(super) fn set_verify(&self, verify: Verify) {
        *self.verify.lock().unwrap() = verify;
    }
}

#[async_trait]
impl VersionStorage for ScriptedStorage {
    fn prompt(&self, id: &PromptId) -> Option<Arc<PromptEntry>> {
        self.inner.prompt(id)
    }

    fn prompts(&self, page: &PromptPage) -> Vec<Arc<PromptEntry>> {
        self.inner.prompts(page)
    }

    fn totals(&self) -> (u64, u64) {
        self.inner.totals()
    }

    fn feed(&self) -> &Feed {
        self.inner.feed()
    }

    async fn read(&self, id: &PromptId, version: &Version) -> Result<Arc<StoredVersion>, StorageError> {
        self.inner.read(id, version).await
    }

    async fn read_many(
        &self,
        id: &PromptId,
        versions: &[Version],
    ) -> Vec<Result<Arc<StoredVersion>, StorageError>> {
        self.inner.read_many(id, versions).await
    }

    async fn put(&self, id: &PromptId, request: PutVersion) -> Result<PutOutcome, StorageError> {
        self.puts.send_modify(|now| *now += 1);
        self.most_puts.fetch_max(*self.puts.borrow(), Ordering::Relaxed);
        self.open_for_puts
            .subscribe()
            .wait_for(|open| *open)
            .await
            .unwrap();
        tokio::task::yield_now().await;
        self.puts.send_modify(|now| *now -= 1);
        let error = self.put_errors.lock().unwrap().pop_front();
        if let Some(error) = error {
            return Err(error);
        }
        if self.refused.lock().unwrap().contains(id.as_str()) {
            return Err(StorageError::ReadOnly);
        }
        self.inner.put(id, request).await
    }

    async fn delete(
        &self,
        id: &PromptId,
        versions: &[Version],
        force: bool,
        author: &Author,
    ) -> Result<Vec<Version>, StorageError> {
        self.inner.delete(id, versions, force, author).await
    }

    async fn delete_chosen(
        &self,
        seen: &PromptEntry,
        versions: &[Version],
        author: &Author,
    ) -> Result<Vec<Version>, StorageError> {
        self.choices.send_modify(|now| *now += 1);
        let mut open = self.open_for_choices.subscribe();
        open.wait_for(|open| *open).await.unwrap();
        self.inner.delete_chosen(seen, versions, author).await
    }

    async fn restore(&self, id: &PromptId, version: &Version, author: &Author) -> Result<(), StorageError> {
        self.inner.restore(id, version, author).await
    }

    async fn purge(&self, id: &PromptId, force: bool) -> Result<(), StorageError> {
        self.inner.purge(id, force).await
    }

    async fn purge_trashed(&self, id: &PromptId, version: &Version) -> Result<(), StorageError> {
        self.inner.purge_trashed(id, version).await
    }

    async fn trash(
        &self,
        after: Option<(&PromptId, &Version)>,
        prompt: Option<&PromptId>,
        limit: usize,
    ) -> Result<Vec<TrashedVersion>, StorageError> {
        self.inner.trash(after, prompt, limit).await
    }

    async fn set_label(&self, id: &PromptId, request: SetLabel) -> Result<LabelEntry, StorageError> {
        self.inner.set_label(id, request).await
    }

    async fn remove_label(
        &self,
        id: &PromptId,
        label: &Label,
        expected: Option<&Version>,
        author: &Author,
    ) -> Result<(), StorageError> {
        self.inner.remove_label(id, label, expected, author).await
    }

    async fn label_history(&self, id: &PromptId) -> Result<Vec<LabelMove>, StorageError> {
        self.inner.label_history(id).await
    }

    async fn evidence(&self, id: &PromptId, version: &Version) -> Result<Vec<TestResult>, StorageError> {
        self.inner.evidence(id, version).await
    }

    fn evidence_limits(&self) -> EvidenceLimits {
        self.inner.evidence_limits()
    }

    async fn add_evidence(
        &self,
        id: &PromptId,
        version: &Version,
        results: &[TestResult],
    ) -> Result<EvidenceAdded, StorageError> {
        self.inner.add_evidence(id, version, results).await
    }

    async fn verify_within(
        &self,
        scope: &VerifyScope,
        progress: &Progress,
    ) -> Result<VerifyReport, StorageError> {
        let verify = *self.verify.lock().unwrap();
        match verify {
            Verify::Answer => {}
            Verify::Panic => panic!("this panic is part of a test"),
            Verify::Steps(steps) => {
                progress.set_total(steps);
                for _ in 0..steps {
                    tokio::time::sleep(STEP).await;
                    progress.advance(1);
                }
            }
            Verify::UntilStopped => {
                while !progress.is_cancelled() {
                    tokio::time::sleep(STEP).await;
                }
                return Err(StorageError::Interrupted("told to stop".into()));
            }
            Verify::Deaf => std::future::pending().await,
        }
        self.inner.verify_within(scope, progress).await
    }

    async fn rebuild_index(&self, progress: &Progress) -> Result<(u64, u64), StorageError> {
        self.inner.rebuild_index(progress).await
    }

    async fn status(&self) -> serde_json::Value {
        self.inner.status().await
    }

    fn health(&self) -> Result<(), String> {
        self.inner.health()
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
