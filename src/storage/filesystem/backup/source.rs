//! Reading a backup, and holding it against its inventory.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::model::Integrity;
use crate::storage::filesystem::disk::{Disk, EntryKind};
use crate::storage::{BackupForm, Problem, Progress, StorageError, StoredVersion};

use super::archive::{ArchiveError, read_archive};
use super::inventory::{FileFacts, Inventory, MAX_INVENTORY_BYTES, MAX_PROBLEMS};
use super::member::{INVENTORY_FILE, Member};
use super::{check_cancelled, io_error};

/// How deep the directories of a store are.
const MAX_DEPTH: usize = 4;

/// A backup on disk.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub disk: Arc<dyn Disk>,
    pub path: PathBuf,
    pub form: BackupForm,
    /// The largest file in it.
    pub max_entry_bytes: u64,
}

/// What a backup was found to be.
#[derive(Debug)]
pub(super) struct Examined {
    pub inventory: Inventory,
    /// Where it is not what the inventory says.
    pub problems: Vec<Problem>,
    pub seals: Seals,
}

/// How the versions in a backup are.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Seals {
    pub sealed: u64,
    pub unsealed: u64,
    pub edited: u64,
    pub damaged: u64,
}

/// Who is told how far a reading is, and may end it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watch<'a> {
    pub progress: &'a Progress,
    /// Whether each file is a step; otherwise the steps are somebody else's.
    pub is_shown: bool,
}

impl Watch<'_> {
    fn step(self) {
        if self.is_shown {
            self.progress.advance(1);
        }
    }
}

/// Takes the files of an archive while they pass.
pub(super) type Take<'a> = &'a mut dyn FnMut(&Member, &[u8]) -> io::Result<()>;

impl Source {
    /// Reads everything and compares it with the inventory. The files of an archive are handed to `take`.
    ///
    /// # Errors
    /// [`StorageError::Backup`] when it is no backup at all.
    pub(super) fn examine(&self, watch: Watch<'_>, take: Take<'_>) -> Result<Examined, StorageError> {
        match self.form {
            BackupForm::Directory => self.examine_directory(watch),
            BackupForm::Archive => self.examine_archive(watch, take),
        }
    }

    /// As [`Self::examine`]; a backup that is not what its inventory says is refused.
    ///
    /// # Errors
    /// [`StorageError::Backup`] names the first damage.
    pub(super) fn examine_strictly(
        &self,
        watch: Watch<'_>,
        take: Take<'_>,
    ) -> Result<Examined, StorageError> {
        let examined = self.examine(watch, take)?;
        match examined.problems.first() {
            None => Ok(examined),
            Some(first) => Err(self.damaged(&format!(
                "{} problems, the first: {}: {}; 'promptctl backup verify' lists them",
                examined.problems.len(),
                first.path,
                first.message
            ))),
        }
    }

