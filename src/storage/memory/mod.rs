//! Everything in memory: for tests, for trying things out, and as the oracle for the file system backend.
//!
//! One mutex over one map, and no cleverness: what this backend answers is by definition right.

mod prompt;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde_json::json;

use crate::model::{Author, Integrity, Label, PromptId, TestResult, Timestamp, Version};
use crate::versions::numbering::next_version_after;

use prompt::MemoryPrompt;

use super::evidence::merge;
use super::feed::{Change, DEFAULT_EVENTS_KEPT, EventKind, Feed, Origin, Told, changes_of_prompt};
use super::retention::check_choice;
use super::{
    EvidenceAdded, EvidenceLimits, LabelEntry, LabelMove, Numbering, Progress, PromptEntry, PromptPage,
    PutOutcome, PutVersion, Sameness, SetLabel, StorageError, StoredVersion, TrashedVersion, VerifyReport,
    VerifyScope, VersionStorage,
};

/// Keeps everything in memory; nothing survives the process.
#[derive(Debug)]
pub struct MemoryStorage {
    prompts: Mutex<BTreeMap<PromptId, MemoryPrompt>>,
    feed: Feed,
    max_file_bytes: u64,
    evidence_limits: EvidenceLimits,
}

impl MemoryStorage {
    /// Makes an empty storage. `max_file_bytes` is the largest version that it takes.
    #[must_use]
    pub fn new(max_file_bytes: u64) -> Self {
        Self {
            prompts: Mutex::default(),
            feed: Feed::new(DEFAULT_EVENTS_KEPT),
            max_file_bytes,
            evidence_limits: EvidenceLimits::default(),
        }
    }

    /// Takes other limits of evidence than the default ones.
    #[must_use]
    pub const fn with_evidence_limits(mut self, limits: EvidenceLimits) -> Self {
        self.evidence_limits = limits;
        self
    }

