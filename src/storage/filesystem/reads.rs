//! Reading content: catalog, then cache, then one disk read; no actor is waited for.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{Integrity, PromptId, TestResult, Version};
use crate::storage::{StorageError, StoredVersion};

use super::FileSystemStorage;
use super::cache::{CacheKey, CachedVersion};
use super::catalog::why_not_listed;
use super::disk::{ReadFailure, read_evidence, read_version};
use super::options::ExternalEdit;
use super::runtime::spawn_blocking;
use super::work::Look;

impl FileSystemStorage {
    /// Refuses to say that a prompt does not exist when that is not known.
    ///
    /// # Errors
    /// `Unavailable` when its shard has not recovered yet, or its directory cannot be read.
    pub(super) fn check_known(&self, id: &PromptId) -> Result<(), StorageError> {
        let Some(shard) = self.shared.shards.get(&self.shared.layout.shard_of(id)) else {
            return Ok(());
        };
        if shard.has_never_recovered() {
            return Err(shard.down());
        }
        shard
            .catalog
            .slot(id)
            .map_or(Ok(()), |slot| slot.check_readable())
    }

    /// Reads one version: from the cache, else from disk, once however many ask.
    pub(super) async fn read_one(
        &self,
        id: &PromptId,
        version: &Version,
    ) -> Result<Arc<StoredVersion>, StorageError> {
        self.check_listed(id, version)?;
        let key = (id.clone(), version.clone());
        let cached = match self.look_up(&key) {
            Some(cached) => cached,
            None => {
                let cache = &self.shared.cache;
                cache.get_or_load(&key, self.load(id, version)).await?
            }
        };
        self.check_edited(id, cached.stored)
    }

    fn look_up(&self, key: &CacheKey) -> Option<CachedVersion> {
        let found = self.shared.cache.get(key);
        self.shared.metrics.note_lookup(found.is_some());
        found
    }

    /// Reads several versions; what is not in the cache is read from disk in one go.
    pub(super) async fn read_in_order(
        &self,
        id: &PromptId,
        versions: &[Version],
    ) -> Vec<Result<Arc<StoredVersion>, StorageError>> {
        let mut found: BTreeMap<&Version, Result<Arc<StoredVersion>, StorageError>> = BTreeMap::new();
        let mut missing = Vec::new();
        for version in versions {
            if let Err(error) = self.check_listed(id, version) {
                found.insert(version, Err(error));
            } else if let Some(cached) = self.look_up(&(id.clone(), version.clone())) {
                found.insert(version, Ok(cached.stored));
            } else {
                missing.push(version.clone());
            }
        }
        let loaded: BTreeMap<Version, _> = self.load_many(id, missing).await.into_iter().collect();
        let lost = || Err(StorageError::Unavailable("reading failed".into()));
        versions
            .iter()
            .map(|version| {
                let read = found.get(version).or_else(|| loaded.get(version)).cloned();
                read.unwrap_or_else(lost)
                    .and_then(|stored| self.check_edited(id, stored))
            })
            .collect()
    }

    pub(super) fn check_listed(&self, id: &PromptId, version: &Version) -> Result<(), StorageError> {
        let shard = self.shared.shards.get(&self.shared.layout.shard_of(id));
        let Some((shard, slot)) = shard.and_then(|shard| shard.catalog.slot(id).map(|slot| (shard, slot)))
        else {
            self.check_known(id)?;
            return Err(StorageError::PromptNotFound(id.clone()));
        };
        if slot.entry.has(version) {
            return Ok(());
        }
        match why_not_listed(&slot, version) {
            damage @ StorageError::Corrupt { .. } => {
                // It may have been mended, or have been in the middle of being saved when it was read.
                shard.look(Look::file(id.clone(), format!("{version}.json").into()));
                Err(damage)
            }
            _ if slot.blocked.is_some() => slot.check_readable(),
            _ if slot.entry.is_gone() => Err(StorageError::PromptNotFound(id.clone())),
            absent => Err(absent),
        }
    }

    pub(super) fn check_edited(
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
    pub(super) async fn load(&self, id: &PromptId, version: &Version) -> Result<CachedVersion, StorageError> {
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
        let mark = self.shared.cache.mark(id);
        let loaded = self.load_from_disk(id, versions).await;
        let read = loaded.iter().filter_map(|(version, read)| {
            let cached = read.as_ref().ok()?.clone();
            Some((version.clone(), cached))
        });
        self.shared.cache.insert_all(id, mark, read);
        loaded
            .into_iter()
            .map(|(version, read)| (version, read.map(|cached| cached.stored)))
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
        let read = spawn_blocking(move || {
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

    /// Reads the test results of a version from disk, on a blocking thread. They are not cached: they may be changed by hand
    /// at any time, and are seldom asked for.
    pub(super) async fn load_evidence(
        &self,
        id: &PromptId,
        version: &Version,
    ) -> Result<Vec<TestResult>, StorageError> {
        let lost = || StorageError::Unavailable("reading failed".into());
        let _slot = self.reads.acquire().await.map_err(|_| lost())?;
        let (disk, layout) = (Arc::clone(&self.shared.disk), self.shared.layout);
        let (owned, number) = (id.clone(), version.clone());
        let read = spawn_blocking(move || read_evidence(&*disk, layout, &owned, &number)).await;
        match read.map_err(|_| lost())? {
            Ok(found) => Ok(found.map(|(results, _)| results).unwrap_or_default()),
            Err(failure) => Err(failure.into_evidence_error(layout, id, version)),
        }
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
