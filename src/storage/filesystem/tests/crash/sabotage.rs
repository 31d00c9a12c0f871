//! Seeded bugs: the suite finds each of them.
//!
//! A wrapper around the disk makes the code behave as if a step of the protocol were missing. The same scenarios, survivors
//! and promises then have to show a broken promise of the expected kind.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

use super::scenarios::{Scenario, histories, singles};
use super::*;
use crate::storage::filesystem::disk::{EntryKind, FileContent, NewFile, Space, Stamp};

/// A step that is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    /// No directory is ever synced.
    NoDirSync,
    /// A rename replaces what has the name.
    RenameReplaces,
    /// What is written is answered for before it is synced.
    NoFileSync,
    /// The directory in which a directory was made is not synced.
    NoParentSync,
    /// Temporary names that went are not made durable before a version goes.
    NoTmpSync,
    /// A sync that failed is tried again, and believed.
    SyncAgain,
    /// The directory of the trash is not synced before the version loses its first name.
    NoTrashSync,
}

/// A disk over which a step is missing.
#[derive(Debug)]
struct Sabotaged {
    disk: MemoryDisk,
    bug: Bug,
}

struct SabotagedFile {
    file: Box<dyn NewFile>,
    bug: Bug,
}

impl NewFile for SabotagedFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        match self.bug {
            Bug::NoFileSync => Ok(()),
            Bug::SyncAgain => self.file.sync().or_else(|_| self.file.sync()),
            _ => self.file.sync(),
        }
    }

    fn stamp(&self) -> io::Result<Stamp> {
        self.file.stamp()
    }
}

impl Disk for Sabotaged {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        let (file, bug) = (self.disk.create_new(path)?, self.bug);
        Ok(Box::new(SabotagedFile { file, bug }))
    }

    fn read(&self, path: &Path, max: u64) -> io::Result<FileContent> {
        self.disk.read(path, max)
    }

    fn stat(&self, path: &Path) -> io::Result<Option<(EntryKind, Stamp)>> {
        self.disk.stat(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<(OsString, EntryKind)>> {
        self.disk.list(path)
    }

    fn make_dir(&self, path: &Path) -> io::Result<bool> {
        self.disk.make_dir(path)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self.bug {
            Bug::RenameReplaces => self.disk.rename_over(from, to),
            _ => self.disk.rename_new(from, to),
        }
    }

    fn rename_over(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename_over(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.link(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.disk.unlink(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let is_parent = path.components().count() <= 1 && !path.starts_with(".trash");
        let is_skipped = match self.bug {
            Bug::NoDirSync => true,
            Bug::NoParentSync => is_parent,
            Bug::NoTmpSync => path.file_name() == Some(OsStr::new(".tmp")),
            Bug::NoTrashSync => path.starts_with(".trash"),
            _ => false,
        };
        if is_skipped {
            Ok(())
        } else {
            self.disk.sync_dir(path)
        }
    }

    fn sync_all(&self) -> io::Result<()> {
        self.disk.sync_all()
    }

    fn space(&self) -> io::Result<Space> {
        self.disk.space()
    }
}

fn scenario(name: &str) -> Scenario {
    let mut all = singles().into_iter().chain(histories());
    all.find(|scenario| scenario.name == name).unwrap()
}

/// Runs a scenario over a sabotaged disk and returns the promise that broke.
fn broken(wrap: Wrap, name: &str) -> Violation {
    let covered = enumerate(&[scenario(name)], wrap, Budget::SHORT);
    let found = covered.violations.into_values().next();
    let (call, violation) = found.unwrap_or_else(|| panic!("{name}: the seeded bug was not found"));
    eprintln!("covered: seeded bugs: {name}: found after '{call}': {violation:?}");
    violation
}

fn sabotaged(disk: MemoryDisk, bug: Bug) -> Arc<dyn Disk> {
    Arc::new(Sabotaged { disk, bug })
}

#[test]
fn a_missing_fsync_of_directories_is_found_as_lost_versions() {
    let wrap: Wrap = |disk| sabotaged(disk, Bug::NoDirSync);
    assert!(matches!(broken(wrap, "put"), Violation::Lost(_)));
    assert!(matches!(
        broken(wrap, "delete"),
        Violation::Lost(_) | Violation::Between(_)
    ));
}

#[test]
fn a_rename_that_replaces_is_found_as_other_content_under_a_number() {
    let wrap: Wrap = |disk| sabotaged(disk, Bug::RenameReplaces);
    let name = "a foreign file where a version is about to be stored";
    assert!(matches!(broken(wrap, name), Violation::OtherContent(_)));
}

#[test]
fn an_answer_before_the_fsync_is_found_as_damaged_versions() {
    let wrap: Wrap = |disk| sabotaged(disk, Bug::NoFileSync);
    assert!(matches!(broken(wrap, "put"), Violation::Damaged(_)));
}

#[test]
fn a_missing_fsync_of_the_parent_of_a_new_directory_is_found_as_a_lost_version() {
    let wrap: Wrap = |disk| sabotaged(disk, Bug::NoParentSync);
    assert!(matches!(broken(wrap, "put a new prompt"), Violation::Lost(_)));
    assert!(matches!(broken(wrap, "put into a new shard"), Violation::Lost(_)));
}

#[test]
fn a_missing_fsync_of_the_temporary_names_is_found_as_a_version_that_comes_back() {
    let wrap: Wrap = |disk| sabotaged(disk, Bug::NoTmpSync);
    assert!(matches!(
        broken(wrap, "put, delete, forget"),
        Violation::CameBack(_)
    ));
    assert!(matches!(
        broken(wrap, "put, purge, put"),
        Violation::CameBack(_) | Violation::Between(_)
    ));
}

#[test]
fn a_failed_fsync_that_is_tried_again_is_found_as_a_damaged_version() {
    let wrap: Wrap = |disk| sabotaged(disk, Bug::SyncAgain);
    assert!(matches!(
        broken(wrap, "a sync that fails, then other puts"),
        Violation::Damaged(_)
    ));
}

#[test]
fn a_missing_fsync_of_the_trash_is_found_as_a_lost_version() {
    let wrap: Wrap = |disk| sabotaged(disk, Bug::NoTrashSync);
    assert!(matches!(broken(wrap, "delete"), Violation::Lost(_)));
}
