//! Which backups there are.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::Timestamp;
use crate::storage::filesystem::disk::{Disk, EntryKind, Stamp};
use crate::storage::{BackupForm, BackupSummary, StorageError};

use super::inventory::{Inventory, MAX_INVENTORY_BYTES};
use super::io_error;
use super::member::INVENTORY_FILE;
use super::place::ARCHIVE_ENDING;

/// How deep beneath the backup directory backups are looked for.
const MAX_DEPTH: usize = 4;
/// The most backups in a list.
const MAX_LISTED: usize = 10_000;

/// Lists the backups in the backup directory, in the order of their paths. What is unfinished is hidden and not listed.
pub(super) fn list(disk: &impl Disk) -> Result<Vec<BackupSummary>, StorageError> {
    let mut found = Vec::new();
    list_in(disk, Path::new(""), 0, &mut found)?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found.truncate(MAX_LISTED);
    Ok(found)
}

fn list_in(
    disk: &dyn Disk,
    dir: &Path,
    depth: usize,
    found: &mut Vec<BackupSummary>,
) -> Result<(), StorageError> {
    let listed = disk.list(dir).map_err(|e| io_error("listing", dir, &e))?;
    for (name, kind) in listed {
        let Some(text) = name.to_str().filter(|name| !name.starts_with('.')) else {
            continue;
        };
        let path = dir.join(text);
        match kind {
            EntryKind::Dir => match read_inventory(disk, &path) {
                Some(summary) => found.push(summary),
                None if depth < MAX_DEPTH => list_in(disk, &path, depth + 1, found)?,
                None => {}
            },
            EntryKind::File if text.ends_with(ARCHIVE_ENDING) => {
                if let Ok(Some((_, stamp))) = disk.stat(&path) {
                    found.push(archive(&path, stamp));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Describes a snapshot; `None` when the directory is none.
fn read_inventory(disk: &dyn Disk, path: &Path) -> Option<BackupSummary> {
    let place = path.join(INVENTORY_FILE);
    let (_, stamp) = disk.stat(&place).ok().flatten()?;
    let bytes = disk.read(&place, MAX_INVENTORY_BYTES).ok();
    let inventory = bytes.and_then(|content| Inventory::parse(&content.bytes).ok());
    Some(BackupSummary {
        path: path.display().to_string(),
        form: BackupForm::Directory,
        size: inventory.as_ref().map_or(0, |inventory| inventory.counts.bytes),
        finished_at: time_of(stamp),
        inventory: inventory.map(|inventory| inventory.summary()),
    })
}

fn archive(path: &Path, stamp: Stamp) -> BackupSummary {
    BackupSummary {
        path: path.display().to_string(),
        form: BackupForm::Archive,
        size: stamp.size,
        finished_at: time_of(stamp),
        inventory: None,
    }
}

fn time_of(stamp: Stamp) -> Timestamp {
    let instant = jiff::Timestamp::from_nanosecond(i128::from(stamp.mtime)).unwrap_or_default();
    Timestamp::from_instant(instant)
}

/// Returns the newest complete snapshot in a directory.
pub(super) fn newest(disk: &dyn Disk, dir: &Path) -> Result<Option<PathBuf>, StorageError> {
    let listed = match disk.list(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|e| io_error("listing", dir, &e))?,
    };
    let mut names: Vec<_> = listed
        .into_iter()
        .filter(|(_, kind)| *kind == EntryKind::Dir)
        .filter_map(|(name, _)| Some((key_of(name.to_str()?)?, name)))
        .collect();
    names.sort_unstable();
    for (_, name) in names.into_iter().rev() {
        let path = dir.join(name);
        if super::is_there(disk, &path.join(INVENTORY_FILE))? {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// Returns the name of a snapshot that was begun at a time; `copy` tells apart those of one second.
#[must_use]
pub(super) fn snapshot_name(created_at: &Timestamp, copy: u32) -> String {
    let time = created_at.instant().strftime("%Y-%m-%dT%H%M%SZ").to_string();
    if copy == 0 {
        time
    } else {
        format!("{time}-{}", copy + 1)
    }
}

/// Returns what snapshots are ordered by; `None` for a name that is none of a snapshot.
fn key_of(name: &str) -> Option<(String, u32)> {
    let (time, copy) = name.split_at_checked(18)?;
    let copy = match copy.strip_prefix('-') {
        Some(copy) => copy.parse().ok()?,
        None if copy.is_empty() => 1,
        None => return None,
    };
    jiff::civil::DateTime::strptime("%Y-%m-%dT%H%M%SZ", time).ok()?;
    Some((time.to_owned(), copy))
}

/// Reads the snapshot that the next one in a directory can be linked to. One that cannot be read is no reason not to make
/// a backup.
pub(super) fn base(disk: &Arc<dyn Disk>, dir: &Path) -> Result<Option<super::sink::Base>, StorageError> {
    let Some(path) = newest(&**disk, dir)? else {
        return Ok(None);
    };
    let read = disk.read(&path.join(INVENTORY_FILE), MAX_INVENTORY_BYTES);
    let parsed = read
        .map_err(|e| e.to_string())
        .and_then(|content| Inventory::parse(&content.bytes));
    match parsed {
        Ok(inventory) => Ok(Some(super::sink::Base { path, inventory })),
        Err(why) => {
            tracing::warn!(path = %path.display(), why, "the snapshot before cannot be read: everything is copied");
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_are_ordered_by_time_and_then_by_number() {
        let at = Timestamp::new("2026-11-22T22:15:00.5Z").unwrap();
        assert_eq!(snapshot_name(&at, 0), "2026-11-22T221500Z");
        assert_eq!(snapshot_name(&at, 1), "2026-11-22T221500Z-2");
        let mut names = [
            "2026-11-22T221500Z-10",
            "2026-11-22T221500Z-2",
            "2026-11-22T221500Z",
        ];
        names.sort_by_key(|name| key_of(name).unwrap());
        assert_eq!(
            names,
            [
                "2026-11-22T221500Z",
                "2026-11-22T221500Z-2",
                "2026-11-22T221500Z-10"
            ]
        );
        for other in [
            "",
            "notes",
            "2026-13-22T221500Z",
            "2026-11-22T221500Zx",
            "2026-11-22T221500Z-x",
        ] {
            assert_eq!(key_of(other), None, "{other}");
        }
    }
}
