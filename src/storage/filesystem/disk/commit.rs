//! The write protocol: group commit of versions, and the manifest (docs/durability.md).

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::model::PromptId;

use super::{DiskFault, Manifest, NewFile, Prepared, ShardDisk, Stamp};

/// A version that is durable under its name.
#[derive(Debug, Clone, Copy, Default)]
pub struct Written {
    /// The state of its file.
    pub file: Option<Stamp>,
    /// The state of its directory.
    pub dir: Option<Stamp>,
}

/// A version on its way: where its bytes are, and what became of it.
struct InFlight<'a> {
    prepared: &'a Prepared,
    state: Result<PathBuf, DiskFault>,
    file: Option<Box<dyn NewFile>>,
    written: Written,
}

impl ShardDisk {
    /// Writes versions and makes them durable together; the answer to each is in its place.
    ///
    /// When an answer is `Ok`, the version's bytes, its name and the names of its directories are durable. When it is a
    /// fault other than `Unknown`, nothing of the version is visible. After `Unknown` the shard must recover.
    pub fn commit(&self, versions: &[Prepared]) -> Vec<Result<Written, DiskFault>> {
        let total = versions.iter().map(|version| version.bytes.len() as u64).sum();
        if let Err(fault) = self.check_space(total).and_then(|()| self.ensure_shard_dirs()) {
            return versions.iter().map(|_| Err(fault.clone())).collect();
        }
        let mut flights: Vec<InFlight<'_>> = versions.iter().map(|version| self.start(version)).collect();
        for flight in &mut flights {
            self.make_content_durable(flight);
        }
        let mut new_dirs = false;
        for flight in &mut flights {
            new_dirs |= self.give_final_name(flight);
        }
        self.make_names_durable(&mut flights, new_dirs);
        flights
            .into_iter()
            .map(|flight| flight.state.map(|_| flight.written))
            .collect()
    }

    fn start<'a>(&self, prepared: &'a Prepared) -> InFlight<'a> {
        match self.write_tmp("tmp", &prepared.bytes) {
            Ok((path, file)) => InFlight {
                prepared,
                state: Ok(path),
                file: Some(file),
                written: Written::default(),
            },
            Err(fault) => InFlight {
                prepared,
                state: Err(fault),
                file: None,
                written: Written::default(),
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

    /// Renames a version into its place. Returns whether its directory may be new, so that its own name must be made
    /// durable as well.
    fn give_final_name(&self, flight: &mut InFlight<'_>) -> bool {
        let Ok(tmp) = &flight.state else { return false };
        let Prepared { id, version, .. } = flight.prepared;
        let (dir, target) = (self.layout.prompt_dir(id), self.layout.version_file(id, version));
        let mut is_new = self.take_unsettled(id);
        let mut named = self.disk.rename_new(tmp, &target);
        if named.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::NotFound) {
            // Most versions have brothers: their directory is made only when it turns out to be missing.
            is_new = true;
            named = self
                .disk
                .make_dir(&dir)
                .and_then(|_| self.disk.rename_new(tmp, &target));
        }
        match named {
            Ok(stamp) => {
                flight.written.file = stamp;
                self.note_tmp_name_gone();
            }
            Err(e) => {
                self.discard_tmp(tmp);
                flight.state = Err(DiskFault::naming("renaming to", &target, &e));
            }
        }
        is_new
    }

    fn make_names_durable(&self, flights: &mut [InFlight<'_>], new_dirs: bool) {
        let mut synced: BTreeMap<&PromptId, Result<Option<Stamp>, DiskFault>> = BTreeMap::new();
        let parent = if new_dirs {
            self.sync_dir(&self.layout.shard_dir(&self.shard)).map(drop)
        } else {
            Ok(())
        };
        for flight in flights.iter_mut().filter(|flight| flight.state.is_ok()) {
            let id = &flight.prepared.id;
            let outcome = synced.entry(id).or_insert_with(|| {
                parent
                    .clone()
                    .and_then(|()| self.sync_dir(&self.layout.prompt_dir(id)))
            });
            match outcome {
                Ok(stamp) => flight.written.dir = *stamp,
                Err(fault) => flight.state = Err(fault.clone()),
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
