//! One shard's hold on the disk: its paths, its limits, its temporary files, and whether it still writes.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::log_events::LogEvent;
use crate::model::{PromptId, ShardId, Version};
use crate::storage::{Problem, StorageError};

use super::layout::{QUARANTINE_DIR, TRASH_DIR};
use super::{
    Disk, DiskFault, EntryKind, Layout, NewFile, Pulse, Reservation, SpaceBounds, SpaceGuard, Stamp,
};

/// After so many failed syncs in a row a shard writes no more: the disk loses data, and every further write tempts it.
const MAX_FAILED_SYNCS: u32 = 3;
/// The ending of temporary files that recovery takes for versions on their way.
pub(super) const VERSION_ENDING: &str = "tmp";
/// Why nothing is written into a store whose path does not lead to it any more.
pub(crate) const STORE_MOVED: &str = "the directory of the store was moved or replaced: put it back, or start promptd again on the one that is there";

/// Limits that the disk code keeps.
#[derive(Debug, Clone, Copy)]
pub struct DiskLimits {
    /// The largest version file, in bytes.
    pub max_file_bytes: u64,
    /// Free bytes below which nothing new is written.
    pub min_free_bytes: u64,
}

/// What is true of this start of the daemon.
#[derive(Debug, Clone)]
pub struct Run {
    /// Unique to this start; names temporary files.
    pub id: Arc<str>,
    /// Why nothing may be written in this run, if so: what the disk holds could not be made durable at start.
    pub distrust: Option<String>,
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
    /// Which directory of the prompt is known to be durable. One that somebody else made or put there may not be.
    pub durable_dir: Option<u64>,
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
    /// Beats with every step of the shard's work.
    pub pulse: Arc<Pulse>,
    space: Arc<SpaceGuard>,
    run: Run,
    sequence: AtomicU64,
    tmp_names_removed: AtomicBool,
    /// The shard's own directories whose names are durable, and which directory each of them was then.
    durable_dirs: Mutex<BTreeMap<PathBuf, u64>>,
    failed_syncs: AtomicU32,
    unsettled: AtomicBool,
}

