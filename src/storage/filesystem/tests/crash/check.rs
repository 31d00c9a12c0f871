//! Whether a state that a power failure left keeps every promise.

use std::collections::BTreeSet;
use std::ffi::OsStr;

use super::daemon::Daemon;
use super::memory_disk::{MemoryDisk, Moment};
use super::oracle::{Oracle, Picture};
use super::world::World;
use super::*;
use crate::storage::Problem;

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Violation {
    /// The store does not open, or a shard does not recover.
    Closed(String),
    /// Something is damaged, or was set aside: a crash damages nothing.
    Damaged(String),
    /// An acknowledged version is neither there nor in the trash.
    Lost(String),
    /// A number has another content than it was given.
    OtherContent(String),
    /// A version is there that was deleted or forgotten, or that nobody stored.
    CameBack(String),
    /// A state that is neither the one before nor the one after.
    Between(String),
    /// A number would be given out again.
    NumberAgain(String),
    /// Something lies in the store that belongs to nothing and that nobody reports.
    Orphan(String),
    /// The next start finds another state.
    Unsteady(String),
}

/// Opens what a power failure left and holds it against what was promised. Returns the states that the disk went through
/// while it recovered, for a second power failure.
pub(crate) fn check(world: &World, oracle: &Oracle, wrap: Wrap) -> Result<Vec<Moment>, Violation> {
    let memory = MemoryDisk::new(world.clone());
    memory.record();
    let disk = wrap(memory.clone());
    let (daemon, recovery) = Daemon::open(Arc::clone(&disk)).map_err(Violation::Closed)?;
    let moments = memory.moments();
    let is_meant = |problem: &&Problem| oracle.may_be_reported.contains(&*problem.kind);
    if let Some(problem) = recovery.problems.iter().find(|problem| !is_meant(problem)) {
        return Err(Violation::Damaged(format!("{problem:?}")));
    }
    let pictures = daemon.pictures().map_err(Violation::Damaged)?;
    let ids: BTreeSet<&str> = oracle
        .ids()
        .into_iter()
        .chain(pictures.keys().map(String::as_str))
        .collect();
    for id in ids {
        let found = pictures.get(id).cloned().unwrap_or_default();
        check_prompt(oracle, id, &found)?;
        check_numbers(oracle, id, &found, &daemon.next_number(id))?;
    }
    check_orphans(&*disk, &pictures, &recovery.problems)?;
    check_kept(&*disk, oracle)?;
    check_notes(&*disk, &pictures)?;
    let (again, next) = Daemon::open(disk).map_err(Violation::Unsteady)?;
    if (next.replayed, next.discarded) != (0, 0) || next.problems.len() != recovery.problems.len() {
        return Err(Violation::Unsteady(format!(
            "the next start finds work: {next:?}"
        )));
    }
    match again.pictures() {
        Ok(later) if later == pictures => Ok(moments),
        later => Err(Violation::Unsteady(format!("first {pictures:?}, then {later:?}"))),
    }
}

fn check_prompt(oracle: &Oracle, id: &str, found: &Picture) -> Result<(), Violation> {
    let allowed = oracle.allowed(id);
    if allowed.contains(found) {
        return Ok(());
    }
    let what = format!(
        "{id}: found {found:?}, promised {:?}",
        oracle.promised(id).picture
    );
    let everywhere = |number: &Version| {
        let has =
            |picture: &Picture| picture.versions.contains_key(number) || picture.trash.contains_key(number);
        allowed.iter().all(has)
    };
    for (number, text) in &oracle.promised(id).picture.versions {
        if everywhere(number) && !found.versions.contains_key(number) && !found.trash.contains_key(number) {
            return Err(Violation::Lost(format!("{number} of {what}")));
        }
        if found.versions.get(number).is_some_and(|other| other != text) {
            return Err(Violation::OtherContent(format!("{number} of {what}")));
        }
    }
    for number in found.versions.keys() {
        if !allowed
            .iter()
            .any(|picture| picture.versions.contains_key(number))
        {
            return Err(Violation::CameBack(format!("{number} of {what}")));
        }
    }
    Err(Violation::Between(what))
}

fn check_numbers(oracle: &Oracle, id: &str, found: &Picture, next: &Version) -> Result<(), Violation> {
    let promised = oracle.promised(id);
    let is_purged = *found == Picture::default() && oracle.may_be_purged(id);
    if promised.used.contains(next) && !is_purged {
        return Err(Violation::NumberAgain(format!(
            "{next} of {id}, used {:?}",
            promised.used
        )));
    }
    if found.versions.contains_key(next) || found.trash.contains_key(next) {
        return Err(Violation::NumberAgain(format!("{next} of {id}, which is there")));
    }
    Ok(())
}

/// Each version in the trash has its note: without it, it is never old enough to be forgotten.
fn check_notes(disk: &dyn Disk, pictures: &BTreeMap<String, Picture>) -> Result<(), Violation> {
    for (prompt, picture) in pictures {
        for number in picture.trash.keys() {
            if !matches!(disk.stat(&LAYOUT.trash_note(&id(prompt), number)), Ok(Some(_))) {
                return Err(Violation::Lost(format!("the note on {number} of {prompt}")));
            }
        }
    }
    Ok(())
}

/// A damaged manifest is in its place or set aside.
fn check_kept(disk: &dyn Disk, oracle: &Oracle) -> Result<(), Violation> {
    let Some(kept) = &oracle.kept else {
        return Ok(());
    };
    let quarantine = LAYOUT
        .tmp_dir(&ShardDepth::DEFAULT.shard_of(&id("p")))
        .join("quarantine");
    let aside = disk.list(&quarantine).unwrap_or_default();
    let mut places = aside.iter().map(|(name, _)| quarantine.join(name));
    let holds = |place: &Path| disk.read(place, 1 << 20).is_ok_and(|found| found.bytes == *kept);
    if holds(&LAYOUT.manifest_file(&id("p"))) || places.any(|place| holds(&place)) {
        return Ok(());
    }
    Err(Violation::Lost("the damaged manifest".to_owned()))
}

/// Walks the whole store: each name must belong to something that is served or reported. A directory of a prompt may be
/// empty.
fn check_orphans(
    disk: &dyn Disk,
    pictures: &BTreeMap<String, Picture>,
    reported: &[Problem],
) -> Result<(), Violation> {
    let mut expected: BTreeSet<PathBuf> = [".metadata.json", ".index.json", ".trash", ".jobs"]
        .map(PathBuf::from)
        .into();
    expected.extend(reported.iter().map(|problem| PathBuf::from(&problem.path)));
    for (id, picture) in pictures {
        let id = PromptId::new(id).unwrap();
        expected.insert(LAYOUT.manifest_file(&id));
        let measured = picture.evidence.keys();
        expected.extend(measured.map(|number| LAYOUT.evidence_file(&id, number)));
        expected.extend(
            picture
                .versions
                .keys()
                .map(|number| LAYOUT.version_file(&id, number)),
        );
        for number in picture.trash.keys() {
            expected.extend([LAYOUT.trash_file(&id, number, 0), LAYOUT.trash_note(&id, number)]);
        }
    }
    let mut open = vec![PathBuf::new()];
    while let Some(dir) = open.pop() {
        for (name, kind) in disk.list(&dir).unwrap() {
            let path = dir.join(&name);
            match kind {
                disk::EntryKind::Dir => open.push(path),
                _ if dir.file_name() == Some(OsStr::new(".jobs")) => {}
                _ if !expected.contains(&path) => {
                    return Err(Violation::Orphan(path.display().to_string()));
                }
                _ => {}
            }
        }
    }
    Ok(())
}
