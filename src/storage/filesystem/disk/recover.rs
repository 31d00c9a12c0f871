//! What a shard does before it serves: settle what a crash left behind, then look at what is there.
//!
//! At start, after a crash and after a restart of one actor it is the same code. Every step may be cut off by another
//! crash and is then done again (docs/durability.md, recovery).

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use crate::model::{PromptId, Version};
use crate::storage::Problem;

use super::leftovers::settle_leftovers;
use super::{DiskFault, IndexHints, ReadFailure, ShardDisk, Slot, scan_prompt, scan_shard_names};

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

/// The versions in the trash of a shard.
pub(super) type TrashList = BTreeMap<PromptId, Vec<Version>>;

/// Brings a shard into a state that can be served and says what is in it. The caller holds the write token.
///
/// `hints` come from the index and save reading directories that did not change since it was written. Where nothing may be
/// written, or something else stands where a directory belongs, everything is left as it is and served.
///
/// # Errors
/// [`DiskFault`] when the disk does not let recovery finish; nothing is lost, and it can be tried again.
pub fn recover_shard(shard: &ShardDisk, hints: &IndexHints) -> Result<RecoveredShard, DiskFault> {
    let dir = shard.layout.shard_dir(&shard.shard);
    let mut recovered = RecoveredShard::default();
    let obstruction = shard.obstruction();
    let mut trash = match obstruction {
        None => list_trash(shard)?,
        Some(_) => TrashList::new(),
    };
    let quarantined_before = shard.quarantined();
    let writes = shard.refusal().is_none() && !shard.is_read_only() && obstruction.is_none();
    recovered.problems.extend(obstruction);
    let settled = if writes {
        settle_leftovers(shard, &trash, &mut recovered)
    } else {
        Err(DiskFault::ReadOnly)
    };
    recovered.problems.extend(quarantined_before);
    match settled {
        Ok(()) => shard.set_unsettled(false),
        // What is there can be served all the same. Before the first write, recovery runs again.
        Err(DiskFault::ReadOnly) => shard.set_unsettled(true),
        Err(fault) => return Err(fault),
    }
    let (ids, problems) = scan_shard_names(&*shard.disk, shard.layout, &shard.shard)
        .map_err(|e| DiskFault::before("listing", &dir, &e))?;
    recovered.problems.extend(problems);
    for id in ids {
        shard.pulse.step();
        let trashed = trash.remove(&id).unwrap_or_default();
        if let Some(slot) = look_at(shard, hints, &id, trashed, writes)? {
            recovered.slots.insert(id, slot);
        }
    }
    if writes {
        let settled = shard.settle_trash();
        let trash_dir = shard.layout.trash_dir(&shard.shard);
        let problems = settled.map_err(|e| DiskFault::before("listing", &trash_dir, &e))?;
        recovered.problems.extend(problems);
    }
    for (id, versions) in trash {
        let mut slot = Slot::empty(id.clone());
        Arc::make_mut(&mut slot.entry).trash = versions;
        recovered.slots.insert(id, slot);
    }
    Ok(recovered)
}

pub(super) fn list_trash(shard: &ShardDisk) -> Result<TrashList, DiskFault> {
    let dir = shard.layout.trash_dir(&shard.shard);
    let trashed = shard
        .list_trash()
        .map_err(|e| DiskFault::before("listing", &dir, &e))?;
    let mut trash = TrashList::new();
    for (id, version) in trashed {
        trash.entry(id).or_default().push(version);
    }
    trash.values_mut().for_each(|versions| versions.sort_unstable());
    Ok(trash)
}

/// Looks at one prompt directory; `None` when it vanished or is empty.
fn look_at(
    shard: &ShardDisk,
    hints: &IndexHints,
    id: &PromptId,
    trash: Vec<Version>,
    writes: bool,
) -> Result<Option<Slot>, DiskFault> {
    let path = shard.layout.prompt_dir(id);
    let mut slot = match hints.slot(shard, id, &trash) {
        Some(slot) => slot,
        None => {
            let max_bytes = shard.limits.max_file_bytes;
            let mut slot = match scan_prompt(&*shard.disk, shard.layout, id, trash.clone(), max_bytes) {
                Ok(slot) => slot,
                // It vanished meanwhile; what the trash holds of it is still there.
                Err(ReadFailure::Absent) if trash.is_empty() => return Ok(None),
                Err(ReadFailure::Absent) => {
                    let mut slot = Slot::empty(id.clone());
                    Arc::make_mut(&mut slot.entry).trash = trash;
                    slot
                }
                // The system is short of something for the moment: to go on would be to forget the prompt.
                Err(ReadFailure::Exhausted(message)) => {
                    let error = io::Error::other(message);
                    return Err(DiskFault::before("reading", &path, &error));
                }
                // One unreadable directory does not take the shard down. It is not forgotten either: a prompt that seems
                // new would give its numbers out again.
                Err(ReadFailure::Refused(reason) | ReadFailure::Corrupt(reason)) => {
                    Slot::unreadable(id, trash, &path, reason)
                }
            };
            hints.note_used(&mut slot);
            slot
        }
    };
    finish_cut_off_deletions(shard, &mut slot, writes)?;
    Ok((!slot.is_nothing()).then_some(slot))
}

/// A number both live and in the trash: the deletion was not acknowledged, so the live version wins.
fn finish_cut_off_deletions(shard: &ShardDisk, slot: &mut Slot, writes: bool) -> Result<(), DiskFault> {
    let (id, entry) = (slot.entry.id.clone(), Arc::clone(&slot.entry));
    for version in entry.trash.iter().filter(|version| entry.has(version)) {
        let live = shard.layout.version_file(&id, version);
        let place = shard.layout.trash_file(&id, version, 0);
        let outcome = match shard.are_one_file(&live, &place) {
            Ok(true) if writes => shard.take_out_of_trash(&id, version),
            Ok(true) => Ok(()),
            Ok(false) => Err(DiskFault::Exists),
            Err(fault) => Err(fault),
        };
        match outcome {
            Ok(()) => {}
            Err(fault) if fault.needs_recovery() => return Err(fault),
            Err(_) => {
                let message = "the live version is served";
                slot.problems
                    .push(Problem::new(&place, "live-and-trashed", message));
            }
        }
    }
    let slot = Arc::make_mut(&mut slot.entry);
    slot.trash
        .retain(|version| slot.versions.binary_search(version).is_err());
    Ok(())
}
