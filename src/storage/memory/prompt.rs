//! One prompt in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{Author, Label, PromptId, Timestamp, Version};
use crate::storage::{HighestUsed, LabelEntry, LabelMove, PromptEntry, StoredVersion, TrashedVersion};

#[derive(Debug, Default)]
pub(super) struct MemoryPrompt {
    pub(super) versions: BTreeMap<Version, Arc<StoredVersion>>,
    pub(super) trash: BTreeMap<Version, (Arc<StoredVersion>, TrashedVersion)>,
    pub(super) labels: BTreeMap<Label, LabelEntry>,
    pub(super) label_history: Vec<LabelMove>,
    pub(super) highest_used: HighestUsed,
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
