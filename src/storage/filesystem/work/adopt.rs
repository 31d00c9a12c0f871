//! Taking in files of a backup: what is absent is added as it is, what contradicts the store is reported and left alone.

use std::collections::BTreeSet;
use std::path::Path;

use bytes::Bytes;

use crate::model::{Author, Integrity, Version};
use crate::storage::evidence::MAX_EVIDENCE_BYTES;
use crate::storage::feed::EventKind;
use crate::storage::filesystem::disk::{Adoptee, Manifest, ReadFailure, read_regular};
use crate::storage::{Problem, StorageError, StoredVersion};

use super::change::ChangeOf;

/// Files of one prompt that shall be taken in.
#[derive(Debug)]
pub(crate) struct AdoptRequest {
    /// The files.
    pub files: Vec<AdoptFile>,
    /// Whether only to say what would be done.
    pub dry_run: bool,
    /// Whether numbers that were used here and are nowhere may come back: the backup is one of this very store.
    pub lost_too: bool,
    /// Who does it; stands in the history of labels.
    pub author: Author,
}

/// One file.
#[derive(Debug, Clone)]
pub(crate) enum AdoptFile {
    /// A live version.
    Version(Version, Bytes),
    /// A version in the trash, which copy of it, and the note beside it.
    Trashed(Version, u32, Bytes, Option<Bytes>),
    /// The test results of a version, after all versions, and whether that version is here now as the backup has it.
    Evidence(Version, Bytes, bool),
    /// The manifest, after all versions; with it those that are there now as the backup has them, and whether all that
    /// came before it is.
    Manifest {
        /// Its bytes.
        bytes: Bytes,
        /// The versions to which its labels may point.
        restored: BTreeSet<Version>,
        /// Whether nothing of the prompt was in conflict.
        is_clean: bool,
    },
}

/// What was taken in.
#[derive(Debug, Default)]
pub(crate) struct AdoptDone {
    /// Versions that are there now as the backup has them.
    pub restored: Vec<Version>,
    /// How many of them were added.
    pub versions: u64,
    /// Files added to the trash.
    pub trashed: u64,
    /// Labels added.
    pub labels: u64,
    /// Files with test results added.
    pub evidence: u64,
    /// Files that were there with the same content.
    pub unchanged: u64,
    /// What contradicts the store.
    pub conflicts: Vec<Problem>,
}

/// What becomes of one file.
enum Verdict {
    Add,
    Same,
    Conflict(&'static str, String),
}

impl ChangeOf<'_> {
    pub(super) fn adopt(&mut self, request: AdoptRequest) -> Result<AdoptDone, StorageError> {
        let (mut done, mut adoptees) = (AdoptDone::default(), Vec::new());
        let (mut evidence, mut manifest) = (Vec::new(), None);
        for file in request.files {
            match file {
                AdoptFile::Version(version, bytes) => {
                    let place = self.context.disk.layout.version_file(self.id, &version);
                    let verdict = self.judge_version(&version, &bytes, request.lost_too)?;
                    let is_there = !matches!(verdict, Verdict::Conflict(..));
                    if done.count(&place, verdict) {
                        done.versions += 1;
                        adoptees.push(Adoptee::Version(version.clone(), bytes));
                    }
                    if is_there {
                        done.restored.push(version);
                    }
                }
                AdoptFile::Trashed(version, copy, bytes, note) => {
                    let place = self.context.disk.layout.trash_file(self.id, &version, copy);
                    let verdict = self.judge_trashed(&version, copy, &bytes)?;
                    if done.count(&place, verdict) {
                        done.trashed += 1;
                        adoptees.push(Adoptee::Trashed(version, copy, bytes, note));
                    }
                }
                AdoptFile::Evidence(version, bytes, belongs) => evidence.push((version, bytes, belongs)),
                AdoptFile::Manifest {
                    bytes,
                    restored,
                    is_clean,
                } => manifest = Some((bytes, restored, is_clean)),
            }
        }
        if !adoptees.is_empty() && !request.dry_run {
            let taken_in = self.context.disk.adopt(self.id, &adoptees);
            taken_in.map_err(|fault| self.fault(fault))?;
            self.look_after(&adoptees);
            let versions = adoptees.iter().filter_map(|adoptee| match adoptee {
                Adoptee::Version(version, _) => Some(version.clone()),
                Adoptee::Trashed(..) | Adoptee::Evidence(..) => None,
            });
            let versions: Vec<Version> = versions.collect();
            super::observe::adopted(self.context, self.id, &versions, &request.author);
        }
        self.adopt_evidence(evidence, request.dry_run, &mut done)?;
        if let Some((bytes, restored, is_clean)) = manifest {
            self.adopt_manifest(
                &bytes,
                &restored,
                is_clean,
                request.dry_run,
                &request.author,
                &mut done,
            )?;
        }
        Ok(done)
    }

