//! Which versions somebody else wrote to, in place or by another file under the same name.

use std::collections::BTreeSet;
use std::ffi::OsString;

use crate::model::{PromptId, Version};
use crate::storage::feed::{Change, EventKind, Origin, Told};
use crate::storage::filesystem::disk::{Slot, Stamp, read_version, version_of_file_name};
use crate::storage::filesystem::known_states::MAX_REMEMBERED;

use super::{Effects, WorkContext};

/// So many files are read to see whether their content is another; beyond that it is taken for another.
const MAX_COMPARED: usize = 64;

impl WorkContext {
    /// Remembers the state in which a version was just left by this shard.
    pub(super) fn note_own_write(&self, id: &PromptId, version: &Version) {
        let stamp = self.disk.stamp(&self.disk.layout.version_file(id, version));
        self.catalog.known_states.remember(stamp);
    }
}

/// Returns the versions that were there before and whose files have another content by another hand, or may have: of a file
/// whose content was not at hand nobody can tell. `files` are those of which the watcher says something, `stale` the
/// versions of which something else does.
pub(super) fn touched(
    context: &WorkContext,
    before: Option<&Slot>,
    files: &BTreeSet<OsString>,
    stale: &[Version],
) -> Vec<Version> {
    let Some(slot) = before else {
        return Vec::new();
    };
    let named = files.iter().filter_map(|name| version_of_file_name(name));
    let candidates: BTreeSet<Version> = named.chain(stale.iter().cloned()).collect();
    let mut compared = 0;
    let mut touched = Vec::new();
    for version in candidates.into_iter().filter(|version| slot.entry.has(version)) {
        let place = context.disk.layout.version_file(&slot.entry.id, &version);
        let Some(now) = context.disk.stamp(&place) else {
            continue;
        };
        if context.catalog.known_states.has(&now) {
            continue;
        }
        context.catalog.known_states.remember([now]);
        if has_other_content(context, &slot.entry.id, &version, now, &mut compared) {
            touched.push(version);
        }
    }
    touched
}

fn has_other_content(
    context: &WorkContext,
    id: &PromptId,
    version: &Version,
    now: Stamp,
    compared: &mut usize,
) -> bool {
    let disk = &context.disk;
    let cached = context.cache.peek(&(id.clone(), version.clone()));
    // A reader may have loaded what is there now before anybody looked: then what was there before is not known.
    let Some(cached) = cached.filter(|cached| cached.stamp != Some(now)) else {
        return true;
    };
    *compared += 1;
    if *compared > MAX_COMPARED {
        return true;
    }
    let read = read_version(&*disk.disk, disk.layout, id, version, disk.limits.max_file_bytes);
    read.map_or(true, |(stored, _)| stored.bytes != cached.stored.bytes)
}

/// Remembers the states of versions that were found, so that what the watcher still says of them is no news.
pub(super) fn note_found(context: &WorkContext, before: &Slot, after: &Slot) {
    let id = &after.entry.id;
    let found = after
        .entry
        .versions
        .iter()
        .filter(|version| !before.entry.has(version));
    for version in found.take(MAX_REMEMBERED) {
        context.note_own_write(id, version);
    }
}

/// Tells of versions with another content.
pub(super) fn tell(effects: &mut Effects, slot: &Slot, touched: &[Version]) {
    let there = touched.iter().filter(|version| slot.entry.has(version));
    effects.told.extend(there.map(|version| Told {
        prompt_id: Some(slot.entry.id.clone()),
        origin: Origin::Outside,
        change: Change::of_version(EventKind::VersionChanged, version),
    }));
}
