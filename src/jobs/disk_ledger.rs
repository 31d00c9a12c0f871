//! The ledger in the store: one file for each job, `.jobs/<job_id>.json`.
//!
//! A file is replaced as a whole: temporary file beside it, write, fsync, rename, fsync of the directory. After a crash
//! an entry is therefore the old one or the new one, never a mixture; what is left of an unfinished write is swept away
//! when the ledger is opened.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::io::Errno;

use crate::storage::filesystem::disk::{Disk, DiskFault, EntryKind, STORE_MOVED, Space};
use crate::storage::{Problem, StorageError};

use super::ledger::{failed, id_of};
use super::record::{DamagedRecord, MAX_RECORD_BYTES};
use super::{JobId, Ledger, LedgerContent, Record};

/// The directory of the ledger in the store.
const JOBS_DIR: &str = ".jobs";
/// The ending of an entry.
const ENTRY_ENDING: &str = ".json";
/// The ending of a temporary file.
const TMP_ENDING: &str = ".tmp";

/// A ledger in a store. Everything is done through the store's own [`Disk`].
pub struct DiskLedger {
    disk: Arc<dyn Disk>,
    min_free_bytes: u64,
    /// Keeps temporary names apart from leftovers of earlier runs that could not be swept away.
    run: uuid::Uuid,
    sequence: AtomicU64,
    /// The directory of the ledger whose name is durable. One that is there need not be: an fsync may have failed, or another
    /// program put it there.
    durable_dir: Mutex<Option<u64>>,
}