    /// Reads the inventory of a directory.
    ///
    /// # Errors
    /// [`StorageError::Backup`] when there is none, or it is damaged.
    pub(super) fn inventory(&self) -> Result<Inventory, StorageError> {
        let place = self.path.join(INVENTORY_FILE);
        let read = self.disk.read(&place, MAX_INVENTORY_BYTES);
        let bytes = read.map_err(|e| match e.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => self.damaged(&format!(
                "there is no {INVENTORY_FILE}: this is no complete backup"
            )),
            _ => io_error("reading", &place, &e),
        })?;
        Inventory::parse(&bytes.bytes).map_err(|why| self.damaged(&format!("{INVENTORY_FILE}: {why}")))
    }

    fn examine_directory(&self, watch: Watch<'_>) -> Result<Examined, StorageError> {
        let inventory = self.inventory()?;
        if watch.is_shown {
            watch.progress.set_total(inventory.files.len() as u64);
        }
        let (mut problems, mut seals) = (Vec::new(), Seals::default());
        for (path, facts) in &inventory.files {
            check_cancelled(watch.progress)?;
            match self.read_file(path, *facts) {
                Ok(bytes) => seals.note(path, bytes),
                Err(why) => note(&mut problems, Problem::new(Path::new(path), "damaged", why)),
            }
            watch.step();
        }
        let mut strays = Vec::new();
        self.find_strays(Path::new(""), 0, &inventory, &mut strays)?;
        strays.into_iter().for_each(|stray| note(&mut problems, stray));
        Ok(Examined {
            inventory,
            problems,
            seals,
        })
    }

    /// Reads one file of a directory.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub(super) fn read_file(&self, path: &str, facts: FileFacts) -> Result<Vec<u8>, String> {
        let place = self.path.join(path);
        match self.disk.read(&place, facts.size.min(self.max_entry_bytes)) {
            Ok(content) if FileFacts::of(&content.bytes) == facts => Ok(content.bytes),
            Ok(_) => Err("its content is not what the inventory says".to_owned()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                Err("it is in the inventory and not there".to_owned())
            }
            Err(e) => Err(format!("it cannot be read: {e}")),
        }
    }

    fn find_strays(
        &self,
        dir: &Path,
        depth: usize,
        inventory: &Inventory,
        strays: &mut Vec<Problem>,
    ) -> Result<(), StorageError> {
        let place = self.path.join(dir);
        let listed = self
            .disk
            .list(&place)
            .map_err(|e| io_error("listing", &place, &e))?;
        for (name, kind) in listed {
            let path = dir.join(&name);
            let known = path
                .to_str()
                .is_some_and(|path| path == INVENTORY_FILE || inventory.files.contains_key(path));
            match kind {
                EntryKind::File if known => {}
                EntryKind::Dir if depth < MAX_DEPTH => {
                    self.find_strays(&path, depth + 1, inventory, strays)?;
                }
                _ => note(
                    strays,
                    Problem::new(&path, "extra", "it is there and not in the inventory"),
                ),
            }
        }
        Ok(())
    }

    fn examine_archive(&self, watch: Watch<'_>, take: Take<'_>) -> Result<Examined, StorageError> {
        let file = self.disk.open_read(&self.path);
        let file = file.map_err(|e| io_error("opening", &self.path, &e))?;
        let mut seals = Seals::default();
        let read = read_archive(file, self.max_entry_bytes, |member, path, bytes| {
            if watch.progress.is_cancelled() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            seals.note(path, bytes.to_vec());
            take(member, bytes)?;
            watch.step();
            Ok(())
        });
        let contents = read.map_err(|error| match error {
            ArchiveError::Invalid(why) => self.damaged(&why),
            ArchiveError::Io(_) if watch.progress.is_cancelled() => {
                StorageError::Interrupted("cancelled".into())
            }
            ArchiveError::Io(e) => io_error("reading", &self.path, &e),
        })?;
        let mut problems = Vec::new();
        let (inventory, found) = (contents.inventory, contents.found);
        for (path, facts) in &inventory.files {
            let why = match found.get(path) {
                Some(found) if found == facts => continue,
                Some(_) => "its content is not what the inventory says",
                None => "it is in the inventory and not there",
            };
            note(&mut problems, Problem::new(Path::new(path), "damaged", why));
        }
        let listed: BTreeSet<&String> = inventory.files.keys().collect();
        for path in found.keys().filter(|path| !listed.contains(path)) {
            let why = "it is there and not in the inventory";
            note(&mut problems, Problem::new(Path::new(path), "extra", why));
        }
        Ok(Examined {
            inventory,
            problems,
            seals,
        })
    }

    /// Makes the error of a backup that cannot be used.
    pub(super) fn damaged(&self, why: &str) -> StorageError {
        StorageError::Backup(format!(
            "the backup {} cannot be used: {why}",
            self.path.display()
        ))
    }
}

impl Seals {
    fn note(&mut self, path: &str, bytes: Vec<u8>) {
        let Some((Member::Version(id, version), _)) = Member::parse(path) else {
            return;
        };
        match StoredVersion::parse(Bytes::from(bytes)) {
            Ok((_, document)) if document.prompt_id != id || document.version != version => self.damaged += 1,
            Ok((stored, _)) => match stored.integrity {
                Integrity::Sealed => self.sealed += 1,
                Integrity::Unsealed => self.unsealed += 1,
                Integrity::Edited => self.edited += 1,
            },
            Err(_) => self.damaged += 1,
        }
    }
}

fn note(problems: &mut Vec<Problem>, problem: Problem) {
    if problems.len() < MAX_PROBLEMS {
        problems.push(problem);
    }
}
