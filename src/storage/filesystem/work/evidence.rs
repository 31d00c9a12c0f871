//! Test results of a version.

use crate::model::{TestResult, Version};
use crate::storage::evidence::merge;
use crate::storage::feed::EventKind;
use crate::storage::filesystem::disk::{DiskFault, ReadFailure, read_evidence};
use crate::storage::{EvidenceAdded, StorageError};

use super::WriteDone;
use super::change::ChangeOf;

impl ChangeOf<'_> {
    pub(super) fn add_evidence(
        &mut self,
        version: &Version,
        results: &[TestResult],
    ) -> Result<WriteDone, StorageError> {
        if !self.slot.entry.has(version) {
            return Err(self.no_version(version));
        }
        let disk = &self.context.disk;
        // Read from the file and not from memory: a person may have edited it a moment ago.
        let (there, read_as) = match read_evidence(&*disk.disk, disk.layout, self.id, version) {
            Ok(Some((there, stamp))) => (there, Some(stamp)),
            Ok(None) | Err(ReadFailure::Absent) => (Vec::new(), None),
            // Damaged results are never overwritten: a person may still be able to read them.
            Err(failure) => return Err(failure.into_evidence_error(disk.layout, self.id, version)),
        };
        let merged = merge(self.id, version, there, results, self.context.evidence_limits)?;
        let added: EvidenceAdded = merged.outcome;
        let Some(bytes) = merged.bytes else {
            return Ok(WriteDone::Evidence(added));
        };
        match disk.write_evidence(self.id, version, read_as, &bytes) {
            Ok(()) => {}
            Err(DiskFault::Exists) => {
                let path = disk.layout.evidence_file(self.id, version);
                let message = format!(
                    "{} was changed by another program meanwhile: try again",
                    path.display()
                );
                return Err(StorageError::Unavailable(message));
            }
            Err(fault) => return Err(self.fault(fault)),
        }
        self.look_again(self.slot.entry.trash.clone(), None);
        self.effects.made(self.id, EventKind::EvidenceAdded, version);
        Ok(WriteDone::Evidence(added))
    }

    /// Forgets the results of versions that are about to be forgotten. Of a number that is live as well they stay.
    pub(super) fn forget_evidence(&mut self, versions: &[Version]) -> Result<(), StorageError> {
        let live = &self.slot.entry;
        let doomed: Vec<&Version> = versions.iter().filter(|version| !live.has(version)).collect();
        let removed = self.context.disk.remove_evidence(self.id, &doomed);
        removed.map_err(|fault| self.fault(fault))
    }
}
