//! Finding out what is there: one prompt directory, or the names in one shard.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::model::{PromptId, ShardId, Timestamp, Version};
use crate::storage::{Problem, PromptEntry, StorageError, StoredVersion};

use super::layout::{MANIFEST_FILE, is_hidden, version_of_file_name};
use super::version_file::read_regular;
use super::{Disk, EntryKind, Layout, Manifest, ReadFailure, Stamp, read_version};

/// The most foreign names that are reported of one directory, one by one.
const MAX_FOREIGN_NAMES: usize = 100;
/// A change so shortly before a listing may be followed by one that leaves the same time, in nanoseconds: the clock that
/// stamps directories ticks every few milliseconds.
const CLOCK_TICK: i64 = 20_000_000;
/// The same where a time has no fraction: there are file systems that keep whole seconds, or two.
const COARSE_TICK: i64 = 2_000_000_000;
/// The largest manifest that is read and written, in bytes.
pub(in crate::storage::filesystem) const MAX_MANIFEST_BYTES: u64 = 16 << 20;

/// What is known of one prompt directory.
#[derive(Debug, Clone, PartialEq)]
pub struct Slot {
    /// The prompt, as readers see it.
    pub entry: Arc<PromptEntry>,
    /// The state of the directory when it was listed.
    pub dir: Option<Stamp>,
    /// When that listing began, in nanoseconds since 1970; 0 when there was none.
    pub listed_at: i64,
    /// The state of the manifest when it was read; `None` when there is none.
    pub manifest: Option<Stamp>,
    /// The state of the latest version's file when it had the content of which the entry has the fingerprint.
    pub fingerprinted: Option<Stamp>,
    /// What is wrong in it.
    pub problems: Vec<Problem>,
    /// Why nothing may be written to the prompt: what it has used is not known. `None` when all is well.
    pub blocked: Option<String>,
}

impl Slot {
    /// Makes the slot of a prompt that has nothing on disk yet.
    #[must_use]
    pub fn empty(id: PromptId) -> Self {
        Self {
            entry: Arc::new(PromptEntry::empty(id)),
            dir: None,
            listed_at: 0,
            manifest: None,
            fingerprinted: None,
            problems: Vec::new(),
            blocked: None,
        }
    }

    /// Tells whether nothing need be remembered: nothing is there, nothing is wrong, and no number was used.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.is_off_disk() && self.entry.used().next().is_none()
    }

    /// Tells whether nothing is on disk, so that at most the numbers are remembered which the prompt has used.
    #[must_use]
    pub fn is_off_disk(&self) -> bool {
        self.entry.is_gone() && self.manifest.is_none() && self.problems.is_empty()
    }

    /// Tells whether every change since the listing shows in the state of the directory.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.dir.is_some_and(|dir| {
            let is_coarse = dir.ctime % 1_000_000_000 == 0;
            let tick = if is_coarse { COARSE_TICK } else { CLOCK_TICK };
            dir.ctime.saturating_add(tick) <= self.listed_at
        })
    }

    /// Tells whether two slots say the same of a prompt, though they say it of different times.
    #[must_use]
    pub fn agrees_with(&self, other: &Self) -> bool {
        (&self.entry, &self.dir, &self.manifest) == (&other.entry, &other.dir, &other.manifest)
            && (&self.problems, &self.blocked) == (&other.problems, &other.blocked)
    }

    /// Refuses changes of a prompt of which not all is known.
    ///
    /// # Errors
    /// `Unavailable` with the reason.
    pub fn check_writable(&self) -> Result<(), StorageError> {
        match &self.blocked {
            None => Ok(()),
            Some(reason) => Err(StorageError::Unavailable(format!(
                "prompt {} takes no changes until it can be read whole: {reason}",
                self.entry.id
            ))),
        }
    }

    /// Refuses to say what a prompt has when its directory cannot be read.
    ///
    /// # Errors
    /// `Unavailable` with the reason.
    pub fn check_readable(&self) -> Result<(), StorageError> {
        match &self.blocked {
            Some(reason) if self.dir.is_none() => Err(StorageError::Unavailable(format!(
                "the directory of prompt {} cannot be read: {reason}",
                self.entry.id
            ))),
            _ => Ok(()),
        }
    }

    /// Makes the slot of a prompt whose directory is there but cannot be read.
    #[must_use]
    pub fn unreadable(id: &PromptId, trash: Vec<Version>, place: &Path, reason: String) -> Self {
        let mut slot = Self::empty(id.clone());
        Arc::make_mut(&mut slot.entry).trash = trash;
        slot.problems
            .push(Problem::new(place, "unreadable", reason.clone()));
        slot.blocked = Some(reason);
        slot
    }
}

