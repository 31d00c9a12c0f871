//! The write protocol: group commit of versions, and the manifest (docs/durability.md).

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

use crate::model::PromptId;

use super::scan::MAX_MANIFEST_BYTES;
use super::shard_disk::VERSION_ENDING;
use super::{DiskFault, Manifest, NewFile, Prepared, ShardDisk, Stamp};

/// A version on its way: where its bytes are, and what became of it.
struct InFlight<'a> {
    prepared: &'a Prepared,
    state: Result<PathBuf, DiskFault>,
    file: Option<Box<dyn NewFile>>,
    /// Its state when it was durable, and with it which file it is.
    written: Option<Stamp>,
}

impl InFlight<'_> {
    fn ino(&self) -> Option<u64> {
        self.written.map(|stamp| stamp.ino)
    }
}

impl ShardDisk {
    /// Writes versions and makes them durable together; the answer to each is in its place.
    ///
    /// When an answer is `Ok`, the version's bytes, its name and the names of its directories are durable; it says in which
    /// state the file was then, of which the time of change of the inode is older than its name. When it is a
    /// fault other than `Unknown`, nothing of the version is visible. After `Unknown` the shard must recover.
    pub fn commit(&self, versions: &[Prepared]) -> Vec<Result<Option<Stamp>, DiskFault>> {
        let total = versions.iter().map(|version| version.bytes.len() as u64).sum();
        let _room = match self.get_ready_for_new(total) {
            Ok(room) => room,
            Err(fault) => return versions.iter().map(|_| Err(fault.clone())).collect(),
        };
        let outcomes = self.commit_unchecked(versions);
        if outcomes.iter().any(Result::is_ok) {
            self.room().wrote();
        }
        outcomes
    }

    /// As [`Self::commit`], also into the reserve: recovery finishes what was begun when there was room.
    pub(super) fn commit_unchecked(&self, versions: &[Prepared]) -> Vec<Result<Option<Stamp>, DiskFault>> {
        let mut flights: Vec<InFlight<'_>> = versions.iter().map(|version| self.start(version)).collect();
        for flight in &mut flights {
            self.make_content_durable(flight);
        }
        let mut new_dirs = BTreeSet::new();
        for flight in &mut flights {
            self.give_final_name(flight, &mut new_dirs);
        }
        self.make_names_durable(&mut flights, !new_dirs.is_empty());
        for flight in &mut flights {
            self.see_it_in_place(flight);
        }
        flights
            .into_iter()
            .map(|flight| flight.state.map(|_| flight.written))
            .collect()
    }

