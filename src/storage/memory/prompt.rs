//! One prompt in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{Author, Label, PromptId, TestResult, Timestamp, Version};
use crate::storage::{
    HighestUsed, LabelEntry, LabelMove, PromptEntry, StorageError, StoredVersion, TrashedVersion,
};

#[derive(Debug, Default)]
pub(super) struct MemoryPrompt {
    pub(super) versions: BTreeMap<Version, Arc<StoredVersion>>,
    pub(super) trash: BTreeMap<Version, (Arc<StoredVersion>, TrashedVersion)>,
    pub(super) labels: BTreeMap<Label, LabelEntry>,
    pub(super) label_history: Vec<LabelMove>,
    pub(super) highest_used: HighestUsed,
    /// By number, wherever the version is.
    pub(super) evidence: BTreeMap<Version, Vec<TestResult>>,
}

impl MemoryPrompt {
    pub(super) fn entry(&self, id: &PromptId) -> PromptEntry {
        let mut entry = PromptEntry {
            versions: self.versions.keys().cloned().collect(),
            trash: self.trash.keys().cloned().collect(),
            labels: self.labels.clone(),
            highest_used: self.highest_used.clone(),
            ..PromptEntry::empty(id.clone())
        };
        entry.created_at = self
            .versions
            .first_key_value()
            .map(|(_, stored)| stored.created_at.clone());
        entry.updated_at = entry
            .latest()
            .and_then(|latest| self.versions.get(latest))
            .map(|s| s.created_at.clone());
        entry
    }

    /// Tells what a version was made from; nothing about one that is not there.
    pub(super) fn parent_of(&self, version: &Version) -> Option<Option<Version>> {
        let stored = self.versions.get(version)?;
        Some(stored.parent_version.clone())
    }

    pub(super) fn move_to_trash(
        &mut self,
        id: &PromptId,
        versions: &[Version],
        force: bool,
        author: &Author,
    ) -> Result<Vec<Version>, StorageError> {
        let mut doomed: Vec<Version> = if versions.is_empty() {
            self.versions.keys().cloned().collect()
        } else {
            versions.to_vec()
        };
        doomed.sort_unstable();
        doomed.dedup();
        if doomed.is_empty() {
            return Err(StorageError::PromptNotFound(id.clone()));
        }
        let entry = self.entry(id);
        if let Some(version) = doomed.iter().find(|version| !entry.has(version)) {
            let (id, version) = (id.clone(), version.clone());
            return Err(StorageError::VersionNotFound { id, version });
        }
        let label_on = |version: &Version| Some((version.clone(), entry.label_on(version)?.clone()));
        if let Some((version, label)) = doomed.iter().find_map(label_on).filter(|_| !force) {
            let id = id.clone();
            return Err(StorageError::Labelled { id, version, label });
        }
        self.note_used();
        let labels = self.labels.iter();
        let freed: Vec<Label> = labels
            .filter(|(_, target)| doomed.contains(&target.version))
            .map(|(label, _)| label.clone())
            .collect();
        for label in &freed {
            self.move_label(label, None, author);
        }
        for version in &doomed {
            if let Some(stored) = self.versions.remove(version) {
                let note = TrashedVersion {
                    prompt_id: id.clone(),
                    version: version.clone(),
                    deleted_at: Some(Timestamp::now()),
                    deleted_by: Some(author.clone()),
                    deleted_from: "memory".into(),
                    size_bytes: Some(stored.bytes.len() as u64),
                };
                self.trash.insert(version.clone(), (stored, note));
            }
        }
        Ok(doomed)
    }

    pub(super) fn note_used(&mut self) {
        let Self {
            versions,
            trash,
            highest_used,
            ..
        } = self;
        highest_used.note_all(versions.keys().chain(trash.keys()));
    }

    pub(super) fn move_label(&mut self, label: &Label, to: Option<LabelEntry>, author: &Author) {
        let (now, at) = (to.as_ref().map(|entry| entry.version.clone()), Timestamp::now());
        let before = match to {
            Some(entry) => self.labels.insert(label.clone(), entry),
            None => self.labels.remove(label),
        };
        let from = before.map(|entry| entry.version);
        self.label_history.push(LabelMove {
            label: label.clone(),
            from,
            to: now,
            at,
            by: author.clone(),
        });
    }
}
