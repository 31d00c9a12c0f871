//! Reading one prompt as it was at one instant.
//!
//! The store goes on meanwhile. What was read counts when the names are the same before and after and the catalog has not
//! changed the prompt in between; otherwise it is read again. After a few tries the shard itself calls this between two
//! pieces of its work, when nobody else writes.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::model::{PromptId, Version};
use crate::storage::evidence::MAX_EVIDENCE_BYTES;
use crate::storage::filesystem::catalog::ShardCatalog;
use crate::storage::filesystem::disk::{
    Disk, EntryKind, Layout, MANIFEST_FILE, ReadFailure, Slot, Stamp, evidence_of_file_name, read_regular,
    version_of_file_name,
};
use crate::storage::{Problem, StorageError};

use super::inventory::FileFacts;
use super::member::Member;
use super::stage::{Stage, Staged};

/// The most leftover copies of one number in the trash that are looked for.
const MAX_COPIES: u32 = 1000;

/// The files of one prompt.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// Its files, the versions and their test results first and the manifest last.
    pub files: Vec<(Member, FileFacts, Staged)>,
    /// What is not as it should be.
    pub problems: Vec<Problem>,
}

/// Why a prompt could not be gathered.
#[derive(Debug)]
pub(super) enum NotGathered {
    /// It changed while it was read.
    Changed,
    /// Something failed.
    Failed(StorageError),
}

/// How sure the reader has to be that nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Care {
    /// The store goes on: any change means to read again.
    Busy,
    /// Nobody but other programs can change anything.
    Quiet,
    /// As it comes: another program keeps changing it.
    AsItIs,
}

/// Reads prompts.
#[derive(Debug)]
pub(super) struct Gatherer {
    pub disk: Arc<dyn Disk>,
    pub layout: Layout,
    pub max_file_bytes: u64,
    pub stage: Stage,
}

/// A prompt while it is read.
struct Reading<'a> {
    gatherer: &'a mut Gatherer,
    id: &'a PromptId,
    gathered: Gathered,
    care: Care,
}

impl Gatherer {
    /// Reads a prompt. `listed` are its numbers that were seen in the trash.
    pub(super) fn gather(
        &mut self,
        id: &PromptId,
        catalog: &ShardCatalog,
        listed: &BTreeSet<Version>,
        care: Care,
    ) -> Result<Gathered, NotGathered> {
        self.stage
            .clear()
            .map_err(|e| failed("removing", Path::new("the stage of the backup"), &e))?;
        let before = catalog.slot(id);
        let gathered = Gathered::default();
        let mut reading = Reading {
            gatherer: self,
            id,
            gathered,
            care,
        };
        let names = reading.names()?;
        reading.read_versions(&names)?;
        reading.read_trash(&names, before.as_ref(), listed)?;
        let manifest = reading.read_manifest(&names)?;
        if care != Care::AsItIs {
            reading.check_unchanged(&names, manifest)?;
            if !is_same(before.as_ref(), catalog.slot(id).as_ref()) {
                return Err(NotGathered::Changed);
            }
        }
        Ok(reading.gathered)
    }
}

/// What came of reading one file.
enum Got {
    /// It was read, in this state.
    File(Stamp),
    /// It is there, cannot be copied, and was noted.
    Skipped,
    /// It is not there.
    Nothing,
}

type Names = BTreeMap<OsString, EntryKind>;

