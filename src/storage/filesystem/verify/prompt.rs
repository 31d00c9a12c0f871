//! One prompt directory: versions, parents, manifest, what the index says of it.

use std::collections::BTreeSet;
use std::path::Path;

use crate::model::{Integrity, PromptId, Version};
use crate::storage::filesystem::actors::Shared;
use crate::storage::filesystem::disk::{
    EntryKind, IndexHints, ReadFailure, Slot, read_version, scan_prompt, version_of_file_name,
};
use crate::storage::{Problem, VerifyReport};

/// What reading every version of a prompt gave.
#[derive(Default)]
struct Read {
    /// Those that are served.
    served: Vec<Version>,
    /// Those whose names are there and that are not served.
    damaged: BTreeSet<Version>,
    /// Who names whom as its parent.
    parents: Vec<(Version, Version)>,
    unsealed: u64,
}

/// Checks one prompt. `note_inode` is told the inode of each version.
pub(super) fn check_prompt(
    shared: &Shared,
    id: &PromptId,
    hints: Option<&IndexHints>,
    report: &mut VerifyReport,
    note_inode: &mut dyn FnMut(u64),
) {
    let (disk, layout) = (&*shared.disk, shared.layout);
    let known = shared.catalog.shard(&layout.shard_of(id)).entry(id);
    let trash = known
        .as_ref()
        .map(|entry| entry.trash.clone())
        .unwrap_or_default();
    let slot = match scan_prompt(disk, layout, id, trash, shared.options.disk.max_file_bytes) {
        Ok(slot) => slot,
        // It went while we looked, or only its trash is left: that is no problem of its own.
        Err(ReadFailure::Absent) => return,
        Err(ReadFailure::Refused(reason) | ReadFailure::Exhausted(reason) | ReadFailure::Corrupt(reason)) => {
            let problem = Problem::new(&layout.prompt_dir(id), "unreadable", reason);
            return report.problems.push(problem);
        }
    };
    report.prompts += 1;
    report.problems.extend(slot.problems.iter().cloned());
    let read = read_all(shared, id, &slot, report, note_inode);
    for version in &read.damaged {
        // One of two names for one file is always the wrong one.
        if let Ok(Some((EntryKind::File, stamp))) = disk.stat(&layout.version_file(id, version)) {
            note_inode(stamp.ino);
        }
    }
    check_parents(shared, id, &slot, &read, &mut report.problems);
    super::evidence::check(shared, id, &slot, &read.damaged, &mut report.problems);
    if read.unsealed > 0 {
        let message = format!(
            "{} versions have no checksum: another program made them; 'promptctl verify --repair' adds it",
            read.unsealed
        );
        report
            .problems
            .push(Problem::new(&layout.prompt_dir(id), "unsealed", message));
    }
    let highest = |entry: &crate::storage::PromptEntry| entry.used().max().cloned();
    if let Some(known) = known
        && let Some(used) =
            highest(&known).filter(|used| highest(&slot.entry).is_none_or(|there| *used > there))
    {
        let message =
            format!("numbers up to {used} were used, and neither a file nor the manifest remembers it");
        let problem = Problem::new(&layout.manifest_file(id), "forgotten-number", message);
        report.problems.push(problem);
    }
    if let Some(hints) = hints
        && let Some(message) = hints.contradiction(&slot, &read.served, &read.damaged)
    {
        let place = Path::new(".index.json");
        report.problems.push(Problem::new(
            place,
            "stale-index",
            format!("prompt {id}: {message}"),
        ));
    }
}

fn read_all(
    shared: &Shared,
    id: &PromptId,
    slot: &Slot,
    report: &mut VerifyReport,
    note_inode: &mut dyn FnMut(u64),
) -> Read {
    let mut read = Read {
        damaged: slot.problems.iter().filter_map(damaged_version).collect(),
        ..Read::default()
    };
    for version in &slot.entry.versions {
        let place = shared.layout.version_file(id, version);
        let max_bytes = shared.options.disk.max_file_bytes;
        let (kind, reason) = match read_version(&*shared.disk, shared.layout, id, version, max_bytes) {
            Ok((stored, stamp)) => {
                note_inode(stamp.ino);
                report.versions += 1;
                read.served.push(version.clone());
                read.parents
                    .extend(stored.parent_version.map(|parent| (version.clone(), parent)));
                match stored.integrity {
                    Integrity::Sealed => report.sealed += 1,
                    Integrity::Unsealed => {
                        report.unsealed += 1;
                        read.unsealed += 1;
                    }
                    Integrity::Edited => {
                        report.edited += 1;
                        let message = "changed after it was sealed";
                        report.problems.push(Problem::new(&place, "edited", message));
                    }
                }
                continue;
            }
            // Deleted while we looked.
            Err(ReadFailure::Absent) => continue,
            Err(ReadFailure::Corrupt(reason)) => ("corrupt-version", reason),
            Err(ReadFailure::Refused(message) | ReadFailure::Exhausted(message)) => ("unreadable", message),
        };
        read.damaged.insert(version.clone());
        report.problems.push(Problem::new(&place, kind, reason));
    }
    read
}

/// Reports parents that are nowhere. One that is there but damaged is reported as what it is, and only so.
fn check_parents(shared: &Shared, id: &PromptId, slot: &Slot, read: &Read, problems: &mut Vec<Problem>) {
    let is_known = |parent: &Version| {
        slot.entry.has(parent) || slot.entry.has_trashed(parent) || read.damaged.contains(parent)
    };
    for (version, parent) in read.parents.iter().filter(|(_, parent)| !is_known(parent)) {
        let missing = shared.layout.version_file(id, parent);
        let message = format!("its parent {} is not there", missing.display());
        let place = shared.layout.version_file(id, version);
        problems.push(Problem::new(&place, "missing-parent", message));
    }
}

/// Returns the version that a problem is about, when it is one of a version file.
pub(super) fn damaged_version(problem: &Problem) -> Option<Version> {
    let is_damage = ["corrupt-version", "not-a-file", "unreadable"].contains(&problem.kind.as_str());
    let name = Path::new(&problem.path).file_name().filter(|_| is_damage)?;
    version_of_file_name(name)
}
