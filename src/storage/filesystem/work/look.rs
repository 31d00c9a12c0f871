//! Looking at what changed outside the daemon.
//!
//! An event says only where to look. What is there is compared with the catalog, so the daemon's own writes come to
//! nothing more than a stat: their directory has the state that was recorded after the commit.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::sync::Arc;

use crate::model::{PromptId, Version};
use crate::storage::filesystem::disk::{
    DiskFault, ReadFailure, Slot, Stamp, read_version, scan_prompt, scan_shard_names, version_of_file_name,
};
use crate::storage::{Problem, PromptEntry};

use super::{Effects, WorkContext};

/// So many new or changed files in one directory are read at once; beyond that they are checked when they are read.
const MAX_CHECKED_FILES: usize = 64;

/// Where to look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// Prompt directories, each with the files in it that changed.
    pub prompts: BTreeMap<PromptId, BTreeSet<OsString>>,
    /// Prompt directories that are listed even when they seem unchanged.
    pub relist: BTreeSet<PromptId>,
    /// The names in the shard directory itself.
    pub names: bool,
    /// Everything: events were lost.
    pub all: bool,
}

impl Look {
    /// Everything in the shard.
    #[must_use]
    pub(crate) fn everything() -> Self {
        Self {
            names: true,
            all: true,
            ..Self::default()
        }
    }

    /// One file.
    #[must_use]
    pub(crate) fn file(id: PromptId, name: OsString) -> Self {
        Self {
            prompts: BTreeMap::from([(id, BTreeSet::from([name]))]),
            ..Self::default()
        }
    }

    /// Adds where another looks.
    pub(crate) fn merge(&mut self, other: Self) {
        for (id, files) in other.prompts {
            self.prompts.entry(id).or_default().extend(files);
        }
        self.relist.extend(other.relist);
        self.names |= other.names;
        self.all |= other.all;
    }
}

/// Looks, and says what has to be published.
///
/// # Errors
/// [`DiskFault`] when the shard directory itself cannot be listed.
pub(crate) fn look(context: &WorkContext, look: Look, effects: &mut Effects) -> Result<(), DiskFault> {
    let disk = &context.disk;
    let mut prompts = look.prompts;
    let mut relist = look.relist;
    if look.names || look.all {
        let dir = disk.layout.shard_dir(&disk.shard);
        let (present, problems) = scan_shard_names(&*disk.disk, disk.layout, &disk.shard)
            .map_err(|e| DiskFault::before("listing", &dir, &e))?;
        effects.problems = Some(problems);
        let known: BTreeSet<PromptId> = context.catalog.ids().into_iter().collect();
        let present: BTreeSet<PromptId> = present.into_iter().collect();
        if look.all {
            relist.extend(known.union(&present).cloned());
        } else {
            relist.extend(known.symmetric_difference(&present).cloned());
        }
    }
    for id in relist {
        let files = prompts.remove(&id).unwrap_or_default();
        look_at(context, &id, &files, true, effects);
    }
    for (id, files) in prompts {
        look_at(context, &id, &files, false, effects);
    }
    Ok(())
}

fn look_at(
    context: &WorkContext,
    id: &PromptId,
    files: &BTreeSet<OsString>,
    relist: bool,
    effects: &mut Effects,
) {
    let disk = &context.disk;
    let before = context.catalog.slot(id);
    let named: BTreeSet<Version> = files
        .iter()
        .filter_map(|name| version_of_file_name(name))
        .collect();
    let changed: Vec<Version> = named
        .iter()
        .filter(|version| differs(context, id, version, before.as_ref()))
        .cloned()
        .collect();
    let now = disk.stamp(&disk.layout.prompt_dir(id));
    let same_dir = before.as_ref().is_some_and(|slot| same(slot.dir, now));
    // A file that changed in place leaves its directory as it was.
    let other_files = files.iter().any(|name| version_of_file_name(name).is_none())
        && !manifest_is_same(context, id, before.as_ref());
    if same_dir && changed.is_empty() && !relist && !other_files {
        return;
    }
    let trash = before
        .as_ref()
        .map(|slot| slot.entry.trash.clone())
        .unwrap_or_default();
    let after = match scan_prompt(
        &*disk.disk,
        disk.layout,
        id,
        trash.clone(),
        disk.limits.max_file_bytes,
    ) {
        Ok(slot) => slot,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            let mut slot = Slot::empty(id.clone());
            Arc::make_mut(&mut slot.entry).trash = trash;
            slot
        }
        Err(e) => {
            tracing::warn!(prompt_id = %id, error = %e, "a prompt directory cannot be read: what was known is kept");
            return;
        }
    };
    let before = before.unwrap_or_else(|| {
        disk.note_outside_dir(id);
        Slot::empty(id.clone())
    });
    publish(context, &before, after, changed, effects);
}

