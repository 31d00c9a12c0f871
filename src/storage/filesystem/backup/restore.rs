//! Restoring: the files of a backup are handed to the shards, which take in what the store lacks.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::model::{PromptId, ShardDepth, Version};
use crate::storage::filesystem::disk::{Layout, Manifest};
use crate::storage::filesystem::work::{AdoptDone, AdoptFile, AdoptRequest, WriteDone, WriteOp};
use crate::storage::{BackupForm, Progress, RestoreReport, RestoreRequest, RestoreScope, StorageError};

use super::inventory::{FileFacts, Inventory, MAX_PROBLEMS};
use super::member::Member;
use super::source::{Source, Watch};
use super::{
    Root, UNPACKED, Work, check_cancelled, find_source, max_entry_bytes, millis_since, remove_all,
    remove_unfinished, unfinished_prefix,
};

/// How often one step is tried that failed for the moment.
const MAX_TRIES: u32 = 10;
/// The pause between these.
const PAUSE: Duration = Duration::from_millis(250);

/// A restoring under way.
struct Restoring<'a> {
    work: &'a Work,
    request: &'a RestoreRequest,
    files: Source,
    lost_too: bool,
    report: RestoreReport,
}

/// The files of one prompt, in the order in which they are taken in.
type Files = BTreeMap<Member, (String, FileFacts)>;

/// Restores. Blocking; one prompt is one step of progress. A backup that is not what its inventory says is refused before
/// anything is written.
pub(super) fn restore(
    work: &Work,
    request: &RestoreRequest,
    progress: &Progress,
) -> Result<RestoreReport, StorageError> {
    let began = Instant::now();
    let source = find_source(&work.root, &request.source, max_entry_bytes(&work.shared))?;
    let unpacked = unpacked_dir(work, &request.job)?;
    let restored = take_in(work, request, &source, &unpacked, progress);
    if let Err(e) = remove_all(&*work.root.disk, &unpacked) {
        tracing::warn!(path = %unpacked.display(), error = %e, "an unpacked archive could not be removed: the next restoring does");
    }
    restored.map(|report| RestoreReport {
        source: source.path.display().to_string(),
        duration_ms: millis_since(began),
        ..report
    })
}

/// Returns where an archive is unpacked to. Only one restoring runs at a time: what is there is left of another.
fn unpacked_dir(work: &Work, job: &str) -> Result<PathBuf, StorageError> {
    let prefix = unfinished_prefix(UNPACKED, &work.store_id);
    remove_unfinished(&*work.root.disk, Path::new(""), &prefix)?;
    Ok(PathBuf::from(format!("{prefix}{job}")))
}

fn take_in(
    work: &Work,
    request: &RestoreRequest,
    source: &Source,
    unpacked: &Path,
    progress: &Progress,
) -> Result<RestoreReport, StorageError> {
    let watch = Watch {
        progress,
        is_shown: false,
    };
    let mut unpack = |member: &Member, bytes: &[u8]| {
        if request.wants(member) {
            unpack_file(&work.root, unpacked, member, bytes)
        } else {
            Ok(())
        }
    };
    let examined = source.examine_strictly(watch, &mut unpack)?;
    let inventory = examined.inventory;
    let files = match source.form {
        BackupForm::Directory => source.clone(),
        BackupForm::Archive => Source {
            path: unpacked.to_owned(),
            form: BackupForm::Directory,
            ..source.clone()
        },
    };
    let prompts = prompts_of(request, &inventory, source)?;
    progress.set_total(prompts.len() as u64);
    let report = RestoreReport {
        dry_run: request.dry_run,
        ..RestoreReport::default()
    };
    let mut restoring = Restoring {
        work,
        request,
        files,
        lost_too: request.lost && inventory.store_id == work.store_id,
        report,
    };
    for (id, files) in prompts {
        check_cancelled(progress)?;
        restoring.restore_prompt(&id, &files)?;
        progress.advance(1);
    }
    Ok(restoring.report)
}

impl RestoreRequest {
    fn wants(&self, member: &Member) -> bool {
        match (&self.scope, member.prompt()) {
            (_, None) => false,
            (RestoreScope::Everything, Some(_)) => true,
            (RestoreScope::Prompts(ids), Some(id)) => ids.contains(id),
        }
    }
}

/// Unpacks one file. Its path is made of what was read of it, in one layout whatever the backup has.
fn unpack_file(root: &Root, dir: &Path, member: &Member, bytes: &[u8]) -> io::Result<()> {
    let place = dir.join(unpacked_path(member));
    let mut made = PathBuf::new();
    for name in place.parent().unwrap_or(Path::new("")) {
        made.push(name);
        root.disk.make_dir(&made)?;
    }
    root.disk.create_new(&place)?.write_all(bytes)
}

fn unpacked_path(member: &Member) -> PathBuf {
    let depth = ShardDepth::DEFAULT;
    member.path(Layout { depth })
}

/// Groups the files of a backup by prompt.
fn prompts_of(
    request: &RestoreRequest,
    inventory: &Inventory,
    source: &Source,
) -> Result<BTreeMap<PromptId, Files>, StorageError> {
    let mut prompts: BTreeMap<PromptId, Files> = BTreeMap::new();
    for (path, facts) in &inventory.files {
        let Some((member, _)) = Member::parse(path) else {
            continue;
        };
        if !request.wants(&member) {
            continue;
        }
        let place = match source.form {
            BackupForm::Directory => path.clone(),
            BackupForm::Archive => unpacked_path(&member).display().to_string(),
        };
        if let Some(id) = member.prompt().cloned() {
            prompts.entry(id).or_default().insert(member, (place, *facts));
        }
    }
    if let RestoreScope::Prompts(ids) = &request.scope
        && let Some(absent) = ids.iter().find(|id| !prompts.contains_key(*id))
    {
        return Err(StorageError::Backup(format!(
            "the backup {} has no prompt {absent}",
            source.path.display()
        )));
    }
    Ok(prompts)
}

