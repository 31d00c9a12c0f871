//! Opening a store: one daemon, a known format, a known layout.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::log_events::LogEvent;
use crate::model::{ShardDepth, ShardId, Timestamp, strict_json};

use crate::storage::Problem;

use super::depth::{find_contradiction, find_depth};
use super::layout::{LOCK_FILE, METADATA_FILE, TRASH_DIR, is_hidden};
use super::real::StoreLock;
use super::scan::Foreign;
use super::{Disk, EntryKind, Layout, RealDisk};

/// The format that this version of promptd writes. A store of a newer format is refused.
const FORMAT_VERSION: u32 = 1;
/// The metadata while it is written.
const METADATA_TMP_FILE: &str = ".metadata.json.tmp";
/// The largest metadata file that is read, in bytes.
pub(in crate::storage::filesystem) const MAX_METADATA_BYTES: u64 = 64 << 10;

/// `.metadata.json`: what a store is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoreMetadata {
    /// The format of the store.
    pub format_version: u32,
    /// Tells stores apart.
    pub store_id: String,
    /// How deep prompts are sharded.
    pub shard_depth: ShardDepth,
    /// When the store was made, or first opened by promptd.
    pub created_at: Timestamp,
    /// Keys that this version does not know; kept.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// A store that this process owns.
#[derive(Debug)]
pub struct OpenedStore {
    /// Its file system.
    pub disk: Arc<RealDisk>,
    /// What it is.
    pub metadata: StoreMetadata,
    /// Its shards that exist now.
    pub shards: Vec<ShardId>,
    /// What lies in the store itself and is not served.
    pub problems: Vec<Problem>,
    /// Held for the daemon's life.
    pub lock: StoreLock,
    /// Why nothing may be written in this run, if so.
    pub distrust: Option<String>,
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory cannot be used.
    #[error("cannot use the store {path}: {source}", path = .path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another daemon has it.
    #[error("another promptd{pid} has the store {path} open: stop it first, or choose another --store", path = .path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
        /// ` (pid N)` when it is known.
        pid: String,
    },
    /// A newer format.
    #[error("the store {path} has format {found}; this promptd knows formats up to {FORMAT_VERSION}: use a newer promptd", path = .path.display())]
    NewerFormat {
        /// The directory.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// The backup directory lies in the store, or the store in it.
    #[error(
        "the backup directory {backups} and the store {store} lie in one another: set optimizer.storage.config.backup_dir to another place",
        backups = .backups.display(), store = .store.display()
    )]
    BackupDir {
        /// The backup directory.
        backups: PathBuf,
        /// The store.
        store: PathBuf,
    },
    /// The directories lie in another layout than the metadata says.
    #[error(
        "{path} says shard_depth {said}, but {example} and everything else lies as in a store of shard_depth {found}: nothing would be served; set shard_depth to {found} in that file, or move {example} out of the store when it does not belong there",
        path = .path.display(), example = .example.display()
    )]
    WrongDepth {
        /// The metadata file.
        path: PathBuf,
        /// What it says.
        said: u8,
        /// What the directories show.
        found: u8,
        /// One of them.
        example: PathBuf,
    },
    /// The metadata cannot be understood.
    #[error("{path} is damaged: {reason}; mend it (docs/format.md) or move it away to have the layout found again", path = .path.display())]
    Metadata {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Opens a store, making it when it is absent or empty. `depth` is the layout of a new one.
///
/// A directory that the Python system wrote is opened in place; its layout is told by whether the SHA-256 of the prompt
/// ids agrees with the names of their parents.
///
/// # Errors
/// [`OpenError`] says what to do.
pub fn open_store(path: &Path, depth: ShardDepth) -> Result<OpenedStore, OpenError> {
    let directory = |source| OpenError::Directory {
        path: path.to_owned(),
        source,
    };
    let disk = RealDisk::open(path).map_err(|error| directory(explain(error)))?;
    let lock = take_lock(&disk, path)?;
    let distrust = sync_what_is_there(&disk, path);
    let metadata = settle_metadata(&disk, path, depth)?;
    let layout = Layout {
        depth: metadata.shard_depth,
    };
    let (mut shards, problems) = list_shards(&disk, layout).map_err(directory)?;
    shards.extend(shards_of_trash(&disk, layout));
    shards.sort_unstable();
    shards.dedup();
    Ok(OpenedStore {
        disk: Arc::new(disk),
        metadata,
        shards,
        problems,
        lock,
        distrust,
    })
}

/// Says what stands in the way of the store's directory, where the system only says that something does.
fn explain(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => io::Error::new(
            error.kind(),
            "something that is no directory stands there or above it, or a symlink that leads nowhere: move it away, or choose another --store",
        ),
        _ => error,
    }
}

