//! The write protocol: group commit of versions, and the manifest (docs/durability.md).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::model::PromptId;

use super::{DiskFault, Manifest, NewFile, Prepared, ShardDisk, Stamp};

/// A version on its way: where its bytes are, and what became of it.
struct InFlight<'a> {
    prepared: &'a Prepared,
    state: Result<PathBuf, DiskFault>,
    file: Option<Box<dyn NewFile>>,
}

impl ShardDisk {
    /// Writes versions and makes them durable together; the answer to each is in its place.
    ///
    /// When an answer is `Ok`, the version's bytes, its name and the names of its directories are durable. When it is a
    /// fault other than `Unknown`, nothing of the version is visible. After `Unknown` the shard must recover.
    pub fn commit(&self, versions: &[Prepared]) -> Vec<Result<(), DiskFault>> {
        let total = versions.iter().map(|version| version.bytes.len() as u64).sum();
        if let Err(fault) = self.check_space(total).and_then(|()| self.ensure_shard_dirs()) {
            return versions.iter().map(|_| Err(fault.clone())).collect();
        }
        let mut flights: Vec<InFlight<'_>> = versions.iter().map(|version| self.start(version)).collect();
        for flight in &mut flights {
            self.make_content_durable(flight);
        }
        let mut made_dirs = BTreeSet::new();
        for flight in &mut flights {
            self.give_final_name(flight, &mut made_dirs);
        }
        self.make_names_durable(&mut flights, !made_dirs.is_empty());
        flights.into_iter().map(|flight| flight.state.map(drop)).collect()
    }

    fn start<'a>(&self, prepared: &'a Prepared) -> InFlight<'a> {
        match self.write_tmp("tmp", &prepared.bytes) {
            Ok((path, file)) => InFlight {
                prepared,
                state: Ok(path),
                file: Some(file),
            },
            Err(fault) => InFlight {
                prepared,
                state: Err(fault),
                file: None,
            },
        }
    }

    fn make_content_durable(&self, flight: &mut InFlight<'_>) {
        if let (Ok(tmp), Some(mut file)) = (&flight.state, flight.file.take())
            && let Err(e) = file.sync()
        {
            // After a failed fsync the kernel may call the pages clean: this file is never synced or named again.
            let fault = DiskFault::unknown("syncing", tmp, &e);
            self.discard_tmp(tmp);
            flight.state = Err(fault);
        }
    }

    fn give_final_name(&self, flight: &mut InFlight<'_>, made_dirs: &mut BTreeSet<PathBuf>) {
        let Ok(tmp) = &flight.state else { return };
        let Prepared { id, version, .. } = flight.prepared;
        let (dir, target) = (self.layout.prompt_dir(id), self.layout.version_file(id, version));
        let named = self
            .disk
            .make_dir(&dir)
            .map_err(|e| DiskFault::before("making", &dir, &e))
            .and_then(|made| {
                if made {
                    made_dirs.insert(dir);
                }
                self.disk
                    .rename_new(tmp, &target)
                    .map_err(|e| DiskFault::naming("renaming to", &target, &e))
            });
        match named {
            Ok(()) => self.note_tmp_name_gone(),
            Err(fault) => {
                self.discard_tmp(tmp);
                flight.state = Err(fault);
            }
        }
    }

    fn make_names_durable(&self, flights: &mut [InFlight<'_>], dirs_are_new: bool) {
        let mut synced: BTreeMap<&PromptId, Result<(), DiskFault>> = BTreeMap::new();
        let parent = if dirs_are_new {
            self.sync_dir(&self.layout.shard_dir(&self.shard))
        } else {
            Ok(())
        };
        for flight in flights {
            if flight.state.is_err() {
                continue;
            }
            let id = &flight.prepared.id;
            let outcome = synced.entry(id).or_insert_with(|| {
                parent
                    .clone()
                    .and_then(|()| self.sync_dir(&self.layout.prompt_dir(id)))
            });
            if let Err(fault) = outcome {
                flight.state = Err(fault.clone());
            }
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
        self.check_space(bytes.len() as u64)?;
        self.ensure_shard_dirs()?;
        self.ensure_dir(&self.layout.prompt_dir(id))?;
        self.replace_file(&path, &bytes)
    }

    /// Returns the state of a file or directory; `None` when it is absent or cannot be told.
    #[must_use]
    pub fn stamp(&self, path: &Path) -> Option<Stamp> {
        self.disk.stat(path).ok().flatten().map(|(_, stamp)| stamp)
    }
}