impl Restoring<'_> {
    fn restore_prompt(&mut self, id: &PromptId, files: &Files) -> Result<(), StorageError> {
        let conflicts_before = self.report.conflicts.len();
        let mut restored: BTreeSet<Version> = BTreeSet::new();
        let (mut batch, mut bytes_in_batch) = (Vec::new(), 0);
        let options = &self.work.shared.options;
        let (max_files, max_bytes) = (options.max_batch_versions, options.max_batch_bytes);
        for (member, (path, facts)) in files {
            if !matches!(member, Member::Version(..) | Member::Trashed(..)) {
                continue;
            }
            let bytes = self.read(path, *facts)?;
            let size = facts.size;
            if !batch.is_empty() && (batch.len() >= max_files || bytes_in_batch + size > max_bytes) {
                restored.extend(self.adopt(id, &std::mem::take(&mut batch))?);
                bytes_in_batch = 0;
            }
            bytes_in_batch += size;
            match member {
                Member::Version(_, version) => batch.push(AdoptFile::Version(version.clone(), bytes)),
                Member::Trashed(_, version, copy) => {
                    let note = match files.get(&Member::Note(id.clone(), version.clone())) {
                        Some((path, facts)) => Some(self.read(path, *facts)?),
                        None => None,
                    };
                    batch.push(AdoptFile::Trashed(version.clone(), *copy, bytes, note));
                }
                Member::Metadata | Member::Note(..) | Member::Evidence(..) | Member::Manifest(_) => {}
            }
        }
        restored.extend(self.adopt(id, &batch)?);
        for (member, (path, facts)) in files {
            if let Member::Evidence(_, version) = member {
                let (bytes, belongs) = (self.read(path, *facts)?, restored.contains(version));
                self.adopt(id, &[AdoptFile::Evidence(version.clone(), bytes, belongs)])?;
            }
        }
        if let Some((path, facts)) = files.get(&Member::Manifest(id.clone())) {
            let bytes = self.read(path, *facts)?;
            let is_clean = self.report.conflicts.len() == conflicts_before;
            self.adopt(
                id,
                &[AdoptFile::Manifest {
                    bytes,
                    restored,
                    is_clean,
                }],
            )?;
        }
        self.report.prompts += 1;
        Ok(())
    }

    /// Hands files to the shard of the prompt; returns the versions that are there now as the backup has them.
    fn adopt(&mut self, id: &PromptId, files: &[AdoptFile]) -> Result<Vec<Version>, StorageError> {
        let shared = Arc::clone(&self.work.shared);
        let shard = shared.layout.shard_of(id);
        let shard = match shared.shards.get(&shard) {
            Some(known) => known,
            // No shard is made to say what would be done.
            None if self.request.dry_run => return Ok(self.count(all_new(id, files))),
            None => shared.shard(&shard),
        };
        let mut tries = 0;
        loop {
            let request = AdoptRequest {
                files: files.to_vec(),
                dry_run: self.request.dry_run,
                lost_too: self.lost_too,
                author: self.request.author.clone(),
            };
            let op = WriteOp::Adopt(Box::new(request));
            let asked = shard.write(id.clone(), op, shared.write_timeout());
            match self.work.runtime.block_on(asked) {
                Ok(WriteDone::Adopted(done)) => return Ok(self.count(done)),
                Ok(_) => return Err(shard.down()),
                // To take in the same again is safe: what is there is found unchanged.
                Err(
                    StorageError::Busy { .. } | StorageError::Unavailable(_) | StorageError::Interrupted(_),
                ) if tries < MAX_TRIES => {
                    tries += 1;
                    self.work.runtime.block_on(tokio::time::sleep(PAUSE));
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn count(&mut self, done: AdoptDone) -> Vec<Version> {
        let report = &mut self.report;
        report.versions += done.versions;
        report.trashed += done.trashed;
        report.labels += done.labels;
        report.evidence += done.evidence;
        report.unchanged += done.unchanged;
        let room = MAX_PROBLEMS.saturating_sub(report.conflicts.len());
        report.conflicts.extend(done.conflicts.into_iter().take(room));
        done.restored
    }

    /// Reads a file once more. It was read before; a backup that changes under the reader is not restored from.
    fn read(&self, path: &str, facts: FileFacts) -> Result<Bytes, StorageError> {
        match self.files.read_file(path, facts) {
            Ok(bytes) => Ok(Bytes::from(bytes)),
            Err(why) => Err(self.files.damaged(&format!("{path}: {why}"))),
        }
    }
}

/// Says what becomes of files in a shard that has nothing.
fn all_new(id: &PromptId, files: &[AdoptFile]) -> AdoptDone {
    let mut done = AdoptDone::default();
    for file in files {
        match file {
            AdoptFile::Version(version, _) => {
                done.versions += 1;
                done.restored.push(version.clone());
            }
            AdoptFile::Trashed(..) => done.trashed += 1,
            AdoptFile::Evidence(..) => done.evidence += 1,
            AdoptFile::Manifest { bytes, .. } => {
                let manifest = Manifest::parse(bytes, id);
                done.labels += manifest.map_or(0, |manifest| manifest.labels.len() as u64);
            }
        }
    }
    done
}
