//! Labels, and the manifest that keeps them.

use crate::model::{Author, Label, Version};
use crate::storage::filesystem::disk::{Manifest, ReadFailure, read_manifest};
use crate::storage::{SetLabel, StorageError, check_label};

use super::WriteDone;
use super::change::ChangeOf;

impl ChangeOf<'_> {
    pub(super) fn set_label(&mut self, request: &SetLabel) -> Result<WriteDone, StorageError> {
        let SetLabel {
            label,
            version,
            expected,
            author,
        } = request;
        if !self.slot.entry.has(version) {
            return Err(self.no_version(version));
        }
        // Held against the file, not the catalog: a person may have edited it a moment ago.
        let mut manifest = self.manifest()?;
        let current = manifest.labels.get(label);
        check_label(label, current, expected.as_ref().map(Option::as_ref))?;
        let record = manifest.set_label(label, version, author);
        self.write_manifest(&mut manifest)?;
        self.look_again(self.slot.entry.trash.clone(), Some(&manifest));
        Ok(WriteDone::Label(record))
    }

    pub(super) fn remove_label(
        &mut self,
        label: &Label,
        expected: Option<&Version>,
        author: &Author,
    ) -> Result<WriteDone, StorageError> {
        let mut manifest = self.manifest()?;
        let current = manifest.labels.get(label);
        if current.is_none() {
            return Err(StorageError::LabelNotFound {
                id: self.id.clone(),
                label: label.clone(),
            });
        }
        check_label(label, current, expected.map(Some))?;
        manifest.remove_label(label, author);
        self.write_manifest(&mut manifest)?;
        self.look_again(self.slot.entry.trash.clone(), Some(&manifest));
        Ok(WriteDone::Done)
    }

    /// Takes the labels off versions that go, when that is wanted; `true` when there were some.
    pub(super) fn free_from_labels(
        &mut self,
        doomed: &[Version],
        force: bool,
        author: &Author,
    ) -> Result<bool, StorageError> {
        let mut manifest = match self.manifest() {
            // Whether a label points at them cannot be known. With `force` that does not matter.
            Err(StorageError::Corrupt { .. }) if force => return Ok(false),
            other => other?,
        };
        let labelled: Vec<Label> = manifest
            .labels
            .iter()
            .filter(|(_, target)| doomed.contains(&target.version))
            .map(|(label, _)| label.clone())
            .collect();
        let Some(first) = labelled.first() else {
            return Ok(false);
        };
        if !force {
            let version = manifest.labels.get(first).map(|target| target.version.clone());
            return Err(StorageError::Labelled {
                id: self.id.clone(),
                version: version.unwrap_or(Version::FIRST),
                label: first.clone(),
            });
        }
        for label in &labelled {
            manifest.remove_label(label, author);
        }
        self.write_manifest(&mut manifest)?;
        Ok(true)
    }

    /// Reads the manifest as it now is; one that is not there yet is empty.
    pub(super) fn manifest(&self) -> Result<Manifest, StorageError> {
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
            Err(ReadFailure::Refused(message) | ReadFailure::Exhausted(message)) => Err(StorageError::Io {
                doing: "reading",
                path,
                message,
            }),
        }
    }

    /// Writes a manifest, with the highest number that the prompt has used.
    pub(super) fn write_manifest(&mut self, manifest: &mut Manifest) -> Result<(), StorageError> {
        manifest.highest_used.note_all(self.slot.entry.used());
        let written = self.context.disk.write_manifest(self.id, manifest);
        written.map_err(|fault| self.fault(fault))
    }
}