/// Lists a prompt directory and reads its manifest, its first and its latest version.
///
/// Other versions are known by name alone; they are checked when they are read. A latest version that is damaged is
/// reported, and the one before it is the latest. `trash` are the prompt's numbers in the trash.
///
/// # Errors
/// `Absent` when the directory is gone or is none; `Refused` when it cannot be read; `Exhausted` when nothing can be, for the
/// moment.
pub fn scan_prompt(
    disk: &dyn Disk,
    layout: Layout,
    id: &PromptId,
    trash: Vec<Version>,
    max_bytes: u64,
) -> Result<Slot, ReadFailure> {
    let path = layout.prompt_dir(id);
    let listed_at = clock_nanos();
    // The state is taken before the listing: a change in between makes the stamp stale, and so is seen.
    let dir = match disk.stat(&path).map_err(|e| ReadFailure::of(&e))? {
        Some((EntryKind::Dir, stamp)) => Some(stamp),
        _ => return Err(ReadFailure::Absent),
    };
    let listing = list_prompt(disk, &path).map_err(|e| ReadFailure::of(&e))?;
    let mut entry = PromptEntry {
        trash,
        versions: listing.versions,
        ..PromptEntry::empty(id.clone())
    };
    let mut problems = listing.problems;
    let (manifest, blocked) = if listing.has_manifest {
        read_manifest_into(disk, layout, &mut entry, &mut problems)?
    } else {
        (None, None)
    };
    read_times(disk, layout, &mut entry, &mut problems, max_bytes);
    Ok(Slot {
        entry: Arc::new(entry),
        dir,
        listed_at,
        manifest,
        fingerprinted: None,
        problems,
        blocked,
    })
}

/// Returns the time as the stamps of files count it.
pub(in crate::storage::filesystem) fn clock_nanos() -> i64 {
    i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX)
}

/// The names in a prompt directory.
#[derive(Debug)]
pub(in crate::storage::filesystem) struct Listing {
    /// Files with the name of a version, in order.
    versions: Vec<Version>,
    has_manifest: bool,
    /// What does not belong there.
    problems: Vec<Problem>,
}

impl Listing {
    /// Tells whether the names are those that are known of a prompt with which nothing is wrong.
    #[must_use]
    pub(in crate::storage::filesystem) fn confirms(&self, slot: &Slot) -> bool {
        self.versions == slot.entry.versions
            && self.has_manifest == slot.manifest.is_some()
            && self.problems.is_empty()
    }
}

/// Lists a prompt directory and reads nothing in it.
///
/// # Errors
/// What listing the directory says.
pub(in crate::storage::filesystem) fn list_prompt(disk: &dyn Disk, path: &Path) -> io::Result<Listing> {
    let (mut versions, mut has_manifest, mut foreign) = (Vec::new(), false, Foreign::default());
    for (name, kind) in disk.list(path)? {
        match (version_of_file_name(&name), kind) {
            (Some(version), EntryKind::File) => versions.push(version),
            (Some(_), _) => foreign.note(&path.join(&name), "not-a-file", "only regular files are served"),
            (None, _) if name == OsStr::new(MANIFEST_FILE) => has_manifest = true,
            (None, _) if is_hidden(&name) || looks_temporary(&name) => {}
            (None, _) => foreign.note(
                &path.join(&name),
                "foreign-name",
                "not the name of a version: not served",
            ),
        }
    }
    versions.sort_unstable();
    Ok(Listing {
        versions,
        has_manifest,
        problems: foreign.into_problems(path),
    })
}

