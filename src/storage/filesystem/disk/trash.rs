//! Deleting without losing: the trash, and forgetting for good.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use serde_json::{Value, json};

use crate::model::{Author, PromptId, Timestamp, Version, render, strict_json};
use crate::storage::{Problem, TrashedVersion};

use super::layout::{TrashName, belongs_to_trashed, trashed_of_file_name};
use super::{DiskFault, EntryKind, ShardDisk};

/// The most copies of one number that the trash tells apart.
const MAX_COPIES: u32 = 1000;
/// The largest note beside a deleted version, in bytes.
const MAX_NOTE_BYTES: u64 = 64 << 10;

/// What is said of a copy (`~1`) of a number whose version is not in the trash.
pub(in crate::storage::filesystem) const TRASH_LEFTOVER: &str =
    "a copy of a deleted version that is not in the trash: nothing uses it";

/// How a version gets into the trash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By a second name; the first one goes later.
    Linked,
    /// By a rename, where the file system or its rules allow no second name.
    ToBeRenamed,
}

/// What is beside a deleted version to say who deleted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::storage::filesystem) enum NoteState {
    /// Nothing.
    Missing,
    /// It says when.
    Whole,
    /// It cannot be understood.
    Damaged,
}

impl ShardDisk {
    /// Moves versions of one prompt to the trash. At no instant is their content without a name.
    ///
    /// # Errors
    /// [`DiskFault`]: `Absent` when a file is not there any more; after `Unknown` the shard must recover.
    pub fn move_to_trash(
        &self,
        id: &PromptId,
        versions: &[Version],
        author: &Author,
    ) -> Result<(), DiskFault> {
        self.get_ready()?;
        self.ensure_trash_dir()?;
        let ways = self.link_all_into_trash(id, versions, author)?;
        self.sync_dir(&self.layout.trash_dir(&self.shard))?;
        self.settle_tmp_names()?;
        // From here on a part may be done: whatever goes wrong, only the disk knows how far it came.
        for (version, way) in versions.iter().zip(&ways) {
            self.take_first_name(id, version, *way)
                .map_err(DiskFault::halfway)?;
        }
        if ways.contains(&Way::ToBeRenamed) {
            self.sync_dir(&self.layout.trash_dir(&self.shard))?;
        }
        self.sync_dir(&self.layout.prompt_dir(id))
    }

    /// Gives every version its name in the trash, or none of them.
    fn link_all_into_trash(
        &self,
        id: &PromptId,
        versions: &[Version],
        author: &Author,
    ) -> Result<Vec<Way>, DiskFault> {
        let mut ways = Vec::with_capacity(versions.len());
        for version in versions {
            let linked = self
                .write_note(id, version, author)
                .and_then(|()| self.link_into_trash(id, version));
            match linked {
                Ok(way) => ways.push(way),
                Err(fault) => {
                    let undone = self.undo(id, &ways, versions);
                    return Err(if undone.is_ok() { fault } else { fault.halfway() });
                }
            }
        }
        Ok(ways)
    }

    /// Takes back the names that were given, and the notes, also that of the version which failed.
    fn undo(&self, id: &PromptId, ways: &[Way], versions: &[Version]) -> Result<(), DiskFault> {
        for (place, version) in versions.iter().take(ways.len() + 1).enumerate() {
            if ways.get(place) == Some(&Way::Linked) {
                self.remove_if_there(&self.layout.trash_file(id, version, 0))?;
            }
            self.remove_if_there(&self.layout.trash_note(id, version))?;
        }
        Ok(())
    }

    fn take_first_name(&self, id: &PromptId, version: &Version, way: Way) -> Result<(), DiskFault> {
        let live = self.layout.version_file(id, version);
        match way {
            Way::Linked => {
                let trash = self.layout.trash_file(id, version, 0);
                // Somebody may have saved another file under this name meanwhile. It lies nowhere else.
                if self.exists(&live)? && !self.are_one_file(&live, &trash)? {
                    return Err(DiskFault::Exists);
                }
                self.remove_if_there(&live)
            }
            Way::ToBeRenamed => {
                let trash = self.layout.trash_file(id, version, 0);
                let renamed = self.disk.rename_new(&live, &trash);
                renamed.map_err(|e| DiskFault::naming("renaming to", &trash, &e))
            }
        }
    }

