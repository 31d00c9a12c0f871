//! One shard's hold on the disk: its paths, its limits, its temporary files.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::{PromptId, ShardId, Version};
use crate::storage::StorageError;

use super::layout::TRASH_DIR;
use super::{Disk, DiskFault, Layout, NewFile, Space, Stamp};

/// Limits that the disk code keeps.
#[derive(Debug, Clone, Copy)]
pub struct DiskLimits {
    /// The largest version file, in bytes.
    pub max_file_bytes: u64,
    /// Free bytes below which nothing new is written.
    pub min_free_bytes: u64,
}

/// A version that is ready to be written.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The prompt.
    pub id: PromptId,
    /// The number.
    pub version: Version,
    /// The exact bytes of the file.
    pub bytes: bytes::Bytes,
}

/// One shard's hold on the disk. Whoever calls its methods holds the shard's write token.
#[derive(Debug)]
pub struct ShardDisk {
    /// The file system.
    pub disk: Arc<dyn Disk>,
    /// Where things are.
    pub layout: Layout,
    /// Which shard.
    pub shard: ShardId,
    /// Limits.
    pub limits: DiskLimits,
    run: Arc<str>,
    sequence: AtomicU64,
    tmp_names_removed: AtomicBool,
    dirs_are_durable: AtomicBool,
    unsettled: Mutex<BTreeSet<PromptId>>,
}

impl ShardDisk {
    /// Makes the hold of one shard. `run` is unique to this start of the daemon.
    #[must_use]
    pub fn new(
        disk: Arc<dyn Disk>,
        layout: Layout,
        shard: ShardId,
        limits: DiskLimits,
        run: Arc<str>,
    ) -> Self {
        Self {
            disk,
            layout,
            shard,
            limits,
            run,
            sequence: AtomicU64::new(0),
            tmp_names_removed: AtomicBool::new(false),
            dirs_are_durable: AtomicBool::new(false),
            unsettled: Mutex::default(),
        }
    }

