//! Deleting without losing: the trash, and forgetting for good.

use std::io;
use std::path::Path;

use rustix::io::Errno;
use serde_json::{Value, json};

use crate::model::{Author, PromptId, Timestamp, Version, render};
use crate::storage::TrashedVersion;

use super::layout::trashed_of_file_name;
use super::{DiskFault, ShardDisk, Stamp};

/// The most copies of one number that the trash tells apart.
const MAX_COPIES: u32 = 1000;
/// The largest note beside a deleted version, in bytes.
const MAX_NOTE_BYTES: u64 = 64 << 10;

impl ShardDisk {
    /// Moves versions of one prompt to the trash. At no instant is their content without a name.
    ///
    /// # Errors
    /// [`DiskFault`]; after `Unknown` the shard must recover.
    pub fn move_to_trash(
        &self,
        id: &PromptId,
        versions: &[Version],
        author: &Author,
    ) -> Result<(), DiskFault> {
        self.ensure_shard_dirs()?;
        self.ensure_trash_dir()?;
        let mut needs_rename = Vec::new();
        for version in versions {
            self.write_note(id, version, author)?;
            if !self.link_into_trash(id, version)? {
                needs_rename.push(version);
            }
        }
        self.sync_dir(&self.layout.trash_dir(&self.shard))?;
        self.settle_tmp_names()?;
        for version in versions {
            let live = self.layout.version_file(id, version);
            let gone = if needs_rename.contains(&version) {
                self.disk
                    .rename_new(&live, &self.layout.trash_file(id, version, 0))
                    .map(drop)
            } else {
                self.disk.unlink(&live)
            };
            gone.map_err(|e| DiskFault::naming("removing", &live, &e))?;
        }
        if !needs_rename.is_empty() {
            self.sync_dir(&self.layout.trash_dir(&self.shard))?;
        }
        self.sync_dir(&self.layout.prompt_dir(id)).map(drop)
    }

