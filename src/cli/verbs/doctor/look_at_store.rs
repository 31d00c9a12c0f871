//! Looking at the directory of a store from outside, also while a daemon has it open.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustix::fs::{Access, FileType, Stat};

use crate::storage::filesystem::disk::{Disk, EntryKind, RealDisk};

use super::facts::{StoreFacts, StoreKind};
use super::gather::user_name;

/// How often the locks of the kernel are read before a lock counts as free.
const LOOKS_AT_LOCKS: usize = 3;
/// The most that is read of a lock file, or of the list of locks.
const MAX_BYTES: u64 = 1 << 20;
/// Directories that are no shards, and have no watch.
const UNWATCHED: [&str; 3] = [".trash", ".jobs", ".tmp"];

/// Looks at a store.
pub(super) fn look_at(path: &Path, min_free: u64) -> StoreFacts {
    let mut facts = StoreFacts {
        path: path.to_owned(),
        min_free,
        ..StoreFacts::default()
    };
    let Ok(stat) = rustix::fs::stat(path) else {
        return facts;
    };
    facts.kind = if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        StoreKind::Directory
    } else {
        StoreKind::Other
    };
    (facts.owner, facts.owner_name) = (stat.st_uid, user_name(stat.st_uid));
    facts.mode = stat.st_mode & 0o7777;
    facts.changed_at = stat.st_mtime;
    let may = |access| rustix::fs::access(path, access).is_ok();
    facts.is_readable = may(Access::READ_OK | Access::EXEC_OK);
    facts.is_writable = may(Access::WRITE_OK | Access::EXEC_OK);
    if facts.kind == StoreKind::Directory
        && let Ok(disk) = RealDisk::open_existing(path)
    {
        look_inside(&disk, &mut facts);
    }
    facts
}

fn look_inside(disk: &RealDisk, facts: &mut StoreFacts) {
    facts.doubtful_file_system = disk.doubtful_file_system();
    if let Ok(space) = disk.space() {
        (facts.free, facts.total, facts.is_read_only) = (space.free, space.total, space.read_only);
    }
    facts.directories = 1 + count_directories(disk);
    if let Ok(Some((_, stamp))) = disk.stat(Path::new(".index.json")) {
        facts.changed_at = facts.changed_at.max(stamp.mtime / 1_000_000_000);
    }
    let lock = facts.path.join(".lock");
    if let Ok(content) = disk.read(Path::new(".lock"), 64) {
        facts.lock_names = String::from_utf8_lossy(&content.bytes).trim().parse().ok();
    }
    if let Ok(stat) = rustix::fs::stat(&lock) {
        // The kernel leaves some out when others come and go while it writes them down.
        let mut looks = (0..LOOKS_AT_LOCKS).filter_map(|_| holder(&read_kernel("/proc/locks")?, &stat));
        facts.locked_by = looks.next();
    }
}

/// Counts shards, and the prompts in them.
fn count_directories(disk: &RealDisk) -> u64 {
    let directories = |path: &Path| -> Vec<OsString> {
        let entries = disk.list(path).unwrap_or_default().into_iter();
        let directories = entries.filter(|(_, kind)| *kind == EntryKind::Dir);
        let named = directories.map(|(name, _)| name);
        named
            .filter(|name| !UNWATCHED.iter().any(|other| name == other))
            .collect()
    };
    let shards = directories(Path::new(""));
    let prompts = shards.iter().map(|shard| directories(Path::new(shard)).len());
    shards.len() as u64 + prompts.sum::<usize>() as u64
}

/// Returns when the newest entry of a directory was changed, in seconds since 1970: a backup, or a directory of backups.
pub(super) fn newest_in(dir: &Path) -> Option<i64> {
    let disk = RealDisk::open_existing(dir).ok()?;
    let entries = disk.list(Path::new("")).ok()?;
    let times = entries.iter().filter_map(|(name, _)| {
        let (_, stamp) = disk.stat(Path::new(name)).ok()??;
        Some(stamp.mtime / 1_000_000_000)
    });
    times.max()
}

/// Finds the process that holds the lock on a file. The lock itself is not touched: a daemon that starts at this very
/// moment must not be kept out by whoever looks.
fn holder(locks: &str, stat: &Stat) -> Option<u32> {
    let (major, minor) = (rustix::fs::major(stat.st_dev), rustix::fs::minor(stat.st_dev));
    let file = format!("{major:02x}:{minor:02x}:{}", stat.st_ino);
    let line = locks
        .lines()
        .find(|line| line.contains("FLOCK") && line.split_ascii_whitespace().any(|word| word == file))?;
    // 1: FLOCK  ADVISORY  WRITE 77 fe:00:131 0 EOF
    line.split_ascii_whitespace().nth(4)?.parse().ok()
}

#[expect(clippy::disallowed_methods, reason = "a file of the kernel, not of the store")]
fn read_kernel(path: &str) -> Option<String> {
    let mut text = String::new();
    File::open(path)
        .ok()?
        .take(MAX_BYTES)
        .read_to_string(&mut text)
        .ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::FlockOperation;

    #[test]
    fn the_holder_of_a_lock_is_found_without_touching_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".lock");
        std::fs::write(&path, "77\n").unwrap();
        std::fs::create_dir_all(dir.path().join("69/greet")).unwrap();
        std::fs::create_dir_all(dir.path().join(".trash/69")).unwrap();
        let free = look_at(dir.path(), 0);
        assert_eq!((free.kind, free.locked_by), (StoreKind::Directory, None));
        assert_eq!((free.lock_names, free.directories), (Some(77), 3));
        let file = File::open(&path).unwrap();
        rustix::fs::flock(&file, FlockOperation::LockExclusive).unwrap();
        let held = look_at(dir.path(), 0);
        // Some kernels show locks of other containers without a process.
        let shown = read_kernel("/proc/locks").is_some_and(|locks| !locks.is_empty());
        assert_eq!(held.locked_by, shown.then(std::process::id));
    }

    #[test]
    fn a_store_that_is_not_there_is_missing_and_a_file_is_something_else() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(look_at(&dir.path().join("absent"), 0).kind, StoreKind::Missing);
        let file = dir.path().join("file");
        std::fs::write(&file, "precious").unwrap();
        assert_eq!(look_at(&file, 0).kind, StoreKind::Other);
    }
}
