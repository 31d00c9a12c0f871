//! Replacing what is there, for repairs alone: nothing that another program wrote is lost by it.

use std::io;
use std::path::{Path, PathBuf};

use crate::model::{PromptId, Version};

use super::layout::QUARANTINE_DIR;
use super::leftovers::{quarantine_names, settle_leftovers};
use super::recover::{RecoveredShard, list_trash};
use super::scan::MAX_MANIFEST_BYTES;
use super::shard_disk::VERSION_ENDING;
use super::version_file::read_regular;
use super::{DiskFault, ReadFailure, ShardDisk, Stamp};

impl ShardDisk {
    /// Puts other bytes in the place of a version file, provided that it still is in the state in which it was read.
    ///
    /// # Errors
    /// `Exists` when somebody changed it meanwhile: then it is left as it is. Other faults as everywhere; after `Unknown`
    /// the shard must recover.
    pub fn replace_version(
        &self,
        id: &PromptId,
        version: &Version,
        read_as: Stamp,
        bytes: &[u8],
    ) -> Result<(), DiskFault> {
        let path = self.layout.version_file(id, version);
        self.replace_if_unchanged(&path, VERSION_ENDING, Some(read_as), bytes)
    }

    /// Reads a manifest of which is known that it is damaged.
    ///
    /// # Errors
    /// [`ReadFailure`].
    pub fn read_damaged_manifest(&self, id: &PromptId) -> Result<Vec<u8>, ReadFailure> {
        let path = self.layout.manifest_file(id);
        read_regular(&*self.disk, &path, MAX_MANIFEST_BYTES).map(|(bytes, _)| bytes)
    }

    /// Gives a damaged manifest a name in the quarantine, where it stays when its place is written anew. Returns that name.
    ///
    /// # Errors
    /// [`DiskFault`].
    pub fn keep_manifest_aside(&self, id: &PromptId) -> Result<PathBuf, DiskFault> {
        self.get_ready()?;
        let path = self.layout.manifest_file(id);
        let quarantine = self.layout.tmp_dir(&self.shard).join(QUARANTINE_DIR);
        self.ensure_dir(&quarantine)?;
        let name = format!("{id}.manifest.json");
        for target in quarantine_names(&quarantine, Path::new(&name)) {
            let mut named = self.disk.link(&path, &target);
            if named
                .as_ref()
                .is_err_and(|e| e.kind() != io::ErrorKind::AlreadyExists)
            {
                // What is no file, or lies where no second name may be given, is moved.
                named = self.disk.rename_new(&path, &target);
            }
            match named {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(DiskFault::naming("setting aside", &path, &e)),
                Ok(()) => {
                    self.sync_dir(&quarantine)?;
                    return Ok(target);
                }
            }
        }
        Err(DiskFault::Failed {
            doing: "setting aside",
            path: path.display().to_string(),
            message: "too many copies".into(),
        })
    }

    /// Lists temporary files that this run of the daemon did not make.
    ///
    /// # Errors
    /// What listing says.
    pub fn leftovers(&self) -> io::Result<Vec<std::ffi::OsString>> {
        let own = format!("{}-", self.run_id());
        let entries = self.disk.list(&self.layout.tmp_dir(&self.shard))?;
        let names = entries.into_iter().map(|(name, _)| name);
        Ok(names
            .filter(|name| name != QUARANTINE_DIR && !name.as_encoded_bytes().starts_with(own.as_bytes()))
            .collect())
    }

    /// Settles temporary files as a recovery does. Nothing of the shard may be in flight.
    ///
    /// # Errors
    /// [`DiskFault`] when the disk does not let it finish.
    pub fn settle(&self) -> Result<RecoveredShard, DiskFault> {
        self.get_ready()?;
        let mut recovered = RecoveredShard::default();
        settle_leftovers(self, &list_trash(self)?, &mut recovered)?;
        Ok(recovered)
    }
}
