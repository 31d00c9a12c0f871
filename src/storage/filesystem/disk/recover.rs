//! What a shard does before it serves: settle what a crash left behind, then look at what is there.
//!
//! At start, after a crash and after a restart of one actor it is the same code. Every step may be cut off by another
//! crash and is then done again (docs/durability.md, recovery).

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::model::{Integrity, PromptId, Version};
use crate::storage::{Problem, StoredVersion};

use super::layout::{QUARANTINE_DIR, is_hidden};
use super::version_file::{parse, read_regular};
use super::{
    DiskFault, EntryKind, IndexHints, Prepared, ReadFailure, ShardDisk, Slot, read_version, scan_prompt,
    scan_shard_names,
};

/// What recovery found and did.
#[derive(Debug, Default)]
pub struct RecoveredShard {
    /// Every prompt of the shard.
    pub slots: BTreeMap<PromptId, Slot>,
    /// What is wrong in the shard outside of prompt directories.
    pub problems: Vec<Problem>,
    /// Versions that were put again from complete temporary files.
    pub replayed: u64,
    /// Temporary files that were dropped.
    pub discarded: u64,
    /// Temporary files that were set aside.
    pub quarantined: u64,
}

/// What a temporary file turned out to be.
enum Leftover {
    /// Never acknowledged, or already in its place: drop it.
    Drop,
    /// Complete, and its version is absent: put it again.
    Replay(Prepared),
    /// It contradicts what is there: set it aside.
    SetAside(String),
}

/// Brings a shard into a state that can be served and says what is in it. The caller holds the write token.
///
/// `hints` come from the index and save reading directories that did not change since it was written.
///
/// # Errors
/// [`DiskFault`] when the disk does not let recovery finish; nothing is lost, and it can be tried again.
pub fn recover_shard(shard: &ShardDisk, hints: &IndexHints) -> Result<RecoveredShard, DiskFault> {
    let dir = shard.layout.shard_dir(&shard.shard);
    let mut recovered = RecoveredShard::default();
    let mut trash: BTreeMap<PromptId, Vec<Version>> = BTreeMap::new();
    let trashed = shard
        .list_trash()
        .map_err(|e| DiskFault::before("listing the trash of", &dir, &e))?;
    for (id, version) in trashed {
        trash.entry(id).or_default().push(version);
    }
    trash.values_mut().for_each(|versions| versions.sort_unstable());
    settle_leftovers(shard, &trash, &mut recovered)?;
    let (ids, problems) = scan_shard_names(&*shard.disk, shard.layout, &shard.shard)
        .map_err(|e| DiskFault::before("listing", &dir, &e))?;
    recovered.problems.extend(problems);
    for id in ids {
        let trashed = trash.remove(&id).unwrap_or_default();
        if let Some(slot) = look_at(shard, hints, &id, trashed, &mut recovered.problems)? {
            recovered.slots.insert(id, slot);
        }
    }
    for (id, versions) in trash {
        let mut slot = Slot::empty(id.clone());
        Arc::make_mut(&mut slot.entry).trash = versions;
        recovered.slots.insert(id, slot);
    }
    Ok(recovered)
}

/// Looks at one prompt directory; `None` when it vanished or is empty.
fn look_at(
    shard: &ShardDisk,
    hints: &IndexHints,
    id: &PromptId,
    trash: Vec<Version>,
    problems: &mut Vec<Problem>,
) -> Result<Option<Slot>, DiskFault> {
    let path = shard.layout.prompt_dir(id);
    let mut slot = match hints.slot(shard, id, &trash) {
        Some(slot) => slot,
        None => match scan_prompt(&*shard.disk, shard.layout, id, trash, shard.limits.max_file_bytes) {
            Ok(mut slot) => {
                hints.note_used(&mut slot);
                slot
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => {
                // One unreadable directory does not take the shard down.
                problems.push(Problem::new(&path, "unreadable", e.to_string()));
                return Ok(None);
            }
        },
    };
    finish_cut_off_deletions(shard, &mut slot)?;
    let nothing = slot.entry.is_gone() && slot.manifest.is_none() && slot.problems.is_empty();
    Ok((!nothing).then_some(slot))
}

/// A number both live and in the trash: the deletion was not acknowledged, so the live version wins.
fn finish_cut_off_deletions(shard: &ShardDisk, slot: &mut Slot) -> Result<(), DiskFault> {
    let both: Vec<Version> = slot
        .entry
        .trash
        .iter()
        .filter(|version| slot.entry.has(version))
        .cloned()
        .collect();
    for version in both {
        let id = &slot.entry.id;
        let live = shard
            .stamp(&shard.layout.version_file(id, &version))
            .map(|stamp| stamp.ino);
        if live == shard.trashed_stamp(id, &version).map(|stamp| stamp.ino) {
            shard.purge_trashed(id, std::slice::from_ref(&version))?;
        } else {
            let place = shard.layout.trash_file(id, &version, 0);
            slot.problems.push(Problem::new(
                &place,
                "live-and-trashed",
                "the live version is served",
            ));
        }
        Arc::make_mut(&mut slot.entry)
            .trash
            .retain(|other| *other != version);
    }
    Ok(())
}

fn settle_leftovers(
    shard: &ShardDisk,
    trash: &BTreeMap<PromptId, Vec<Version>>,
    recovered: &mut RecoveredShard,
) -> Result<(), DiskFault> {
    let tmp = shard.layout.tmp_dir(&shard.shard);
    let entries = match shard.disk.list(&tmp) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(|e| DiskFault::before("listing", &tmp, &e))?,
    };
    let mut settled: Vec<PathBuf> = Vec::new();
    for (name, kind) in entries {
        let path = tmp.join(&name);
        if name == QUARANTINE_DIR {
            report_quarantine(shard, &path, &mut recovered.problems);
            continue;
        }
        match judge(shard, &path, kind, trash)? {
            Leftover::Drop => recovered.discarded += 1,
            Leftover::Replay(prepared) => {
                let mut outcome = shard.commit(std::slice::from_ref(&prepared));
                outcome.pop().transpose()?;
                tracing::info!(prompt_id = %prepared.id, version = %prepared.version, "a version cut off by a crash was put again");
                recovered.replayed += 1;
            }
            Leftover::SetAside(reason) => {
                let place = set_aside(shard, &path)?;
                tracing::warn!(path = %place.display(), reason, "a temporary file was set aside");
                recovered
                    .problems
                    .push(Problem::new(&place, "quarantined", reason));
                recovered.quarantined += 1;
                continue;
            }
        }
        settled.push(path);
    }
    // Only now that every replay is durable may the old names go.
    for path in &settled {
        remove_leftover(shard, path).map_err(|e| DiskFault::before("removing", path, &e))?;
    }
    if !settled.is_empty() || recovered.quarantined > 0 {
        shard.note_tmp_name_gone();
        shard.settle_tmp_names()?;
    }
    Ok(())
}