    fn start<'a>(&self, prepared: &'a Prepared) -> InFlight<'a> {
        let (state, file) = match self.write_tmp(VERSION_ENDING, &prepared.bytes) {
            Ok((path, file)) => (Ok(path), Some(file)),
            Err(fault) => (Err(fault), None),
        };
        InFlight {
            prepared,
            state,
            file,
            written: None,
        }
    }

    fn make_content_durable(&self, flight: &mut InFlight<'_>) {
        if let (Ok(tmp), Some(file)) = (&flight.state, flight.file.take()) {
            match self.sync_file(tmp, file) {
                Ok(stamp) => flight.written = stamp,
                Err(fault) => flight.state = Err(fault),
            }
        }
    }

    fn give_final_name(&self, flight: &mut InFlight<'_>, new_dirs: &mut BTreeSet<PathBuf>) {
        let Ok(tmp) = &flight.state else { return };
        if let Err(fault) = self.check_in_place(tmp, flight.ino()) {
            flight.state = Err(fault);
            return;
        }
        let Prepared {
            id,
            version,
            durable_dir,
            ..
        } = flight.prepared;
        let (dir, target) = (self.layout.prompt_dir(id), self.layout.version_file(id, version));
        let rename = || self.disk.rename_new(tmp, &target);
        // Most versions have brothers: a directory that is known is made again only when it turns out to be gone.
        let mut named = if durable_dir.is_some() {
            rename()
        } else {
            Err(io::ErrorKind::NotFound.into())
        };
        if named.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::NotFound) {
            if let Err(e) = self.disk.make_dir(&dir) {
                flight.state = Err(self.discard_tmp(tmp, DiskFault::before("making", &dir, &e)));
                return;
            }
            new_dirs.insert(dir);
            named = rename();
        } else if self.ino(&dir) != *durable_dir {
            // Another program put it there a moment ago.
            new_dirs.insert(dir);
        }
        match named {
            Ok(()) => self.note_tmp_name_gone(),
            Err(e) => {
                flight.state = Err(self.discard_tmp(tmp, DiskFault::naming("renaming to", &target, &e)));
            }
        }
    }

    fn make_names_durable(&self, flights: &mut [InFlight<'_>], dirs_are_new: bool) {
        if dirs_are_new && let Err(fault) = self.sync_dir(&self.layout.shard_dir(&self.shard)) {
            // Those that were refused hear of it, too: when the directory is found there the next time, it is taken for
            // durable.
            for flight in flights {
                flight.state = Err(fault.clone());
            }
            return;
        }
        let mut synced: BTreeMap<&PromptId, Result<(), DiskFault>> = BTreeMap::new();
        for flight in flights {
            if flight.state.is_err() {
                continue;
            }
            let id = &flight.prepared.id;
            let outcome = synced
                .entry(id)
                .or_insert_with(|| self.sync_dir(&self.layout.prompt_dir(id)));
            if let Err(fault) = outcome {
                flight.state = Err(fault.clone());
            }
        }
    }

    fn see_it_in_place(&self, flight: &mut InFlight<'_>) {
        let Prepared { id, version, .. } = flight.prepared;
        if flight.state.is_ok()
            && let Err(fault) = self.check_in_place(&self.layout.version_file(id, version), flight.ino())
        {
            flight.state = Err(fault);
        }
    }

    /// Writes the manifest of a prompt and makes it durable.
    ///
    /// # Errors
    /// [`DiskFault`]; after `Unknown` the shard must recover.
    pub fn write_manifest(&self, id: &PromptId, manifest: &Manifest) -> Result<(), DiskFault> {
        let path = self.layout.manifest_file(id);
        let bytes = manifest.render(id).map_err(|message| DiskFault::Failed {
            doing: "rendering",
            path: path.display().to_string(),
            message,
        })?;
        let (size, limit) = (bytes.len() as u64, MAX_MANIFEST_BYTES);
        if size > limit {
            return Err(DiskFault::TooLarge { size, limit });
        }
        self.get_ready()?;
        let dir = self.layout.prompt_dir(id);
        self.ensure_dir(&dir)?;
        let ino = self.replace_file(&path, &bytes)?;
        self.sync_dir(&dir)?;
        self.check_in_place(&path, ino)
    }
}

#[cfg(test)]
#[cfg(not(feature = "interleavings"))]
mod tests {
    use std::sync::Arc;

    use super::super::{Disk, DiskLimits, Layout, Run};
    use super::*;
    use crate::model::{ShardDepth, Version};
    use crate::storage::filesystem::tests::crash::memory_disk::MemoryDisk;
    use crate::storage::filesystem::tests::crash::world::World;

    const LAYOUT: Layout = Layout {
        depth: ShardDepth::DEFAULT,
    };

    /// Stores 1.0.0 of `p` where somebody else has just put a file of that name, into a directory of their own.
    fn store_where_somebody_was_faster(failing_dir_syncs: usize) -> DiskFault {
        let memory = MemoryDisk::new(World::new());
        let id = PromptId::new("p").unwrap();
        let limits = DiskLimits {
            max_file_bytes: 1 << 20,
            min_free_bytes: 0,
        };
        let run = Run {
            id: Arc::from("run"),
            distrust: None,
        };
        let shard = LAYOUT.depth.shard_of(&id);
        let shard = ShardDisk::new(Arc::new(memory.clone()), LAYOUT, shard, limits, run);
        shard.get_ready().unwrap();
        memory.make_dir(&LAYOUT.prompt_dir(&id)).unwrap();
        let place = LAYOUT.version_file(&id, &Version::FIRST);
        memory.create_new(&place).unwrap().write_all(b"foreign").unwrap();
        memory.fail_dir_syncs(failing_dir_syncs);
        let prepared = Prepared {
            id,
            version: Version::FIRST,
            bytes: bytes::Bytes::from_static(b"ours"),
            durable_dir: None,
        };
        shard.commit(&[prepared]).remove(0).unwrap_err()
    }

    #[test]
    fn a_directory_that_could_not_be_made_durable_is_not_forgotten_because_the_number_was_taken() {
        assert_eq!(store_where_somebody_was_faster(0), DiskFault::Exists);
        let fault = store_where_somebody_was_faster(1);
        assert!(fault.needs_recovery(), "{fault:?}");
    }
}
