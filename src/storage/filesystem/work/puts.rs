//! A group commit: plan every put, write all, publish what became durable.

use std::sync::Arc;

use crate::model::{PromptId, Version};
use crate::storage::filesystem::cache::CachedVersion;
use crate::storage::filesystem::disk::{DiskFault, Prepared, Slot, Stamp};
use crate::storage::{Fingerprint, Numbering, PutOutcome, PutVersion, Sameness, StorageError, StoredVersion};

use super::plan::{PutPlan, plan_put};
use super::{Effects, WorkContext, WriteDone, look};

/// How often a put is planned again because its number was taken by a file that appeared meanwhile.
const MAX_TRIES: usize = 4;

/// A version that is about to be written.
struct Ready {
    place: usize,
    numbering: Numbering,
    sameness: Sameness,
    latest_seen: Option<(Version, Fingerprint)>,
    stored: Arc<StoredVersion>,
    slot: Slot,
    /// Whether the directory is as the catalog says. Otherwise it is read again after the commit.
    dir_is_known: bool,
}

/// What became of the puts so far, in the order of the requests.
type Answers = Vec<Option<Result<WriteDone, StorageError>>>;

/// Stores versions, at most one per prompt; the answers are in the order of the requests.
pub(crate) fn put_all(
    context: &WorkContext,
    requests: Vec<(PromptId, PutVersion)>,
    effects: &mut Effects,
) -> Vec<Result<WriteDone, StorageError>> {
    let mut answers: Answers = requests.iter().map(|_| None).collect();
    let mut open: Vec<(usize, Slot, PutVersion)> = requests
        .into_iter()
        .enumerate()
        .map(|(place, (id, request))| {
            let slot = look::slot_for_change(context, &id, effects);
            (place, slot.unwrap_or_else(|| Slot::empty(id)), request)
        })
        .collect();
    for _ in 0..MAX_TRIES {
        if open.is_empty() {
            break;
        }
        open = commit_once(context, open, &mut answers, effects);
    }
    let taken = || {
        Err(StorageError::Unavailable(
            "files keep appearing under the next number: try again".into(),
        ))
    };
    answers
        .into_iter()
        .map(|answer| answer.unwrap_or_else(taken))
        .collect()
}

/// Plans and commits; returns what must be planned again, each with what its directory holds now.
fn commit_once(
    context: &WorkContext,
    open: Vec<(usize, Slot, PutVersion)>,
    answers: &mut Answers,
    effects: &mut Effects,
) -> Vec<(usize, Slot, PutVersion)> {
    let (mut ready, mut bytes, mut again) = (Vec::new(), 0, Vec::new());
    for (place, slot, request) in open {
        let (numbering, sameness) = (request.numbering.clone(), request.sameness);
        let latest_seen = request.latest_seen.clone();
        match prepare(context, &slot, request) {
            Ok(Planned::Unchanged(answer)) => set(answers, place, Ok(answer)),
            Err(error) => set(answers, place, Err(error)),
            Ok(Planned::Write(stored)) => {
                // What a request says of its size is not what its file has: the limit is kept here.
                let size = stored.bytes.len() as u64;
                if bytes + size > context.max_batch_bytes && !ready.is_empty() {
                    again.extend(commit_ready(
                        context,
                        std::mem::take(&mut ready),
                        answers,
                        effects,
                    ));
                    bytes = 0;
                }
                bytes += size;
                let now = context
                    .disk
                    .stamp(&context.disk.layout.prompt_dir(&slot.entry.id));
                ready.push(Ready {
                    place,
                    numbering,
                    sameness,
                    latest_seen,
                    stored,
                    dir_is_known: look::same(slot.dir, now),
                    slot,
                });
            }
        }
    }
    again.extend(commit_ready(context, ready, answers, effects));
    again
}

fn commit_ready(
    context: &WorkContext,
    ready: Vec<Ready>,
    answers: &mut Answers,
    effects: &mut Effects,
) -> Vec<(usize, Slot, PutVersion)> {
    if ready.is_empty() {
        return Vec::new();
    }
    let prepared: Vec<Prepared> = ready
        .iter()
        .map(|ready| Prepared {
            id: ready.slot.entry.id.clone(),
            version: ready.stored.version.clone(),
            bytes: ready.stored.bytes.clone(),
            // One that changed since the catalog knows it may be another one, of the same number even.
            durable_dir: ready.slot.dir.filter(|_| ready.dir_is_known).map(|dir| dir.ino),
        })
        .collect();
    let started = std::time::Instant::now();
    let outcomes = context.disk.commit(&prepared);
    context.metrics.note_commit(prepared.len(), started.elapsed());
    let mut again = Vec::new();
    for (ready, outcome) in ready.into_iter().zip(outcomes) {
        match outcome {
            Ok(written) => {
                let stored = Arc::clone(&ready.stored);
                set(
                    answers,
                    ready.place,
                    Ok(WriteDone::Put(PutOutcome::Created(stored))),
                );
                publish(context, ready, written, effects);
            }
            Err(DiskFault::Exists) => again.extend(look_for_taken(context, ready, answers, effects)),
            Err(fault) => set(answers, ready.place, Err(effects.fault(&context.disk, fault))),
        }
    }
    again
}