fn judge(
    shard: &ShardDisk,
    path: &Path,
    kind: EntryKind,
    trash: &BTreeMap<PromptId, Vec<Version>>,
) -> Result<Leftover, DiskFault> {
    let purge = path.extension().is_some_and(|ending| ending == "purge");
    match kind {
        EntryKind::Dir if purge => return Ok(Leftover::Drop),
        EntryKind::File => {}
        _ => return Ok(Leftover::SetAside("not a regular file".into())),
    }
    let bytes = match read_regular(&*shard.disk, path, shard.limits.max_file_bytes) {
        Ok((bytes, _)) => Bytes::from(bytes),
        Err(ReadFailure::Absent) => return Ok(Leftover::Drop),
        Err(ReadFailure::Corrupt(reason)) => return Ok(Leftover::SetAside(reason)),
        Err(ReadFailure::Refused(message)) => {
            return Err(DiskFault::Failed {
                doing: "reading",
                path: path.display().to_string(),
                message,
            });
        }
    };
    // Zero length, a prefix, holes, another kind of small file: never acknowledged under a version's name.
    let Ok((stored, document)) = parse(bytes.clone()) else {
        return Ok(Leftover::Drop);
    };
    if stored.integrity != Integrity::Sealed || shard.layout.shard_of(&document.prompt_id) != shard.shard {
        return Ok(Leftover::Drop);
    }
    let (id, version) = (document.prompt_id, document.version);
    if trash.get(&id).is_some_and(|versions| versions.contains(&version)) {
        return Ok(Leftover::Drop);
    }
    match read_version(
        &*shard.disk,
        shard.layout,
        &id,
        &version,
        shard.limits.max_file_bytes,
    ) {
        Err(ReadFailure::Absent) => Ok(Leftover::Replay(Prepared { id, version, bytes })),
        Ok((StoredVersion { checksum, .. }, _)) if checksum == stored.checksum => Ok(Leftover::Drop),
        Ok(_) => Ok(Leftover::SetAside(format!("{id} has another version {version}"))),
        Err(ReadFailure::Corrupt(reason)) => Ok(Leftover::SetAside(format!(
            "{version} of {id} is damaged: {reason}"
        ))),
        Err(ReadFailure::Refused(message)) => Err(DiskFault::Failed {
            doing: "reading",
            path: path.display().to_string(),
            message,
        }),
    }
}

fn remove_leftover(shard: &ShardDisk, path: &Path) -> io::Result<()> {
    match shard.disk.stat(path)? {
        Some((EntryKind::Dir, _)) => shard.remove_tree(path),
        Some(_) => shard.disk.unlink(path),
        None => Ok(()),
    }
}

fn set_aside(shard: &ShardDisk, path: &Path) -> Result<PathBuf, DiskFault> {
    let quarantine = shard.layout.tmp_dir(&shard.shard).join(QUARANTINE_DIR);
    shard.ensure_dir(&quarantine)?;
    let name = path.file_name().unwrap_or_default();
    for copy in 0..u32::MAX {
        let mut target = quarantine.join(name);
        if copy > 0 {
            target.set_extension(format!("{copy}"));
        }
        match shard.disk.rename_new(path, &target) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(DiskFault::before("setting aside", path, &e)),
            Ok(_) => {
                shard.sync_dir(&quarantine)?;
                return Ok(target);
            }
        }
    }
    Ok(path.to_owned())
}

fn report_quarantine(shard: &ShardDisk, path: &Path, problems: &mut Vec<Problem>) {
    for (name, _) in shard.disk.list(path).unwrap_or_default() {
        if !is_hidden(&name) {
            problems.push(Problem::new(
                &path.join(name),
                "quarantined",
                "set aside by an earlier recovery",
            ));
        }
    }
}
