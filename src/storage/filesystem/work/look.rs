//! Looking at what changed outside the daemon.
//!
//! An event says only where to look. What is there is compared with the catalog, so the daemon's own writes come to
//! nothing more than a stat: their directory has the state that was recorded after the commit.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::sync::Arc;

use crate::log_events::LogEvent;
use crate::model::{PromptId, Version};
use crate::storage::filesystem::disk::{
    DiskFault, ReadFailure, Slot, Stamp, clock_nanos, list_prompt, read_version, scan_prompt,
    scan_shard_names, version_of_file_name,
};
use crate::storage::{Problem, PromptEntry};

use super::touched::{note_found, tell, touched};
use super::{Effects, WorkContext};

/// So many new or changed files in one directory are read at once; beyond that they are checked when they are read.
const MAX_CHECKED_FILES: usize = 64;

/// So many places are remembered one by one.
const MAX_PLACES: usize = 16_384;

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
    /// Temporary files that are left over, before anything else.
    pub settle: bool,
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

    /// Adds where another looks. Beyond a limit it is everywhere.
    pub(crate) fn merge(&mut self, other: Self) {
        for (id, files) in other.prompts {
            self.prompts.entry(id).or_default().extend(files);
        }
        self.relist.extend(other.relist);
        self.names |= other.names;
        self.all |= other.all;
        self.settle |= other.settle;
        let places: usize = self.prompts.values().map(BTreeSet::len).sum();
        if places + self.relist.len() > MAX_PLACES {
            *self = Self {
                settle: self.settle,
                ..Self::everything()
            };
        }
    }
}

/// How sure it is that a prompt changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Suspicion {
    /// Its name came or went: its directory is read.
    Certain,
    /// Something was said of some of its files.
    Files,
    /// Nothing was said: its directory, its manifest and what is cached of it are compared by their states.
    None,
}

/// Looks, and says what has to be published.
///
/// # Errors
/// [`DiskFault`] when the shard directory itself cannot be listed.
pub(crate) fn look(context: &WorkContext, look: Look, effects: &mut Effects) -> Result<(), DiskFault> {
    let disk = &context.disk;
    let mut look = look;
    if look.settle {
        settle(context, &mut look, effects);
    }
    let mut prompts = look.prompts;
    let mut suspicions: BTreeMap<PromptId, Suspicion> = BTreeMap::new();
    suspicions.extend(prompts.keys().map(|id| (id.clone(), Suspicion::Files)));
    if look.names || look.all {
        let dir = disk.layout.shard_dir(&disk.shard);
        let (present, mut problems) = scan_shard_names(&*disk.disk, disk.layout, &disk.shard)
            .map_err(|e| DiskFault::before("listing", &dir, &e))?;
        problems.extend(disk.quarantined());
        problems.extend(disk.obstruction());
        effects.problems = Some(problems);
        let known: BTreeSet<PromptId> = context.catalog.ids().into_iter().collect();
        let present: BTreeSet<PromptId> = present.into_iter().collect();
        if look.all {
            for id in known.intersection(&present) {
                suspicions.entry(id.clone()).or_insert(Suspicion::None);
            }
        }
        let changed = known.symmetric_difference(&present).cloned();
        suspicions.extend(changed.map(|id| (id, Suspicion::Certain)));
    }
    suspicions.extend(look.relist.into_iter().map(|id| (id, Suspicion::Certain)));
    let mut found_dirs = false;
    for (id, suspicion) in suspicions {
        let files = prompts.remove(&id).unwrap_or_default();
        found_dirs |= look_at(context, &id, &files, suspicion, effects);
    }
    if found_dirs && let Err(fault) = disk.adopt_prompt_dirs() {
        effects.fault(disk, fault);
    }
    Ok(())
}

