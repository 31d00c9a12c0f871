//! Telling of changes that were found, not made.

use crate::model::{Author, Integrity, PromptId, Version};
use crate::storage::filesystem::Observation;
use crate::storage::filesystem::disk::read_version;
use crate::storage::{Action, PromptEntry};

use super::WorkContext;

/// So many versions that were named as changed are read, to see whether they were edited.
const MAX_READ: usize = 64;

/// Tells of what is different in a prompt, and of versions that were named as changed and are edited ones.
pub(super) fn outside(context: &WorkContext, before: &PromptEntry, after: &PromptEntry, named: &[Version]) {
    let Some(observer) = &context.observer else {
        return;
    };
    let tell = |action, version: &Version| {
        observer.observe(Observation {
            action,
            author: None,
            id: after.id.clone(),
            version: Some(version.clone()),
            label: None,
        });
    };
    for version in after.versions.iter().filter(|version| !before.has(version)) {
        tell(Action::OutsideAdded, version);
    }
    for version in before.versions.iter().filter(|version| !after.has(version)) {
        tell(Action::OutsideRemoved, version);
    }
    let both = named
        .iter()
        .filter(|version| before.has(version) && after.has(version));
    for version in both
        .take(MAX_READ)
        .filter(|version| is_edited(context, &after.id, version))
    {
        tell(Action::OutsideEdited, version);
    }
    let names = before.labels.keys().chain(after.labels.keys());
    for label in names.collect::<std::collections::BTreeSet<_>>() {
        let target = |entry: &PromptEntry| entry.labels.get(label).map(|target| target.version.clone());
        let (from, to) = (target(before), target(after));
        if from != to {
            observer.observe(Observation {
                action: Action::OutsideLabel,
                author: None,
                id: after.id.clone(),
                version: None,
                label: Some((label.clone(), from, to)),
            });
        }
    }
}

/// Tells of versions that were taken in from a backup.
pub(super) fn adopted(context: &WorkContext, id: &PromptId, versions: &[Version], author: &Author) {
    let Some(observer) = &context.observer else {
        return;
    };
    for version in versions {
        observer.observe(Observation {
            action: Action::RestoreBackup,
            author: Some(author.clone()),
            id: id.clone(),
            version: Some(version.clone()),
            label: None,
        });
    }
}

fn is_edited(context: &WorkContext, id: &PromptId, version: &Version) -> bool {
    let disk = &context.disk;
    let read = read_version(&*disk.disk, disk.layout, id, version, disk.limits.max_file_bytes);
    read.is_ok_and(|(stored, _)| stored.integrity == Integrity::Edited)
}
