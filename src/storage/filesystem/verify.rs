//! Reading everything and holding it against itself. Changes nothing, waits for no actor.

use std::path::Path;

use crate::model::{Integrity, PromptId, Version};
use crate::storage::{Problem, Progress, StorageError, VerifyReport};

use super::actors::Shared;
use super::disk::{
    DiskLimits, Layout, ReadFailure, list_shards, read_version, scan_prompt, scan_shard_names,
};

/// Verifies a store. Blocking; one prompt is one step of progress.
///
/// # Errors
/// `Interrupted` when it was cancelled, or what listing the store says.
pub(super) fn verify(shared: &Shared, progress: &Progress) -> Result<VerifyReport, StorageError> {
    let (disk, layout) = (&*shared.disk, shared.layout);
    let unreadable = |path: &Path, e: &std::io::Error| StorageError::Io {
        doing: "listing",
        path: path.to_owned(),
        message: e.to_string(),
    };
    let (shards, problems) = list_shards(disk, layout).map_err(|e| unreadable(Path::new("."), &e))?;
    let mut report = VerifyReport {
        problems,
        ..VerifyReport::default()
    };
    let mut prompts: Vec<PromptId> = Vec::new();
    for shard in &shards {
        match scan_shard_names(disk, layout, shard) {
            Ok((ids, problems)) => {
                prompts.extend(ids);
                report.problems.extend(problems);
            }
            Err(e) => report.problems.push(Problem::new(
                &layout.shard_dir(shard),
                "unreadable",
                e.to_string(),
            )),
        }
        if let Some(known) = shared.shards.get(shard) {
            report.problems.extend(known.disk.quarantined());
            report.problems.extend(known.disk.obstruction());
        }
    }
    progress.set_total(prompts.len() as u64);
    for id in prompts {
        if progress.is_cancelled() {
            return Err(StorageError::Interrupted("cancelled".into()));
        }
        verify_prompt(shared, &id, shared.options.disk, &mut report);
        progress.advance(1);
    }
    report
        .problems
        .sort_by(|a, b| (&a.path, &a.kind).cmp(&(&b.path, &b.kind)));
    report.problems.dedup();
    Ok(report)
}

fn verify_prompt(shared: &Shared, id: &PromptId, limits: DiskLimits, report: &mut VerifyReport) {
    let (disk, layout) = (&*shared.disk, shared.layout);
    let trash = shared
        .catalog
        .shard(&layout.shard_of(id))
        .entry(id)
        .map(|entry| entry.trash.clone())
        .unwrap_or_default();
    let slot = match scan_prompt(disk, layout, id, trash, limits.max_file_bytes) {
        Ok(slot) => slot,
        // It went while we looked: that is no problem of its own.
        Err(ReadFailure::Absent) => return,
        Err(ReadFailure::Refused(reason) | ReadFailure::Exhausted(reason) | ReadFailure::Corrupt(reason)) => {
            let problem = Problem::new(&layout.prompt_dir(id), "unreadable", reason);
            return report.problems.push(problem);
        }
    };
    report.prompts += 1;
    report.problems.extend(slot.problems.iter().cloned());
    for version in &slot.entry.versions {
        let place = layout.version_file(id, version);
        match read_version(disk, layout, id, version, limits.max_file_bytes) {
            Ok((stored, _)) => {
                report.versions += 1;
                match stored.integrity {
                    Integrity::Sealed => report.sealed += 1,
                    Integrity::Unsealed => report.unsealed += 1,
                    Integrity::Edited => {
                        report.edited += 1;
                        report
                            .problems
                            .push(Problem::new(&place, "edited", "changed after it was sealed"));
                    }
                }
                if let Some(parent) = missing_parent(layout, id, stored.parent_version.as_ref(), &slot.entry)
                {
                    report
                        .problems
                        .push(Problem::new(&place, "missing-parent", parent));
                }
            }
            Err(ReadFailure::Corrupt(reason)) => {
                report
                    .problems
                    .push(Problem::new(&place, "corrupt-version", reason));
            }
            Err(ReadFailure::Refused(message) | ReadFailure::Exhausted(message)) => {
                report.problems.push(Problem::new(&place, "unreadable", message));
            }
            Err(ReadFailure::Absent) => {}
        }
    }
}

fn missing_parent(
    layout: Layout,
    id: &PromptId,
    parent: Option<&Version>,
    entry: &crate::storage::PromptEntry,
) -> Option<String> {
    let parent = parent?;
    let known = entry.has(parent) || entry.has_trashed(parent);
    (!known).then(|| {
        format!(
            "its parent {} is not there",
            layout.version_file(id, parent).display()
        )
    })
}