/// Settles what is left over, and looks at every prompt that may have got a version by it.
fn settle(context: &WorkContext, look: &mut Look, effects: &mut Effects) {
    match context.disk.settle() {
        Ok(settled) if settled.replayed > 0 => {
            look.relist.extend(context.catalog.ids());
            effects.intents.has_settled = true;
        }
        Ok(_) => {}
        Err(fault) => {
            let error = effects.fault(&context.disk, fault);
            tracing::warn!(shard = %context.disk.shard, %error, "temporary files could not be settled");
        }
    }
}

/// Looks at one prompt; `true` when its directory may be one that somebody else made or put there.
fn look_at(
    context: &WorkContext,
    id: &PromptId,
    files: &BTreeSet<OsString>,
    suspicion: Suspicion,
    effects: &mut Effects,
) -> bool {
    context.cache.begin_look(id);
    let before = context.catalog.slot(id);
    let changed = changed_files(context, id, files, suspicion, before.as_ref());
    let mut foreign = touched(context, before.as_ref(), files, &changed);
    if suspicion != Suspicion::Certain
        && changed.is_empty()
        && is_unchanged(context, id, files, before.as_ref())
        && (!files.is_empty()
            || before
                .as_ref()
                .is_some_and(|slot| is_confirmed(context, slot, effects)))
    {
        if let Some(slot) = &before {
            tell(effects, slot, &foreign);
        }
        return false;
    }
    let before = before.unwrap_or_else(|| Slot::empty(id.clone()));
    let after = match read_again(context, &before, before.entry.trash.clone(), effects) {
        Ok(slot) => slot,
        Err(ReadFailure::Exhausted(reason)) => {
            // Nothing will say again that this prompt changed: everything is read once more when that is possible.
            effects.must_recover = Some(format!("looking at prompt {id}: {reason}"));
            return false;
        }
        Err(failure) => unreadable(context, &before, &failure),
    };
    let is_found = after.dir.is_some() && !same(before.dir, after.dir);
    let is_another = before
        .dir
        .zip(after.dir)
        .is_some_and(|(dir, now)| dir.ino != now.ino);
    if is_found && is_another {
        // Another directory under the same name: any version in it may be another one.
        foreign.extend(touched(
            context,
            Some(&before),
            &BTreeSet::new(),
            &before.entry.versions,
        ));
    }
    publish(context, &before, after, changed, &foreign, effects);
    is_found
}

/// What was known of a prompt that cannot be read now is kept, and nothing is written to it.
fn unreadable(context: &WorkContext, before: &Slot, failure: &ReadFailure) -> Slot {
    let place = context.disk.layout.prompt_dir(&before.entry.id);
    let reason = match failure {
        ReadFailure::Refused(reason) | ReadFailure::Exhausted(reason) | ReadFailure::Corrupt(reason) => {
            reason
        }
        ReadFailure::Absent => "it is not there",
    };
    let unreadable = Slot::unreadable(&before.entry.id, Vec::new(), &place, reason.to_owned());
    Slot {
        entry: Arc::clone(&before.entry),
        ..unreadable
    }
}

/// Returns the versions whose files are other than what is known of them.
fn changed_files(
    context: &WorkContext,
    id: &PromptId,
    files: &BTreeSet<OsString>,
    suspicion: Suspicion,
    before: Option<&Slot>,
) -> Vec<Version> {
    let named: BTreeSet<Version> = files
        .iter()
        .filter_map(|name| version_of_file_name(name))
        .collect();
    let mut changed: Vec<Version> = named
        .into_iter()
        .filter(|version| differs(context, id, version, before))
        .collect();
    if suspicion == Suspicion::None
        && let Some(slot) = before
    {
        changed.extend(
            slot.entry
                .versions
                .iter()
                .filter(|version| {
                    is_stale(context, id, version) || has_lost_fingerprint(context, slot, version)
                })
                .cloned(),
        );
    }
    changed
}

