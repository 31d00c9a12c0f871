//! Putting another file in the place of one that is there: the old content or the new one has the name at any time.

use std::path::{Path, PathBuf};

use super::shard_disk::VERSION_ENDING;
use super::{DiskFault, ShardDisk, Stamp};

impl ShardDisk {
    /// Replaces a small file, whatever it holds now. The caller syncs the directory. Returns which file it is now.
    pub(super) fn replace_file(&self, path: &Path, bytes: &[u8]) -> Result<Option<u64>, DiskFault> {
        let (tmp, ino) = self.write_durable_tmp(VERSION_ENDING, bytes)?;
        self.rename_over(&tmp, path)?;
        Ok(ino)
    }

    /// Replaces a file in the directory of a prompt and makes that durable, provided that the file still is in the state in
    /// which it was read; `None` is that there was none. `ending` tells recovery what a temporary file is.
    ///
    /// # Errors
    /// `Exists` when somebody changed it meanwhile: then it is left as it is. After `Unknown` the shard must recover.
    pub(super) fn replace_if_unchanged(
        &self,
        path: &Path,
        ending: &str,
        read_as: Option<Stamp>,
        bytes: &[u8],
    ) -> Result<(), DiskFault> {
        let _room = self.get_ready_for_new(bytes.len() as u64)?;
        let (tmp, ino) = self.write_durable_tmp(ending, bytes)?;
        if self.stamp(path) != read_as {
            return Err(self.discard_tmp(&tmp, DiskFault::Exists));
        }
        self.rename_over(&tmp, path)?;
        self.sync_dir(path.parent().unwrap_or(Path::new("")))?;
        self.check_in_place(path, ino)
    }

    /// Makes a temporary file whose bytes are durable, and returns which file it is.
    fn write_durable_tmp(&self, ending: &str, bytes: &[u8]) -> Result<(PathBuf, Option<u64>), DiskFault> {
        let (tmp, file) = self.write_tmp(ending, bytes)?;
        let ino = self.sync_file(&tmp, file)?.map(|stamp| stamp.ino);
        self.check_in_place(&tmp, ino)?;
        Ok((tmp, ino))
    }

    fn rename_over(&self, tmp: &Path, path: &Path) -> Result<(), DiskFault> {
        let renamed = self.disk.rename_over(tmp, path);
        renamed.map_err(|e| self.discard_tmp(tmp, DiskFault::naming("renaming to", path, &e)))?;
        self.note_tmp_name_gone();
        Ok(())
    }
}