    /// Keeps so many changes for those who follow them.
    #[must_use]
    pub fn with_events_kept(self, count: usize) -> Self {
        self.feed.set_capacity(count);
        self
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PromptId, MemoryPrompt>> {
        self.prompts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells of what a change made of a prompt. Called while nobody else changes anything, so that the order is theirs.
    fn changed(&self, before: &PromptEntry, after: &PromptEntry, more: Option<Change>) {
        let changes = changes_of_prompt(before, after).into_iter().chain(more);
        let told = changes.map(|change| Told {
            prompt_id: Some(after.id.clone()),
            origin: Origin::Daemon,
            change,
        });
        self.feed.append(told.collect());
    }

    /// Runs a change on a prompt that exists.
    fn change<T>(
        &self,
        id: &PromptId,
        change: impl FnOnce(&mut MemoryPrompt) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let mut prompts = self.lock();
        let prompt = prompts
            .get_mut(id)
            .ok_or_else(|| StorageError::PromptNotFound(id.clone()))?;
        let before = prompt.entry(id);
        let done = change(prompt)?;
        self.changed(&before, &prompt.entry(id), None);
        Ok(done)
    }
}

#[async_trait]
impl VersionStorage for MemoryStorage {
    fn prompt(&self, id: &PromptId) -> Option<Arc<PromptEntry>> {
        let entry = self.lock().get(id)?.entry(id);
        (!entry.is_gone()).then(|| Arc::new(entry))
    }

    fn prompts(&self, page: &PromptPage) -> Vec<Arc<PromptEntry>> {
        self.lock()
            .iter()
            .filter(|(id, prompt)| !prompt.versions.is_empty() && id.as_str().starts_with(&page.prefix))
            .filter(|(id, _)| page.after.as_ref().is_none_or(|after| *id > after))
            .filter(|(_, prompt)| {
                page.label
                    .as_ref()
                    .is_none_or(|label| prompt.labels.contains_key(label))
            })
            .take(page.limit)
            .map(|(id, prompt)| Arc::new(prompt.entry(id)))
            .collect()
    }

    fn totals(&self) -> (u64, u64) {
        let prompts = self.lock();
        let alive = prompts.values().filter(|prompt| !prompt.versions.is_empty());
        alive.fold((0, 0), |(count, versions), prompt| {
            (count + 1, versions + prompt.versions.len() as u64)
        })
    }

    fn feed(&self) -> &Feed {
        &self.feed
    }

    async fn read(&self, id: &PromptId, version: &Version) -> Result<Arc<StoredVersion>, StorageError> {
        let prompts = self.lock();
        let prompt = prompts
            .get(id)
            .ok_or_else(|| StorageError::PromptNotFound(id.clone()))?;
        let absent = || StorageError::VersionNotFound {
            id: id.clone(),
            version: version.clone(),
        };
        prompt.versions.get(version).cloned().ok_or_else(absent)
    }

    async fn read_many(
        &self,
        id: &PromptId,
        versions: &[Version],
    ) -> Vec<Result<Arc<StoredVersion>, StorageError>> {
        let mut read = Vec::with_capacity(versions.len());
        for version in versions {
            read.push(self.read(id, version).await);
        }
        read
    }

    async fn put(&self, id: &PromptId, request: PutVersion) -> Result<PutOutcome, StorageError> {
        let PutVersion {
            mut document,
            numbering,
            sameness,
            ..
        } = request;
        let mut prompts = self.lock();
        let entry = prompts
            .get(id)
            .map(|prompt| prompt.entry(id))
            .unwrap_or_else(|| PromptEntry::empty(id.clone()));
        match numbering {
            Numbering::Exact if entry.has(&document.version) => {
                return Err(StorageError::Conflict {
                    id: id.clone(),
                    version: document.version,
                });
            }
            Numbering::Exact if entry.has_trashed(&document.version) => {
                return Err(StorageError::Deleted {
                    id: id.clone(),
                    version: document.version,
                });
            }
            Numbering::Exact => {}
            Numbering::NextAfter(_, latest) if entry.latest() != Some(&latest) => {
                return Err(StorageError::StaleLatest(id.clone()));
            }
            Numbering::Next(bump) | Numbering::NextAfter(bump, _) => {
                let latest = entry
                    .latest()
                    .and_then(|latest| prompts.get(id)?.versions.get(latest));
                let wanted = super::Fingerprint::of(&document);
                let same = latest.is_some_and(|latest| match sameness {
                    Sameness::Never => false,
                    Sameness::Text => latest.fingerprint.text == wanted.text,
                    Sameness::Content => latest.fingerprint.content == wanted.content,
                });
                if let (true, Some(latest)) = (same, latest) {
                    return Ok(PutOutcome::Unchanged(latest.version.clone()));
                }
                document.version = next_version_after(entry.used(), bump)
                    .ok_or_else(|| StorageError::NumbersExhausted(id.clone()))?;
                document.parent_version = document.parent_version.or_else(|| entry.latest().cloned());
            }
        }
        document.validate()?;
        let stored = Arc::new(StoredVersion::seal(&mut document)?);
        let size = stored.bytes.len() as u64;
        if size > self.max_file_bytes {
            return Err(StorageError::TooLarge {
                size,
                limit: self.max_file_bytes,
            });
        }
        let prompt = prompts.entry(id.clone()).or_default();
        prompt.versions.insert(document.version, Arc::clone(&stored));
        self.changed(&entry, &prompt.entry(id), None);
        Ok(PutOutcome::Created(stored))
    }

    async fn delete(
        &self,
        id: &PromptId,
        versions: &[Version],
        force: bool,
        author: &Author,
    ) -> Result<Vec<Version>, StorageError> {
        self.change(id, |prompt| prompt.move_to_trash(id, versions, force, author))
    }

    async fn delete_chosen(
        &self,
        seen: &PromptEntry,
        versions: &[Version],
        author: &Author,
    ) -> Result<Vec<Version>, StorageError> {
        let id = &seen.id;
        self.change(id, |prompt| {
            check_choice(seen, &prompt.entry(id), versions, |version| {
                prompt.parent_of(version)
            })?;
            match versions {
                [] => Ok(Vec::new()),
                _ => prompt.move_to_trash(id, versions, false, author),
            }
        })
    }

    async fn restore(&self, id: &PromptId, version: &Version, _author: &Author) -> Result<(), StorageError> {
        let absent = || StorageError::NotInTrash {
            id: id.clone(),
            version: version.clone(),
        };
        let restored = self.change(id, |prompt| {
            let (stored, _) = prompt.trash.remove(version).ok_or_else(absent)?;
            prompt.versions.insert(version.clone(), stored);
            Ok(())
        });
        restored.map_err(|e| {
            if matches!(e, StorageError::PromptNotFound(_)) {
                absent()
            } else {
                e
            }
        })
    }

    async fn purge(&self, id: &PromptId, force: bool) -> Result<(), StorageError> {
        let mut prompts = self.lock();
        let prompt = prompts
            .get(id)
            .ok_or_else(|| StorageError::PromptNotFound(id.clone()))?;
        if let Some((label, entry)) = prompt.labels.first_key_value().filter(|_| !force) {
            let (id, version, label) = (id.clone(), entry.version.clone(), label.clone());
            return Err(StorageError::Labelled { id, version, label });
        }
        let before = prompt.entry(id);
        prompts.remove(id);
        self.changed(&before, &PromptEntry::empty(id.clone()), None);
        Ok(())
    }

    async fn purge_trashed(&self, id: &PromptId, version: &Version) -> Result<(), StorageError> {
        let absent = || StorageError::NotInTrash {
            id: id.clone(),
            version: version.clone(),
        };
        let purged = self.change(id, |prompt| {
            prompt.note_used();
            prompt.trash.remove(version).map(drop).ok_or_else(absent)?;
            if !prompt.versions.contains_key(version) {
                prompt.evidence.remove(version);
            }
            Ok(())
        });
        purged.map_err(|e| {
            if matches!(e, StorageError::PromptNotFound(_)) {
                absent()
            } else {
                e
            }
        })
    }

    async fn trash(
        &self,
        after: Option<(&PromptId, &Version)>,
        prompt: Option<&PromptId>,
        limit: usize,
    ) -> Result<Vec<TrashedVersion>, StorageError> {
        let prompts = self.lock();
        let all = prompts
            .iter()
            .flat_map(|(id, prompt)| prompt.trash.iter().map(move |(v, (_, note))| (id, v, note)));
        Ok(all
            .filter(|(id, _, _)| prompt.is_none_or(|prompt| prompt == *id))
            .filter(|(id, version, _)| after.is_none_or(|after| (*id, *version) > after))
            .take(limit)
            .map(|(_, _, note)| note.clone())
            .collect())
    }

    async fn set_label(&self, id: &PromptId, request: SetLabel) -> Result<LabelEntry, StorageError> {
        let SetLabel {
            label,
            version,
            expected,
            author,
        } = request;
        self.change(id, |prompt| {
            if !prompt.versions.contains_key(&version) {
                return Err(StorageError::VersionNotFound {
                    id: id.clone(),
                    version: version.clone(),
                });
            }
            super::check_label(
                &label,
                prompt.labels.get(&label),
                expected.as_ref().map(Option::as_ref),
            )?;
            let entry = LabelEntry {
                version: version.clone(),
                set_at: Timestamp::now(),
                set_by: author.clone(),
            };
            prompt.move_label(&label, Some(entry.clone()), &author);
            Ok(entry)
        })
    }

    async fn remove_label(
        &self,
        id: &PromptId,
        label: &Label,
        expected: Option<&Version>,
        author: &Author,
    ) -> Result<(), StorageError> {
        self.change(id, |prompt| {
            let current = prompt.labels.get(label);
            if current.is_none() {
                return Err(StorageError::LabelNotFound {
                    id: id.clone(),
                    label: label.clone(),
                });
            }
            super::check_label(label, current, expected.map(Some))?;
            prompt.move_label(label, None, author);
            Ok(())
        })
    }

    async fn label_history(&self, id: &PromptId) -> Result<Vec<LabelMove>, StorageError> {
        match self.lock().get(id) {
            Some(prompt) if !prompt.entry(id).is_gone() => Ok(prompt.label_history.clone()),
            _ => Err(StorageError::PromptNotFound(id.clone())),
        }
    }

    async fn evidence(&self, id: &PromptId, version: &Version) -> Result<Vec<TestResult>, StorageError> {
        self.read(id, version).await?;
        let prompts = self.lock();
        let results = prompts.get(id).and_then(|prompt| prompt.evidence.get(version));
        Ok(results.cloned().unwrap_or_default())
    }

    fn evidence_limits(&self) -> EvidenceLimits {
        self.evidence_limits
    }

    async fn add_evidence(
        &self,
        id: &PromptId,
        version: &Version,
        results: &[TestResult],
    ) -> Result<EvidenceAdded, StorageError> {
        self.read(id, version).await?;
        let limits = self.evidence_limits;
        let mut prompts = self.lock();
        let prompt = prompts
            .get_mut(id)
            .ok_or_else(|| StorageError::PromptNotFound(id.clone()))?;
        let there = prompt.evidence.get(version).cloned().unwrap_or_default();
        let merged = merge(id, version, there, results, limits)?;
        prompt.evidence.insert(version.clone(), merged.results);
        if merged.outcome.added > 0 {
            let entry = prompt.entry(id);
            let added = Change::of_version(EventKind::EvidenceAdded, version);
            self.changed(&entry, &entry, Some(added));
        }
        Ok(merged.outcome)
    }

    async fn verify_within(
        &self,
        scope: &VerifyScope,
        progress: &Progress,
    ) -> Result<VerifyReport, StorageError> {
        let prompts = self.lock();
        let in_scope: Vec<&MemoryPrompt> = prompts
            .iter()
            .filter(|(id, _)| scope.includes(id))
            .map(|(_, prompt)| prompt)
            .collect();
        let mut report = VerifyReport {
            prompts: in_scope.len() as u64,
            ..VerifyReport::default()
        };
        for stored in in_scope.iter().flat_map(|prompt| prompt.versions.values()) {
            report.versions += 1;
            report.sealed += u64::from(stored.integrity == Integrity::Sealed);
            progress.advance(1);
        }
        Ok(report)
    }

    async fn rebuild_index(&self, _progress: &Progress) -> Result<(u64, u64), StorageError> {
        Ok(self.totals())
    }

    async fn status(&self) -> serde_json::Value {
        let (prompts, versions) = self.totals();
        json!({"backend": "memory", "prompts": prompts, "versions": versions})
    }

    fn health(&self) -> Result<(), String> {
        Ok(())
    }

    async fn close(&self) {}
}