/// Reads what the store is; one that has no metadata yet gets it, with the layout that its directories show.
///
/// # Errors
/// [`OpenError`] says what to do.
pub(in crate::storage::filesystem) fn settle_metadata(
    disk: &dyn Disk,
    path: &Path,
    depth: ShardDepth,
) -> Result<StoreMetadata, OpenError> {
    let directory = |source| OpenError::Directory {
        path: path.to_owned(),
        source,
    };
    match read_metadata(disk, path)? {
        Some(metadata) => {
            let said = metadata.shard_depth;
            if let Some((found, example)) = find_contradiction(disk, said).map_err(directory)? {
                return Err(OpenError::WrongDepth {
                    path: path.join(METADATA_FILE),
                    said: u8::from(said),
                    found: u8::from(found),
                    example: path.join(example),
                });
            }
            sweep_metadata_tmp(disk);
            Ok(metadata)
        }
        None => {
            let metadata = new_metadata(find_depth(disk, depth).map_err(directory)?);
            match write_metadata(disk, &metadata) {
                // It is found again at each start, until it can be written down.
                Err(e) if e.kind() == io::ErrorKind::ReadOnlyFilesystem => {}
                written => written.map_err(directory)?,
            }
            Ok(metadata)
        }
    }
}

/// A crash may have kept both names of the file: the final one and that under which it was written.
fn sweep_metadata_tmp(disk: &dyn Disk) {
    match disk.unlink(Path::new(METADATA_TMP_FILE)) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            tracing::debug!(error = %e, "a temporary file of the metadata stays");
        }
        _ => {}
    }
}

/// What is about to be trusted becomes durable first: a run killed between rename and fsync leaves names that are visible
/// but would not survive a power failure. Returns why that failed; then the store is only read.
fn sync_what_is_there(disk: &RealDisk, path: &Path) -> Option<String> {
    if let Some(name) = disk.doubtful_file_system() {
        tracing::warn!(path = %path.display(), file_system = name, "what is stored here may not survive a power failure");
    }
    let failure = disk.sync_all().err()?;
    tracing::error!(event = %LogEvent::StoreReadOnly, error = %failure, "what was written before could not be made durable: nothing is written in this run");
    Some(format!(
        "what was written before this start could not be made durable ({failure})"
    ))
}

fn take_lock(disk: &RealDisk, path: &Path) -> Result<StoreLock, OpenError> {
    let lock_path = Path::new(LOCK_FILE);
    match disk.lock(lock_path) {
        Ok(mut lock) => {
            match &mut lock.file {
                Some(file) => {
                    if let Err(e) = note_pid(file) {
                        tracing::debug!(error = %e, "the pid could not be written into the lock file");
                    }
                }
                None => {
                    tracing::warn!(event = %LogEvent::StoreReadOnly, path = %path.display(), "the store is on a read-only file system: it is only read");
                }
            }
            Ok(lock)
        }
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
            let pid = disk
                .read(lock_path, 64)
                .ok()
                .and_then(|content| String::from_utf8(content.bytes).ok());
            let pid = pid
                .map(|text| format!(" (pid {})", text.trim()))
                .unwrap_or_default();
            Err(OpenError::Locked {
                path: path.to_owned(),
                pid,
            })
        }
        Err(e) if is_no_regular_file(&e) => Err(OpenError::Directory {
            path: path.join(LOCK_FILE),
            source: io::Error::other(
                "not a regular file, as the lock must be: remove it and start promptd again",
            ),
        }),
        Err(source) => Err(OpenError::Directory {
            path: path.join(LOCK_FILE),
            source,
        }),
    }
}

/// For people who wonder who holds the lock; the lock itself is what counts. A file that has other names is somebody else's
/// too: it is locked and not written.
fn note_pid(file: &mut File) -> io::Result<()> {
    if file.metadata()?.nlink() > 1 {
        return Err(io::Error::other("it has other names"));
    }
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())
}

/// Tells whether opening for writing failed because of what stands there: a symlink, a directory, a socket, a FIFO, a device.
fn is_no_regular_file(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    error.kind() == io::ErrorKind::InvalidInput
        || matches!(errno, Some(Errno::LOOP | Errno::ISDIR | Errno::NXIO))
}

