//! What a crash left in a shard's directory of temporary files, and what becomes of it.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::log_events::LogEvent;
use crate::model::Integrity;
use crate::storage::{Problem, StoredVersion};

use super::adopt::ADOPTED_ENDING;
use super::evidence::EVIDENCE_ENDING;
use super::layout::{QUARANTINE_DIR, is_hidden};
use super::recover::{RecoveredShard, TrashList};
use super::version_file::{parse, read_regular};
use super::{DiskFault, EntryKind, Prepared, ReadFailure, ShardDisk, read_version};

/// The most set-aside files of one name.
const MAX_COPIES: u32 = 1000;
/// The most set-aside files that are reported one by one.
const MAX_REPORTED: usize = 100;

/// What a temporary file turned out to be.
enum Leftover {
    /// Never acknowledged, or already in its place: drop it.
    Drop,
    /// Complete, and its version is absent: put it again.
    Replay(Prepared),
    /// It contradicts what is there: set it aside.
    SetAside(String),
}

/// Settles every temporary file of a shard. Cut off in the middle, it is done again from the beginning.
///
/// # Errors
/// [`DiskFault`] when the disk does not let it finish.
pub(super) fn settle_leftovers(
    shard: &ShardDisk,
    trash: &TrashList,
    recovered: &mut RecoveredShard,
) -> Result<(), DiskFault> {
    let tmp = shard.layout.tmp_dir(&shard.shard);
    let entries = match shard.disk.list(&tmp) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(|e| DiskFault::before("listing", &tmp, &e))?,
    };
    let mut settled: Vec<PathBuf> = Vec::new();
    for (name, kind) in entries {
        if name == QUARANTINE_DIR {
            continue;
        }
        let path = tmp.join(&name);
        let mut leftover = judge(shard, &path, kind, trash)?;
        if let Leftover::Replay(prepared) = &leftover {
            match replay(shard, prepared) {
                Ok(()) => recovered.replayed += 1,
                // Nobody was told that it is stored. It must not stay here either: when its number is used again and
                // forgotten, this file would be taken for it.
                Err(DiskFault::NoSpace) => {
                    leftover = Leftover::SetAside("no room to put it again: put it once more by hand".into());
                }
                Err(fault) => return Err(fault),
            }
        }
        match leftover {
            Leftover::Drop => recovered.discarded += 1,
            Leftover::Replay(_) => {}
            Leftover::SetAside(reason) => {
                let place = set_aside(shard, &path)?;
                tracing::warn!(event = %LogEvent::FileSetAside, path = %place.display(), reason, "a temporary file was set aside");
                recovered
                    .problems
                    .push(Problem::new(&place, "quarantined", reason));
                recovered.quarantined += 1;
                continue;
            }
        }
        settled.push(path);
    }
    remove_settled(shard, &settled, recovered)
}

fn replay(shard: &ShardDisk, prepared: &Prepared) -> Result<(), DiskFault> {
    let mut outcome = shard.commit_unchecked(std::slice::from_ref(prepared));
    outcome.pop().transpose()?;
    tracing::info!(event = %LogEvent::VersionReplayed, prompt_id = %prepared.id, version = %prepared.version, "a version cut off by a crash was put again");
    Ok(())
}

/// Where a rename is not one step on the disk, a power failure may leave a purged prompt both its names. Its place in the
/// shard goes before its files do: otherwise another power failure would leave the prompt in its place with some of them.
fn take_other_name(shard: &ShardDisk, purged: u64) -> Result<Option<PathBuf>, DiskFault> {
    let home = shard.layout.shard_dir(&shard.shard);
    let entries = shard.disk.list(&home);
    let entries = entries.map_err(|e| DiskFault::before("listing", &home, &e))?;
    let mut places = entries.into_iter().map(|(name, _)| home.join(name));
    let Some(place) = places.find(|place| shard.stamp(place).is_some_and(|stamp| stamp.ino == purged)) else {
        return Ok(None);
    };
    let doomed = shard.tmp_path("purge");
    let renamed = shard.disk.rename_new(&place, &doomed);
    renamed.map_err(|e| DiskFault::naming("renaming", &place, &e))?;
    shard.sync_dir(&home)?;
    Ok(Some(doomed))
}

/// Removes what is settled. Only now that every replay is durable may the old names go.
fn remove_settled(
    shard: &ShardDisk,
    settled: &[PathBuf],
    recovered: &mut RecoveredShard,
) -> Result<(), DiskFault> {
    for path in settled {
        match shard.disk.stat(path) {
            Ok(Some((EntryKind::Dir, stamp))) => {
                let other_name = take_other_name(shard, stamp.ino)?;
                for path in [path].into_iter().chain(&other_name) {
                    // What is left of a purged prompt does no harm.
                    if let Err(e) = shard.remove_tree(path) {
                        let message = format!("what is left of a purged prompt cannot be removed: {e}");
                        recovered.problems.push(Problem::new(path, "unreadable", message));
                    }
                }
            }
            // A whole version that stays here could come back after its deletion.
            Ok(Some(_)) => {
                let removed = shard.disk.unlink(path);
                removed.map_err(|e| DiskFault::naming("removing", path, &e))?;
            }
            Ok(None) => {}
            Err(e) => return Err(DiskFault::before("looking at", path, &e)),
        }
    }
    if !settled.is_empty() || recovered.quarantined > 0 {
        shard.note_tmp_name_gone();
        shard.settle_tmp_names()?;
    }
    Ok(())
}