/// Tells whether the directory and the manifest are as they were recorded. A file that changed in place leaves its
/// directory as it was.
fn is_unchanged(
    context: &WorkContext,
    id: &PromptId,
    files: &BTreeSet<OsString>,
    before: Option<&Slot>,
) -> bool {
    let Some(slot) = before else { return false };
    let now = context.disk.stamp(&context.disk.layout.prompt_dir(id));
    let names_manifest = files.is_empty() || files.iter().any(|name| version_of_file_name(name).is_none());
    same(slot.dir, now)
        && slot.blocked.is_none()
        && (!names_manifest || manifest_is_same(context, id, slot))
        && (!files.is_empty() || slot.problems.is_empty())
}

/// Tells whether a directory with the state that is recorded has the names that are known. Its clock is coarse: a second
/// change within one tick leaves no trace, so that it is listed once more when that tick is over, and then no more.
fn is_confirmed(context: &WorkContext, slot: &Slot, effects: &mut Effects) -> bool {
    if slot.is_settled() {
        return true;
    }
    let (disk, id, listed_at) = (&context.disk, &slot.entry.id, clock_nanos());
    let listing = list_prompt(&*disk.disk, &disk.layout.prompt_dir(id));
    let is_confirmed = listing.is_ok_and(|listing| listing.confirms(slot));
    if is_confirmed {
        effects.listed.push((id.clone(), listed_at));
    }
    is_confirmed
}

/// Returns a prompt as the catalog knows it. One that could not be read whole is read once more: it may be all right by now.
pub(super) fn slot_for_change(context: &WorkContext, id: &PromptId, effects: &mut Effects) -> Option<Slot> {
    let slot = context.catalog.slot(id)?;
    if slot.blocked.is_none() {
        return Some(slot);
    }
    match read_again(context, &slot, slot.entry.trash.clone(), effects) {
        Ok(now) => {
            effects.changes.push((id.clone(), Some(now.clone())));
            Some(now)
        }
        Err(_) => Some(slot),
    }
}

/// Reads the directory of a prompt and keeps what the directory cannot say: numbers that were used, files that are known to
/// be damaged, the content of the latest version. What the cache holds of files that went or changed leaves it: whoever
/// takes in a directory takes in all of it, and a name that is gone now may be back at the next look with another content.
///
/// # Errors
/// [`ReadFailure`], but for absence: then nothing but the trash is left.
pub(super) fn read_again(
    context: &WorkContext,
    before: &Slot,
    trash: Vec<Version>,
    effects: &mut Effects,
) -> Result<Slot, ReadFailure> {
    let disk = &context.disk;
    let id = &before.entry.id;
    let max_bytes = disk.limits.max_file_bytes;
    context.cache.begin_look(id);
    let mut after = match scan_prompt(&*disk.disk, disk.layout, id, trash.clone(), max_bytes) {
        Err(ReadFailure::Absent) => {
            let mut slot = Slot::empty(id.clone());
            Arc::make_mut(&mut slot.entry).trash = trash;
            slot
        }
        other => other?,
    };
    check_files(context, &mut after, known_corrupt(before).take(MAX_CHECKED_FILES));
    let entry = Arc::make_mut(&mut after.entry);
    if after.blocked.is_some() {
        // The manifest cannot be read now: what it said before is the best that is known.
        entry.labels.clone_from(&before.entry.labels);
        let versions = &entry.versions;
        entry
            .labels
            .retain(|_, target| versions.contains(&target.version));
        entry.description.clone_from(&before.entry.description);
        entry.tags.clone_from(&before.entry.tags);
    }
    entry.keep_used(&before.entry);
    if let Some((version, fingerprint)) = &before.entry.latest_fingerprint
        && entry.latest() == Some(version)
        && !has_lost_fingerprint(context, before, version)
    {
        entry.latest_fingerprint = Some((version.clone(), fingerprint.clone()));
        after.fingerprinted = before.fingerprinted;
    }
    effects.evict_all(id, &stale_in_cache(context, &before.entry, &after.entry));
    Ok(after)
}

