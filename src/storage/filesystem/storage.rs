//! [`VersionStorage`] on files: reads from catalog, cache and disk; writes to the shards.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::model::{Author, Integrity, Label, PromptId, Version};
use crate::storage::{
    LabelEntry, LabelMove, Progress, PromptEntry, PromptPage, PutOutcome, PutVersion, Revision, SetLabel,
    StorageError, StoredVersion, TrashedVersion, VerifyReport, VersionStorage,
};

use super::cache::CachedVersion;
use super::catalog::known_damage;
use super::disk::{ReadFailure, read_manifest, read_version};
use super::options::ExternalEdit;
use super::verify::verify;
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

    fn revision(&self) -> Revision {
        self.shared.catalog.revision()
    }

    async fn read(&self, id: &PromptId, version: &Version) -> Result<Arc<StoredVersion>, StorageError> {
        self.check_listed(id, version)?;
        let key = (id.clone(), version.clone());
        let cached = match self.shared.cache.get(&key) {
            Some(cached) => cached,
            None => {
                self.shared
                    .cache
                    .get_or_load(&key, self.load(id, version))
                    .await?
            }
        };
        self.check_edited(id, cached.stored)
    }

    async fn read_many(
        &self,
        id: &PromptId,
        versions: &[Version],
    ) -> Vec<Result<Arc<StoredVersion>, StorageError>> {
        let mut found: BTreeMap<&Version, Result<Arc<StoredVersion>, StorageError>> = BTreeMap::new();
        let mut missing = Vec::new();
        for version in versions {
            if let Err(error) = self.check_listed(id, version) {
                found.insert(version, Err(error));
            } else if let Some(cached) = self.shared.cache.get(&(id.clone(), version.clone())) {
                found.insert(version, self.check_edited(id, cached.stored));
            } else {
                missing.push(version.clone());
            }
        }
        let loaded = self.load_many(id, missing).await;
        let mut loaded: BTreeMap<Version, _> = loaded.into_iter().collect();
        let lost = || Err(StorageError::Unavailable("reading failed".into()));
        versions
            .iter()
            .map(|version| match (found.remove(version), loaded.remove(version)) {
                (Some(read), _) => read,
                (None, Some(read)) => read.and_then(|stored| self.check_edited(id, stored)),
                (None, None) => lost(),
            })
            .collect()
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

    async fn restore(&self, id: &PromptId, version: &Version, _author: &Author) -> Result<(), StorageError> {
        if !self.prompt(id).is_some_and(|entry| entry.has_trashed(version)) {
            return Err(StorageError::NotInTrash {
                id: id.clone(),
                version: version.clone(),
            });
        }
        self.write(id, WriteOp::Restore(version.clone())).await.map(drop)
    }

    async fn purge(&self, id: &PromptId, force: bool) -> Result<(), StorageError> {
        self.write_existing(id, WriteOp::Purge { force }).await.map(drop)
    }

    async fn purge_trashed(&self, id: &PromptId, version: &Version) -> Result<(), StorageError> {
        if !self.prompt(id).is_some_and(|entry| entry.has_trashed(version)) {
            return Err(StorageError::NotInTrash {
                id: id.clone(),
                version: version.clone(),
            });
        }
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
            Err(ReadFailure::Refused(message)) => Err(StorageError::Io {
                doing: "reading",
                path,
                message,
            }),
        }
    }

    async fn verify(&self, progress: &Progress) -> Result<VerifyReport, StorageError> {
        // The progress is shared through a scope: the work ends before this call does.
        let shared = Arc::clone(&self.shared);
        let watched = Arc::new(Progress::default());
        let working = Arc::clone(&watched);
        let mut work = tokio::task::spawn_blocking(move || verify(&shared, &working));
        loop {
            let tick = tokio::time::sleep(std::time::Duration::from_millis(50));
            let ended = tokio::select! {
                ended = &mut work => Some(ended),
                () = tick => None,
            };
            let (done, total) = watched.get();
            progress.set_total(total);
            progress.advance(done.saturating_sub(progress.get().0));
            if progress.is_cancelled() {
                watched.cancel();
            }
            if let Some(ended) = ended {
                return ended
                    .unwrap_or_else(|_| Err(StorageError::Unavailable("the verification failed".into())));
            }
        }
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
                .look_and_wait(Look::everything(), self.shared.options.write_timeout)
                .await?;
            progress.advance(1);
        }
        if self.shared.options.use_index {
            self.flush_index().await.map_err(StorageError::Unavailable)?;
        }
        Ok(self.totals())
    }

    async fn status(&self) -> Value {
        let shared = &self.shared;
        let (prompts, versions) = self.totals();
        let shards = shared.shards.all();
        let down: Vec<Value> = shards
            .iter()
            .filter(|shard| !shard.is_up())
            .map(|shard| shard.status())
            .collect();
        let busy: Vec<Value> = shards
            .iter()
            .filter(|shard| shard.is_up() && shard.queue_depth() > 0)
            .map(|shard| shard.status())
            .collect();
        let restarts: u64 = shards
            .iter()
            .map(|shard| shard.state.restarts.load(Ordering::Relaxed))
            .sum();
        let commits: u64 = shards
            .iter()
            .map(|shard| shard.state.commits.load(Ordering::Relaxed))
            .sum();
        let writes: u64 = shards
            .iter()
            .map(|shard| shard.state.writes.load(Ordering::Relaxed))
            .sum();
        let mut problems = shared
            .problems
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        shared
            .catalog
            .parts()
            .iter()
            .for_each(|part| problems.extend(part.problems()));
        let count = problems.len();
        problems.truncate(100);
        let index = shared
            .index_status
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let watch = shared
            .watch_status
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let space = *shared.space.lock().unwrap_or_else(PoisonError::into_inner);
        json!({
            "backend": "filesystem",
            "path": self.store.path,
            "store_id": self.store.store_id,
            "shard_depth": u8::from(shared.layout.depth),
            "opened_in_ms": self.store.opened_in_ms,
            "prompts": prompts,
            "versions": versions,
            "shards": {"count": shards.len(), "restarts": restarts, "commits": commits, "writes": writes, "down": down, "busy": busy},
            "cache": shared.cache.stats(),
            "index": {"enabled": shared.options.use_index, "stale": shared.index_is_stale.load(Ordering::Relaxed), "state": index},
            "watch": watch,
            "disk": space.map(|space| json!({
                "free_bytes": space.free, "total_bytes": space.total, "read_only": space.read_only,
                "min_free_bytes": shared.options.disk.min_free_bytes,
            })),
            "problems": {"count": count, "first": problems},
        })
    }

    fn health(&self) -> Result<(), String> {
        if self.closed.load(Ordering::Acquire) {
            return Err("the store is closed".into());
        }
        let down: Vec<String> = self
            .shared
            .shards
            .all()
            .iter()
            .filter(|shard| !shard.is_up())
            .map(|shard| shard.id.to_string())
            .collect();
        if down.is_empty() {
            Ok(())
        } else {
            Err(format!("shards down: {}", down.join(", ")))
        }
    }

    async fn close(&self) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        let (done, stopped) = tokio::sync::oneshot::channel();
        if self.supervisor.cast(SupervisorMessage::Stop(done)).is_ok() {
            let _ended = stopped.await;
        }
        if let Err(e) = self.supervisor.stop_and_wait(None, None).await {
            tracing::debug!(error = %e, "the supervisor had ended already");
        }
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl FileSystemStorage {
    async fn write(&self, id: &PromptId, op: WriteOp) -> Result<WriteDone, StorageError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(StorageError::Unavailable("the store is closed".into()));
        }
        let shard = self.shared.shard(&self.shared.layout.shard_of(id));
        shard
            .write(id.clone(), op, self.shared.options.write_timeout)
            .await
    }

    /// As [`Self::write`], for changes that make no sense on a prompt that is not there: no shard is made for them.
    async fn write_existing(&self, id: &PromptId, op: WriteOp) -> Result<WriteDone, StorageError> {
        let shard = self.shared.layout.shard_of(id);
        match self.shared.shards.get(&shard) {
            // A shard that is down may know the prompt: it decides.
            Some(shard) if !shard.is_up() || self.prompt(id).is_some() => self.write(id, op).await,
            _ => Err(StorageError::PromptNotFound(id.clone())),
        }
    }

    fn check_listed(&self, id: &PromptId, version: &Version) -> Result<(), StorageError> {
        let shard = self.shared.shards.get(&self.shared.layout.shard_of(id));
        let Some(slot) = shard.and_then(|shard| shard.catalog.slot(id)) else {
            return Err(StorageError::PromptNotFound(id.clone()));
        };
        if slot.entry.has(version) {
            return Ok(());
        }
        match known_damage(&slot, version) {
            Some(problem) => Err(StorageError::Corrupt {
                path: problem.path,
                reason: problem.message,
            }),
            None if slot.entry.is_gone() => Err(StorageError::PromptNotFound(id.clone())),
            None => Err(StorageError::VersionNotFound {
                id: id.clone(),
                version: version.clone(),
            }),
        }
    }

    fn check_edited(
        &self,
        id: &PromptId,
        stored: Arc<StoredVersion>,
    ) -> Result<Arc<StoredVersion>, StorageError> {
        let refuse = self.shared.options.on_external_edit == ExternalEdit::Refuse;
        if refuse && stored.integrity == Integrity::Edited {
            let path = self
                .shared
                .layout
                .version_file(id, &stored.version)
                .display()
                .to_string();
            return Err(StorageError::Edited { path });
        }
        Ok(stored)
    }

    /// Reads one version from disk, on a blocking thread.
    async fn load(&self, id: &PromptId, version: &Version) -> Result<CachedVersion, StorageError> {
        let mut loaded = self.load_from_disk(id, vec![version.clone()]).await;
        let absent = || {
            Err(StorageError::VersionNotFound {
                id: id.clone(),
                version: version.clone(),
            })
        };
        loaded.pop().map_or_else(absent, |(_, read)| read)
    }

    async fn load_many(
        &self,
        id: &PromptId,
        versions: Vec<Version>,
    ) -> Vec<(Version, Result<Arc<StoredVersion>, StorageError>)> {
        if versions.is_empty() {
            return Vec::new();
        }
        let loaded = self.load_from_disk(id, versions).await;
        loaded
            .into_iter()
            .map(|(version, read)| {
                if let Ok(cached) = &read {
                    self.shared
                        .cache
                        .insert((id.clone(), version.clone()), cached.clone());
                }
                (version, read.map(|cached| cached.stored))
            })
            .collect()
    }

    async fn load_from_disk(
        &self,
        id: &PromptId,
        versions: Vec<Version>,
    ) -> Vec<(Version, Result<CachedVersion, StorageError>)> {
        let Ok(_slot) = self.reads.acquire().await else {
            return Vec::new();
        };
        let (disk, layout, max) = (
            Arc::clone(&self.shared.disk),
            self.shared.layout,
            self.shared.options.disk.max_file_bytes,
        );
        let owned = id.clone();
        let read = tokio::task::spawn_blocking(move || {
            let read = |version: Version| {
                let read = read_version(&*disk, layout, &owned, &version, max);
                (version, read)
            };
            versions.into_iter().map(read).collect::<Vec<_>>()
        });
        let read = read.await.unwrap_or_default();
        read.into_iter()
            .map(|(version, read)| {
                let read = read
                    .map(|(stored, stamp)| CachedVersion {
                        stored: Arc::new(stored),
                        stamp: Some(stamp),
                    })
                    .map_err(|failure| self.note_failure(id, &version, failure));
                (version, read)
            })
            .collect()
    }

    /// A file that is not what the catalog says gives a reason to look at it.
    fn note_failure(&self, id: &PromptId, version: &Version, failure: ReadFailure) -> StorageError {
        if !matches!(failure, ReadFailure::Refused(_)) {
            let shard = self.shared.shard(&self.shared.layout.shard_of(id));
            shard.look(Look::file(id.clone(), format!("{version}.json").into()));
        }
        failure.into_error(self.shared.layout, id, version)
    }
}

fn unexpected(done: &WriteDone) -> StorageError {
    StorageError::Unavailable(format!("the shard answered something else: {done:?}"))
}
