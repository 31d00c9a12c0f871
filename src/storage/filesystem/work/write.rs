//! Every change that is not a put: labels, trash, forgetting.

use std::io;
use std::sync::Arc;

use crate::model::{Author, Label, PromptId, Version};
use crate::storage::filesystem::disk::{Manifest, ReadFailure, Slot, read_manifest, scan_prompt};
use crate::storage::{PromptEntry, SetLabel, StorageError, check_label};

use super::{Effects, WorkContext, WriteDone, WriteOp};

/// Makes one change durable.
///
/// # Errors
/// What the storage trait says of each.
pub(crate) fn write_one(
    context: &WorkContext,
    id: &PromptId,
    op: WriteOp,
    effects: &mut Effects,
) -> Result<WriteDone, StorageError> {
    if let WriteOp::Put(request) = op {
        let mut answers = super::put_all(context, vec![(id.clone(), *request)], effects);
        return answers.pop().unwrap_or(Ok(WriteDone::Done));
    }
    let slot = context.catalog.slot(id);
    let mut change = ChangeOf { context, id, effects };
    match (op, slot) {
        (
            WriteOp::Delete {
                versions,
                force,
                author,
            },
            Some(slot),
        ) => change.delete(&slot, versions, force, &author),
        (WriteOp::Restore(version), Some(slot)) => change.restore(&slot, &version),
        (WriteOp::Purge { force }, Some(slot)) => change.purge(&slot, force),
        (WriteOp::PurgeTrashed(versions), Some(slot)) => change.purge_trashed(&slot, &versions),
        (WriteOp::SetLabel(request), Some(slot)) => change.set_label(slot, &request),
        (
            WriteOp::RemoveLabel {
                label,
                expected,
                author,
            },
            Some(slot),
        ) => change.remove_label(slot, &label, expected.as_ref(), &author),
        (WriteOp::Restore(version), None) => Err(StorageError::NotInTrash {
            id: id.clone(),
            version,
        }),
        (WriteOp::PurgeTrashed(mut versions), None) => match versions.pop() {
            Some(version) => Err(StorageError::NotInTrash {
                id: id.clone(),
                version,
            }),
            None => Ok(WriteDone::Done),
        },
        (_, None) => Err(StorageError::PromptNotFound(id.clone())),
        (WriteOp::Put(_), Some(_)) => Ok(WriteDone::Done),
    }
}

struct ChangeOf<'a> {
    context: &'a WorkContext,
    id: &'a PromptId,
    effects: &'a mut Effects,
}