fn publish(
    context: &WorkContext,
    before: &Slot,
    mut after: Slot,
    changed: Vec<Version>,
    touched: &[Version],
    effects: &mut Effects,
) {
    let id = before.entry.id.clone();
    // Also one that the cache is only about to hold: its load began before the file changed.
    effects.evict_all(&id, &changed);
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
    let named: Vec<Version> = suspects
        .iter()
        .filter(|version| before.entry.has(version))
        .cloned()
        .collect();
    check_files(context, &mut after, suspects.into_iter().take(MAX_CHECKED_FILES));
    if !effects.intents.has_settled {
        super::observe::outside(context, &before.entry, &after.entry, &named);
    }
    note_found(context, before, &after);
    tell(effects, &after, touched);
    if before.agrees_with(&after) {
        effects.listed.push((id, after.listed_at));
    } else {
        report(before, &after);
        effects.changes.push((id, (!after.is_nothing()).then_some(after)));
    }
}

/// Versions whose cached content may be wrong: their files went, or have another state than when they were read.
fn stale_in_cache(context: &WorkContext, before: &PromptEntry, after: &PromptEntry) -> Vec<Version> {
    let gone = before.versions.iter().filter(|version| !after.has(version));
    let stale = after
        .versions
        .iter()
        .filter(|version| is_stale(context, &before.id, version));
    gone.chain(stale).cloned().collect()
}

/// Tells whether the cache holds a version whose file has another state now.
fn is_stale(context: &WorkContext, id: &PromptId, version: &Version) -> bool {
    let Some(cached) = context.cache.peek(&(id.clone(), version.clone())) else {
        return false;
    };
    let now = context.disk.stamp(&context.disk.layout.version_file(id, version));
    !same_file(cached.stamp, now)
}

/// Tells whether a version is the one whose content is known, and its file has another state than when it had that content.
/// The cache cannot tell: somebody may have read the file since it changed.
fn has_lost_fingerprint(context: &WorkContext, slot: &Slot, version: &Version) -> bool {
    let (disk, entry) = (&context.disk, &slot.entry);
    let known = entry.latest_fingerprint.as_ref();
    known.is_some_and(|(of, _)| of == version) && {
        let now = disk.stamp(&disk.layout.version_file(&entry.id, version));
        !same_file(slot.fingerprinted, now)
    }
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
        (Some(stamp), true) => {
            let cached = context.cache.peek(&(id.clone(), version.clone()));
            cached.is_none_or(|cached| !same_file(cached.stamp, Some(stamp)))
                || slot.is_some_and(|slot| has_lost_fingerprint(context, slot, version))
        }
        (there, listed) => there.is_some() != listed,
    }
}

fn manifest_is_same(context: &WorkContext, id: &PromptId, slot: &Slot) -> bool {
    slot.manifest == context.disk.stamp(&context.disk.layout.manifest_file(id))
}

/// Compares states of a directory: a change of any name in it changes them.
pub(super) fn same(recorded: Option<Stamp>, now: Option<Stamp>) -> bool {
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
    tracing::info!(event = %LogEvent::ChangedOutside, prompt_id = %id, added = added.len(), removed = removed.len(), "changed outside the daemon");
    for problem in after
        .problems
        .iter()
        .filter(|problem| !before.problems.contains(problem))
    {
        tracing::warn!(
            event = %LogEvent::FileNotServed, path = %problem.path, kind = %problem.kind, detail = %problem.message,
            "a file in the store is not served"
        );
    }
    for problem in before
        .problems
        .iter()
        .filter(|problem| !after.problems.contains(problem))
    {
        tracing::info!(
            event = %LogEvent::FileServedAgain, path = %problem.path, kind = %problem.kind,
            "what was wrong with a file in the store is gone"
        );
    }
}