/// What does not belong where it is. There may be any number of such names; only so many are reported one by one.
#[derive(Default)]
pub(in crate::storage::filesystem) struct Foreign {
    problems: Vec<Problem>,
    more: usize,
}

impl Foreign {
    pub(in crate::storage::filesystem) fn note(&mut self, place: &Path, kind: &str, message: &str) {
        if self.problems.len() < MAX_FOREIGN_NAMES {
            self.problems.push(Problem::new(place, kind, message));
        } else {
            self.more += 1;
        }
    }

    pub(in crate::storage::filesystem) fn into_problems(mut self, dir: &Path) -> Vec<Problem> {
        if self.more > 0 {
            let message = format!("and {} more that do not belong here", self.more);
            let kind = self
                .problems
                .last()
                .map_or("foreign-name".to_owned(), |last| last.kind.clone());
            self.problems.push(Problem::new(dir, &kind, message));
        }
        self.problems
    }
}

/// Reads the manifest of a prompt; `None` when there is none.
///
/// # Errors
/// [`ReadFailure`] when it is damaged or cannot be read.
pub(in crate::storage::filesystem) fn read_manifest(
    disk: &dyn Disk,
    layout: Layout,
    id: &PromptId,
) -> Result<Option<(Manifest, Stamp)>, ReadFailure> {
    match read_regular(disk, &layout.manifest_file(id), MAX_MANIFEST_BYTES) {
        Ok((bytes, stamp)) => Ok(Some((
            Manifest::parse(&bytes, id).map_err(ReadFailure::Corrupt)?,
            stamp,
        ))),
        Err(ReadFailure::Absent) => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn read_manifest_into(
    disk: &dyn Disk,
    layout: Layout,
    entry: &mut PromptEntry,
    problems: &mut Vec<Problem>,
) -> Result<(Option<Stamp>, Option<String>), ReadFailure> {
    let place = layout.manifest_file(&entry.id);
    match read_manifest(disk, layout, &entry.id) {
        Ok(Some((manifest, stamp))) => {
            manifest.apply_to(entry);
            let mut dangling = Foreign::default();
            for (label, target) in &manifest.labels {
                if !entry.has(&target.version) {
                    let message = format!("label {label} points at {}, which is not there", target.version);
                    dangling.note(&place, "dangling-label", &message);
                }
            }
            problems.extend(dangling.into_problems(&place));
            Ok((Some(stamp), None))
        }
        Err(ReadFailure::Corrupt(reason)) => {
            problems.push(Problem::new(&place, "corrupt-manifest", reason));
            Ok((None, None))
        }
        // It says which numbers were used: without it none may be given out.
        Err(ReadFailure::Refused(reason)) => {
            problems.push(Problem::new(&place, "unreadable", reason.clone()));
            Ok((None, Some(format!("reading {}: {reason}", place.display()))))
        }
        Err(failure @ ReadFailure::Exhausted(_)) => Err(failure),
        Ok(None) | Err(ReadFailure::Absent) => Ok((None, None)),
    }
}

fn read_times(
    disk: &dyn Disk,
    layout: Layout,
    entry: &mut PromptEntry,
    problems: &mut Vec<Problem>,
    max_bytes: u64,
) {
    entry.updated_at = time_of(disk, layout, entry, problems, max_bytes, |entry| {
        entry.latest().cloned()
    });
    entry.created_at = time_of(disk, layout, entry, problems, max_bytes, |entry| {
        entry.versions.first().cloned()
    });
}

/// Reads the time of the chosen version; a damaged one is taken off the list, reported, and the choice made again.
fn time_of(
    disk: &dyn Disk,
    layout: Layout,
    entry: &mut PromptEntry,
    problems: &mut Vec<Problem>,
    max_bytes: u64,
    choose: impl Fn(&PromptEntry) -> Option<Version>,
) -> Option<Timestamp> {
    while let Some(version) = choose(entry) {
        match read_version(disk, layout, &entry.id, &version, max_bytes) {
            Ok((StoredVersion { created_at, .. }, _)) => return Some(created_at),
            Err(ReadFailure::Corrupt(reason)) => {
                let place = layout.version_file(&entry.id, &version);
                problems.push(Problem::new(&place, "corrupt-version", reason));
                entry.note_used(&version);
                entry.versions.retain(|other| *other != version);
            }
            // What cannot be read now is not damaged: it stays listed.
            Err(ReadFailure::Absent | ReadFailure::Refused(_) | ReadFailure::Exhausted(_)) => return None,
        }
    }
    None
}

/// Lists the prompt directories of a shard by name, and what there is that is none.
///
/// # Errors
/// What listing the directory says.
pub fn scan_shard_names(
    disk: &dyn Disk,
    layout: Layout,
    shard: &ShardId,
) -> io::Result<(Vec<PromptId>, Vec<Problem>)> {
    let path = layout.shard_dir(shard);
    let (mut ids, mut problems, mut foreign) = (Vec::new(), Vec::new(), Foreign::default());
    let entries = match disk.list(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
        other => other?,
    };
    for (name, kind) in entries {
        let place = path.join(&name);
        let id = name.to_str().and_then(|text| PromptId::new(text).ok());
        match (id, kind) {
            _ if is_hidden(&name) => {}
            (Some(id), EntryKind::Dir) if layout.shard_of(&id) == *shard => ids.push(id),
            (Some(id), EntryKind::Dir) => {
                let right = layout.prompt_dir(&id);
                let message = format!("this prompt belongs into {}: not served here", right.display());
                problems.push(Problem::new(&place, "misplaced", message));
            }
            (None, EntryKind::Dir) if name == OsStr::new("lost+found") => {}
            (None, EntryKind::Dir) => {
                let message = "not a valid prompt id: not served; 'promptctl import dir' brings it in under a valid name";
                foreign.note(&place, "foreign-name", message);
            }
            (_, _) => foreign.note(&place, "foreign-name", "not a prompt directory: not served"),
        }
    }
    problems.extend(foreign.into_problems(&path));
    Ok((ids, problems))
}

/// Tells whether a name is what editors and the Python system leave behind while they save.
fn looks_temporary(name: &OsStr) -> bool {
    let text = name.to_string_lossy();
    text.ends_with('~')
        || text.ends_with(".swp")
        || text.ends_with(".bak")
        || text.contains(".tmp.")
        || text.ends_with(".tmp")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_settled(ctime: i64, listed_at: i64) -> bool {
        let dir = Stamp {
            ino: 1,
            size: 0,
            mtime: 0,
            ctime,
        };
        let empty = Slot::empty(PromptId::new("p").unwrap());
        Slot {
            dir: Some(dir),
            listed_at,
            ..empty
        }
        .is_settled()
    }

    #[test]
    fn a_directory_is_settled_when_it_was_listed_a_tick_after_its_last_change() {
        let changed = 5_000_000_001;
        assert!(!is_settled(changed, 0), "never listed");
        assert!(!is_settled(changed, changed + CLOCK_TICK - 1), "in the same tick");
        assert!(is_settled(changed, changed + CLOCK_TICK));
    }

    #[test]
    fn a_time_of_whole_seconds_settles_later() {
        let changed = 5_000_000_000;
        assert!(!is_settled(changed, changed + COARSE_TICK - 1));
        assert!(is_settled(changed, changed + COARSE_TICK));
    }
}