/// A file that nobody knew of has the number. The directory is read again; then an exact number is a conflict, and a
/// chosen one is chosen again.
fn look_for_taken(
    context: &WorkContext,
    ready: Ready,
    answers: &mut Answers,
    effects: &mut Effects,
) -> Option<(usize, Slot, PutVersion)> {
    let Ready {
        place, slot, stored, ..
    } = ready;
    let (id, version) = (slot.entry.id.clone(), stored.version.clone());
    let mut now = match look::read_again(context, &slot, slot.entry.trash.clone(), effects) {
        Ok(now) => now,
        Err(failure) => {
            let error = failure.into_error(context.disk.layout, &id, &version);
            set(answers, place, Err(error));
            return None;
        }
    };
    // What has the number need not be a version that can be listed; used it is.
    Arc::make_mut(&mut now.entry).note_used(&version);
    effects.changes.push((id.clone(), Some(now.clone())));
    if ready.numbering == Numbering::Exact {
        set(answers, place, Err(StorageError::Conflict { id, version }));
        return None;
    }
    match stored.document() {
        Ok(document) => {
            let (numbering, sameness, latest_seen) = (ready.numbering, ready.sameness, ready.latest_seen);
            let request = PutVersion {
                document,
                numbering,
                sameness,
                latest_seen,
            };
            Some((place, now, request))
        }
        Err(error) => {
            set(answers, place, Err(error.into()));
            None
        }
    }
}

fn set(answers: &mut Answers, place: usize, answer: Result<WriteDone, StorageError>) {
    if let Some(empty) = answers.get_mut(place) {
        *empty = Some(answer);
    }
}

enum Planned {
    Unchanged(WriteDone),
    Write(Arc<StoredVersion>),
}

fn prepare(context: &WorkContext, slot: &Slot, request: PutVersion) -> Result<Planned, StorageError> {
    slot.check_writable()?;
    let (mut document, fingerprint) = match plan_put(&slot.entry, request)? {
        PutPlan::Unchanged(version) => {
            return Ok(Planned::Unchanged(WriteDone::Put(PutOutcome::Unchanged(version))));
        }
        PutPlan::Write(document, fingerprint) => (document, fingerprint),
    };
    document.validate()?;
    let stored = StoredVersion::seal_as(&mut document, fingerprint)?;
    let (size, limit) = (stored.bytes.len() as u64, context.disk.limits.max_file_bytes);
    if size > limit {
        return Err(StorageError::TooLarge { size, limit });
    }
    Ok(Planned::Write(Arc::new(stored)))
}

/// Tells the catalog and the cache of a version. `written` is the state of its file when it was durable.
fn publish(context: &WorkContext, ready: Ready, written: Option<Stamp>, effects: &mut Effects) {
    let Ready {
        stored,
        mut slot,
        dir_is_known,
        ..
    } = ready;
    let disk = &context.disk;
    let id = slot.entry.id.clone();
    let entry = Arc::make_mut(&mut slot.entry);
    entry.insert(stored.version.clone());
    if entry.latest() == Some(&stored.version) {
        entry.updated_at = Some(stored.created_at.clone());
        entry.latest_fingerprint = Some((stored.version.clone(), stored.fingerprint.clone()));
    }
    if entry.versions.first() == Some(&stored.version) {
        entry.created_at = Some(stored.created_at.clone());
    }
    let now = disk.stamp(&disk.layout.prompt_dir(&id));
    let is_same_dir = slot.dir.is_none() || slot.dir.map(|dir| dir.ino) == now.map(|dir| dir.ino);
    if dir_is_known && is_same_dir {
        slot.dir = now;
    } else if let Ok(now) = look::read_again(context, &slot, slot.entry.trash.clone(), effects) {
        // Somebody else changed the directory, or put another in its place. To record its present state for what the catalog knew would hide that for
        // ever.
        slot = now;
    } else {
        slot.dir = None;
    }
    let stamp = disk.stamp(&disk.layout.version_file(&id, &stored.version));
    // Somebody may have changed it in place since: to record the state of that for what was written would hide it for ever.
    if written
        .zip(stamp)
        .is_some_and(|(written, now)| has_same_content(written, now))
    {
        let cached = CachedVersion {
            stored: Arc::clone(&stored),
            stamp,
        };
        effects
            .cached
            .push(((id.clone(), stored.version.clone()), cached));
        let known = slot.entry.latest_fingerprint.as_ref();
        if known.is_some_and(|(of, _)| *of == stored.version) {
            slot.fingerprinted = stamp;
        }
    } else {
        Arc::make_mut(&mut slot.entry).latest_fingerprint = None;
    }
    effects.changes.push((id, Some(slot)));
}

/// Tells whether a file was not written to between two states. A new name alone changes the time of its inode.
fn has_same_content(one: Stamp, other: Stamp) -> bool {
    (one.ino, one.size, one.mtime) == (other.ino, other.size, other.mtime)
}