impl ShardDisk {
    /// Makes the hold of one shard.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>, layout: Layout, shard: ShardId, limits: DiskLimits, run: Run) -> Self {
        Self {
            disk,
            layout,
            shard,
            limits,
            pulse: Arc::default(),
            space: Arc::new(SpaceGuard::new(SpaceBounds::new(limits.min_free_bytes, 100))),
            run,
            sequence: AtomicU64::new(0),
            tmp_names_removed: AtomicBool::new(false),
            durable_dirs: Mutex::default(),
            failed_syncs: AtomicU32::new(0),
            unsettled: AtomicBool::new(false),
        }
    }

    /// Shares the room of the store with its other shards.
    #[must_use]
    pub fn sharing(mut self, space: Arc<SpaceGuard>) -> Self {
        self.space = space;
        self
    }

    /// Returns the room of the store.
    #[must_use]
    pub fn room(&self) -> &SpaceGuard {
        &self.space
    }

    /// Returns why this shard writes no more until the daemon is started again; `None` while it does.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        if let Some(reason) = &self.run.distrust {
            return Some(format!(
                "nothing is written: {reason}; look at the disk, then start promptd again"
            ));
        }
        let failed = self.failed_syncs.load(Ordering::Relaxed);
        (failed >= MAX_FAILED_SYNCS).then(|| {
            format!(
                "shard {} writes no more: {failed} syncs in a row failed; look at the disk, then start promptd again",
                self.shard
            )
        })
    }

    /// Returns what is unique to this start of the daemon.
    pub(super) fn run_id(&self) -> &str {
        &self.run.id
    }

    /// Remembers whether recovery had to leave things as they are because nothing could be written, or not all be seen.
    pub(super) fn set_unsettled(&self, unsettled: bool) {
        self.unsettled.store(unsettled, Ordering::Relaxed);
    }

    /// Returns what stands where one of the directories belongs that writing and deleting need. What lies in them is not
    /// known then: which numbers are in the trash, which versions wait in `.tmp`. So nothing may be written.
    #[must_use]
    pub fn obstruction(&self) -> Option<Problem> {
        let tmp = self.layout.tmp_dir(&self.shard);
        let dirs = [
            tmp.join(QUARANTINE_DIR),
            tmp,
            self.layout.trash_dir(&self.shard),
            PathBuf::from(TRASH_DIR),
        ];
        let in_the_way = |dir: &PathBuf| {
            let found = self.disk.stat(dir).ok().flatten();
            found.is_some_and(|(kind, _)| kind != EntryKind::Dir)
        };
        let dir = dirs.into_iter().find(in_the_way)?;
        let message = "not a directory: what it held is not known, so that nothing is written here; put the directory back, \
                       or move what stands there away";
        Some(Problem::new(&dir, "not-a-directory", message))
    }

    /// Tells whether the file system is read-only now.
    pub(super) fn is_read_only(&self) -> bool {
        self.disk.space().is_ok_and(|space| space.read_only)
    }

    /// Goes before every change: refuses where nothing may be written, and makes the shard's own directories.
    pub(super) fn get_ready(&self) -> Result<(), DiskFault> {
        if let Some(reason) = self.refusal() {
            return Err(DiskFault::Refused(reason));
        }
        if !self.disk.is_in_place() {
            return Err(DiskFault::Refused(STORE_MOVED.to_owned()));
        }
        if self.is_read_only() {
            return Err(DiskFault::ReadOnly);
        }
        if self.unsettled.load(Ordering::Relaxed) {
            if let Some(problem) = self.obstruction() {
                return Err(DiskFault::Refused(format!(
                    "{}: {}",
                    problem.path, problem.message
                )));
            }
            return Err(DiskFault::Unknown {
                doing: "writing to",
                path: self.shard.to_string(),
                message: "what could not be settled before now can be: recovering first".to_owned(),
            });
        }
        self.ensure_shard_dirs()
    }

    /// Refuses to write something new when too little room is left. What frees room needs no check.
    fn reserve(&self, bytes: u64) -> Result<Reservation<'_>, DiskFault> {
        self.space.reserve(&*self.disk, bytes)
    }

    /// As the two before: goes before everything that is new, and holds its room until it is written.
    pub(super) fn get_ready_for_new(&self, bytes: u64) -> Result<Reservation<'_>, DiskFault> {
        self.get_ready()?;
        self.reserve(bytes)
    }

    /// Makes a call, and makes it again with the shard's own directories made anew when it found something missing: an
    /// operator may have removed them while the daemon runs.
    pub(super) fn in_shard<T>(&self, call: impl Fn() -> io::Result<T>) -> Result<io::Result<T>, DiskFault> {
        match call() {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.forget_durable_dirs();
                self.ensure_shard_dirs()?;
                Ok(call())
            }
            other => Ok(other),
        }
    }

    /// Makes a directory and, when it is new, its entry durable.
    pub(super) fn ensure_dir(&self, path: &Path) -> Result<(), DiskFault> {
        if path.as_os_str().is_empty() {
            return Ok(());
        }
        let made = self.in_shard(|| self.disk.make_dir(path))?;
        if made.map_err(|e| DiskFault::before("making", path, &e))? {
            self.sync_dir(path.parent().unwrap_or(Path::new("")))?;
        }
        Ok(())
    }

    /// Makes the shard's own directories.
    fn ensure_shard_dirs(&self) -> Result<(), DiskFault> {
        self.ensure_durable_dir(&self.layout.shard_dir(&self.shard))?;
        self.ensure_durable_dir(&self.layout.tmp_dir(&self.shard))
    }

    /// Makes the shard's directory in the trash.
    pub(super) fn ensure_trash_dir(&self) -> Result<(), DiskFault> {
        self.ensure_durable_dir(Path::new(TRASH_DIR))?;
        self.ensure_durable_dir(&self.layout.trash_dir(&self.shard))
    }

    /// Makes a directory, and its name durable whoever made it: another shard may not have synced it yet, another program
    /// may have put it in the place of the one that was. It is then taken for durable as long as it is that one.
    fn ensure_durable_dir(&self, path: &Path) -> Result<(), DiskFault> {
        if path.as_os_str().is_empty() || self.is_durable_dir(path, self.ino(path)) {
            return Ok(());
        }
        self.disk
            .make_dir(path)
            .map_err(|e| DiskFault::before("making", path, &e))?;
        // Looked at before the sync: one that is put there after it is another one.
        let ino = self.ino(path);
        self.sync_dir(path.parent().unwrap_or(Path::new("")))?;
        if let Some(ino) = ino {
            self.known_dirs().insert(path.to_owned(), ino);
        }
        Ok(())
    }

    fn is_durable_dir(&self, path: &Path, ino: Option<u64>) -> bool {
        ino.is_some() && self.known_dirs().get(path) == ino.as_ref()
    }

    fn known_dirs(&self) -> MutexGuard<'_, BTreeMap<PathBuf, u64>> {
        self.durable_dirs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes none of the shard's own directories for durable any more.
    fn forget_durable_dirs(&self) {
        self.known_dirs().clear();
    }

    /// Makes the name of a prompt's directory durable that somebody else may have made or put there, and those above it.
    ///
    /// # Errors
    /// [`DiskFault`]; after `Unknown` the shard must recover.
    pub fn adopt_prompt_dirs(&self) -> Result<(), DiskFault> {
        let dir = self.layout.shard_dir(&self.shard);
        if let Some(above) = dir.parent() {
            self.sync_dir_if_there(above)?;
        }
        self.sync_dir_if_there(&dir)
    }

    /// Returns which directory or file has a name; `None` when it is absent or cannot be told.
    pub(super) fn ino(&self, path: &Path) -> Option<u64> {
        self.stamp(path).map(|stamp| stamp.ino)
    }

    /// Makes the entries of a directory durable.
    pub(super) fn sync_dir(&self, path: &Path) -> Result<(), DiskFault> {
        let synced = self.disk.sync_dir(path);
        self.count_sync(&synced);
        synced.map_err(|e| DiskFault::unknown("syncing", path, &e))
    }

    /// Makes the entries of a directory durable; a directory that is not there has none.
    pub(super) fn sync_dir_if_there(&self, path: &Path) -> Result<(), DiskFault> {
        match self.disk.sync_dir(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            synced => {
                self.count_sync(&synced);
                synced.map_err(|e| DiskFault::unknown("syncing", path, &e))
            }
        }
    }

    /// Makes everything on the file system durable. Needed before what another run or actor left is trusted.
    ///
    /// # Errors
    /// What the system says.
    pub fn sync_all(&self) -> io::Result<()> {
        let synced = self.disk.sync_all();
        if synced.is_err() {
            // A success is no proof of health: it says nothing of what was called clean before.
            self.count_sync(&synced);
        }
        synced
    }

    /// Makes the bytes of a temporary file durable; when that fails the file is thrown away and never tried again. Returns
    /// its state, and with it which file it is.
    pub(super) fn sync_file(
        &self,
        path: &Path,
        mut file: Box<dyn NewFile>,
    ) -> Result<Option<Stamp>, DiskFault> {
        let synced = file.sync();
        self.count_sync(&synced);
        // After a failed fsync the kernel may call the pages clean: this file is never synced or named again.
        synced.map_err(|e| self.discard_tmp(path, DiskFault::content("syncing", path, &e)))?;
        Ok(file.stamp().ok())
    }

    fn count_sync(&self, synced: &io::Result<()>) {
        match synced {
            Ok(()) => self.failed_syncs.store(0, Ordering::Relaxed),
            // A full or read-only disk says so and loses nothing.
            Err(e)
                if matches!(
                    DiskFault::content("", Path::new(""), e),
                    DiskFault::NoSpace | DiskFault::ReadOnly
                ) => {}
            Err(e) => {
                tracing::error!(event = %LogEvent::SyncFailed, shard = %self.shard, error = %e, "a sync failed");
                self.failed_syncs.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Returns a fresh name in the shard's directory of temporary files.
    pub(super) fn tmp_path(&self, ending: &str) -> PathBuf {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        self.layout
            .tmp_dir(&self.shard)
            .join(format!("{}-{sequence}.{ending}", self.run.id))
    }

    /// Makes a temporary file with the given content, not yet durable. The ending tells recovery what to do with it.
    pub(super) fn write_tmp(
        &self,
        ending: &str,
        bytes: &[u8],
    ) -> Result<(PathBuf, Box<dyn NewFile>), DiskFault> {
        let path = self.tmp_path(ending);
        let created = self.in_shard(|| self.disk.create_new(&path))?;
        let mut file = created.map_err(|e| DiskFault::before("creating", &path, &e))?;
        match file.write_all(bytes) {
            Ok(()) => Ok((path, file)),
            Err(e) => Err(self.discard_tmp(&path, DiskFault::content("writing", &path, &e))),
        }
    }

    /// Removes a temporary file because of a fault. When it cannot be removed the shard must recover: a whole file that
    /// stays would be taken for a version that was cut off.
    pub(super) fn discard_tmp(&self, path: &Path, fault: DiskFault) -> DiskFault {
        self.note_tmp_name_gone();
        match self.disk.unlink(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %path.display(), error = %e, "a temporary file could not be removed");
                fault.halfway()
            }
            _ => fault,
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
            self.sync_dir_if_there(&self.layout.tmp_dir(&self.shard))?;
            self.tmp_names_removed.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Makes sure that a file lies where it was put: before it gets its final name, and after everything else, before anybody
    /// is answered. Each call finds its way through the directories anew: when one of them was moved away or replaced in the
    /// middle, the file is in the one that is gone; in the other there may be a torn copy of it, and that was not synced.
    pub(super) fn check_in_place(&self, path: &Path, ino: Option<u64>) -> Result<(), DiskFault> {
        let found = self.disk.stat(path);
        let found = found.map_err(|e| DiskFault::unknown("looking for", path, &e))?;
        let is_it = found.is_some_and(|(_, stamp)| Some(stamp.ino) == ino);
        if is_it && self.disk.is_in_place() {
            return Ok(());
        }
        let moved =
            io::Error::other("it is not where it was put: a directory was moved or replaced meanwhile");
        Err(DiskFault::unknown("looking for", path, &moved))
    }

    /// Returns the state of a file or directory; `None` when it is absent or cannot be told.
    #[must_use]
    pub fn stamp(&self, path: &Path) -> Option<Stamp> {
        self.disk.stat(path).ok().flatten().map(|(_, stamp)| stamp)
    }

    /// Turns a fault into the answer for the caller.
    #[must_use]
    pub fn error(&self, fault: DiskFault) -> StorageError {
        let free = match fault {
            DiskFault::NoSpace => self.disk.space().map_or(0, |space| space.free),
            _ => 0,
        };
        fault.into_error(free, self.space.bounds().resume_free_bytes)
    }
}
