//! Backups: a copy of the store that is consistent although the store goes on, and what is done with one.
//!
//! - [`member`] is the grammar of what a backup may hold, [`inventory`] the list of what one does hold.
//! - [`make`] makes one: [`gather`] reads a prompt as it was at one instant, a [`sink`] takes it.
//! - [`source`] reads one and holds it against its inventory; [`archive`] reads what may come from anybody.
//! - [`restore`] hands the files of one to the shards, which take in what the store lacks.
//!
//! Everything lies beneath one configured directory and is reached through a [`Disk`] of its own.

mod archive;
#[cfg(test)]
mod fuzz;
mod gather;
mod inventory;
mod list;
mod make;
mod member;
mod place;
mod restore;
mod sink;
mod source;
mod stage;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use rustix::io::Errno;
use tokio::runtime::Handle;

use crate::storage::evidence::MAX_EVIDENCE_BYTES;
use crate::storage::{
    BackupCheck, BackupForm, BackupReport, BackupRequest, BackupSummary, Progress, RestoreReport,
    RestoreRequest, StorageError,
};

use super::FileSystemStorage;
use super::actors::Shared;
use super::disk::{Disk, EntryKind, OpenError, RealDisk, overlap};
use member::INVENTORY_FILE;
use place::Place;
use source::{Source, Watch};

/// The backup directory beside the store, when no other is configured.
const DEFAULT_BACKUP_DIR: &str = "backups";
/// What the names of unfinished backups begin with; then come the store and the job.
const PARTIAL: &str = ".partial-";
/// What the names of archives that are unpacked for a restoring begin with.
const UNPACKED: &str = ".unpacked-";

/// What a backup or a restoring works with.
#[derive(Debug, Clone)]
struct Work {
    shared: Arc<Shared>,
    store_id: String,
    root: Root,
    runtime: Handle,
}

/// The backup directory.
#[derive(Debug, Clone)]
struct Root {
    disk: Arc<dyn Disk>,
    path: PathBuf,
}

impl FileSystemStorage {
    /// Returns the directory beneath which backups lie.
    pub(super) fn backup_dir(&self) -> PathBuf {
        backup_dir(&self.shared.root, self.shared.options.backup_dir.as_deref())
    }

    async fn backup_root(
        &self,
        open: impl FnOnce(&Path) -> Result<Root, StorageError> + Send + 'static,
    ) -> Result<Root, StorageError> {
        let path = self.backup_dir();
        let root = super::watched::blocking(move || open(&path)).await?;
        #[cfg(test)]
        if let Some(disk) = &*self
            .backup_disk
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
        {
            let disk = Arc::clone(disk);
            return Ok(Root { disk, ..root });
        }
        Ok(root)
    }

    fn backup_work(&self, root: Root) -> Work {
        Work {
            shared: Arc::clone(&self.shared),
            store_id: self.store.store_id.clone(),
            root,
            runtime: Handle::current(),
        }
    }

    pub(super) async fn make_backup(
        &self,
        request: BackupRequest,
        progress: &Progress,
    ) -> Result<BackupReport, StorageError> {
        let work = self.backup_work(self.backup_root(open_or_make).await?);
        super::watched::watched(progress, move |progress| make::make(&work, &request, progress)).await
    }

    pub(super) async fn restore_from(
        &self,
        request: RestoreRequest,
        progress: &Progress,
    ) -> Result<RestoreReport, StorageError> {
        let work = self.backup_work(self.backup_root(open).await?);
        super::watched::watched(progress, move |progress| {
            restore::restore(&work, &request, progress)
        })
        .await
    }

    pub(super) async fn check_backup(
        &self,
        source: &str,
        progress: &Progress,
    ) -> Result<BackupCheck, StorageError> {
        let (root, source) = (self.backup_root(open).await?, source.to_owned());
        let max_entry_bytes = max_entry_bytes(&self.shared);
        super::watched::watched(progress, move |progress| {
            check(&root, &source, max_entry_bytes, progress)
        })
        .await
    }

    pub(super) async fn list_backups(&self) -> Result<Vec<BackupSummary>, StorageError> {
        let path = self.backup_dir();
        super::watched::blocking(move || match RealDisk::open_existing(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(e) => Err(io_error("opening", &path, &e)),
            Ok(disk) => list::list(&disk),
        })
        .await
    }
}

fn backup_dir(store: &Path, configured: Option<&Path>) -> PathBuf {
    let beside = || store.parent().unwrap_or(Path::new("")).join(DEFAULT_BACKUP_DIR);
    configured.map_or_else(beside, Path::to_owned)
}

/// Checks that backups and the store do not lie in one another: each would take the other's files for its own.
///
/// # Errors
/// [`OpenError::BackupDir`].
pub(super) async fn check_dir(store: &Path, configured: Option<&Path>) -> Result<(), OpenError> {
    let (store, backups) = (store.to_owned(), backup_dir(store, configured));
    let checked = tokio::task::spawn_blocking(move || match overlap(&store, &backups) {
        Ok(false) => Ok(()),
        Ok(true) => Err(OpenError::BackupDir { backups, store }),
        Err(source) => Err(OpenError::Directory {
            path: backups,
            source,
        }),
    });
    checked.await.unwrap_or_else(|error| {
        let (path, source) = (PathBuf::new(), io::Error::other(error));
        Err(OpenError::Directory { path, source })
    })
}

