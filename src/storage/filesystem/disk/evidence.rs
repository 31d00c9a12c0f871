//! The file with the test results of a version: read fresh each time, replaced as a whole.

use std::io;

use crate::model::{PromptId, TestResult, Version};
use crate::storage::evidence::{MAX_EVIDENCE_BYTES, parse};

use super::version_file::read_regular;
use super::{Disk, DiskFault, Layout, ReadFailure, ShardDisk, Stamp};

/// The ending of temporary files with results; recovery throws them away unread, since nobody was told of them.
pub(super) const EVIDENCE_ENDING: &str = "results";

/// Reads the test results of a version; `None` when there is no file.
///
/// # Errors
/// [`ReadFailure`], but not `Absent`.
pub fn read_evidence(
    disk: &dyn Disk,
    layout: Layout,
    id: &PromptId,
    version: &Version,
) -> Result<Option<(Vec<TestResult>, Stamp)>, ReadFailure> {
    match read_regular(disk, &layout.evidence_file(id, version), MAX_EVIDENCE_BYTES) {
        Ok((bytes, stamp)) => {
            let results = parse(&bytes, id, version).map_err(ReadFailure::Corrupt)?;
            Ok(Some((results, stamp)))
        }
        Err(ReadFailure::Absent) => Ok(None),
        Err(failure) => Err(failure),
    }
}

impl ShardDisk {
    /// Writes the test results of a version and makes them durable, provided that the file still is in the state in which
    /// it was read.
    ///
    /// # Errors
    /// `Exists` when somebody changed it meanwhile: then it is left as it is. After `Unknown` the shard must recover.
    pub fn write_evidence(
        &self,
        id: &PromptId,
        version: &Version,
        read_as: Option<Stamp>,
        bytes: &[u8],
    ) -> Result<(), DiskFault> {
        let path = self.layout.evidence_file(id, version);
        self.replace_if_unchanged(&path, EVIDENCE_ENDING, read_as, bytes)
    }

    /// Forgets the test results of versions for good; those that have none have none to forget.
    ///
    /// # Errors
    /// [`DiskFault`]; after `Unknown` the shard must recover.
    pub fn remove_evidence(&self, id: &PromptId, versions: &[&Version]) -> Result<(), DiskFault> {
        let mut removed = false;
        for version in versions {
            let path = self.layout.evidence_file(id, version);
            let found = self.disk.stat(&path);
            let is_there = match found {
                Err(e) if e.kind() == io::ErrorKind::NotFound => false,
                found => found
                    .map_err(|e| DiskFault::before("looking at", &path, &e))?
                    .is_some(),
            };
            if !is_there {
                continue;
            }
            if !removed {
                self.get_ready()?;
            }
            let gone = self.disk.unlink(&path);
            gone.map_err(|e| {
                let fault = DiskFault::naming("removing", &path, &e);
                if removed { fault.halfway() } else { fault }
            })?;
            removed = true;
        }
        if removed {
            self.sync_dir(&self.layout.prompt_dir(id))?;
        }
        Ok(())
    }
}
