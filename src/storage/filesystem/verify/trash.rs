//! The trash: what lies in it, and the notes beside it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::model::{Integrity, PromptId, ShardId, Version};
use crate::storage::filesystem::actors::Shared;
use crate::storage::filesystem::disk::{
    EntryKind, Foreign, NoteState, ReadFailure, TRASH_LEFTOVER, TrashName, read_version_at,
};
use crate::storage::{Problem, VerifyScope};

const TRASH: &str = ".trash";

/// Checks the trash of the prompts in scope.
pub(super) fn check(shared: &Shared, scope: &VerifyScope, problems: &mut Vec<Problem>) {
    let depth = shared.layout.depth;
    for (shard, dir) in directories(shared, scope, problems) {
        let entries = match shared.disk.list(&dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => {
                problems.push(Problem::new(&dir, "unreadable", e.to_string()));
                continue;
            }
        };
        let mut versions: BTreeSet<(PromptId, Version)> = BTreeSet::new();
        let mut foreign = Foreign::default();
        let mut notes: BTreeSet<(PromptId, Version)> = BTreeSet::new();
        let mut copies: Vec<(PathBuf, PromptId, Version)> = Vec::new();
        for (name, kind) in entries {
            let place = dir.join(&name);
            match TrashName::read(&name) {
                TrashName::Version(id, _) | TrashName::Copy(id, _) | TrashName::Note(id, _)
                    if !scope.includes(&id) => {}
                TrashName::Version(id, _) | TrashName::Copy(id, _) | TrashName::Note(id, _)
                    if depth.shard_of(&id) != shard =>
                {
                    let message = format!("it belongs into the trash of shard {}", depth.shard_of(&id));
                    problems.push(Problem::new(&place, "misplaced", message));
                }
                TrashName::Foreign if !scope.is_everything() => {}
                TrashName::Foreign => {
                    let message = "not the name of a deleted version: left alone";
                    foreign.note(&place, "foreign-name", message);
                }
                TrashName::Hidden => {}
                _ if kind != EntryKind::File => {
                    let message = "only regular files are brought back";
                    problems.push(Problem::new(&place, "not-a-file", message));
                }
                TrashName::Version(id, version) => drop(versions.insert((id, version))),
                TrashName::Copy(id, version) => copies.push((place, id, version)),
                TrashName::Note(id, version) => drop(notes.insert((id, version))),
            }
        }
        copies.retain(|(_, id, version)| !versions.contains(&(id.clone(), version.clone())));
        for (place, ..) in copies {
            problems.push(Problem::new(&place, "trash-leftover", TRASH_LEFTOVER));
        }
        problems.extend(foreign.into_problems(&dir));
        check_versions(shared, &versions, problems);
        check_notes(shared, &versions, &notes, problems);
    }
    check_known(shared, scope, problems);
}

/// Reports deleted versions that are served as such and are not in the trash any more.
fn check_known(shared: &Shared, scope: &VerifyScope, problems: &mut Vec<Problem>) {
    let (disk, layout) = (&*shared.disk, shared.layout);
    // What stands in the place of a directory is reported as itself.
    let is_obstructed = |dir: &Path| !matches!(disk.stat(dir), Ok(None | Some((EntryKind::Dir, _))));
    if is_obstructed(Path::new(TRASH)) {
        return;
    }
    let entries = shared.catalog.parts().into_iter().flat_map(|part| part.slots());
    let in_scope = entries
        .map(|slot| slot.entry)
        .filter(|entry| scope.includes(&entry.id));
    for entry in in_scope.filter(|entry| !entry.trash.is_empty()) {
        if is_obstructed(&layout.trash_dir(&layout.shard_of(&entry.id))) {
            continue;
        }
        for version in &entry.trash {
            let place = layout.trash_file(&entry.id, version, 0);
            if matches!(disk.stat(&place), Ok(None)) {
                let message = "it was deleted and is not in the trash any more: it cannot be brought back";
                problems.push(Problem::new(&place, "missing-trash", message));
            }
        }
    }
}