    /// Gives a version its name in the trash, where that is possible.
    fn link_into_trash(&self, id: &PromptId, version: &Version) -> Result<Way, DiskFault> {
        let live = self.layout.version_file(id, version);
        let trash = self.layout.trash_file(id, version, 0);
        let fault = |e: &io::Error| match e.kind() {
            io::ErrorKind::NotFound => DiskFault::Absent,
            _ => DiskFault::naming("linking", &trash, e),
        };
        match self.disk.link(&live, &trash) {
            Ok(()) => Ok(Way::Linked),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                // A leftover of this number: the same file means that an earlier deletion was cut off here.
                if !self.are_one_file(&live, &trash)? {
                    self.set_leftover_aside(id, version)?;
                    if let Err(e) = self.disk.link(&live, &trash) {
                        return if may_not_link(&e) {
                            Ok(Way::ToBeRenamed)
                        } else {
                            Err(fault(&e))
                        };
                    }
                }
                Ok(Way::Linked)
            }
            Err(e) if may_not_link(&e) => {
                if self.exists(&trash)? {
                    self.set_leftover_aside(id, version)?;
                }
                Ok(Way::ToBeRenamed)
            }
            Err(e) => Err(fault(&e)),
        }
    }

    /// Tells whether two names are those of one file. What cannot be looked at is an error, never a yes: a yes here lets
    /// one of the names go.
    pub(super) fn are_one_file(&self, one: &Path, other: &Path) -> Result<bool, DiskFault> {
        let look = |path: &Path| {
            let found = self.disk.stat(path);
            found.map_err(|e| DiskFault::before("looking at", path, &e))
        };
        Ok(match (look(one)?, look(other)?) {
            (Some((_, one)), Some((_, other))) => one.ino == other.ino,
            _ => false,
        })
    }

    fn exists(&self, path: &Path) -> Result<bool, DiskFault> {
        let found = self.disk.stat(path);
        found
            .map(|found| found.is_some())
            .map_err(|e| DiskFault::before("looking at", path, &e))
    }

    fn set_leftover_aside(&self, id: &PromptId, version: &Version) -> Result<(), DiskFault> {
        let trash = self.layout.trash_file(id, version, 0);
        for copy in 1..=MAX_COPIES {
            match self
                .disk
                .rename_new(&trash, &self.layout.trash_file(id, version, copy))
            {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                other => return other.map_err(|e| DiskFault::naming("renaming", &trash, &e)),
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
        match self.replace_file(&self.layout.trash_note(id, version), &bytes) {
            // Deleting must work on a full disk: who deleted it is then not known.
            Err(DiskFault::NoSpace) => {
                tracing::warn!(prompt_id = %id, %version, "no room for a note on who deleted this version");
                Ok(())
            }
            other => other.map(drop),
        }
    }

    /// Brings a version back from the trash.
    ///
    /// # Errors
    /// [`DiskFault`]: `Exists` when the number is taken, `Absent` when the trash does not hold it; after `Unknown` the shard
    /// must recover.
    pub fn restore(&self, id: &PromptId, version: &Version) -> Result<(), DiskFault> {
        self.get_ready()?;
        let (trash, live) = (
            self.layout.trash_file(id, version, 0),
            self.layout.version_file(id, version),
        );
        self.ensure_dir(&self.layout.prompt_dir(id))?;
        let fault = |doing, e: &io::Error| match e.kind() {
            io::ErrorKind::NotFound => DiskFault::Absent,
            _ => DiskFault::naming(doing, &live, e),
        };
        let ino = self.stamp(&trash).map(|stamp| stamp.ino);
        match self.disk.link(&trash, &live) {
            Ok(()) => {}
            Err(e) if may_not_link(&e) => {
                let renamed = self.disk.rename_new(&trash, &live);
                renamed.map_err(|e| fault("renaming to", &e))?;
            }
            // A restoring that was cut off here has linked it already.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && self.are_one_file(&trash, &live)? => {}
            Err(e) => return Err(fault("linking", &e)),
        }
        self.sync_dir(&self.layout.prompt_dir(id))?;
        self.check_in_place(&live, ino)?;
        // It is back; the name in the trash must go, or it would be both.
        self.remove_if_there(&trash)
            .and_then(|()| self.remove_if_there(&self.layout.trash_note(id, version)))
            .map_err(DiskFault::halfway)?;
        self.sync_dir(&self.layout.trash_dir(&self.shard))
    }

    /// Forgets versions in the trash, with everything that was kept of them.
    ///
    /// # Errors
    /// [`DiskFault`]; after `Unknown` the shard must recover.
    pub fn purge_trashed(&self, id: &PromptId, versions: &[Version]) -> Result<(), DiskFault> {
        self.get_ready()?;
        self.forget_trashed(|owner, version| owner == id && versions.contains(version))
    }

    /// Forgets everything that the trash holds of a prompt.
    ///
    /// # Errors
    /// [`DiskFault`]; after `Unknown` the shard must recover.
    pub fn purge_trash_of(&self, id: &PromptId) -> Result<(), DiskFault> {
        self.get_ready()?;
        self.forget_trashed(|owner, _| owner == id)
    }

    fn forget_trashed(&self, dooms: impl Fn(&PromptId, &Version) -> bool) -> Result<(), DiskFault> {
        let dir = self.layout.trash_dir(&self.shard);
        let entries = match self.disk.list(&dir) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(|e| DiskFault::before("listing", &dir, &e))?,
        };
        let is_doomed = |name: &std::ffi::OsString| {
            belongs_to_trashed(name).is_some_and(|(owner, version)| dooms(&owner, &version))
        };
        let doomed: Vec<_> = entries.into_iter().filter(|(name, _)| is_doomed(name)).collect();
        // What is in it is not known, and whatever stays here is found again by the next start.
        if let Some((name, _)) = doomed.iter().find(|(_, kind)| *kind == EntryKind::Dir) {
            return Err(DiskFault::Failed {
                doing: "removing",
                path: dir.join(name).display().to_string(),
                message: "a directory under the name of a deleted version: move it away".into(),
            });
        }
        let doomed: BTreeSet<PathBuf> = doomed.into_iter().map(|(name, _)| dir.join(name)).collect();
        let (notes, files): (Vec<_>, Vec<_>) = doomed.into_iter().partition(|path| {
            let name = path.file_name().unwrap_or_default();
            matches!(TrashName::read(name), TrashName::Note(..))
        });
        self.settle_tmp_names()?;
        for (done, path) in files.iter().enumerate() {
            let removed = self.remove_if_there(path);
            removed.map_err(|fault| if done == 0 { fault } else { fault.halfway() })?;
        }
        self.sync_dir_if_there(&dir)?;
        // A version that is still there when this is cut off has its note; a note that stays alone is removed by recovery.
        for note in &notes {
            self.remove_if_there(note).map_err(DiskFault::halfway)?;
        }
        Ok(())
    }

    /// Takes the name in the trash from a version that lives: its deletion was cut off. What else lay in the trash under its
    /// number stays; the note goes with those on no version.
    ///
    /// # Errors
    /// [`DiskFault`]; after `Unknown` the shard must recover.
    pub(super) fn take_out_of_trash(&self, id: &PromptId, version: &Version) -> Result<(), DiskFault> {
        self.remove_if_there(&self.layout.trash_file(id, version, 0))?;
        self.sync_dir(&self.layout.trash_dir(&self.shard))
    }

    /// Forgets the directory of a prompt: one rename makes it vanish, then its files go.
    ///
    /// # Errors
    /// [`DiskFault`]; after `Unknown` the shard must recover.
    pub fn purge_prompt_dir(&self, id: &PromptId) -> Result<(), DiskFault> {
        self.get_ready()?;
        self.settle_tmp_names()?;
        let (dir, doomed) = (self.layout.prompt_dir(id), self.tmp_path("purge"));
        match self.in_shard(|| self.disk.rename_new(&dir, &doomed))? {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(|e| DiskFault::naming("renaming", &dir, &e))?,
        }
        self.sync_dir(&self.layout.shard_dir(&self.shard))?;
        // The prompt is gone for good now. What cannot be removed here the next recovery removes.
        if let Err(e) = self.remove_tree(&doomed) {
            tracing::warn!(path = %doomed.display(), error = %e, "what is left of a purged prompt could not be removed");
        }
        Ok(())
    }

    /// Removes a directory of plain files; directories inside are removed too, symlinks never followed.
    pub(super) fn remove_tree(&self, path: &Path) -> io::Result<()> {
        for (name, kind) in self.disk.list(path)? {
            let place = path.join(name);
            if kind == EntryKind::Dir {
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

    /// Lists the versions in this shard's trash, in no particular order. Whatever stands under the name of one: its number
    /// was used.
    ///
    /// # Errors
    /// What listing says.
    pub fn list_trash(&self) -> io::Result<Vec<(PromptId, Version)>> {
        let names = self.list_trash_names()?;
        let versions = names.iter().filter_map(|(name, _)| trashed_of_file_name(name));
        Ok(versions.filter(|(id, _)| self.owns(id)).collect())
    }

    fn list_trash_names(&self) -> io::Result<Vec<(OsString, EntryKind)>> {
        match self.disk.list(&self.layout.trash_dir(&self.shard)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            other => other,
        }
    }

    fn owns(&self, id: &PromptId) -> bool {
        self.layout.shard_of(id) == self.shard
    }

    /// Settles what a crash left in the trash beside no version: a note says nothing any more and is removed, a leftover
    /// copy is content and is reported.
    ///
    /// # Errors
    /// What listing says. A note that cannot be removed stays until the next time.
    pub(super) fn settle_trash(&self) -> io::Result<Vec<Problem>> {
        let names = self.list_trash_names()?;
        let present: BTreeSet<(PromptId, Version)> = names
            .iter()
            .filter_map(|(name, _)| trashed_of_file_name(name))
            .collect();
        let mut problems = Vec::new();
        for (name, kind) in names {
            let Some(owner) = belongs_to_trashed(&name) else {
                continue;
            };
            if kind != EntryKind::File || !self.owns(&owner.0) || present.contains(&owner) {
                continue;
            }
            let path = self.layout.trash_dir(&self.shard).join(&name);
            if path != self.layout.trash_note(&owner.0, &owner.1) {
                problems.push(Problem::new(&path, "trash-leftover", TRASH_LEFTOVER));
            } else if let Err(fault) = self.remove_if_there(&path) {
                tracing::warn!(path = %path.display(), ?fault, "a note on no version stays in the trash");
            }
        }
        Ok(problems)
    }

    /// Tells whether something says who deleted a version and when.
    pub(in crate::storage::filesystem) fn note_state(&self, id: &PromptId, version: &Version) -> NoteState {
        match self.disk.stat(&self.layout.trash_note(id, version)) {
            Ok(None) => NoteState::Missing,
            _ if self.read_note(id, version).deleted_at.is_some() => NoteState::Whole,
            _ => NoteState::Damaged,
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
            .and_then(|content| strict_json::parse(&content.bytes).ok())
            .unwrap_or_default();
        let field = |key: &str| note.get(key).cloned().unwrap_or_default();
        TrashedVersion {
            prompt_id: id.clone(),
            version: version.clone(),
            deleted_at: serde_json::from_value(field("deleted_at")).unwrap_or_default(),
            deleted_by: serde_json::from_value(field("deleted_by")).unwrap_or_default(),
            size_bytes: self
                .stamp(&self.layout.trash_file(id, version, 0))
                .map(|stamp| stamp.size),
            deleted_from: field("deleted_from").as_str().map_or_else(
                || self.layout.version_file(id, version).display().to_string(),
                str::to_owned,
            ),
        }
    }
}

/// Tells whether an error means that no second name may be given here: no hard links, too many of them, or not by us.
fn may_not_link(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno::from_raw_os_error),
        Some(Errno::PERM | Errno::MLINK | Errno::OPNOTSUPP)
    )
}