    /// Reads the prompt again, with what is now in its trash.
    fn look_after(&mut self, adoptees: &[Adoptee]) {
        let mut trash = self.slot.entry.trash.clone();
        let (mut versions, mut deleted) = (Vec::new(), Vec::new());
        for adoptee in adoptees {
            match adoptee {
                Adoptee::Version(version, _) => versions.push(version.clone()),
                Adoptee::Trashed(version, 0, ..) => deleted.push(version.clone()),
                Adoptee::Trashed(..) | Adoptee::Evidence(..) => {}
            }
        }
        trash.extend(deleted);
        trash.sort_unstable();
        trash.dedup();
        for version in &versions {
            self.context.note_own_write(self.id, version);
        }
        self.effects.evict_all(self.id, &versions);
        self.look_again(trash, None);
    }

    /// Takes in test results once the versions that they are about are durable.
    fn adopt_evidence(
        &mut self,
        files: Vec<(Version, Bytes, bool)>,
        dry_run: bool,
        done: &mut AdoptDone,
    ) -> Result<(), StorageError> {
        let mut adoptees = Vec::new();
        for (version, bytes, belongs) in files {
            let place = self.context.disk.layout.evidence_file(self.id, &version);
            let verdict = match self.compare(&place, &bytes)? {
                Some(verdict) => verdict,
                None if belongs || self.slot.entry.has_trashed(&version) => Verdict::Add,
                None => {
                    let why = format!("version {version} is not here as the backup has it");
                    Verdict::Conflict("evidence-target", why)
                }
            };
            if done.count(&place, verdict) {
                done.evidence += 1;
                adoptees.push(Adoptee::Evidence(version, bytes));
            }
        }
        if !adoptees.is_empty() && !dry_run {
            let taken_in = self.context.disk.adopt(self.id, &adoptees);
            taken_in.map_err(|fault| self.fault(fault))?;
            self.look_again(self.slot.entry.trash.clone(), None);
            for adoptee in &adoptees {
                if let Adoptee::Evidence(version, _) = adoptee {
                    self.effects.made(self.id, EventKind::EvidenceAdded, version);
                }
            }
        }
        Ok(())
    }

    fn judge_version(
        &self,
        version: &Version,
        bytes: &Bytes,
        lost_too: bool,
    ) -> Result<Verdict, StorageError> {
        let disk = &self.context.disk;
        let place = disk.layout.version_file(self.id, version);
        if let Some(verdict) = self.compare(&place, bytes)? {
            return Ok(verdict);
        }
        let (size, limit) = (bytes.len() as u64, disk.limits.max_file_bytes);
        if size > limit {
            let why = format!("it has {size} bytes; max_file_bytes is {limit}");
            return Ok(Verdict::Conflict("too-large", why));
        }
        if self.slot.entry.has_trashed(version)
            || self.is_there(&disk.layout.trash_file(self.id, version, 0))?
        {
            let why = "it was deleted here and lies in the trash: restore it from there, or purge it first"
                .to_owned();
            return Ok(Verdict::Conflict("in-trash", why));
        }
        // What the manifest remembers as used and is nowhere may have been forgotten on purpose.
        let highest = self.manifest_if_readable()?.map(|manifest| manifest.highest_used);
        let is_used = highest.is_some_and(|highest| {
            let mut highest = highest.iter();
            highest.any(|used| used.is_prerelease() == version.is_prerelease() && version <= used)
        });
        if is_used && !lost_too {
            let why = "numbers up to this one were used here: it was purged or lost; --lost brings it back from a backup of this store".to_owned();
            return Ok(Verdict::Conflict("number-used", why));
        }
        Ok(Verdict::Add)
    }

    fn judge_trashed(&self, version: &Version, copy: u32, bytes: &Bytes) -> Result<Verdict, StorageError> {
        let layout = self.context.disk.layout;
        let place = layout.trash_file(self.id, version, copy);
        if let Some(verdict) = self.compare(&place, bytes)? {
            return Ok(verdict);
        }
        let live = layout.version_file(self.id, version);
        match self.compare(&live, bytes)? {
            // Deleted there, alive here: what is here stays, and nothing is lost.
            Some(Verdict::Same) => Ok(Verdict::Same),
            Some(_) => {
                let why = format!(
                    "{} is here with another content: a number cannot be live and deleted",
                    live.display()
                );
                Ok(Verdict::Conflict("live-here", why))
            }
            None => Ok(Verdict::Add),
        }
    }

    /// Compares what the backup has with what lies at a place; `None` when nothing does.
    fn compare(&self, place: &Path, bytes: &Bytes) -> Result<Option<Verdict>, StorageError> {
        let disk = &self.context.disk;
        let limit = disk.limits.max_file_bytes.max(MAX_EVIDENCE_BYTES);
        let there = match read_regular(&*disk.disk, place, limit) {
            Ok((there, _)) => Bytes::from(there),
            Err(ReadFailure::Absent) => return Ok(None),
            Err(ReadFailure::Corrupt(why)) => return Ok(Some(Verdict::Conflict("not-a-file", why))),
            Err(ReadFailure::Refused(message) | ReadFailure::Exhausted(message)) => {
                return Err(StorageError::Io {
                    doing: "reading",
                    path: place.to_owned(),
                    message,
                });
            }
        };
        if there == bytes || is_same_version(there, bytes) {
            return Ok(Some(Verdict::Same));
        }
        let why = "it is here with another content, which stays".to_owned();
        Ok(Some(Verdict::Conflict("different-content", why)))
    }

