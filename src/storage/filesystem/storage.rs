//! [`VersionStorage`] on files: reads from catalog, cache and disk; writes to the shards.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use serde_json::Value;

use crate::model::{Author, Label, PromptId, TestResult, Version};
use crate::storage::feed::Feed;
use crate::storage::{
    BackupCheck, BackupReport, BackupRequest, BackupSummary, EvidenceAdded, EvidenceLimits, LabelEntry,
    LabelMove, Mend, Performance, Progress, PromptEntry, PromptPage, PutOutcome, PutVersion, RepairStep,
    RestoreReport, RestoreRequest, SetLabel, StorageError, StoredVersion, TrashedVersion, VerifyReport,
    VerifyScope, VersionStorage,
};

use super::actors::ShardHandle;
use super::disk::{ReadFailure, read_manifest};
use super::runtime::atomic::Ordering;
use super::runtime::oneshot;
use super::work::{Look, WriteDone, WriteOp};
use super::{FileSystemStorage, SupervisorMessage};

#[async_trait]
impl VersionStorage for FileSystemStorage {
    fn prompt(&self, id: &PromptId) -> Option<Arc<PromptEntry>> {
        let shard = self.shared.layout.shard_of(id);
        self.shared
            .shards
            .get(&shard)?
            .catalog
            .entry(id)
            .filter(|entry| !entry.is_gone())
    }

    fn prompts(&self, page: &PromptPage) -> Vec<Arc<PromptEntry>> {
        self.shared.catalog.page(page)
    }

    fn totals(&self) -> (u64, u64) {
        self.shared.catalog.totals()
    }

    fn feed(&self) -> &Feed {
        self.shared.catalog.feed()
    }

    fn available(&self, id: &PromptId) -> Result<(), StorageError> {
        self.check_known(id)
    }

    async fn read(&self, id: &PromptId, version: &Version) -> Result<Arc<StoredVersion>, StorageError> {
        let (started, metrics) = (Instant::now(), &self.shared.metrics);
        let read = self.read_one(id, version).await;
        metrics.note_read_time(started.elapsed());
        metrics.note_read(&read);
        read
    }

    async fn read_many(
        &self,
        id: &PromptId,
        versions: &[Version],
    ) -> Vec<Result<Arc<StoredVersion>, StorageError>> {
        let read = self.read_in_order(id, versions).await;
        read.iter().for_each(|read| self.shared.metrics.note_read(read));
        read
    }

    async fn put(&self, id: &PromptId, request: PutVersion) -> Result<PutOutcome, StorageError> {
        match self.write(id, WriteOp::Put(Box::new(request))).await? {
            WriteDone::Put(outcome) => Ok(outcome),
            other => Err(unexpected(&other)),
        }
    }

    async fn delete(
        &self,
        id: &PromptId,
        versions: &[Version],
        force: bool,
        author: &Author,
    ) -> Result<Vec<Version>, StorageError> {
        let op = WriteOp::Delete {
            versions: versions.to_vec(),
            force,
            author: author.clone(),
        };
        match self.write_existing(id, op).await? {
            WriteDone::Deleted(versions) => Ok(versions),
            other => Err(unexpected(&other)),
        }
    }

    async fn delete_chosen(
        &self,
        seen: &PromptEntry,
        versions: &[Version],
        author: &Author,
    ) -> Result<Vec<Version>, StorageError> {
        let op = WriteOp::DeleteChosen {
            seen: Box::new(seen.clone()),
            versions: versions.to_vec(),
            author: author.clone(),
        };
        match self.write_existing(&seen.id, op).await? {
            WriteDone::Deleted(versions) => Ok(versions),
            other => Err(unexpected(&other)),
        }
    }

    async fn restore(&self, id: &PromptId, version: &Version, _author: &Author) -> Result<(), StorageError> {
        self.check_trashed(id, version)?;
        self.write(id, WriteOp::Restore(version.clone())).await.map(drop)
    }

    async fn purge(&self, id: &PromptId, force: bool) -> Result<(), StorageError> {
        self.write_existing(id, WriteOp::Purge { force }).await.map(drop)
    }

    async fn purge_trashed(&self, id: &PromptId, version: &Version) -> Result<(), StorageError> {
        self.check_trashed(id, version)?;
        self.write(id, WriteOp::PurgeTrashed(vec![version.clone()]))
            .await
            .map(drop)
    }