fn judge(shard: &ShardDisk, path: &Path, kind: EntryKind, trash: &TrashList) -> Result<Leftover, DiskFault> {
    let purge = path.extension().is_some_and(|ending| ending == "purge");
    match kind {
        EntryKind::Dir if purge => return Ok(Leftover::Drop),
        // A file of a backup says by its path where it belongs, and not by its content: its restoring is begun again.
        // Test results are added again by whoever was not told that they are there.
        EntryKind::File
            if path
                .extension()
                .is_some_and(|ending| ending == ADOPTED_ENDING || ending == EVIDENCE_ENDING) =>
        {
            return Ok(Leftover::Drop);
        }
        EntryKind::File => {}
        _ => return Ok(Leftover::SetAside("not a regular file".into())),
    }
    let max_bytes = shard.limits.max_file_bytes;
    let bytes = match read_regular(&*shard.disk, path, max_bytes) {
        Ok((bytes, _)) => Bytes::from(bytes),
        Err(ReadFailure::Absent) => return Ok(Leftover::Drop),
        Err(ReadFailure::Corrupt(reason) | ReadFailure::Refused(reason)) => {
            return Ok(Leftover::SetAside(reason));
        }
        Err(ReadFailure::Exhausted(message)) => return Err(exhausted(path, message)),
    };
    // Zero length, a prefix, holes, another kind of small file: never acknowledged under a version's name.
    let Ok((stored, document)) = parse(bytes.clone()) else {
        return Ok(Leftover::Drop);
    };
    let (id, version) = (document.prompt_id, document.version);
    if stored.integrity != Integrity::Sealed {
        return Ok(Leftover::SetAside(
            "a whole version, but not as promptd writes it".into(),
        ));
    }
    if shard.layout.shard_of(&id) != shard.shard {
        return Ok(Leftover::SetAside(format!(
            "a version of {id}, which is of another shard"
        )));
    }
    let home = shard.layout.prompt_dir(&id);
    if let Ok(Some((kind, _))) = shard.disk.stat(&home)
        && kind != EntryKind::Dir
    {
        return Ok(Leftover::SetAside(format!(
            "{} is not a directory",
            home.display()
        )));
    }
    let was_deleted = trash.get(&id).is_some_and(|versions| versions.contains(&version));
    match read_version(&*shard.disk, shard.layout, &id, &version, max_bytes) {
        Err(ReadFailure::Absent) if was_deleted => Ok(Leftover::Drop),
        Err(ReadFailure::Absent) => Ok(Leftover::Replay(Prepared {
            id,
            version,
            bytes,
            durable_dir: None,
        })),
        Ok((StoredVersion { checksum, .. }, _)) if checksum == stored.checksum => Ok(Leftover::Drop),
        Ok(_) => Ok(Leftover::SetAside(format!("{id} has another version {version}"))),
        Err(ReadFailure::Corrupt(reason)) => Ok(Leftover::SetAside(format!(
            "{version} of {id} is damaged: {reason}"
        ))),
        Err(ReadFailure::Refused(reason)) => Ok(Leftover::SetAside(format!(
            "the place of {version} of {id} cannot be read: {reason}"
        ))),
        Err(ReadFailure::Exhausted(message)) => {
            Err(exhausted(&shard.layout.version_file(&id, &version), message))
        }
    }
}

fn exhausted(path: &Path, message: String) -> DiskFault {
    DiskFault::Failed {
        doing: "reading",
        path: path.display().to_string(),
        message,
    }
}

fn set_aside(shard: &ShardDisk, path: &Path) -> Result<PathBuf, DiskFault> {
    let quarantine = shard.layout.tmp_dir(&shard.shard).join(QUARANTINE_DIR);
    shard.ensure_dir(&quarantine)?;
    let name = path.file_name().unwrap_or_default();
    for target in quarantine_names(&quarantine, Path::new(name)) {
        match shard.disk.rename_new(path, &target) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(DiskFault::naming("setting aside", path, &e)),
            Ok(()) => {
                shard.sync_dir(&quarantine)?;
                return Ok(target);
            }
        }
    }
    Err(DiskFault::Failed {
        doing: "setting aside",
        path: path.display().to_string(),
        message: "too many copies".into(),
    })
}

/// Returns the names under which a file may be set aside, the best first.
pub(super) fn quarantine_names(quarantine: &Path, name: &Path) -> impl Iterator<Item = PathBuf> {
    let first = quarantine.join(name).into_os_string();
    (0..MAX_COPIES).map(move |copy| {
        let mut target = first.clone();
        if copy > 0 {
            target.push(format!("~{copy}"));
        }
        PathBuf::from(target)
    })
}

impl ShardDisk {
    /// Returns what recovery set aside and nobody has taken away yet.
    #[must_use]
    pub fn quarantined(&self) -> Vec<Problem> {
        let dir = self.layout.tmp_dir(&self.shard).join(QUARANTINE_DIR);
        let names = self.disk.list(&dir).unwrap_or_default();
        let kept = names.iter().filter(|(name, _)| !is_hidden(name));
        kept.take(MAX_REPORTED)
            .map(|(name, _)| Problem::new(&dir.join(name), "quarantined", "set aside by recovery"))
            .collect()
    }
}
