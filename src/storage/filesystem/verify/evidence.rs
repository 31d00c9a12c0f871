//! The test results of a prompt's versions.

use std::collections::BTreeSet;

use crate::model::{PromptId, Version};
use crate::storage::Problem;
use crate::storage::filesystem::actors::Shared;
use crate::storage::filesystem::disk::{EntryKind, ReadFailure, Slot, evidence_of_file_name, read_evidence};

/// Reads every file of results, and reports those that cannot be used or belong to no version.
pub(super) fn check(
    shared: &Shared,
    id: &PromptId,
    slot: &Slot,
    damaged: &BTreeSet<Version>,
    problems: &mut Vec<Problem>,
) {
    let (disk, layout) = (&*shared.disk, shared.layout);
    // A directory that cannot be listed is reported as such.
    let names = disk.list(&layout.prompt_dir(id)).unwrap_or_default();
    for (name, kind) in names {
        let Some(version) = evidence_of_file_name(&name) else {
            continue;
        };
        let place = layout.evidence_file(id, &version);
        if kind != EntryKind::File {
            problems.push(Problem::new(&place, "not-a-file", "only regular files are read"));
            continue;
        }
        match read_evidence(disk, layout, id, &version) {
            Ok(_) | Err(ReadFailure::Absent) => {}
            Err(ReadFailure::Corrupt(reason)) => {
                problems.push(Problem::new(&place, "corrupt-evidence", reason));
            }
            Err(ReadFailure::Refused(reason) | ReadFailure::Exhausted(reason)) => {
                problems.push(Problem::new(&place, "unreadable", reason));
            }
        }
        let entry = &slot.entry;
        if !(entry.has(&version) || entry.has_trashed(&version) || damaged.contains(&version)) {
            let message =
                format!("version {version} is neither there nor in the trash: the results count for nothing");
            problems.push(Problem::new(&place, "orphan-evidence", message));
        }
    }
}