fn publish(
    context: &WorkContext,
    before: &Slot,
    mut after: Slot,
    changed: Vec<Version>,
    effects: &mut Effects,
) {
    let id = before.entry.id.clone();
    let stale = stale_in_cache(context, &before.entry, &after.entry, &changed);
    effects.evict_all(&id, &stale);
    let mut suspects: BTreeSet<Version> = changed.into_iter().collect();
    suspects.extend(
        after
            .entry
            .versions
            .iter()
            .filter(|version| !before.entry.has(version))
            .take(MAX_CHECKED_FILES)
            .cloned(),
    );
    suspects.extend(known_corrupt(before));
    check_files(context, &mut after, suspects.into_iter().take(MAX_CHECKED_FILES));
    let entry = Arc::make_mut(&mut after.entry);
    // What was removed outside stays used.
    entry.highest_used.note_all(before.entry.used());
    entry.latest_fingerprint = before
        .entry
        .latest_fingerprint
        .clone()
        .filter(|(version, _)| entry.latest() == Some(version) && !stale.contains(version));
    if *before != after {
        let gone = after.entry.is_gone() && after.manifest.is_none() && after.problems.is_empty();
        report(before, &after);
        effects.changes.push((id, (!gone).then_some(after)));
    }
}

/// Versions whose cached content may be wrong: removed, named as changed, or with another file state.
fn stale_in_cache(
    context: &WorkContext,
    before: &PromptEntry,
    after: &PromptEntry,
    changed: &[Version],
) -> Vec<Version> {
    let disk = &context.disk;
    let is_stale = |version: &Version| {
        let Some(cached) = context.cache.peek(&(before.id.clone(), version.clone())) else {
            return false;
        };
        !after.has(version)
            || !same_file(
                cached.stamp,
                disk.stamp(&disk.layout.version_file(&before.id, version)),
            )
    };
    before
        .versions
        .iter()
        .filter(|version| changed.contains(version) || is_stale(version))
        .cloned()
        .collect()
}

/// Reads files that are new or changed and takes damaged ones off the list.
fn check_files(context: &WorkContext, slot: &mut Slot, versions: impl Iterator<Item = Version>) {
    let disk = &context.disk;
    let id = slot.entry.id.clone();
    for version in versions
        .filter(|version| slot.entry.has(version))
        .collect::<Vec<_>>()
    {
        let read = read_version(
            &*disk.disk,
            disk.layout,
            &id,
            &version,
            disk.limits.max_file_bytes,
        );
        if let Err(ReadFailure::Corrupt(reason)) = read {
            let place = disk.layout.version_file(&id, &version);
            slot.problems
                .push(Problem::new(&place, "corrupt-version", reason));
            let entry = Arc::make_mut(&mut slot.entry);
            entry.note_used(&version);
            entry.versions.retain(|other| *other != version);
        }
    }
}

fn known_corrupt(slot: &Slot) -> impl Iterator<Item = Version> + '_ {
    let of_path = |path: &str| {
        path.rsplit('/')
            .next()
            .and_then(|name| version_of_file_name(name.as_ref()))
    };
    slot.problems
        .iter()
        .filter(|problem| problem.kind == "corrupt-version")
        .filter_map(move |problem| of_path(&problem.path))
}

/// Tells whether a named file is other than the catalog and the cache say.
fn differs(context: &WorkContext, id: &PromptId, version: &Version, slot: Option<&Slot>) -> bool {
    let disk = &context.disk;
    let there = disk.stamp(&disk.layout.version_file(id, version));
    let listed = slot.is_some_and(|slot| slot.entry.has(version));
    match (there, listed) {
        (Some(stamp), true) => context
            .cache
            .peek(&(id.clone(), version.clone()))
            .is_none_or(|cached| !same_file(cached.stamp, Some(stamp))),
        (there, listed) => there.is_some() != listed,
    }
}

fn manifest_is_same(context: &WorkContext, id: &PromptId, slot: Option<&Slot>) -> bool {
    let now = context.disk.stamp(&context.disk.layout.manifest_file(id));
    slot.is_some_and(|slot| slot.manifest == now)
}

fn same(recorded: Option<Stamp>, now: Option<Stamp>) -> bool {
    recorded.map(|stamp| (stamp.ino, stamp.ctime)) == now.map(|stamp| (stamp.ino, stamp.ctime))
}

/// Compares states of a version file. A hard link made to it changes its state too; then it is read once more.
fn same_file(recorded: Option<Stamp>, now: Option<Stamp>) -> bool {
    recorded.is_some() && recorded == now
}

fn report(before: &Slot, after: &Slot) {
    let id = &before.entry.id;
    let (added, removed): (Vec<&Version>, Vec<&Version>) = (
        after
            .entry
            .versions
            .iter()
            .filter(|version| !before.entry.has(version))
            .collect(),
        before
            .entry
            .versions
            .iter()
            .filter(|version| !after.entry.has(version))
            .collect(),
    );
    tracing::info!(prompt_id = %id, added = added.len(), removed = removed.len(), "changed outside the daemon");
    for problem in after
        .problems
        .iter()
        .filter(|problem| !before.problems.contains(problem))
    {
        tracing::warn!(path = %problem.path, kind = %problem.kind, message = %problem.message, "a file in the store is not served");
    }
}