impl ChangeOf<'_> {
    fn delete(
        &mut self,
        slot: &Slot,
        versions: Vec<Version>,
        force: bool,
        author: &Author,
    ) -> Result<WriteDone, StorageError> {
        let entry = &slot.entry;
        let mut doomed = if versions.is_empty() {
            entry.versions.clone()
        } else {
            versions
        };
        doomed.sort_unstable();
        doomed.dedup();
        if doomed.is_empty() {
            return Err(StorageError::PromptNotFound(self.id.clone()));
        }
        if let Some(version) = doomed.iter().find(|version| !entry.has(version)) {
            return Err(StorageError::VersionNotFound {
                id: self.id.clone(),
                version: version.clone(),
            });
        }
        self.free_from_labels(entry, &doomed, force, author)?;
        let disk = Arc::clone(&self.context.disk);
        disk.move_to_trash(self.id, &doomed, author)
            .map_err(|fault| self.effects.fault(&disk, fault))?;
        self.effects.evict_all(self.id, &doomed);
        let mut trash: Vec<Version> = entry.trash.iter().chain(&doomed).cloned().collect();
        trash.sort_unstable();
        trash.dedup();
        self.look_again(slot, trash);
        Ok(WriteDone::Deleted(doomed))
    }

    /// Takes the labels off versions that go, when that is wanted.
    fn free_from_labels(
        &mut self,
        entry: &PromptEntry,
        doomed: &[Version],
        force: bool,
        author: &Author,
    ) -> Result<(), StorageError> {
        let labelled: Vec<(&Label, &Version)> = entry
            .labels
            .iter()
            .map(|(label, target)| (label, &target.version))
            .filter(|(_, version)| doomed.contains(version))
            .collect();
        match labelled.first() {
            None => Ok(()),
            Some((label, version)) if !force => Err(StorageError::Labelled {
                id: self.id.clone(),
                version: (*version).clone(),
                label: (*label).clone(),
            }),
            Some(_) => {
                let mut manifest = self.manifest()?;
                labelled
                    .iter()
                    .for_each(|(label, _)| manifest.remove_label(label, author));
                self.write_manifest(&mut manifest, entry)
            }
        }
    }

    fn restore(&mut self, slot: &Slot, version: &Version) -> Result<WriteDone, StorageError> {
        if !slot.entry.has_trashed(version) {
            return Err(StorageError::NotInTrash {
                id: self.id.clone(),
                version: version.clone(),
            });
        }
        let disk = Arc::clone(&self.context.disk);
        disk.restore(self.id, version)
            .map_err(|fault| self.effects.fault(&disk, fault))?;
        self.effects.evict_all(self.id, std::slice::from_ref(version));
        let trash = slot
            .entry
            .trash
            .iter()
            .filter(|other| *other != version)
            .cloned()
            .collect();
        self.look_again(slot, trash);
        Ok(WriteDone::Done)
    }

    fn purge(&mut self, slot: &Slot, force: bool) -> Result<WriteDone, StorageError> {
        let entry = &slot.entry;
        if let Some((label, target)) = entry.labels.first_key_value().filter(|_| !force) {
            let (id, version) = (self.id.clone(), target.version.clone());
            return Err(StorageError::Labelled {
                id,
                version,
                label: label.clone(),
            });
        }
        let disk = Arc::clone(&self.context.disk);
        if !entry.trash.is_empty() {
            // Cut off between these steps, the prompt is still there and must not give its numbers out again.
            if !entry.versions.is_empty() {
                let mut manifest = self.manifest()?;
                self.write_manifest(&mut manifest, entry)?;
            }
            disk.purge_trashed(self.id, &entry.trash)
                .map_err(|fault| self.effects.fault(&disk, fault))?;
        }
        disk.purge_prompt_dir(self.id)
            .map_err(|fault| self.effects.fault(&disk, fault))?;
        self.effects.evict_all(self.id, &entry.versions);
        self.effects.changes.push((self.id.clone(), None));
        Ok(WriteDone::Done)
    }

    fn purge_trashed(&mut self, slot: &Slot, versions: &[Version]) -> Result<WriteDone, StorageError> {
        if let Some(version) = versions.iter().find(|version| !slot.entry.has_trashed(version)) {
            return Err(StorageError::NotInTrash {
                id: self.id.clone(),
                version: version.clone(),
            });
        }
        // The number must stay used when the last trace of it goes.
        let mut manifest = self.manifest()?;
        self.write_manifest(&mut manifest, &slot.entry)?;
        let disk = Arc::clone(&self.context.disk);
        disk.purge_trashed(self.id, versions)
            .map_err(|fault| self.effects.fault(&disk, fault))?;
        let trash = slot
            .entry
            .trash
            .iter()
            .filter(|other| !versions.contains(other))
            .cloned()
            .collect();
        self.look_again(slot, trash);
        Ok(WriteDone::Done)
    }

    fn set_label(&mut self, slot: Slot, request: &SetLabel) -> Result<WriteDone, StorageError> {
        let SetLabel {
            label,
            version,
            expected,
            author,
        } = request;
        if !slot.entry.has(version) {
            return Err(StorageError::VersionNotFound {
                id: self.id.clone(),
                version: version.clone(),
            });
        }
        check_label(
            label,
            slot.entry.labels.get(label),
            expected.as_ref().map(Option::as_ref),
        )?;
        let mut manifest = self.manifest()?;
        let record = manifest.set_label(label, version, author);
        self.write_manifest(&mut manifest, &slot.entry)?;
        self.publish_manifest(slot, &manifest);
        Ok(WriteDone::Label(record))
    }

    fn remove_label(
        &mut self,
        slot: Slot,
        label: &Label,
        expected: Option<&Version>,
        author: &Author,
    ) -> Result<WriteDone, StorageError> {
        let current = slot.entry.labels.get(label);
        if current.is_none() {
            return Err(StorageError::LabelNotFound {
                id: self.id.clone(),
                label: label.clone(),
            });
        }
        check_label(label, current, expected.map(Some))?;
        let mut manifest = self.manifest()?;
        manifest.remove_label(label, author);
        self.write_manifest(&mut manifest, &slot.entry)?;
        self.publish_manifest(slot, &manifest);
        Ok(WriteDone::Done)
    }

    fn manifest(&self) -> Result<Manifest, StorageError> {
        let disk = &self.context.disk;
        let path = disk.layout.manifest_file(self.id);
        match read_manifest(&*disk.disk, disk.layout, self.id) {
            Ok(found) => Ok(found.map(|(manifest, _)| manifest).unwrap_or_default()),
            // A damaged manifest is never overwritten: it may hold labels that a person can still read.
            Err(ReadFailure::Corrupt(reason)) => Err(StorageError::Corrupt {
                path: path.display().to_string(),
                reason,
            }),
            Err(ReadFailure::Absent) => Ok(Manifest::default()),
            Err(ReadFailure::Refused(message)) => Err(StorageError::Io {
                doing: "reading",
                path,
                message,
            }),
        }
    }

    /// Writes a manifest, with the highest number that the prompt has used.
    fn write_manifest(&mut self, manifest: &mut Manifest, entry: &PromptEntry) -> Result<(), StorageError> {
        manifest.highest_used.note_all(entry.used());
        let disk = Arc::clone(&self.context.disk);
        disk.write_manifest(self.id, manifest)
            .map_err(|fault| self.effects.fault(&disk, fault))
    }

    fn publish_manifest(&mut self, mut slot: Slot, manifest: &Manifest) {
        let disk = &self.context.disk;
        manifest.apply_to(Arc::make_mut(&mut slot.entry));
        slot.dir = disk.stamp(&disk.layout.prompt_dir(self.id));
        slot.manifest = disk.stamp(&disk.layout.manifest_file(self.id));
        self.effects.changes.push((self.id.clone(), Some(slot)));
    }

    /// Reads the directory again after its files moved.
    fn look_again(&mut self, before: &Slot, trash: Vec<Version>) {
        let disk = &self.context.disk;
        let scanned = scan_prompt(
            &*disk.disk,
            disk.layout,
            self.id,
            trash.clone(),
            disk.limits.max_file_bytes,
        );
        let mut slot = match scanned {
            Ok(slot) => slot,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let mut slot = Slot::empty(self.id.clone());
                Arc::make_mut(&mut slot.entry).trash = trash;
                slot
            }
            Err(e) => {
                // What was done is durable; only the catalog does not know. Recovery will read it again.
                self.effects.must_recover = Some(e.to_string());
                return;
            }
        };
        Arc::make_mut(&mut slot.entry)
            .highest_used
            .note_all(before.entry.used());
        let gone = slot.entry.is_gone() && slot.manifest.is_none();
        self.effects
            .changes
            .push((self.id.clone(), (!gone).then_some(slot)));
    }
}