    fn is_there(&self, place: &Path) -> Result<bool, StorageError> {
        let found = self.context.disk.disk.stat(place);
        found.map(|found| found.is_some()).map_err(|e| StorageError::Io {
            doing: "looking at",
            path: place.to_owned(),
            message: e.to_string(),
        })
    }

    /// Returns the manifest of the prompt; `None` when there is none or it is damaged.
    fn manifest_if_readable(&self) -> Result<Option<Manifest>, StorageError> {
        if !self.is_there(&self.context.disk.layout.manifest_file(self.id))? {
            return Ok(None);
        }
        match self.manifest() {
            Ok(manifest) => Ok(Some(manifest)),
            Err(StorageError::Corrupt { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn adopt_manifest(
        &mut self,
        bytes: &Bytes,
        restored: &BTreeSet<Version>,
        is_clean: bool,
        dry_run: bool,
        author: &Author,
        done: &mut AdoptDone,
    ) -> Result<(), StorageError> {
        let place = self.context.disk.layout.manifest_file(self.id);
        let is_there = self.is_there(&place)?;
        if is_there && matches!(self.compare(&place, bytes)?, Some(Verdict::Same)) {
            done.unchanged += 1;
            return Ok(());
        }
        let theirs = Manifest::parse(bytes, self.id);
        if !is_there && is_clean {
            done.labels += theirs.map_or(0, |theirs| theirs.labels.len() as u64);
            if !dry_run {
                let taken_in = self.context.disk.adopt_manifest(self.id, bytes);
                taken_in.map_err(|fault| self.fault(fault))?;
                self.look_again(self.slot.entry.trash.clone(), None);
            }
            return Ok(());
        }
        match theirs {
            Ok(theirs) => self.merge_labels(&theirs, restored, dry_run, author, done),
            Err(why) => {
                let why = format!("the manifest of the backup is damaged: {why}");
                done.conflicts.push(Problem::new(&place, "corrupt-manifest", why));
                Ok(())
            }
        }
    }

    fn merge_labels(
        &mut self,
        theirs: &Manifest,
        restored: &BTreeSet<Version>,
        dry_run: bool,
        author: &Author,
        done: &mut AdoptDone,
    ) -> Result<(), StorageError> {
        let place = self.context.disk.layout.manifest_file(self.id);
        let mut ours = match self.manifest() {
            Err(StorageError::Corrupt { reason, .. }) => {
                let why = format!("the manifest here is damaged, and stays: {reason}");
                done.conflicts.push(Problem::new(&place, "corrupt-manifest", why));
                return Ok(());
            }
            other => other?,
        };
        let before = ours.clone();
        for (label, target) in &theirs.labels {
            let version = &target.version;
            match ours.labels.get(label).map(|entry| &entry.version) {
                Some(here) if here == version => {}
                Some(here) => {
                    let why = format!("label {label} points at {here} here and at {version} in the backup");
                    done.conflicts.push(Problem::new(&place, "label-elsewhere", why));
                }
                None if restored.contains(version) => {
                    ours.set_label(label, version, author);
                    done.labels += 1;
                }
                None => {
                    let why =
                        format!("label {label} points at {version}, which is not here as the backup has it");
                    done.conflicts.push(Problem::new(&place, "label-target", why));
                }
            }
        }
        ours.highest_used.note_all(theirs.highest_used.iter());
        if ours == before || dry_run {
            return Ok(());
        }
        let written = self.context.disk.write_manifest(self.id, &ours);
        written.map_err(|fault| self.fault(fault))?;
        self.look_again(self.slot.entry.trash.clone(), Some(&ours));
        Ok(())
    }
}

/// Tells whether two files are one version in two layouts.
fn is_same_version(one: Bytes, other: &Bytes) -> bool {
    match (StoredVersion::parse(one), StoredVersion::parse(other.clone())) {
        (Ok((one, _)), Ok((other, _))) => {
            one.integrity == Integrity::Sealed
                && other.integrity == Integrity::Sealed
                && one.checksum == other.checksum
        }
        _ => false,
    }
}

impl AdoptDone {
    /// Counts what becomes of a file; `true` when it is to be added.
    fn count(&mut self, place: &Path, verdict: Verdict) -> bool {
        match verdict {
            Verdict::Add => return true,
            Verdict::Same => self.unchanged += 1,
            Verdict::Conflict(kind, why) => self.conflicts.push(Problem::new(place, kind, why)),
        }
        false
    }
}