impl Reading<'_> {
    fn names(&self) -> Result<Names, NotGathered> {
        let dir = self.gatherer.layout.prompt_dir(self.id);
        match self.gatherer.disk.list(&dir) {
            Ok(names) => Ok(names.into_iter().collect()),
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok(Names::new())
            }
            Err(e) => Err(failed("listing", &dir, &e)),
        }
    }

    fn read_versions(&mut self, names: &Names) -> Result<(), NotGathered> {
        let dir = self.gatherer.layout.prompt_dir(self.id);
        for (name, kind) in names {
            match (version_of_file_name(name), kind) {
                (Some(version), EntryKind::File) => {
                    let member = Member::Version(self.id.clone(), version);
                    if matches!(self.read(member)?, Got::Nothing) {
                        self.missing()?;
                    }
                }
                (Some(_), _) => self.skip(&dir.join(name), "not-a-file", "only regular files are copied"),
                (None, _) if name == MANIFEST_FILE => {}
                (None, EntryKind::File) if evidence_of_file_name(name).is_some() => {
                    self.read_evidence(name)?;
                }
                (None, _) if name.as_encoded_bytes().starts_with(b".") => {}
                (None, _) => self.skip(
                    &dir.join(name),
                    "foreign-name",
                    "not a file of promptd: not copied",
                ),
            }
        }
        Ok(())
    }

    fn read_evidence(&mut self, name: &OsStr) -> Result<(), NotGathered> {
        let Some(version) = evidence_of_file_name(name) else {
            return Ok(());
        };
        match self.read(Member::Evidence(self.id.clone(), version))? {
            Got::Nothing => self.missing(),
            Got::File(_) | Got::Skipped => Ok(()),
        }
    }

    /// Reads what the trash holds. A version that has both names is being deleted or brought back: it is live.
    fn read_trash(
        &mut self,
        names: &Names,
        slot: Option<&Slot>,
        listed: &BTreeSet<Version>,
    ) -> Result<(), NotGathered> {
        let mut candidates = listed.clone();
        if let Some(slot) = slot {
            candidates.extend(slot.entry.trash.iter().cloned());
            // It may have gone to the trash a moment ago.
            let is_gone =
                |version: &&Version| !names.contains_key(&OsString::from(format!("{version}.json")));
            candidates.extend(slot.entry.versions.iter().filter(is_gone).cloned());
        }
        for version in candidates {
            let is_known = slot.is_some_and(|slot| slot.entry.has_trashed(&version));
            let mut found = false;
            for copy in 0..MAX_COPIES {
                if copy == 0 && self.is_live_too(&version)? {
                    continue;
                }
                match self.read(Member::Trashed(self.id.clone(), version.clone(), copy))? {
                    Got::File(_) | Got::Skipped => found = true,
                    Got::Nothing if copy == 0 => {}
                    Got::Nothing => break,
                }
            }
            if found {
                self.read(Member::Note(self.id.clone(), version))?;
            } else if is_known {
                self.missing()?;
            }
        }
        Ok(())
    }

    fn is_live_too(&self, version: &Version) -> Result<bool, NotGathered> {
        let (layout, disk) = (self.gatherer.layout, &self.gatherer.disk);
        let look = |path: &Path| {
            let found = disk.stat(path).map_err(|e| failed("looking at", path, &e))?;
            Ok(found.map(|(_, stamp)| stamp.ino))
        };
        let trashed = look(&layout.trash_file(self.id, version, 0))?;
        Ok(trashed.is_some() && trashed == look(&layout.version_file(self.id, version))?)
    }

    fn read_manifest(&mut self, names: &Names) -> Result<Option<Stamp>, NotGathered> {
        match names.get(&OsString::from(MANIFEST_FILE)) {
            None => Ok(None),
            Some(EntryKind::File) => match self.read(Member::Manifest(self.id.clone()))? {
                Got::File(stamp) => Ok(Some(stamp)),
                Got::Skipped => Ok(None),
                Got::Nothing => self.missing().map(|()| None),
            },
            Some(_) => {
                let place = self.gatherer.layout.manifest_file(self.id);
                self.skip(&place, "not-a-file", "only regular files are copied");
                Ok(None)
            }
        }
    }

    /// Reads one file.
    fn read(&mut self, member: Member) -> Result<Got, NotGathered> {
        let path = member.path(self.gatherer.layout);
        let limit = self.gatherer.max_file_bytes.max(MAX_EVIDENCE_BYTES);
        let (bytes, stamp) = match read_regular(&*self.gatherer.disk, &path, limit) {
            Ok(read) => read,
            Err(ReadFailure::Absent) => return Ok(Got::Nothing),
            Err(ReadFailure::Corrupt(reason) | ReadFailure::Refused(reason)) => {
                self.skip(&path, "unreadable", &reason);
                return Ok(Got::Skipped);
            }
            Err(ReadFailure::Exhausted(reason)) => {
                return Err(failed("reading", &path, &io::Error::other(reason)));
            }
        };
        let after = self.gatherer.disk.stat(&path);
        let after = after.map_err(|e| failed("looking at", &path, &e))?;
        if self.care != Care::AsItIs && after.is_none_or(|(_, after)| content_of(after) != content_of(stamp))
        {
            return Err(NotGathered::Changed);
        }
        let facts = FileFacts::of(&bytes);
        let staged = self.gatherer.stage.keep(bytes);
        let staged = staged.map_err(|e| failed("writing", Path::new("the stage of the backup"), &e))?;
        self.gathered.files.push((member, facts, staged));
        Ok(Got::File(stamp))
    }

    fn check_unchanged(&self, before: &Names, manifest: Option<Stamp>) -> Result<(), NotGathered> {
        let place = self.gatherer.layout.manifest_file(self.id);
        let now = self.gatherer.disk.stat(&place);
        let now = now
            .map_err(|e| failed("looking at", &place, &e))?
            .map(|(_, stamp)| stamp);
        let manifest_is_same = manifest.is_none() || manifest == now;
        if manifest_is_same && self.names()? == *before {
            Ok(())
        } else {
            Err(NotGathered::Changed)
        }
    }

    /// Something that was listed is not there. In a store that goes on it was moved meanwhile.
    fn missing(&self) -> Result<(), NotGathered> {
        if self.care == Care::Busy {
            Err(NotGathered::Changed)
        } else {
            Ok(())
        }
    }

    fn skip(&mut self, path: &Path, kind: &str, why: &str) {
        self.gathered.problems.push(Problem::new(path, kind, why));
    }
}

/// What of a file's state changes with its content; a second name changes the rest.
const fn content_of(stamp: Stamp) -> (u64, u64, i64) {
    (stamp.ino, stamp.size, stamp.mtime)
}

fn is_same(before: Option<&Slot>, after: Option<&Slot>) -> bool {
    match (before, after) {
        (Some(before), Some(after)) => Arc::ptr_eq(&before.entry, &after.entry),
        (before, after) => before.is_none() && after.is_none(),
    }
}

fn failed(doing: &'static str, path: &Path, error: &io::Error) -> NotGathered {
    NotGathered::Failed(super::io_error(doing, path, error))
}
