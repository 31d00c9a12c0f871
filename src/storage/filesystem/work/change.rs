//! Changes of a prompt that are not puts: deleting, bringing back, forgetting.

use std::sync::Arc;

use crate::model::{Author, PromptId, Version};
use crate::storage::filesystem::catalog::why_not_listed;
use crate::storage::filesystem::disk::{
    DiskFault, Manifest, ReadFailure, Slot, read_version, read_version_at,
};
use crate::storage::retention::check_choice;
use crate::storage::{PromptEntry, StorageError};

use super::{Effects, WorkContext, WriteDone, look};

/// A change of one prompt under way.
pub(super) struct ChangeOf<'a> {
    pub(super) context: &'a WorkContext,
    pub(super) id: &'a PromptId,
    /// The prompt as the catalog knows it.
    pub(super) slot: Slot,
    pub(super) effects: &'a mut Effects,
}

impl ChangeOf<'_> {
    pub(super) fn delete(
        &mut self,
        versions: Vec<Version>,
        force: bool,
        author: &Author,
    ) -> Result<WriteDone, StorageError> {
        let entry = Arc::clone(&self.slot.entry);
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
            return Err(self.no_version(version));
        }
        let freed = self.free_from_labels(&doomed, force, author)?;
        let moved = self.context.disk.move_to_trash(self.id, &doomed, author);
        if let Err(fault) = moved {
            // The labels went for good, so that more happened than nothing.
            let fault = if freed { fault.halfway() } else { fault };
            return Err(match (&fault, doomed.as_slice()) {
                (DiskFault::Absent, [version]) => {
                    let error = self.no_version(version);
                    self.fault(fault);
                    error
                }
                _ => self.fault(fault),
            });
        }
        self.effects.evict_all(self.id, &doomed);
        let mut trash: Vec<Version> = entry.trash.iter().chain(&doomed).cloned().collect();
        trash.sort_unstable();
        trash.dedup();
        self.look_again(trash, None);
        Ok(WriteDone::Deleted(doomed))
    }

    pub(super) fn delete_chosen(
        &mut self,
        seen: &PromptEntry,
        versions: Vec<Version>,
        author: &Author,
    ) -> Result<WriteDone, StorageError> {
        let disk = Arc::clone(&self.context.disk);
        let parent = |version: &Version| {
            let max_bytes = disk.limits.max_file_bytes;
            let read = read_version(&*disk.disk, disk.layout, self.id, version, max_bytes);
            read.ok().map(|(stored, _)| stored.parent_version)
        };
        check_choice(seen, &self.slot.entry, &versions, parent)?;
        // To a deletion, none named means all.
        if versions.is_empty() {
            return Ok(WriteDone::Deleted(versions));
        }
        self.delete(versions, false, author)
    }

    pub(super) fn restore(&mut self, version: &Version) -> Result<WriteDone, StorageError> {
        self.check_trashed(std::slice::from_ref(version))?;
        let disk = Arc::clone(&self.context.disk);
        let place = disk.layout.trash_file(self.id, version, 0);
        let max_bytes = disk.limits.max_file_bytes;
        match read_version_at(&*disk.disk, &place, self.id, version, max_bytes) {
            Ok(_) => {}
            Err(ReadFailure::Absent) => return Err(self.lost_from_trash(version)),
            // It stays in the trash: once back it would be in the way of nobody knows what.
            Err(ReadFailure::Corrupt(reason)) => {
                let path = place.display().to_string();
                return Err(StorageError::Corrupt { path, reason });
            }
            Err(ReadFailure::Refused(message) | ReadFailure::Exhausted(message)) => {
                return Err(StorageError::Io {
                    doing: "reading",
                    path: place,
                    message,
                });
            }
        }
        match disk.restore(self.id, version) {
            Ok(()) => {}
            Err(DiskFault::Absent) => return Err(self.lost_from_trash(version)),
            Err(DiskFault::Exists) => {
                self.fault(DiskFault::Exists);
                let (id, version) = (self.id.clone(), version.clone());
                return Err(StorageError::Conflict { id, version });
            }
            Err(fault) => return Err(self.fault(fault)),
        }
        self.context.note_own_write(self.id, version);
        self.effects.evict_all(self.id, std::slice::from_ref(version));
        self.look_again(self.trash_without(std::slice::from_ref(version)), None);
        Ok(WriteDone::Done)
    }

    pub(super) fn purge(&mut self, force: bool) -> Result<WriteDone, StorageError> {
        let entry = Arc::clone(&self.slot.entry);
        let manifest = match self.manifest() {
            Err(StorageError::Corrupt { .. }) if force => None,
            other => Some(other?),
        };
        let labels = manifest.as_ref().map(|manifest| &manifest.labels);
        if let Some((label, target)) = labels
            .and_then(|labels| labels.first_key_value())
            .filter(|_| !force)
        {
            return Err(StorageError::Labelled {
                id: self.id.clone(),
                version: target.version.clone(),
                label: label.clone(),
            });
        }
        // Cut off between these steps, the prompt is still there and must not give its numbers out again.
        if let (Some(mut manifest), false) = (manifest, entry.trash.is_empty() || entry.versions.is_empty()) {
            self.keep_numbers(&mut manifest, &entry.trash)?;
        }
        // Cut off later, they would be left without their versions.
        self.forget_evidence(&entry.trash)?;
        let disk = Arc::clone(&self.context.disk);
        disk.purge_trash_of(self.id).map_err(|fault| self.fault(fault))?;
        disk.purge_prompt_dir(self.id).map_err(|fault| {
            // What lay in the trash is gone already.
            let fault = if entry.trash.is_empty() {
                fault
            } else {
                fault.halfway()
            };
            self.fault(fault)
        })?;
        self.effects.evict_all(self.id, &entry.versions);
        self.effects.changes.push((self.id.clone(), None));
        Ok(WriteDone::Done)
    }

    pub(super) fn purge_trashed(&mut self, versions: &[Version]) -> Result<WriteDone, StorageError> {
        self.check_trashed(versions)?;
        // The number must stay used when the last trace of it goes.
        let mut manifest = self.manifest()?;
        self.keep_numbers(&mut manifest, versions)?;
        self.forget_evidence(versions)?;
        let purged = self.context.disk.purge_trashed(self.id, versions);
        purged.map_err(|fault| self.fault(fault))?;
        self.look_again(self.trash_without(versions), None);
        Ok(WriteDone::Done)
    }

    /// Writes down that numbers were used, unless that is written already: what frees room should need none.
    fn keep_numbers(&mut self, manifest: &mut Manifest, gone: &[Version]) -> Result<(), StorageError> {
        let mut highest = manifest.highest_used.clone();
        highest.note_all(gone);
        if highest == manifest.highest_used {
            return Ok(());
        }
        self.write_manifest(manifest)
    }

    fn check_trashed(&self, versions: &[Version]) -> Result<(), StorageError> {
        match versions
            .iter()
            .find(|version| !self.slot.entry.has_trashed(version))
        {
            None => Ok(()),
            Some(version) => Err(self.not_in_trash(version)),
        }
    }

    fn trash_without(&self, versions: &[Version]) -> Vec<Version> {
        let kept = self
            .slot
            .entry
            .trash
            .iter()
            .filter(|other| !versions.contains(other));
        kept.cloned().collect()
    }

    pub(super) fn no_version(&self, version: &Version) -> StorageError {
        why_not_listed(&self.slot, version)
    }

    fn not_in_trash(&self, version: &Version) -> StorageError {
        let (id, version) = (self.id.clone(), version.clone());
        StorageError::NotInTrash { id, version }
    }

    /// Somebody removed the file from the trash by hand.
    fn lost_from_trash(&mut self, version: &Version) -> StorageError {
        self.look_again(self.trash_without(std::slice::from_ref(version)), None);
        self.not_in_trash(version)
    }

    /// Turns a fault into the answer. Where nothing needs to recover, the catalog is brought to what the disk now holds:
    /// a part of the change may be done.
    pub(super) fn fault(&mut self, fault: DiskFault) -> StorageError {
        let needs_recovery = fault.needs_recovery();
        let error = self.effects.fault(&self.context.disk, fault);
        if !needs_recovery {
            match self.context.disk.list_trash() {
                Ok(listed) => {
                    let mut trash: Vec<Version> = listed
                        .into_iter()
                        .filter(|(id, _)| id == self.id)
                        .map(|(_, version)| version)
                        .collect();
                    trash.sort_unstable();
                    self.look_again(trash, None);
                }
                Err(e) => self.effects.must_recover = Some(format!("listing the trash: {e}")),
            }
        }
        error
    }

    /// Reads the directory again after its files moved. `manifest` is what was just written, if so.
    pub(super) fn look_again(&mut self, trash: Vec<Version>, manifest: Option<&Manifest>) {
        match look::read_again(self.context, &self.slot, trash, self.effects) {
            Ok(mut slot) => {
                // Whoever is answered reads what was done, also when the disk does not let it be read back now.
                if let (Some(manifest), true) = (manifest, slot.blocked.is_some()) {
                    manifest.apply_to(Arc::make_mut(&mut slot.entry));
                }
                self.slot = slot.clone();
                self.effects
                    .changes
                    .push((self.id.clone(), (!slot.is_nothing()).then_some(slot)));
            }
            Err(failure) => {
                // What was done is durable; only the catalog does not know. Recovery will read it again.
                self.effects.must_recover = Some(format!("reading prompt {}: {failure:?}", self.id));
            }
        }
    }
}
