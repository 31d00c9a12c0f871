//! Version files that are one file under two names: an edit of one silently changes the other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::model::{PromptId, Version};
use crate::storage::Problem;
use crate::storage::filesystem::actors::Shared;
use crate::storage::filesystem::disk::{EntryKind, scan_prompt};

use super::prompt::damaged_version;

/// Returns the prompts that have an inode twice, among all that were seen.
pub(super) fn suspects(mut inodes: Vec<(u64, u32)>, prompts: &[PromptId]) -> BTreeSet<PromptId> {
    inodes.sort_unstable();
    let twice = inodes.windows(2).filter_map(|pair| match pair {
        [(one, a), (other, b)] if one == other => Some([*a, *b]),
        _ => None,
    });
    twice
        .flatten()
        .filter_map(|place| prompts.get(usize::try_from(place).ok()?).cloned())
        .collect()
}

/// Looks again at some prompts, and reports the files that have two names among them.
pub(super) fn check(shared: &Shared, suspects: &BTreeSet<PromptId>) -> Vec<Problem> {
    let (disk, layout) = (&*shared.disk, shared.layout);
    let mut names: BTreeMap<u64, Vec<PathBuf>> = BTreeMap::new();
    for id in suspects {
        let max_bytes = shared.options.disk.max_file_bytes;
        let Ok(slot) = scan_prompt(disk, layout, id, Vec::new(), max_bytes) else {
            continue;
        };
        let damaged = slot.problems.iter().filter_map(damaged_version);
        let versions: BTreeSet<Version> = slot.entry.versions.iter().cloned().chain(damaged).collect();
        for version in &versions {
            let path = layout.version_file(id, version);
            if let Ok(Some((EntryKind::File, stamp))) = disk.stat(&path) {
                names.entry(stamp.ino).or_default().push(path);
            }
        }
    }
    let shared_files = names.into_values().filter(|paths| paths.len() > 1);
    shared_files
        .filter_map(|paths| {
            let (first, others) = paths.split_first()?;
            let others: Vec<String> = others.iter().map(|path| path.display().to_string()).collect();
            let message = format!(
                "it is one file with {}: a change of one changes the other; copy one of them",
                others.join(", ")
            );
            Some(Problem::new(first, "shared-file", message))
        })
        .collect()
}