    async fn trash(
        &self,
        after: Option<(&PromptId, &Version)>,
        prompt: Option<&PromptId>,
        limit: usize,
    ) -> Result<Vec<TrashedVersion>, StorageError> {
        let mut all: Vec<(PromptId, Version)> = Vec::new();
        for part in self.shared.catalog.parts() {
            for slot in part.slots() {
                let id = slot.entry.id.clone();
                if prompt.is_none_or(|prompt| *prompt == id) {
                    all.extend(
                        slot.entry
                            .trash
                            .iter()
                            .map(|version| (id.clone(), version.clone())),
                    );
                }
            }
        }
        all.sort_unstable();
        all.retain(|(id, version)| after.is_none_or(|after| (id, version) > after));
        all.truncate(limit);
        let disks: Vec<_> = all
            .into_iter()
            .map(|(id, version)| {
                (
                    Arc::clone(&self.shared.shard(&self.shared.layout.shard_of(&id)).disk),
                    id,
                    version,
                )
            })
            .collect();
        let notes = tokio::task::spawn_blocking(move || {
            disks
                .into_iter()
                .map(|(disk, id, version)| disk.read_note(&id, &version))
                .collect()
        });
        notes
            .await
            .map_err(|_| StorageError::Unavailable("reading the trash failed".into()))
    }

    async fn set_label(&self, id: &PromptId, request: SetLabel) -> Result<LabelEntry, StorageError> {
        match self.write_existing(id, WriteOp::SetLabel(request)).await? {
            WriteDone::Label(entry) => Ok(entry),
            other => Err(unexpected(&other)),
        }
    }

    async fn remove_label(
        &self,
        id: &PromptId,
        label: &Label,
        expected: Option<&Version>,
        author: &Author,
    ) -> Result<(), StorageError> {
        let (label, expected, author) = (label.clone(), expected.cloned(), author.clone());
        self.write_existing(
            id,
            WriteOp::RemoveLabel {
                label,
                expected,
                author,
            },
        )
        .await
        .map(drop)
    }

    async fn label_history(&self, id: &PromptId) -> Result<Vec<LabelMove>, StorageError> {
        if self.prompt(id).is_none() {
            self.check_known(id)?;
            return Err(StorageError::PromptNotFound(id.clone()));
        }
        let (disk, layout, owned) = (Arc::clone(&self.shared.disk), self.shared.layout, id.clone());
        let read = tokio::task::spawn_blocking(move || read_manifest(&*disk, layout, &owned)).await;
        let path = layout.manifest_file(id);
        match read.map_err(|_| StorageError::Unavailable("reading the manifest failed".into()))? {
            Ok(found) => Ok(found
                .map(|(manifest, _)| manifest.label_history)
                .unwrap_or_default()),
            Err(ReadFailure::Absent) => Ok(Vec::new()),
            Err(ReadFailure::Corrupt(reason)) => Err(StorageError::Corrupt {
                path: path.display().to_string(),
                reason,
            }),
            Err(ReadFailure::Refused(message) | ReadFailure::Exhausted(message)) => Err(StorageError::Io {
                doing: "reading",
                path,
                message,
            }),
        }
    }

    async fn evidence(&self, id: &PromptId, version: &Version) -> Result<Vec<TestResult>, StorageError> {
        self.check_listed(id, version)?;
        self.load_evidence(id, version).await
    }

    fn evidence_limits(&self) -> EvidenceLimits {
        self.shared.options.evidence
    }

    async fn add_evidence(
        &self,
        id: &PromptId,
        version: &Version,
        results: &[TestResult],
    ) -> Result<EvidenceAdded, StorageError> {
        let op = WriteOp::AddEvidence {
            version: version.clone(),
            results: results.to_vec(),
        };
        match self.write_existing(id, op).await? {
            WriteDone::Evidence(added) => Ok(added),
            other => Err(unexpected(&other)),
        }
    }

    async fn backup(
        &self,
        request: BackupRequest,
        progress: &Progress,
    ) -> Result<BackupReport, StorageError> {
        self.make_backup(request, progress).await
    }

    async fn restore_backup(
        &self,
        request: RestoreRequest,
        progress: &Progress,
    ) -> Result<RestoreReport, StorageError> {
        self.restore_from(request, progress).await
    }