    /// Remembers that the directory of a prompt was made by somebody else, who need not have made its name durable.
    pub fn note_outside_dir(&self, id: &PromptId) {
        self.unsettled
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id.clone());
    }

    pub(super) fn take_unsettled(&self, id: &PromptId) -> bool {
        self.unsettled
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id)
    }

    /// Returns a fresh name in the shard's directory of temporary files.
    pub(super) fn tmp_path(&self, ending: &str) -> PathBuf {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        self.layout
            .tmp_dir(&self.shard)
            .join(format!("{}-{sequence}.{ending}", self.run))
    }

    /// Refuses to write when too little room is left.
    pub(super) fn check_space(&self, bytes: u64) -> Result<(), DiskFault> {
        match self.disk.space() {
            Ok(Space { read_only: true, .. }) => Err(DiskFault::ReadOnly),
            Ok(Space { free, .. }) if free < self.limits.min_free_bytes.saturating_add(bytes) => {
                Err(DiskFault::NoSpace)
            }
            // A file system that cannot say how full it is will say so when it is.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Makes a directory and, when it is new, its entry durable.
    pub(super) fn ensure_dir(&self, path: &Path) -> Result<(), DiskFault> {
        if path.as_os_str().is_empty() {
            return Ok(());
        }
        if self
            .disk
            .make_dir(path)
            .map_err(|e| DiskFault::before("making", path, &e))?
        {
            self.sync_dir(path.parent().unwrap_or(Path::new("")))?;
        }
        Ok(())
    }

    /// Makes the shard's own directories. The first time in a run their names are made durable whoever made them.
    pub(super) fn ensure_shard_dirs(&self) -> Result<(), DiskFault> {
        if self.dirs_are_durable.load(Ordering::Relaxed) {
            return Ok(());
        }
        let (dir, tmp) = (
            self.layout.shard_dir(&self.shard),
            self.layout.tmp_dir(&self.shard),
        );
        for path in [&dir, &tmp] {
            if !path.as_os_str().is_empty() {
                self.disk
                    .make_dir(path)
                    .map_err(|e| DiskFault::before("making", path, &e))?;
                self.sync_dir(path.parent().unwrap_or(Path::new("")))?;
            }
        }
        self.dirs_are_durable.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Makes the shard's directory in the trash.
    pub(super) fn ensure_trash_dir(&self) -> Result<(), DiskFault> {
        self.ensure_dir(Path::new(TRASH_DIR))?;
        self.ensure_dir(&self.layout.trash_dir(&self.shard))
    }

    /// Makes the entries of a directory durable.
    pub(super) fn sync_dir(&self, path: &Path) -> Result<Option<Stamp>, DiskFault> {
        self.disk
            .sync_dir(path)
            .map_err(|e| DiskFault::unknown("syncing", path, &e))
    }

    /// Makes a temporary file with the given content, not yet durable.
    pub(super) fn write_tmp(
        &self,
        ending: &str,
        bytes: &[u8],
    ) -> Result<(PathBuf, Box<dyn NewFile>), DiskFault> {
        let path = self.tmp_path(ending);
        let mut file = match self.disk.create_new(&path) {
            // An operator may have removed the directory while the daemon runs.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.dirs_are_durable.store(false, Ordering::Relaxed);
                self.ensure_shard_dirs()?;
                self.disk.create_new(&path)
            }
            other => other,
        }
        .map_err(|e| DiskFault::before("creating", &path, &e))?;
        match file.write_all(bytes) {
            Ok(()) => Ok((path, file)),
            Err(e) => {
                self.discard_tmp(&path);
                Err(DiskFault::before("writing", &path, &e))
            }
        }
    }

    /// Removes a temporary file; that it cannot be removed is no fault, since recovery will.
    pub(super) fn discard_tmp(&self, path: &Path) {
        self.note_tmp_name_gone();
        if let Err(e) = self.disk.unlink(path) {
            tracing::debug!(path = %path.display(), error = %e, "a temporary file could not be removed");
        }
    }

    /// Remembers that a name left the directory of temporary files and may come back after a crash.
    pub(super) fn note_tmp_name_gone(&self) {
        self.tmp_names_removed.store(true, Ordering::Relaxed);
    }

    /// Makes removed temporary names durable. Needed before a final name goes: a crash could otherwise bring the
    /// temporary name back, and recovery would bring back what was deleted.
    pub(super) fn settle_tmp_names(&self) -> Result<(), DiskFault> {
        if self.tmp_names_removed.load(Ordering::Relaxed) {
            let tmp = self.layout.tmp_dir(&self.shard);
            match self.disk.sync_dir(&tmp) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    return Err(DiskFault::unknown("syncing", &tmp, &e));
                }
                _ => {}
            }
            self.tmp_names_removed.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Replaces a small file of the shard: temporary file, sync, rename, sync of the directory.
    pub(super) fn replace_file(&self, path: &Path, bytes: &[u8]) -> Result<(), DiskFault> {
        let (tmp, mut file) = self.write_tmp("tmp", bytes)?;
        if let Err(e) = file.sync() {
            self.discard_tmp(&tmp);
            return Err(DiskFault::unknown("syncing", &tmp, &e));
        }
        drop(file);
        self.disk.rename_over(&tmp, path).map_err(|e| {
            self.discard_tmp(&tmp);
            DiskFault::naming("renaming to", path, &e)
        })?;
        self.note_tmp_name_gone();
        self.sync_dir(path.parent().unwrap_or(Path::new(""))).map(drop)
    }

    /// Turns a fault into the answer for the caller.
    #[must_use]
    pub fn error(&self, fault: DiskFault) -> StorageError {
        let free = self.disk.space().map_or(0, |space| space.free);
        fault.into_error(free, self.limits.min_free_bytes)
    }
}
