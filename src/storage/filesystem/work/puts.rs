//! A group commit: plan every put, write all, publish what became durable.

use std::sync::Arc;

use crate::model::PromptId;
use crate::storage::{PutOutcome, PutVersion, StorageError, StoredVersion};

use super::plan::{PutPlan, plan_put};
use super::{Effects, WorkContext, WriteDone};
use crate::storage::filesystem::cache::CachedVersion;
use crate::storage::filesystem::disk::{Prepared, Slot, Written};

/// A version that is about to be written.
struct Ready {
    place: usize,
    stored: Arc<StoredVersion>,
    slot: Slot,
}

/// Stores versions, at most one per prompt; the answers are in the order of the requests.
pub(crate) fn put_all(
    context: &WorkContext,
    requests: Vec<(PromptId, PutVersion)>,
    effects: &mut Effects,
) -> Vec<Result<WriteDone, StorageError>> {
    let mut answers: Vec<Option<Result<WriteDone, StorageError>>> = Vec::with_capacity(requests.len());
    let (mut ready, mut prepared) = (Vec::new(), Vec::new());
    for (id, request) in requests {
        let slot = context
            .catalog
            .slot(&id)
            .unwrap_or_else(|| Slot::empty(id.clone()));
        answers.push(match prepare(context, &slot, request) {
            Ok(Planned::Unchanged(answer)) => Some(Ok(answer)),
            Err(error) => Some(Err(error)),
            Ok(Planned::Write(stored)) => {
                prepared.push(Prepared {
                    id,
                    version: stored.version.clone(),
                    bytes: stored.bytes.clone(),
                });
                ready.push(Ready {
                    place: answers.len(),
                    stored,
                    slot,
                });
                None
            }
        });
    }
    let outcomes = if prepared.is_empty() {
        Vec::new()
    } else {
        context.disk.commit(&prepared)
    };
    for (Ready { place, stored, slot }, outcome) in ready.into_iter().zip(outcomes) {
        let answer = match outcome {
            Ok(written) => {
                publish(slot, &stored, written, effects);
                Ok(WriteDone::Put(PutOutcome::Created(stored)))
            }
            Err(fault) => Err(effects.fault(&context.disk, fault)),
        };
        if let Some(empty) = answers.get_mut(place) {
            *empty = Some(answer);
        }
    }
    let unanswered = || Err(StorageError::Interrupted("the commit ended early".into()));
    answers
        .into_iter()
        .map(|answer| answer.unwrap_or_else(unanswered))
        .collect()
}

enum Planned {
    Unchanged(WriteDone),
    Write(Arc<StoredVersion>),
}

fn prepare(context: &WorkContext, slot: &Slot, request: PutVersion) -> Result<Planned, StorageError> {
    let (mut document, fingerprint) = match plan_put(&slot.entry, request)? {
        PutPlan::Unchanged(version) => {
            return Ok(Planned::Unchanged(WriteDone::Put(PutOutcome::Unchanged(version))));
        }
        PutPlan::Write(document, fingerprint) => (document, fingerprint),
    };
    let stored = StoredVersion::seal_as(&mut document, fingerprint)?;
    let (size, limit) = (stored.bytes.len() as u64, context.disk.limits.max_file_bytes);
    if size > limit {
        return Err(StorageError::TooLarge { size, limit });
    }
    Ok(Planned::Write(Arc::new(stored)))
}

fn publish(mut slot: Slot, stored: &Arc<StoredVersion>, written: Written, effects: &mut Effects) {
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
    slot.dir = written.dir;
    let cached = CachedVersion {
        stored: Arc::clone(stored),
        stamp: written.file,
    };
    effects
        .cached
        .push(((id.clone(), stored.version.clone()), cached));
    effects.changes.push((id, Some(slot)));
}