/// Reads what the store says of itself; nothing when it does not.
///
/// # Errors
/// [`OpenError`].
pub(in crate::storage::filesystem) fn read_metadata(
    disk: &dyn Disk,
    path: &Path,
) -> Result<Option<StoreMetadata>, OpenError> {
    let damaged = |reason: String| OpenError::Metadata {
        path: path.join(METADATA_FILE),
        reason,
    };
    let bytes = match disk.read(Path::new(METADATA_FILE), MAX_METADATA_BYTES) {
        Ok(content) => content.bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::FileTooLarge
            ) =>
        {
            return Err(damaged(e.to_string()));
        }
        Err(e) if e.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            return Err(damaged("a symlink: never followed".into()));
        }
        // It may be all right: who follows the advice for damage would have the layout guessed.
        Err(source) => {
            return Err(OpenError::Directory {
                path: path.join(METADATA_FILE),
                source,
            });
        }
    };
    let value = strict_json::parse(&bytes).map_err(damaged)?;
    // The format is looked at first: a newer one may have another shape.
    let found = value
        .get("format_version")
        .and_then(Value::as_u64)
        .unwrap_or(u64::from(FORMAT_VERSION));
    if found > u64::from(FORMAT_VERSION) {
        return Err(OpenError::NewerFormat {
            path: path.to_owned(),
            found: u32::try_from(found).unwrap_or(u32::MAX),
        });
    }
    serde_json::from_value(value)
        .map(Some)
        .map_err(|e| damaged(e.to_string()))
}

fn new_metadata(shard_depth: ShardDepth) -> StoreMetadata {
    StoreMetadata {
        format_version: FORMAT_VERSION,
        store_id: uuid::Uuid::new_v4().to_string(),
        shard_depth,
        created_at: Timestamp::now(),
        rest: Map::new(),
    }
}

fn write_metadata(disk: &dyn Disk, metadata: &StoreMetadata) -> io::Result<()> {
    let mut bytes = serde_json::to_vec_pretty(metadata)?;
    bytes.push(b'\n');
    let (tmp, target) = (Path::new(METADATA_TMP_FILE), Path::new(METADATA_FILE));
    match disk.unlink(tmp) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut file = disk.create_new(tmp)?;
    file.write_all(&bytes)?;
    file.sync()?;
    drop(file);
    disk.rename_over(tmp, target)?;
    disk.sync_dir(Path::new(""))
}

/// Lists the shards of a store and what is in the store itself but is no shard.
///
/// # Errors
/// What listing says.
pub(crate) fn list_shards(disk: &dyn Disk, layout: Layout) -> io::Result<(Vec<ShardId>, Vec<Problem>)> {
    if layout.depth == ShardDepth::FLAT {
        return Ok((layout.depth.shard_named("").into_iter().collect(), Vec::new()));
    }
    let (mut shards, mut foreign) = (Vec::new(), Foreign::default());
    for (name, kind) in disk.list(Path::new(""))? {
        let shard = name.to_str().and_then(|text| layout.depth.shard_named(text));
        match (shard, kind) {
            (Some(shard), EntryKind::Dir) => shards.push(shard),
            _ if is_hidden(&name) || name == OsStr::new("lost+found") => {}
            _ => foreign.note(
                Path::new(&name),
                "foreign-name",
                "not a shard directory: not served",
            ),
        }
    }
    shards.sort_unstable();
    Ok((shards, foreign.into_problems(Path::new("."))))
}

/// Lists the shards that have a trash. Their directory may be gone; what was deleted in them is still known, as are the
/// numbers.
fn shards_of_trash(disk: &dyn Disk, layout: Layout) -> Vec<ShardId> {
    // A trash that cannot be listed is told by every shard.
    let entries = disk.list(Path::new(TRASH_DIR)).unwrap_or_default();
    let dirs = entries.into_iter().filter(|(_, kind)| *kind == EntryKind::Dir);
    dirs.filter_map(|(name, _)| layout.depth.shard_named(name.to_str()?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_opening_is_refused_and_names_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let _held = open_store(dir.path(), ShardDepth::DEFAULT).unwrap();
        let error = open_store(dir.path(), ShardDepth::DEFAULT)
            .unwrap_err()
            .to_string();
        assert!(error.contains(&format!("pid {}", std::process::id())), "{error}");
    }

    #[test]
    fn the_stores_own_layout_wins_over_the_configured_one_and_survives() {
        let dir = tempfile::tempdir().unwrap();
        drop(open_store(dir.path(), ShardDepth::FLAT).unwrap());
        let again = open_store(dir.path(), ShardDepth::DEFAULT).unwrap();
        assert_eq!(again.metadata.shard_depth, ShardDepth::FLAT);
    }

    #[test]
    fn a_newer_format_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(METADATA_FILE);
        let text = r#"{"format_version": 2, "something": "new"}"#;
        std::fs::write(&path, text).unwrap();
        assert!(matches!(
            open_store(dir.path(), ShardDepth::DEFAULT),
            Err(OpenError::NewerFormat { found: 2, .. })
        ));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        std::fs::write(&path, "{").unwrap();
        assert!(matches!(
            open_store(dir.path(), ShardDepth::DEFAULT),
            Err(OpenError::Metadata { .. })
        ));
    }
}
