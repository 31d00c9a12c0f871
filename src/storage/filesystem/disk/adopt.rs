//! Taking in files of a backup as they are, through the same steps as a version that is stored.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::model::{PromptId, Version};

use super::{DiskFault, ShardDisk};

/// The ending of temporary files that recovery throws away unread.
pub(super) const ADOPTED_ENDING: &str = "restored";

/// A file that is taken in.
#[derive(Debug, Clone)]
pub enum Adoptee {
    /// A live version.
    Version(Version, Bytes),
    /// A version in the trash (0, or a leftover copy of it), and the note beside it.
    Trashed(Version, u32, Bytes, Option<Bytes>),
    /// The test results of a version.
    Evidence(Version, Bytes),
}

impl ShardDisk {
    /// Takes in files of one prompt, none of which may be there, and makes them durable together.
    ///
    /// # Errors
    /// [`DiskFault`]: what was named before the fault stays, and is found unchanged when the same is done again; after
    /// `Unknown` the shard must recover.
    pub fn adopt(&self, id: &PromptId, files: &[Adoptee]) -> Result<(), DiskFault> {
        let _room = self.get_ready_for_new(files.iter().map(|file| file.bytes().len() as u64).sum())?;
        let mut dirs = BTreeSet::new();
        for file in files {
            if dirs.insert(self.place_of(id, file).0) {
                self.ensure_dir_of(id, file)?;
            }
        }
        let (mut durable, mut inodes) = (Vec::with_capacity(files.len()), Vec::new());
        for file in files {
            match self.write_adopted(file.bytes()) {
                Ok((tmp, ino)) => {
                    durable.push(tmp);
                    inodes.push(ino);
                }
                Err(fault) => return Err(self.discard_all(&durable, fault)),
            }
        }
        if let Err(fault) = self.place_notes(id, files) {
            return Err(self.discard_all(&durable, fault));
        }
        for (place, (file, tmp)) in files.iter().zip(&durable).enumerate() {
            if let Err(fault) = self.name_adopted(id, file, tmp) {
                let rest = durable.get(place..).unwrap_or_default();
                let fault = if place == 0 { fault } else { fault.halfway() };
                return Err(self.discard_all(rest, fault));
            }
        }
        dirs.iter().try_for_each(|dir| self.sync_dir(dir))?;
        let mut places = files.iter().map(|file| self.place_of(id, file).1).zip(inodes);
        places.try_for_each(|(place, ino)| self.check_in_place(&place, ino))
    }

    fn place_of(&self, id: &PromptId, file: &Adoptee) -> (PathBuf, PathBuf) {
        match file {
            Adoptee::Version(version, _) => {
                (self.layout.prompt_dir(id), self.layout.version_file(id, version))
            }
            Adoptee::Trashed(version, copy, ..) => (
                self.layout.trash_dir(&self.shard),
                self.layout.trash_file(id, version, *copy),
            ),
            Adoptee::Evidence(version, _) => {
                (self.layout.prompt_dir(id), self.layout.evidence_file(id, version))
            }
        }
    }

    fn ensure_dir_of(&self, id: &PromptId, file: &Adoptee) -> Result<(), DiskFault> {
        match file {
            Adoptee::Version(..) | Adoptee::Evidence(..) => self.ensure_dir(&self.layout.prompt_dir(id)),
            Adoptee::Trashed(..) => self.ensure_trash_dir(),
        }
    }

    /// Writes a temporary file and makes it durable; returns which file it is, too.
    fn write_adopted(&self, bytes: &[u8]) -> Result<(PathBuf, Option<u64>), DiskFault> {
        let (tmp, file) = self.write_tmp(ADOPTED_ENDING, bytes)?;
        let ino = self.sync_file(&tmp, file)?.map(|stamp| stamp.ino);
        self.check_in_place(&tmp, ino)?;
        Ok((tmp, ino))
    }

    /// Makes the notes on deleted versions durable, before these are there: a version that is found again when this was cut
    /// off is not looked at any closer.
    fn place_notes(&self, id: &PromptId, files: &[Adoptee]) -> Result<(), DiskFault> {
        let mut placed = false;
        for file in files {
            let Adoptee::Trashed(version, _, _, Some(note)) = file else {
                continue;
            };
            let place = self.layout.trash_note(id, version);
            match self.disk.stat(&place) {
                Ok(Some(_)) => {}
                Ok(None) => drop(self.replace_file(&place, note)?),
                Err(e) => return Err(DiskFault::before("looking at", &place, &e)),
            }
            placed = true;
        }
        if placed {
            self.sync_dir(&self.layout.trash_dir(&self.shard))?;
        }
        Ok(())
    }

    fn name_adopted(&self, id: &PromptId, file: &Adoptee, tmp: &Path) -> Result<(), DiskFault> {
        let (_, target) = self.place_of(id, file);
        let named = self.disk.rename_new(tmp, &target);
        named.map_err(|e| DiskFault::naming("renaming to", &target, &e))?;
        self.note_tmp_name_gone();
        Ok(())
    }

    fn discard_all(&self, files: &[PathBuf], fault: DiskFault) -> DiskFault {
        files
            .iter()
            .fold(fault, |fault, tmp| self.discard_tmp(tmp, fault))
    }

    /// Puts the manifest of a backup in the place of none, as it is.
    ///
    /// # Errors
    /// [`DiskFault`]: `Exists` when there is one; after `Unknown` the shard must recover.
    pub fn adopt_manifest(&self, id: &PromptId, bytes: &[u8]) -> Result<(), DiskFault> {
        let _room = self.get_ready_for_new(bytes.len() as u64)?;
        let (dir, target) = (self.layout.prompt_dir(id), self.layout.manifest_file(id));
        self.ensure_dir(&dir)?;
        let (tmp, ino) = self.write_adopted(bytes)?;
        match self.disk.rename_new(&tmp, &target) {
            Ok(()) => self.note_tmp_name_gone(),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                return Err(self.discard_tmp(&tmp, DiskFault::Exists));
            }
            Err(e) => return Err(self.discard_tmp(&tmp, DiskFault::naming("renaming to", &target, &e))),
        }
        self.sync_dir(&dir)?;
        self.check_in_place(&target, ino)
    }
}

impl Adoptee {
    fn bytes(&self) -> &Bytes {
        match self {
            Self::Version(_, bytes) | Self::Trashed(_, _, bytes, _) | Self::Evidence(_, bytes) => bytes,
        }
    }
}