/// Opens the backup directory, which must be there.
fn open(path: &Path) -> Result<Root, StorageError> {
    match RealDisk::open_existing(path) {
        Ok(disk) => Ok(Root {
            disk: Arc::new(disk),
            path: path.to_owned(),
        }),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Err(StorageError::Backup(format!(
            "there are no backups: the backup directory {} is not there (optimizer.storage.config.backup_dir)",
            path.display()
        ))),
        Err(e) => Err(io_error("opening", path, &e)),
    }
}

/// Opens the backup directory. When it is made, its own name is made durable, too.
fn open_or_make(path: &Path) -> Result<Root, StorageError> {
    let made = || {
        let disk = RealDisk::open(path)?;
        disk.sync_all()?;
        Ok(disk)
    };
    let opened = match RealDisk::open_existing(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => made(),
        other => other,
    };
    let disk = opened.map_err(|e: io::Error| io_error("making", path, &e))?;
    Ok(Root {
        disk: Arc::new(disk),
        path: path.to_owned(),
    })
}

/// Reads a backup from end to end and says how it is.
fn check(
    root: &Root,
    source: &str,
    max_entry_bytes: u64,
    progress: &Progress,
) -> Result<BackupCheck, StorageError> {
    let began = Instant::now();
    let source = find_source(root, source, max_entry_bytes)?;
    let watch = Watch {
        progress,
        is_shown: true,
    };
    let examined = source.examine(watch, &mut |_, _| Ok(()))?;
    let inventory = examined.inventory;
    Ok(BackupCheck {
        path: source.path.display().to_string(),
        form: source.form,
        created_at: inventory.created_at,
        store_id: inventory.store_id,
        counts: inventory.counts,
        sealed: examined.seals.sealed,
        unsealed: examined.seals.unsealed,
        edited: examined.seals.edited,
        damaged: examined.seals.damaged,
        problems: examined.problems,
        duration_ms: millis_since(began),
    })
}

/// Finds the backup that a client names: an archive, a snapshot, or the newest snapshot of a directory.
fn find_source(root: &Root, text: &str, max_entry_bytes: u64) -> Result<Source, StorageError> {
    let place = Place::read(&root.path, Some(text))?;
    let source = |path: PathBuf, form| Source {
        disk: Arc::clone(&root.disk),
        path,
        form,
        max_entry_bytes,
    };
    let found = root.disk.stat(&place.path);
    let kind = found
        .map_err(|e| io_error("looking at", &place.path, &e))?
        .map(|(kind, _)| kind);
    let nothing = || StorageError::Backup(format!("there is no backup {text:?} in {}", root.path.display()));
    match (kind, place.form) {
        (Some(EntryKind::File), BackupForm::Archive) => Ok(source(place.path, BackupForm::Archive)),
        (Some(EntryKind::Dir), BackupForm::Directory) => {
            let is_snapshot = is_there(&*root.disk, &place.path.join(INVENTORY_FILE))?;
            let newest = || list::newest(&*root.disk, &place.path);
            let path = if is_snapshot {
                place.path.clone()
            } else {
                newest()?.ok_or_else(nothing)?
            };
            Ok(source(path, BackupForm::Directory))
        }
        _ => Err(nothing()),
    }
}

/// Returns the largest file that a backup of this store may hold.
fn max_entry_bytes(shared: &Shared) -> u64 {
    shared.options.disk.max_file_bytes.max(MAX_EVIDENCE_BYTES)
}

fn is_there(disk: &dyn Disk, path: &Path) -> Result<bool, StorageError> {
    let found = disk.stat(path);
    found
        .map(|found| found.is_some())
        .map_err(|e| io_error("looking at", path, &e))
}

fn check_cancelled(progress: &Progress) -> Result<(), StorageError> {
    if progress.is_cancelled() {
        return Err(StorageError::Interrupted("cancelled".into()));
    }
    Ok(())
}

/// Removes a file or a directory with all that is in it; symlinks are never followed. What is not there is removed already.
fn remove_all(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.stat(path)? {
        None => Ok(()),
        Some((EntryKind::Dir, _)) => {
            for (name, _) in disk.list(path)? {
                remove_all(disk, &path.join(name))?;
            }
            disk.remove_dir(path)
        }
        Some(_) => disk.unlink(path),
    }
}

/// Removes what earlier runs on the same store left unfinished.
fn remove_unfinished(disk: &dyn Disk, dir: &Path, prefix: &str) -> Result<(), StorageError> {
    let listed = disk.list(dir).map_err(|e| io_error("listing", dir, &e))?;
    for (name, _) in listed {
        if name.to_str().is_some_and(|name| name.starts_with(prefix)) {
            let path = dir.join(&name);
            remove_all(disk, &path).map_err(|e| io_error("removing", &path, &e))?;
            tracing::info!(path = %path.display(), "an unfinished backup was removed");
        }
    }
    Ok(())
}

/// Returns what the names of unfinished files of a store begin with. Other stores may use the same directory.
fn unfinished_prefix(kind: &str, store_id: &str) -> String {
    let store: String = store_id
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(16)
        .collect();
    format!("{kind}{store}-")
}

/// Makes the error of a failed call in the backup directory.
fn io_error(doing: &'static str, path: &Path, error: &io::Error) -> StorageError {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOSPC | Errno::DQUOT) => StorageError::Backup(format!(
            "no room in the backup directory: {doing} {}: {error}; remove old backups, or set optimizer.storage.config.backup_dir to a larger disk",
            path.display()
        )),
        _ => StorageError::Io {
            doing,
            path: path.to_owned(),
            message: error.to_string(),
        },
    }
}

fn millis_since(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}
