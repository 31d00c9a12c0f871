//! Mending a prompt without losing anything: seals, and the manifest.

use std::sync::Arc;

use crate::model::{Integrity, Version};
use crate::storage::feed::EventKind;
use crate::storage::filesystem::disk::{DiskFault, Manifest, ReadFailure, read_version};
use crate::storage::{RepairStep, StorageError, reseal};

use super::WriteDone;
use super::change::ChangeOf;

impl ChangeOf<'_> {
    /// Gives versions their checksum: those that have none, or the one whose change by hand is accepted.
    pub(super) fn seal(&mut self, accepted: Option<&Version>) -> Result<WriteDone, StorageError> {
        let entry = Arc::clone(&self.slot.entry);
        let versions = match accepted {
            Some(version) if !entry.has(version) => return Err(self.no_version(version)),
            Some(version) => vec![version.clone()],
            None => entry.versions.clone(),
        };
        // Also when it ends in the middle, what is sealed by then is read again.
        self.effects.evict_all(self.id, &entry.versions);
        let mut steps = Vec::new();
        for version in versions {
            let sealed = self.seal_one(&version, accepted.is_some());
            // What was sealed so far is done, and is found done by the next try.
            steps.extend(sealed?);
        }
        self.look_again(entry.trash.clone(), None);
        Ok(WriteDone::Mended(steps))
    }

    fn seal_one(
        &mut self,
        version: &Version,
        accepts_edit: bool,
    ) -> Result<Option<RepairStep>, StorageError> {
        let disk = Arc::clone(&self.context.disk);
        let place = disk.layout.version_file(self.id, version);
        let max_bytes = disk.limits.max_file_bytes;
        let (stored, stamp) = match read_version(&*disk.disk, disk.layout, self.id, version, max_bytes) {
            Ok(read) => read,
            // Damage is not mended by sealing it, and has been reported as what it is.
            Err(failure) if accepts_edit => return Err(failure.into_error(disk.layout, self.id, version)),
            Err(_) => return Ok(None),
        };
        let action = match stored.integrity {
            Integrity::Unsealed => "sealed",
            Integrity::Edited if accepts_edit => "edit-accepted",
            Integrity::Edited | Integrity::Sealed => return Ok(None),
        };
        let failed = |reason: String| Ok(Some(RepairStep::new(&place, "failed", reason)));
        let bytes = match reseal(&stored.bytes) {
            Ok(bytes) if bytes.len() as u64 <= max_bytes => bytes,
            Ok(_) => return failed("with its checksum it would be longer than max_file_bytes".into()),
            Err(reason) => return failed(reason),
        };
        match disk.replace_version(self.id, version, stamp, &bytes) {
            Ok(()) => {
                self.context.note_own_write(self.id, version);
                self.effects.made(self.id, EventKind::VersionChanged, version);
                let message = "its checksum was written; nothing else in it changed";
                Ok(Some(RepairStep::new(&place, action, message)))
            }
            Err(DiskFault::Exists) => failed("it changed while it was being sealed: left as it is".into()),
            Err(fault) => Err(self.fault(fault)),
        }
    }

    /// Writes the manifest from what is known of the prompt; a damaged one is set aside, never removed.
    pub(super) fn mend_manifest(&mut self) -> Result<WriteDone, StorageError> {
        let disk = Arc::clone(&self.context.disk);
        let path = disk.layout.manifest_file(self.id);
        let mut steps = Vec::new();
        let mut manifest = match self.manifest() {
            Ok(manifest) => {
                let mut highest = manifest.highest_used.clone();
                highest.note_all(self.slot.entry.used());
                if highest == manifest.highest_used {
                    return Ok(WriteDone::Mended(Vec::new()));
                }
                manifest
            }
            Err(StorageError::Corrupt { .. }) => {
                let (mut manifest, lost) = self.salvage_manifest();
                if manifest.labels.is_empty() {
                    manifest.labels.clone_from(&self.slot.entry.labels);
                }
                let kept = disk
                    .keep_manifest_aside(self.id)
                    .map_err(|fault| self.fault(fault))?;
                let lost = if lost.is_empty() {
                    "nothing in it was lost".to_owned()
                } else {
                    format!("not understood: {}", lost.join(", "))
                };
                let message = format!("the damaged manifest was set aside ({lost})");
                steps.push(RepairStep::new(&kept, "manifest-set-aside", message));
                manifest
            }
            Err(error) => return Err(error),
        };
        self.write_manifest(&mut manifest)?;
        let message = format!(
            "written with {} labels and the highest number used",
            manifest.labels.len()
        );
        steps.push(RepairStep::new(&path, "manifest-restored", message));
        self.look_again(self.slot.entry.trash.clone(), Some(&manifest));
        Ok(WriteDone::Mended(steps))
    }

    /// Takes out of a damaged manifest what can still be understood, and names what cannot.
    fn salvage_manifest(&self) -> (Manifest, Vec<String>) {
        match self.context.disk.read_damaged_manifest(self.id) {
            Ok(bytes) => Manifest::salvage(&bytes),
            Err(
                ReadFailure::Absent
                | ReadFailure::Corrupt(_)
                | ReadFailure::Refused(_)
                | ReadFailure::Exhausted(_),
            ) => (Manifest::default(), vec!["all of it".to_owned()]),
        }
    }
}