    async fn verify_backup(&self, source: &str, progress: &Progress) -> Result<BackupCheck, StorageError> {
        self.check_backup(source, progress).await
    }

    async fn backups(&self) -> Result<Vec<BackupSummary>, StorageError> {
        self.list_backups().await
    }

    async fn purge_all_trashed(&self, id: &PromptId, versions: &[Version]) -> Result<(), StorageError> {
        for version in versions {
            self.check_trashed(id, version)?;
        }
        self.write(id, WriteOp::PurgeTrashed(versions.to_vec()))
            .await
            .map(drop)
    }

    async fn verify_within(
        &self,
        scope: &VerifyScope,
        progress: &Progress,
    ) -> Result<VerifyReport, StorageError> {
        self.verify_twice(scope, progress).await
    }

    async fn mend(&self, mend: &Mend) -> Result<Vec<RepairStep>, StorageError> {
        self.mend_one(mend).await
    }

    async fn rebuild_index(&self, progress: &Progress) -> Result<(u64, u64), StorageError> {
        self.shared.find_new_shards().await;
        let shards = self.shared.shards.all();
        progress.set_total(shards.len() as u64);
        for shard in shards {
            if progress.is_cancelled() {
                return Err(StorageError::Interrupted("cancelled".into()));
            }
            shard
                .look_and_wait(Look::everything(), self.shared.write_timeout())
                .await?;
            progress.advance(1);
        }
        if self.shared.options.use_index {
            self.flush_index().await.map_err(StorageError::Unavailable)?;
        }
        Ok(self.totals())
    }

    async fn status(&self) -> Value {
        self.describe()
    }

    fn parts(&self) -> Vec<Value> {
        self.describe_shards()
    }

    async fn observe(&self) {
        self.look_at_disk().await;
    }

    fn performance(&self, slow_read: f64, slow_write: f64) -> Option<Performance> {
        Some(self.judge_performance(slow_read, slow_write))
    }

    fn health(&self) -> Result<(), String> {
        self.judge_health()
    }

    fn concerns(&self) -> Vec<String> {
        self.find_concerns()
    }

    async fn close(&self) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        let (done, stopped) = oneshot::channel();
        if self.supervisor.cast(SupervisorMessage::Stop(done)).is_ok() {
            let _ended = stopped.await;
        }
        if let Err(e) = self.supervisor.stop_and_wait(None, None).await {
            tracing::debug!(error = %e, "the supervisor had ended already");
        }
        self.shared.let_go();
    }
}

impl Drop for FileSystemStorage {
    /// A storage that is dropped without being closed ends its actors; what is being written is written to its end.
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.supervisor.kill();
        self.shared.let_go();
    }
}

impl FileSystemStorage {
    async fn write(&self, id: &PromptId, op: WriteOp) -> Result<WriteDone, StorageError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(StorageError::Unavailable("the store is closed".into()));
        }
        let shard = self.shared.shard(&self.shared.layout.shard_of(id));
        let (started, operation) = (Instant::now(), op.word());
        let done = shard.write(id.clone(), op, self.shared.write_timeout()).await;
        self.shared
            .metrics
            .note_write(operation, &done, started.elapsed());
        done
    }

    /// As [`Self::write`], for changes that make no sense on a prompt that is not there: no shard is made for them.
    pub(super) async fn write_existing(&self, id: &PromptId, op: WriteOp) -> Result<WriteDone, StorageError> {
        let shard = self.shared.shards.get(&self.shared.layout.shard_of(id));
        let is_known = |shard: &ShardHandle| shard.catalog.slot(id).is_some();
        match shard {
            // A shard that is down may know the prompt: it decides.
            Some(shard) if !shard.is_up() || is_known(&shard) => self.write(id, op).await,
            _ => Err(StorageError::PromptNotFound(id.clone())),
        }
    }

    /// As [`Self::write_existing`], for changes of a version in the trash.
    fn check_trashed(&self, id: &PromptId, version: &Version) -> Result<(), StorageError> {
        if self.prompt(id).is_some_and(|entry| entry.has_trashed(version)) {
            return Ok(());
        }
        self.check_known(id)?;
        Err(StorageError::NotInTrash {
            id: id.clone(),
            version: version.clone(),
        })
    }
}

pub(super) fn unexpected(done: &WriteDone) -> StorageError {
    StorageError::Unavailable(format!("the shard answered something else: {done:?}"))
}