impl DiskLedger {
    /// Makes the ledger of a store. With fewer free bytes than `min_free_bytes` no new job is written down; the end of
    /// a job still is.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>, min_free_bytes: u64) -> Self {
        Self {
            disk,
            min_free_bytes,
            run: uuid::Uuid::new_v4(),
            sequence: AtomicU64::new(0),
            durable_dir: Mutex::default(),
        }
    }

    fn error(&self, fault: DiskFault) -> StorageError {
        let free = self.disk.space().map_or(0, |space| space.free);
        fault.into_error(free, self.min_free_bytes)
    }

    fn check_space(&self, bytes: u64, reserve: u64) -> Result<(), DiskFault> {
        match self.disk.space() {
            Ok(Space { read_only: true, .. }) => Err(DiskFault::ReadOnly),
            Ok(Space { free, .. }) if free < reserve.saturating_add(bytes) => Err(DiskFault::NoSpace),
            // A file system that cannot say how full it is will say so when it is.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn ensure_dir(&self) -> Result<(), DiskFault> {
        let dir = Path::new(JOBS_DIR);
        let ino = || Some(self.disk.stat(dir).ok()??.1.ino);
        let mut durable = self.durable_dir.lock().unwrap_or_else(PoisonError::into_inner);
        let there = ino();
        if there.is_some() && there == *durable {
            return Ok(());
        }
        self.disk
            .make_dir(dir)
            .map_err(|e| DiskFault::before("making", dir, &e))?;
        // Looked at before the sync: one that is put there after it is another one.
        let there = ino();
        self.sync_dir(Path::new(""))?;
        *durable = there;
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> Result<(), DiskFault> {
        self.disk
            .sync_dir(dir)
            .map_err(|e| DiskFault::unknown("syncing", dir, &e))
    }

    fn replace(&self, id: &JobId, bytes: &[u8]) -> Result<(), DiskFault> {
        if !self.disk.is_in_place() {
            return Err(DiskFault::Refused(STORE_MOVED.to_owned()));
        }
        self.ensure_dir()?;
        let (path, tmp) = (path_of(id), self.tmp_path(id));
        let mut file = self
            .disk
            .create_new(&tmp)
            .map_err(|e| DiskFault::before("creating", &tmp, &e))?;
        let written = file
            .write_all(bytes)
            .map_err(|e| DiskFault::before("writing", &tmp, &e))
            // Nothing is visible yet under the final name, so a failed fsync of this file is no more than a failed write.
            .and_then(|()| file.sync().map_err(|e| DiskFault::before("syncing", &tmp, &e)));
        drop(file);
        let named = written.and_then(|()| {
            self.disk
                .rename_over(&tmp, &path)
                .map_err(|e| DiskFault::naming("renaming to", &path, &e))
        });
        if let Err(fault) = named {
            self.discard(&tmp);
            return Err(fault);
        }
        self.sync_dir(Path::new(JOBS_DIR))
    }

    fn tmp_path(&self, id: &JobId) -> PathBuf {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        let name = format!("{id}.{}-{sequence}{TMP_ENDING}", self.run.simple());
        Path::new(JOBS_DIR).join(name)
    }

    /// Removes a temporary file; that it cannot be removed is no fault, since the next start will.
    fn discard(&self, path: &Path) {
        if let Err(e) = self.disk.unlink(path) {
            tracing::debug!(path = %path.display(), error = %e, "a temporary file could not be removed");
        }
    }
}

impl Ledger for DiskLedger {
    fn open(&self) -> Result<LedgerContent, StorageError> {
        let dir = Path::new(JOBS_DIR);
        let names = match self.disk.list(dir) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(LedgerContent::default()),
            Err(e) if is_obstructed(&e) => {
                // The versions are served all the same; a new job is refused, since it cannot be written down.
                let mut content = LedgerContent::default();
                content.report(dir, &format!("not a directory that can be read ({e})"));
                return Ok(content);
            }
            other => other.map_err(|e| self.error(DiskFault::before("listing", dir, &e)))?,
        };
        let mut content = LedgerContent::default();
        for (name, kind) in names {
            let path = dir.join(&name);
            match name.to_str().map(Name::read) {
                Some(Name::Entry(id)) if kind == EntryKind::File => {
                    match self.disk.read(&path, MAX_RECORD_BYTES) {
                        Ok(file) => content.add(&id, &path, &file.bytes),
                        Err(e) => content.report(&path, &e.to_string()),
                    }
                }
                Some(Name::Leftover) if kind == EntryKind::File => self.discard(&path),
                _ => content.report(&path, "not a ledger entry by its name"),
            }
        }
        content.sort();
        Ok(content)
    }

    fn check(&self) -> Vec<Problem> {
        let dir = Path::new(JOBS_DIR);
        let mut problems = Vec::new();
        let mut report = |path: &Path, reason: String| {
            problems.push(Problem::new(
                path,
                "corrupt-job",
                format!("{reason}: its job is not known"),
            ));
        };
        let names = match self.disk.list(dir) {
            Ok(names) => names,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(e) => {
                report(dir, e.to_string());
                Vec::new()
            }
        };
        for (name, kind) in names {
            let path = dir.join(&name);
            match name.to_str().map(Name::read) {
                Some(Name::Entry(id)) if kind == EntryKind::File => {
                    match self.disk.read(&path, MAX_RECORD_BYTES) {
                        Ok(file) => {
                            if let Err(DamagedRecord(reason)) = Record::parse(&id, &file.bytes) {
                                report(&path, reason);
                            }
                        }
                        // Forgotten while we looked.
                        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                        Err(e) => report(&path, e.to_string()),
                    }
                }
                // Somebody may be writing it; the next start sweeps away what is left.
                Some(Name::Leftover) if kind == EntryKind::File => {}
                _ => report(&path, "not a ledger entry by its name".to_owned()),
            }
        }
        problems
    }

    fn read(&self, id: &JobId) -> Result<Record, StorageError> {
        let path = path_of(id);
        let file = self
            .disk
            .read(&path, MAX_RECORD_BYTES)
            .map_err(|e| self.error(DiskFault::before("reading", &path, &e)))?;
        Record::parse(id, &file.bytes).map_err(|DamagedRecord(reason)| failed("reading", id, reason))
    }

    fn write(&self, record: &Record) -> Result<u64, StorageError> {
        let id = id_of(record)?;
        let bytes = record.render().map_err(|reason| failed("writing", &id, reason))?;
        let size = bytes.len() as u64;
        if size > MAX_RECORD_BYTES {
            let limit = MAX_RECORD_BYTES;
            return Err(StorageError::TooLarge { size, limit });
        }
        // The end of a job makes its entry smaller, and must be known: it may use the reserve.
        let reserve = if record.state().is_final() {
            0
        } else {
            self.min_free_bytes
        };
        self.check_space(size, reserve)
            .and_then(|()| self.replace(&id, &bytes))
            .map_err(|fault| self.error(fault))?;
        Ok(size)
    }

    fn remove(&self, id: &JobId) -> Result<(), StorageError> {
        let path = path_of(id);
        match self.disk.unlink(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(self.error(DiskFault::before("removing", &path, &e)))
            }
            // It has ended: one that a crash brings back is dropped again at the next start. No fsync.
            _ => Ok(()),
        }
    }

    fn withdraw(&self, id: &JobId) -> Result<(), StorageError> {
        self.remove(id)?;
        match self.disk.sync_dir(Path::new(JOBS_DIR)) {
            // There is no ledger, and so no entry.
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            synced => synced.map_err(|e| self.error(DiskFault::unknown("syncing", Path::new(JOBS_DIR), &e))),
        }
    }
}

/// Tells whether something else than a directory of ours stands where the ledger belongs.
fn is_obstructed(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
        || matches!(
            error.kind(),
            io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied
        )
}

impl fmt::Debug for DiskLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskLedger")
            .field("disk", &self.disk)
            .finish_non_exhaustive()
    }
}

/// What a file name in the ledger means.
enum Name {
    /// An entry.
    Entry(JobId),
    /// A temporary file of ours.
    Leftover,
    /// Somebody else's file.
    Foreign,
}

impl Name {
    fn read(name: &str) -> Self {
        if let Some(id) = name.strip_suffix(ENTRY_ENDING).and_then(JobId::parse) {
            return Self::Entry(id);
        }
        let stem = name
            .strip_suffix(TMP_ENDING)
            .and_then(|rest| rest.split_once('.'));
        match stem {
            Some((id, _)) if JobId::parse(id).is_some() => Self::Leftover,
            _ => Self::Foreign,
        }
    }
}

fn path_of(id: &JobId) -> PathBuf {
    Path::new(JOBS_DIR).join(format!("{id}{ENTRY_ENDING}"))
}