/// Returns the trash of each shard; in a flat store there is one.
fn directories(shared: &Shared, scope: &VerifyScope, problems: &mut Vec<Problem>) -> Vec<(ShardId, PathBuf)> {
    let (depth, layout) = (shared.layout.depth, shared.layout);
    let with_dir = |shard: ShardId| {
        let dir = layout.trash_dir(&shard);
        (shard, dir)
    };
    if !scope.is_everything() {
        let shards: BTreeSet<ShardId> = scope.prompts.iter().map(|id| layout.shard_of(id)).collect();
        return shards.into_iter().map(with_dir).collect();
    }
    if let Some(only) = depth.shard_named("") {
        return vec![with_dir(only)];
    }
    let entries: Vec<(OsString, EntryKind)> = match shared.disk.list(Path::new(TRASH)) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(e) => {
            problems.push(Problem::new(Path::new(TRASH), "unreadable", e.to_string()));
            Vec::new()
        }
    };
    let mut found = Vec::new();
    for (name, kind) in entries {
        match name.to_str().and_then(|text| depth.shard_named(text)) {
            Some(shard) if kind == EntryKind::Dir => found.push(with_dir(shard)),
            _ if name.as_encoded_bytes().starts_with(b".") => {}
            _ => problems.push(Problem::new(
                &Path::new(TRASH).join(&name),
                "foreign-name",
                "not the trash of a shard: left alone",
            )),
        }
    }
    found
}

fn check_versions(shared: &Shared, versions: &BTreeSet<(PromptId, Version)>, problems: &mut Vec<Problem>) {
    let (disk, layout) = (&*shared.disk, shared.layout);
    for (id, version) in versions {
        let place = layout.trash_file(id, version, 0);
        match read_version_at(disk, &place, id, version, shared.options.disk.max_file_bytes) {
            Ok((stored, _)) if stored.integrity == Integrity::Edited => {
                let message = "changed after it was sealed: it would be brought back as it now is";
                problems.push(Problem::new(&place, "edited", message));
            }
            // Restored or forgotten while we looked.
            Ok(_) | Err(ReadFailure::Absent) => {}
            Err(ReadFailure::Corrupt(reason)) => {
                problems.push(Problem::new(&place, "corrupt-trash", reason));
            }
            Err(ReadFailure::Refused(reason) | ReadFailure::Exhausted(reason)) => {
                problems.push(Problem::new(&place, "unreadable", reason));
            }
        }
        let inode = |path: &Path| Some(disk.stat(path).ok()??.1.ino);
        let (live, trashed) = (inode(&layout.version_file(id, version)), inode(&place));
        // One file under both names is a deletion under way.
        if live.is_some() && trashed.is_some() && live != trashed {
            let message = "the live version is served, and it is another file";
            problems.push(Problem::new(&place, "live-and-trashed", message));
        }
    }
}

fn check_notes(
    shared: &Shared,
    versions: &BTreeSet<(PromptId, Version)>,
    notes: &BTreeSet<(PromptId, Version)>,
    problems: &mut Vec<Problem>,
) {
    for (id, version) in versions.difference(notes) {
        let message = "nothing says who deleted it and when: it never is old enough to be forgotten";
        let place = shared.layout.trash_file(id, version, 0);
        problems.push(Problem::new(&place, "missing-note", message));
    }
    for (id, version) in notes {
        let place = shared.layout.trash_note(id, version);
        let shard = shared.shard(&shared.layout.shard_of(id));
        if !versions.contains(&(id.clone(), version.clone())) {
            let message = "the version that it tells of is not in the trash";
            problems.push(Problem::new(&place, "orphaned-note", message));
        } else if shard.disk.note_state(id, version) == NoteState::Damaged {
            let message = "it does not say who deleted the version and when";
            problems.push(Problem::new(&place, "corrupt-note", message));
        }
    }
}