    /// Gives a version its name in the trash; `false` where the file system has no hard links.
    fn link_into_trash(&self, id: &PromptId, version: &Version) -> Result<bool, DiskFault> {
        let live = self.layout.version_file(id, version);
        let trash = self.layout.trash_file(id, version, 0);
        match self.disk.link(&live, &trash) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                // A leftover of this number: the same file means that an earlier deletion was cut off here.
                if self.stamp(&live).map(|s| s.ino) != self.stamp(&trash).map(|s| s.ino) {
                    self.set_leftover_aside(id, version)?;
                    self.disk
                        .link(&live, &trash)
                        .map_err(|e| DiskFault::naming("linking", &trash, &e))?;
                }
                Ok(true)
            }
            Err(e) => match e.raw_os_error().map(Errno::from_raw_os_error) {
                Some(Errno::PERM | Errno::MLINK | Errno::OPNOTSUPP) => Ok(false),
                _ => Err(DiskFault::naming("linking", &trash, &e)),
            },
        }
    }

    fn set_leftover_aside(&self, id: &PromptId, version: &Version) -> Result<(), DiskFault> {
        let trash = self.layout.trash_file(id, version, 0);
        for copy in 1..=MAX_COPIES {
            match self
                .disk
                .rename_new(&trash, &self.layout.trash_file(id, version, copy))
            {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                other => {
                    return other
                        .map(drop)
                        .map_err(|e| DiskFault::naming("renaming", &trash, &e));
                }
            }
        }
        Err(DiskFault::Failed {
            doing: "renaming",
            path: trash.display().to_string(),
            message: "too many copies".into(),
        })
    }

    fn write_note(&self, id: &PromptId, version: &Version, author: &Author) -> Result<(), DiskFault> {
        let from = self.layout.version_file(id, version);
        let note = json!({"deleted_at": Timestamp::now(), "deleted_by": author, "deleted_from": from});
        let bytes = render(&note).unwrap_or_default();
        let path = self.layout.trash_note(id, version);
        let (tmp, mut file) = self.write_tmp("tmp", &bytes)?;
        if let Err(e) = file.sync() {
            self.discard_tmp(&tmp);
            return Err(DiskFault::unknown("syncing", &tmp, &e));
        }
        drop(file);
        self.note_tmp_name_gone();
        self.disk.rename_over(&tmp, &path).map_err(|e| {
            self.discard_tmp(&tmp);
            DiskFault::naming("renaming to", &path, &e)
        })
    }

    /// Brings a version back from the trash.
    ///
    /// # Errors
    /// [`DiskFault::Exists`] when the number is taken; after `Unknown` the shard must recover.
    pub fn restore(&self, id: &PromptId, version: &Version) -> Result<(), DiskFault> {
        self.ensure_shard_dirs()?;
        let (trash, live) = (
            self.layout.trash_file(id, version, 0),
            self.layout.version_file(id, version),
        );
        self.ensure_dir(&self.layout.prompt_dir(id))?;
        let linked = match self.disk.link(&trash, &live) {
            Ok(()) => true,
            Err(e) => match e.raw_os_error().map(Errno::from_raw_os_error) {
                Some(Errno::PERM | Errno::MLINK | Errno::OPNOTSUPP) => {
                    self.disk
                        .rename_new(&trash, &live)
                        .map_err(|e| DiskFault::naming("renaming to", &live, &e))?;
                    false
                }
                _ => return Err(DiskFault::naming("linking", &live, &e)),
            },
        };
        self.sync_dir(&self.layout.prompt_dir(id))?;
        if linked {
            self.disk
                .unlink(&trash)
                .map_err(|e| DiskFault::naming("removing", &trash, &e))?;
        }
        self.remove_if_there(&self.layout.trash_note(id, version))?;
        self.sync_dir(&self.layout.trash_dir(&self.shard)).map(drop)
    }

    /// Forgets a version in the trash.
    ///
    /// # Errors
    /// [`DiskFault`]; after `Unknown` the shard must recover.
    pub fn purge_trashed(&self, id: &PromptId, versions: &[Version]) -> Result<(), DiskFault> {
        self.settle_tmp_names()?;
        for version in versions {
            self.remove_if_there(&self.layout.trash_file(id, version, 0))?;
            self.remove_if_there(&self.layout.trash_note(id, version))?;
        }
        match self.disk.sync_dir(&self.layout.trash_dir(&self.shard)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other
                .map(drop)
                .map_err(|e| DiskFault::unknown("syncing", &self.layout.trash_dir(&self.shard), &e)),
        }
    }

    /// Forgets the directory of a prompt: one rename makes it vanish, then its files go.
    ///
    /// # Errors
    /// [`DiskFault`]; after `Unknown` the shard must recover.
    pub fn purge_prompt_dir(&self, id: &PromptId) -> Result<(), DiskFault> {
        self.ensure_shard_dirs()?;
        self.settle_tmp_names()?;
        let (dir, doomed) = (self.layout.prompt_dir(id), self.tmp_path("purge"));
        match self.disk.rename_new(&dir, &doomed) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other
                .map(drop)
                .map_err(|e| DiskFault::naming("renaming", &dir, &e))?,
        }
        self.sync_dir(&self.layout.shard_dir(&self.shard))?;
        self.remove_tree(&doomed)
            .map_err(|e| DiskFault::before("removing", &doomed, &e))
    }

    /// Removes a directory of plain files; directories inside are removed too, symlinks never followed.
    pub(super) fn remove_tree(&self, path: &Path) -> io::Result<()> {
        for (name, kind) in self.disk.list(path)? {
            let place = path.join(name);
            if kind == super::EntryKind::Dir {
                self.remove_tree(&place)?;
            } else {
                self.disk.unlink(&place)?;
            }
        }
        self.note_tmp_name_gone();
        self.disk.remove_dir(path)
    }

    fn remove_if_there(&self, path: &Path) -> Result<(), DiskFault> {
        match self.disk.unlink(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(DiskFault::naming("removing", path, &e)),
            _ => Ok(()),
        }
    }

    /// Lists the versions in this shard's trash, in no particular order.
    ///
    /// # Errors
    /// What listing says.
    pub fn list_trash(&self) -> io::Result<Vec<(PromptId, Version)>> {
        match self.disk.list(&self.layout.trash_dir(&self.shard)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            other => Ok(other?
                .iter()
                .filter_map(|(name, _)| trashed_of_file_name(name))
                .filter(|(id, _)| self.layout.shard_of(id) == self.shard)
                .collect()),
        }
    }

    /// Reads who deleted a version and when.
    #[must_use]
    pub fn read_note(&self, id: &PromptId, version: &Version) -> TrashedVersion {
        let path = self.layout.trash_note(id, version);
        let note: Value = self
            .disk
            .read(&path, MAX_NOTE_BYTES)
            .ok()
            .and_then(|content| serde_json::from_slice(&content.bytes).ok())
            .unwrap_or_default();
        let field = |key: &str| note.get(key).cloned().unwrap_or_default();
        TrashedVersion {
            prompt_id: id.clone(),
            version: version.clone(),
            deleted_at: serde_json::from_value(field("deleted_at")).unwrap_or_default(),
            deleted_by: serde_json::from_value(field("deleted_by")).unwrap_or_default(),
            deleted_from: field("deleted_from").as_str().map_or_else(
                || self.layout.version_file(id, version).display().to_string(),
                str::to_owned,
            ),
        }
    }

    /// Returns the state of a version in the trash.
    #[must_use]
    pub fn trashed_stamp(&self, id: &PromptId, version: &Version) -> Option<Stamp> {
        self.stamp(&self.layout.trash_file(id, version, 0))
    }
}
